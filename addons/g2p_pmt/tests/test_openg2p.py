from odoo.tests import tagged

from .common import PMTCase


@tagged("post_install", "-at_install")
class TestAsInOpenG2P(PMTCase):
    """Σ weight × value over numeric answers: nothing else set, the result is OpenG2P's."""

    WEIGHTS = [("children", 10), ("square_feet", 25), ("land", 40), ("electricity", 10), ("vehicle", 15)]
    # OpenG2P counts what is missing as 0; here somebody has to say so.
    TERMS = [{"pmt_field": name, "pmt_weightage": weight, "missing": "zero"} for name, weight in WEIGHTS]

    def test_the_example_of_the_documentation(self):
        self.activate(self.model(self.WEIGHTS))
        household = self.applicant(children=4, square_feet=900, land=2, electricity=True, vehicle=0)
        # 4×10 + 900×25 + 2×40 + 1×10 + 0×15 = 40 + 22,500 + 80 + 10 + 0
        self.assertEqual(self.score(household).score, 22630)
        self.assertEqual(self.points(household), [40, 22500, 80, 10, 0])

    def test_a_missing_answer_counts_nothing(self):
        self.activate(self.model(self.TERMS))
        household = self.applicant(children=4, land=2)
        # 4×10 + 2×40
        self.assertEqual(self.score(household).score, 120)
        lines = self.score(household).breakdown
        self.assertEqual([line["missing"] for line in lines], [False, True, False, True, True])
        self.assertEqual(lines[1]["policy"], "zero")

    def test_weights_may_be_negative_and_exact(self):
        self.activate(self.model([("children", -0.1), ("land", 0.2)]))
        household = self.applicant(children=3, land=0.7)
        # -0.3 + 0.14, which floats can't say
        self.assertEqual(self.exact_score(household), "-0.160000")

    def test_names_of_openg2p(self):
        """Parameters on the program, a score on the application, the latest one on member and registrant."""
        manager = self.grant.with_user(self.manager)
        manager.write({"proxy_means_params_ids": [(0, 0, {"source": "application", **term}) for term in self.TERMS]})
        self.assertEqual(manager.proxy_means_params_ids.mapped("pmt_weightage"), [10, 25, 40, 10, 15])
        manager.pmt_model_id.action_activate()
        self.grant.with_user(self.manager).multiple_form_submission = True
        household = self.household("Bekele")
        member = self.member(self.grant, household)
        first = self.apply(household, children=1)
        last = self.apply(household, children=2)
        seen_by = self.users["validator"]
        self.assertEqual(first.with_user(seen_by).pmt_score, 10)
        self.assertEqual(last.with_user(seen_by).pmt_score, 20)
        self.assertEqual(member.with_user(seen_by).latest_pmt_score, 20)
        self.assertEqual(household.with_user(seen_by).latest_pmt_score, 20)
        partners = self.env["res.partner"].with_user(seen_by)
        self.assertEqual(partners.search([("latest_pmt_score", "<=", 20), ("id", "=", household.id)]), household)
        self.assertFalse(partners.search([("latest_pmt_score", ">", 20), ("id", "=", household.id)]))
        self.assertEqual(partners.search([("latest_pmt_score", "=", False), ("is_group", "=", True)]), partners)

    def test_changed_answers_change_the_score_at_once(self):
        self.activate(self.model([("children", 10)]))
        household = self.household("Bekele")
        application = self.apply(household, children=1)
        self.assertEqual(self.score(household).score, 10)
        application.program_registrant_info = {"children": 5}
        self.assertEqual(self.score(household).score, 50)

    def test_switched_off_nobody_is_scored(self):
        self.activate(self.model([("children", 10)]))
        self.grant.with_user(self.manager).pmt_config = False
        household = self.applicant(children=1)
        self.assertFalse(self.score(household))

    def test_the_wizard_switches_it_on(self):
        wizard = (
            self.env["g2p.program.create.wizard"]
            .with_user(self.manager)
            .create({"name": "By wizard", "target_type": "group", "amount_per_cycle": 1, "pmt_config": True})
        )
        program = self.env["g2p.program"].browse(wizard.create_program()["res_id"])
        self.assertTrue(program.pmt_config)

    def test_a_program_for_people_is_not_scored(self):
        wizard = (
            self.env["g2p.program.create.wizard"]
            .with_user(self.manager)
            .create({"name": "For people", "target_type": "individual", "amount_per_cycle": 1, "pmt_config": True})
        )
        self.assertFalse(self.env["g2p.program"].browse(wizard.create_program()["res_id"]).pmt_config)

    def test_the_wizard_enrols_nobody_before_somebody_is_scored(self):
        household = self.applicant(children=1)
        wizard = (
            self.env["g2p.program.create.wizard"]
            .with_user(self.manager)
            .create(
                {
                    "name": "By wizard",
                    "target_type": "group",
                    "amount_per_cycle": 1,
                    "pmt_config": True,
                    "import_beneficiaries": "yes",
                }
            )
        )
        program = self.env["g2p.program"].browse(wizard.create_program()["res_id"])
        self.agree(program)
        self.assertFalse(program.program_membership_ids)
        program.with_user(self.manager).import_eligible_registrants("enrolled")
        self.assertNotIn(
            household, program.program_membership_ids.filtered(lambda one: one.state == "enrolled").partner_id
        )
