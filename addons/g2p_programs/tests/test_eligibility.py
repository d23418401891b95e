from odoo.exceptions import AccessError
from odoo.tests import tagged

from .common import ProgramsCase


@tagged("post_install", "-at_install")
class TestEligibility(ProgramsCase):
    """Three verdicts: eligible, not eligible, and nobody can tell."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.poor = cls.individual("Poor", income=50, birth_place="Adama")
        cls.rich = cls.individual("Rich", income=500, birth_place="Adama")
        cls.silent = cls.individual("Silent", birth_place="Adama")
        cls.homeless = cls.individual("Homeless", income=50)
        cls.people = cls.poor | cls.rich | cls.silent | cls.homeless
        cls.env.flush_all()
        cls.env.cr.execute("UPDATE res_partner SET income = NULL WHERE id = %s", [cls.silent.id])
        cls.grant = cls.program()
        cls.by_income = cls.grant.get_managers(cls.grant.MANAGER_ELIGIBILITY)[0]
        cls.by_income.write({"name": "Income", "eligibility_domain": "[('income', '<=', 100)]"})
        cls.by_place = cls.env["g2p.program_membership.manager.default"].create(
            {
                "name": "Place",
                "program_id": cls.grant.id,
                "eligibility_domain": "[('birth_place', '=', 'Adama')]",
            }
        )

    def among(self, query):
        self.env.flush_all()
        return self.people.filtered(lambda partner: (partner.id,) in set(self.env.execute_query(query)))

    def test_a_manager_tells_three_sets_apart(self):
        self.assertEqual(self.among(self.by_income._eligible_registrants()), self.poor | self.homeless)
        self.assertEqual(self.among(self.by_income._unknown_registrants()), self.silent)
        self.assertEqual(self.among(self.by_place._eligible_registrants()), self.poor | self.rich | self.silent)
        self.assertEqual(self.among(self.by_place._unknown_registrants()), self.homeless)
        low, high = min(self.people.ids), max(self.people.ids)
        self.assertFalse(self.among(self.by_income._unknown_registrants(high, None)))
        self.assertEqual(self.among(self.by_income._unknown_registrants(low - 1, high)), self.silent)

    def test_all_managers_must_agree(self):
        self.assertEqual(self.among(self.grant._eligible_registrants()), self.poor)
        self.assertEqual(self.among(self.grant._unknown_registrants()), self.silent | self.homeless)
        self.rich.birth_place = False
        self.assertNotIn(self.rich, self.among(self.grant._unknown_registrants()), "a no decides, whatever is missing")

    def test_any_manager_is_enough(self):
        self.grant.eligibility_mode = "any"
        self.assertEqual(self.among(self.grant._eligible_registrants()), self.people)
        self.assertFalse(self.among(self.grant._unknown_registrants()))
        self.silent.birth_place = "Gondar"
        self.rich.birth_place = "Gondar"
        self.assertEqual(self.among(self.grant._eligible_registrants()), self.poor | self.homeless)
        self.assertEqual(self.among(self.grant._unknown_registrants()), self.silent)
        for partner in self.people:
            self.member(self.grant, partner)
        self.grant.enroll_eligible_registrants()
        members = {member.partner_id: member for member in self.grant.program_membership_ids}
        self.assertEqual(
            members[self.rich].reason,
            "Meets none of: Does not meet the conditions of “Income”; Does not meet the conditions of “Place”",
        )
        self.assertEqual(members[self.silent].eligibility_verdict, "unknown")
        self.assertEqual(members[self.homeless].state, "enrolled")

    def test_enrolment_leaves_who_lacks_data_in_draft(self):
        for partner in self.people:
            self.member(self.grant, partner)
        self.grant.enroll_eligible_registrants()
        self.assertEqual(
            self.states(self.grant),
            {self.poor: "enrolled", self.rich: "not_eligible", self.silent: "draft", self.homeless: "draft"},
        )
        members = {member.partner_id: member for member in self.grant.program_membership_ids}
        self.assertEqual(
            {partner: member.eligibility_verdict for partner, member in members.items()},
            {
                self.poor: "eligible",
                self.rich: "not_eligible",
                self.silent: "unknown",
                self.homeless: "unknown",
            },
        )
        self.assertEqual(members[self.silent].reason, "Data missing: Income (Income)")
        self.assertEqual(members[self.homeless].reason, "Data missing: Birth place (Place)")
        operation = self.operation(self.grant, "enroll")
        self.assertEqual(operation.counts, {"enrolled": 1, "not_eligible": 1, "unknown": 2})
        self.assertIn("Data missing: 2", operation._counts_in_words())
        self.assertEqual((self.grant.unknown_count, self.grant.draft_count), (2, 2))
        history = self.env["g2p.state.history"].search_count([])
        self.grant.enroll_eligible_registrants()
        self.assertEqual(self.env["g2p.state.history"].search_count([]), history, "a second run changes nothing")

    def test_data_that_comes_decides(self):
        member = self.member(self.grant, self.silent)
        self.grant.enroll_eligible_registrants()
        self.silent.income = 20
        self.grant.enroll_eligible_registrants()
        self.assertEqual((member.state, member.reason, member.eligibility_verdict), ("enrolled", False, "eligible"))

    def test_an_enrolled_member_whose_data_is_missing_stays_and_is_flagged(self):
        stays = self.member(self.grant, self.silent, "enrolled")
        back = self.member(self.grant, self.homeless, "not_eligible")
        self.grant.verify_eligibility()
        self.assertEqual((stays.state, stays.eligibility_verdict), ("enrolled", "unknown"))
        self.assertEqual((back.state, back.eligibility_verdict), ("draft", "unknown"))
        self.assertEqual(
            self.env["g2p.state.history"]
            .search([("res_model", "=", back._name), ("res_id", "=", back.id)], order="id DESC", limit=1)
            .mapped(lambda row: (row.from_state, row.to_state, row.reason)),
            [("not_eligible", "draft", "Data missing: Birth place (Place)")],
        )
        self.assertEqual(self.operation(self.grant, "verify").counts, {"unknown": 2})

    def test_a_cycle_keeps_who_lacks_data(self):
        for partner in (self.poor, self.silent):
            self.member(self.grant, partner, "enrolled")
        self.grant.create_new_cycle()
        cycle = self.grant.cycle_ids
        self.poor.income = 1000
        cycle.check_eligibility()
        states = {member.partner_id: member.state for member in cycle.cycle_membership_ids}
        self.assertEqual(states, {self.poor: "not_eligible", self.silent: "enrolled"})
        self.assertEqual(self.operation(cycle, "verify").counts, {"not_eligible": 1, "unknown": 1})

    def test_import_says_that_they_are_eligible(self):
        self.grant.import_eligible_registrants("draft")
        self.assertEqual(self.grant.program_membership_ids.partner_id & self.people, self.poor)
        self.assertEqual(set(self.grant.program_membership_ids.mapped("eligibility_verdict")), {"eligible"})

    def test_the_verdict_is_nobodys_to_write(self):
        member = self.member(self.grant, self.silent)
        with self.assertRaises(AccessError):
            member.with_user(self.manager).write({"eligibility_verdict": "eligible"})

    def test_one_member(self):
        member = self.member(self.grant, self.silent).with_user(self.users["validator"])
        self.assertIn("Data missing: Income", member.verify_eligibility()["params"]["message"])
        self.assertEqual(member.state, "draft")
        self.assertIn("Data missing, nobody can tell: 1", member.enroll_eligible_registrants()["params"]["message"])
        self.assertEqual((member.state, member.eligibility_verdict), ("draft", "unknown"))

    def test_explanation_of_a_manager(self):
        told = self.by_income._explain_registrants(self.people.ids)
        self.assertEqual(
            {partner: told[partner.id]["verdict"] for partner in self.people},
            {self.poor: "yes", self.rich: "no", self.silent: "unknown", self.homeless: "yes"},
        )
        self.assertEqual(told[self.rich.id]["code"], "conditions")
        self.assertEqual(told[self.rich.id]["facts"][0]["text"], "Income: 500.00; needed at most 100")
        self.assertEqual(told[self.silent.id]["facts"][0]["text"], "Income: not known; needed at most 100")
