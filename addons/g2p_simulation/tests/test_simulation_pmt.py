from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import SQL

from odoo.addons.g2p_pmt.tests.common import PMTCase


@tagged("post_install", "-at_install")
class TestSimulationPMT(PMTCase):
    """Four households have applied; the score is their land, and up to 20 is poor. Each poor one gets 100."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model_in_force = cls.activate(
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
        cls.low, cls.middle, cls.high = (
            cls.applicant(f"SIMPMT{land}", land=land, known_poor=land < 30) for land in (10, 25, 40)
        )
        cls.unknown = cls.applicant("SIMPMT?")
        cls.grant.get_manager(cls.grant.MANAGER_ELIGIBILITY).eligibility_domain = '[("name", "=like", "SIMPMT%")]'
        cls.rule = (
            cls.env["g2p.program_membership.manager.pmt"]
            .with_user(cls.manager)
            .create({"name": "Poor", "program_id": cls.grant.id})
        )
        cls.grant.get_manager(cls.grant.MANAGER_ENTITLEMENT).amount_per_cycle = 100

    def scenario(self, name="Try"):
        return (
            self.env["g2p.program.scenario"].with_user(self.manager).create({"name": name, "program_id": self.grant.id})
        )

    def bands(self, scenario):
        return {line.name: line.beneficiaries for line in scenario.result_band_ids}

    def test_scores_are_worked_out_for_the_scenario_and_not_kept(self):
        scenario = self.scenario()
        self.assertFalse(scenario.differences)
        before = self.env["g2p.pmt.score"].search_count([])
        scenario.action_simulate()
        self.assertEqual((scenario.beneficiaries, scenario.data_missing, scenario.cost_per_cycle), (1, 1, 100))
        self.assertEqual(self.bands(scenario), {"Poor": 1, "Not known": 0})
        self.assertEqual(self.env["g2p.pmt.score"].search_count([]), before)

    def test_amounts_by_answers_and_scores(self):
        """2 for each hectare that the household said to have, or for each point of its score: 100 + 2 × 10."""
        self.compute()
        manager = self.grant.get_manager(self.grant.MANAGER_ENTITLEMENT).with_user(self.manager)
        for figure in ("application:land", "pmt:score"):
            manager.write({"amount_per_individual_in_group": 2, "multiplier": figure, "max_individual_in_group": 30})
            scenario = self.scenario(figure)
            scenario.action_simulate()
            self.assertEqual((scenario.beneficiaries, scenario.cost_per_cycle), (1, 120), figure)
            lines = manager._entitlement_lines(
                SQL("SELECT unnest(%s) AS registrant_id", (self.low + self.high + self.unknown).ids), None, None
            )
            told = {
                registrant: (amount and float(amount), missing)
                for registrant, amount, missing in self.env.execute_query(
                    SQL("SELECT registrant_id, amount, missing FROM (%s) AS line", lines)
                )
            }
            missing = {"application:land": "Land", "pmt:score": "Score"}[figure]
            self.assertEqual(
                told, {self.low.id: (120, None), self.high.id: (160, None), self.unknown.id: (None, missing)}, figure
            )
        # the score is no figure of a program without a means test
        other = self.program("Plain", target_type="group").get_manager(self.grant.MANAGER_ENTITLEMENT)
        with self.assertRaisesRegex(ValidationError, "has no figure"):
            other.with_user(self.manager).write({"amount_per_individual_in_group": 2, "multiplier": "pmt:score"})

    def test_a_scenario_typed_in_starts_from_the_program(self):
        """The form sends the settings, which it does not know yet, as empty."""
        form = Form(
            self.env["g2p.program.scenario"].with_user(self.manager).with_context(default_program_id=self.grant.id)
        )
        form.name = "Typed in"
        scenario = form.save()
        self.assertFalse(scenario.differences)
        self.assertTrue(scenario.pmt_config)
        self.assertEqual(scenario.eligibility_mode, self.grant.eligibility_mode)

    def test_approvers_and_finance_read_what_changes(self):
        scenario = self.scenario()
        scenario.pmt_model_id.cut_off = 30
        scenario.action_simulate()
        for role in ("approver", "finance"):
            with self.subTest(role):
                form = Form(scenario.with_user(self.users[role]))
                self.assertIn("20 → 30", form.differences)
                self.assertFalse(form.outdated)
                names = [line.manager_ref_id.display_name for line in form.record.eligibility_managers]
                self.assertIn("Poor", names)

    def test_the_version_of_a_scenario_stays_a_draft(self):
        model = self.scenario().pmt_model_id
        with self.assertRaisesRegex(UserError, "version of a scenario"):
            model.action_activate()
        self.assertEqual(model.state, "draft")

    def test_another_cut_off(self):
        scenario = self.scenario()
        scenario.pmt_model_id.cut_off = 30
        self.assertIn("20 → 30", scenario.differences)
        scenario.action_simulate()
        self.assertEqual((scenario.beneficiaries, scenario.data_missing), (2, 1))
        self.assertEqual({name: count for name, count in self.bands(scenario).items() if count}, {"Poor": 1, "Near": 1})
        self.assertEqual(self.model_in_force.cut_off, 20)

    def test_another_band_is_chosen(self):
        bands = self.model_in_force.band_ids.filtered(lambda band: band.name == "Poor")
        self.rule.write({"rule": "band", "band_ids": bands.ids})
        scenario = self.scenario()
        copied = scenario.sandbox_id.get_managers(self.grant.MANAGER_ELIGIBILITY)[1]
        self.assertEqual(copied.band_ids.model_id, scenario.pmt_model_id)
        copied.band_ids = scenario.pmt_model_id.band_ids.filtered(lambda band: band.name == "Near")
        scenario.action_simulate()
        self.assertEqual(scenario.beneficiaries, 1)
        self.assertEqual({name: count for name, count in self.bands(scenario).items() if count}, {"Near": 1})

    def test_chunks_add_up_to_the_same(self):
        scenario = self.scenario()
        operation = scenario._bulk_start("simulate", params={"settings": scenario._fingerprint()}, chunk_size=1)
        self.assertEqual(operation.state, "done")
        self.assertEqual((scenario.beneficiaries, scenario.data_missing), (1, 1))

    def test_apply_puts_a_new_version_into_force_and_scores(self):
        scenario = self.scenario()
        scenario.pmt_model_id.cut_off = 30
        scenario.action_simulate()
        scenario.apply_to_program()
        model = self.grant.pmt_model_id
        self.assertEqual((model.state, model.version, model.cut_off), ("active", 2, 30))
        self.assertEqual(self.model_in_force.state, "archived")
        self.assertEqual(self.score(self.middle).verdict, "poor")
        self.assertFalse(scenario.differences)
        # And the run does what was foretold
        self.grant.import_eligible_registrants("enrolled")
        self.grant.enroll_eligible_registrants()
        self.assertEqual(self.grant.eligible_beneficiaries_count, scenario.beneficiaries)

    def test_a_duplicated_program_has_a_test_of_its_own(self):
        copied = self.grant.with_user(self.manager).copy()
        self.assertEqual(copied.pmt_model_id.cut_off, 20)
        self.assertEqual(copied.pmt_model_id.state, "draft")
        self.assertNotEqual(copied.pmt_model_id, self.grant.pmt_model_id)
