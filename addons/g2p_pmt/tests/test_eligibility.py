from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import SQL

from .common import PMTCase


@tagged("post_install", "-at_install")
class TestEligibility(PMTCase):
    """Who qualifies by the test; the score is `land` itself."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pmt = cls.activate(
            cls.model(
                [{"pmt_field": "land", "missing": "refuse"}],
                has_cut_off=True,
                cut_off=20,
                band_ids=[
                    {"name": "Poor", "bound": 20},
                    {"name": "Near", "bound": 30},
                    {"name": "Rest", "is_rest": True},
                ],
            )
        )
        cls.low, cls.middle, cls.high = (cls.applicant(land=land) for land in (10, 25, 40))
        cls.unknown = cls.applicant()
        cls.manager_record = (
            cls.env["g2p.program_membership.manager.pmt"]
            .with_user(cls.manager)
            .create({"name": "Poor", "program_id": cls.grant.id})
        )

    def who(self, query):
        rows = self.env.execute_query(SQL("SELECT registrant_id FROM (%s) AS found", query))
        self.assertEqual(len(rows), len(set(rows)))
        return {row[0] for row in rows} & {self.low.id, self.middle.id, self.high.id, self.unknown.id}

    def eligible(self, **values):
        self.manager_record.write(values)
        return self.who(self.manager_record._eligible_registrants())

    def test_the_poor(self):
        self.assertEqual(self.eligible(rule="poor"), {self.low.id})

    def test_bands(self):
        names = self.pmt.band_ids.filtered(lambda band: band.name in ("Poor", "Near"))
        self.assertEqual(self.eligible(rule="band", band_ids=names.ids), {self.low.id, self.middle.id})

    def test_thresholds(self):
        self.assertEqual(self.eligible(rule="at_most", threshold=25), {self.low.id, self.middle.id})
        self.assertEqual(self.eligible(rule="at_least", threshold=25), {self.middle.id, self.high.id})

    def test_ranges(self):
        query = self.manager_record._eligible_registrants(self.low.id, self.high.id)
        self.assertEqual(self.who(query), set())
        query = self.manager_record._eligible_registrants(self.low.id - 1, self.low.id)
        self.assertEqual(self.who(query), {self.low.id})

    def test_without_a_score_nobody_can_tell(self):
        self.assertEqual(self.who(self.manager_record._unknown_registrants()), {self.unknown.id})

    def test_conditions_narrow(self):
        self.low.income = 7
        self.assertEqual(self.eligible(eligibility_domain="[('income', '=', 7)]"), {self.low.id})
        self.assertEqual(self.eligible(eligibility_domain="[('income', '=', 8)]"), set())

    def test_a_new_version_decides_by_the_names_of_its_bands(self):
        self.manager_record.write({"rule": "band", "band_ids": self.pmt.band_ids[:1].ids})
        second = self.env["g2p.pmt.model"].browse(self.pmt.with_user(self.manager).action_new_version()["res_id"])
        second.with_user(self.manager).band_ids[0].bound = 26
        self.activate(second)
        self.compute()
        self.assertEqual(self.eligible(), {self.low.id, self.middle.id})

    def test_what_the_model_does_not_have_is_said(self):
        second = self.env["g2p.pmt.model"].browse(self.pmt.with_user(self.manager).action_new_version()["res_id"])
        second = second.with_user(self.manager)
        second.has_cut_off = False
        second.band_ids[0].name = "Poorest"
        self.manager_record.write({"rule": "band", "band_ids": self.pmt.band_ids[:1].ids})
        self.activate(second)
        with self.assertRaisesRegex(UserError, "has no band “Poor”"):
            self.manager_record._eligible_registrants()
        self.manager_record.rule = "poor"
        with self.assertRaisesRegex(UserError, "has no cut-off"):
            self.manager_record._eligible_registrants()

    def test_settings_that_make_no_sense(self):
        with self.assertRaisesRegex(ValidationError, "Choose the bands"):
            self.manager_record.rule = "band"
        other = self.program("Another", target_type="group")
        model = self.model([("land", 1)], program=other, band_ids=[{"name": "Poor", "bound": 1}])
        with self.assertRaisesRegex(ValidationError, "program's own model"):
            self.manager_record.band_ids = model.band_ids

    def test_a_copied_program_has_the_model_as_a_draft(self):
        self.manager_record.write({"rule": "band", "band_ids": self.pmt.band_ids[:1].ids})
        copied = self.grant.with_user(self.manager).copy()
        self.assertTrue(copied.pmt_config)
        model = copied.pmt_model_id
        self.assertEqual((model.state, model.version), ("draft", 1))
        self.assertEqual(model._to_dict(), self.pmt.with_user(self.manager)._to_dict())
        [manager] = [
            one for one in copied.get_managers(copied.MANAGER_ELIGIBILITY) if one._name == self.manager_record._name
        ]
        self.assertEqual(self.who(manager._eligible_registrants()), set())
        copied.sudo().action_activate()
        model.action_activate()
        self.applicant(program=copied, land=10)
        self.assertEqual(len(self.env.execute_query(manager._eligible_registrants())), 1)

    def test_enrolment_by_score(self):
        self.grant.with_user(self.users["validator"]).enroll_eligible_registrants()
        states = self.states(self.grant)
        self.assertEqual(states[self.low], "enrolled")
        self.assertEqual(states[self.high], "not_eligible")
        member = self.env["g2p.program_membership"].search(
            [("program_id", "=", self.grant.id), ("partner_id", "=", self.high.id)]
        )
        self.assertIn("Not poor by the proxy means test (Poor)", member.reason)

    def test_the_poorest_first_when_the_money_is_short(self):
        manager = self.grant.get_manager(self.grant.MANAGER_ENTITLEMENT)
        manager.priority_order = "pmt"
        order = manager._priority_sql()
        rows = self.env.execute_query(
            SQL(
                "SELECT t.partner_id FROM (SELECT unnest(%s) AS partner_id, 1 AS id) AS t ORDER BY %s",
                [self.high.id, self.unknown.id, self.low.id, self.middle.id],
                order,
            )
        )
        self.assertEqual([row[0] for row in rows], [self.low.id, self.middle.id, self.high.id, self.unknown.id])

    def test_a_program_without_the_test_can_tell_of_nobody(self):
        self.grant.with_user(self.manager).pmt_config = False
        self.assertEqual(self.eligible(), set())
        everybody = {self.low.id, self.middle.id, self.high.id, self.unknown.id}
        self.assertEqual(self.who(self.manager_record._unknown_registrants()), everybody)

    def test_missing_data_and_a_high_score_is_a_no(self):
        """Who is turned down by the score is turned down, whatever else is missing."""
        self.manager_record.eligibility_domain = "[('civil_status', '=', 'single')]"
        self.assertEqual(self.eligible(), set())
        self.assertEqual(self.who(self.manager_record._unknown_registrants()), {self.low.id, self.unknown.id})

    def test_beyond_the_last_band_there_is_no_band(self):
        second = self.env["g2p.pmt.model"].browse(self.pmt.with_user(self.manager).action_new_version()["res_id"])
        second.with_user(self.manager).band_ids.filtered("is_rest").unlink()
        self.activate(second)
        self.compute()
        self.assertEqual(self.eligible(rule="band", band_ids=second.band_ids[:1].ids), {self.low.id})
        self.assertEqual(self.who(self.manager_record._unknown_registrants()), {self.unknown.id})

    def test_why(self):
        ids = [self.low.id, self.high.id, self.unknown.id]
        told = self.manager_record.with_user(self.users["auditor"])._explain_registrants(ids)
        self.assertEqual([told[one]["verdict"] for one in ids], ["yes", "no", "unknown"])
        self.assertEqual(told[self.high.id]["facts"][0]["actual"], "40, Not poor · Rest")
        self.assertIn("No score", told[self.unknown.id]["text"])
