from odoo.tests import tagged

from odoo.addons.g2p_deduplication.tests.common import DeduplicationCase


@tagged("post_install", "-at_install")
class TestVisit(DeduplicationCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stays, cls.goes = (cls.individual("Tadesse", name) for name in ("Akinyi", "Akinyii"))

    def visits(self, partner):
        self.env.invalidate_all()
        return self.env["g2p.example.visit"].search([("partner_id", "=", partner.id)])

    def test_whoever_is_registered_is_visited_once(self):
        self.assertEqual(self.visits(self.stays).state, "planned")
        self.stays.family_name = "Taddesse"
        self.assertEqual(len(self.visits(self.stays)), 1)

    def test_the_disabled_are_not_visited(self):
        self.stays._disable("Moved away")
        self.assertEqual(self.visits(self.stays).state, "cancelled")
        self.assertEqual(self.visits(self.goes).state, "planned")

    def test_a_merge_takes_visits_along_but_no_second_planned_one(self):
        done = self.visits(self.goes)
        done.state = "done"
        self.env.flush_all()
        planned = self.env["g2p.example.visit"].create({"partner_id": self.goes.id})
        merge = (
            self.env["g2p.registrant.merge"]
            .with_user(self.registrar)
            .create({"survivor_id": self.stays.id, "merged_id": self.goes.id, "reason": "Seen together"})
        )
        merge.action_propose()
        merge.with_user(self.manager).action_merge()
        self.assertIn(done, self.visits(self.stays))
        self.assertEqual(
            self.visits(self.stays).filtered(lambda visit: visit.state == "planned").partner_id, self.stays
        )
        self.assertEqual(self.visits(self.goes), planned)

    def test_it_goes_with_a_registration_that_is_taken_back(self):
        self.assertIn(("g2p_example_visit", "partner_id"), self.env["g2p.registration"]._own_tables())
        planned = self.visits(self.goes)
        self.goes.unlink()
        self.assertFalse(planned.exists())
