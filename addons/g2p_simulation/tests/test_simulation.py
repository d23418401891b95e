from datetime import date

from psycopg2.errors import CheckViolation

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.g2p_bulk.tests.statements import counting_statements
from odoo.addons.g2p_programs.tests.common import ProgramsCase


@tagged("post_install", "-at_install")
class TestSimulation(ProgramsCase):
    """Ten people: 4 in the north (2 old, 2 young), 6 in the south (3 old, 3 young). The program pays 100 to the old;
    one of them is paused, and one young person is still enrolled."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        area = cls.env["g2p.area"]
        cls.north, cls.south = area.create([{"name": "North", "code": "SIM-N"}, {"name": "South", "code": "SIM-S"}])
        old, young = date(1940, 5, 1), date(2000, 5, 1)
        places = [cls.north] * 4 + [cls.south] * 6
        births = [old, old, young, young, old, old, old, young, young, young]
        incomes = [10, 90, 10, 90, 10, 20, 30, 40, 10, 90]
        cls.people = cls.env["res.partner"]
        for number, (place, birth, income) in enumerate(zip(places, births, incomes, strict=True)):
            cls.people |= cls.individual(
                f"SIM{number}",
                area_id=place.id,
                birthdate=birth,
                income=income,
                birth_place="SIM",
                registration_date=date(2026, 1, 1),
            )
        cls.grant = cls.program("Old age grant")
        cls.eligibility = cls.grant.get_manager(cls.grant.MANAGER_ELIGIBILITY)
        cls.eligibility.eligibility_domain = '[("birth_place", "=", "SIM"), ("birthdate", "<", "1960-01-01")]'
        cls.grant.get_manager(cls.grant.MANAGER_ENTITLEMENT).amount_per_cycle = 100
        cls.member(cls.grant, cls.people[0], "enrolled")
        cls.member(cls.grant, cls.people[1], "paused")
        cls.member(cls.grant, cls.people[2], "enrolled")

    def scenario(self, name="Try", **values):
        return (
            self.env["g2p.program.scenario"]
            .with_user(self.manager)
            .create({"name": name, "program_id": self.grant.id, **values})
        )

    def settings(self, scenario, kind="eligibility"):
        [manager] = scenario.sandbox_id.get_managers(
            scenario.sandbox_id.MANAGER_ELIGIBILITY
            if kind == "eligibility"
            else scenario.sandbox_id.MANAGER_ENTITLEMENT
        )
        return manager

    def lines(self, scenario, dimension):
        return {
            line.name: (line.beneficiaries, line.amount, line.entering, line.leaving)
            for line in scenario.result_ids
            if line.dimension == dimension
        }

    def test_unchanged_settings_tell_what_a_run_would_do(self):
        scenario = self.scenario()
        self.assertFalse(scenario.differences)
        scenario.action_simulate()
        # Old: 0, 1 (paused), 4, 5, 6. One who is paused gets nothing; 2 is young and leaves.
        self.assertEqual(scenario.state, "simulated")
        self.assertEqual((scenario.beneficiaries, scenario.members_now), (4, 2))
        self.assertEqual((scenario.entering, scenario.leaving), (3, 1))
        self.assertEqual(scenario.cost_per_cycle, 400)
        self.assertEqual((scenario.cycles_per_year, scenario.cost_per_year), (12, 4800))
        # The same numbers as the real run
        self.grant.import_eligible_registrants("enrolled")
        self.grant.verify_eligibility()
        self.assertEqual(self.grant.eligible_beneficiaries_count, 4)

    def test_counts_by_area_sex_and_age(self):
        self.people[0].gender = self.people[4].gender = "female"
        scenario = self.scenario()
        scenario.action_simulate()
        self.assertEqual(self.lines(scenario, "area"), {"North": (1, 100, 0, 1), "South": (3, 300, 3, 0)})
        self.assertEqual(self.lines(scenario, "age"), {"75 and over": (4, 400, 3, 0), "18–29": (0, 0, 0, 1)})
        self.assertEqual(self.lines(scenario, "sex"), {"Female": (2, 200, 1, 0), "Not known": (2, 200, 2, 1)})

    def test_areas_are_counted_under_the_kind_above_them(self):
        region = self.env["g2p.area.kind"].create({"name": "Sim region"})
        country = self.env["g2p.area"].create({"name": "Simland", "code": "SIM", "kind_id": region.id})
        (self.north | self.south).parent_id = country
        scenario = self.scenario(area_kind_id=region.id)
        scenario.action_simulate()
        self.assertEqual(self.lines(scenario, "area"), {"Simland": (4, 400, 3, 1)})

    def test_a_changed_rule_and_amount(self):
        scenario = self.scenario("The poor")
        self.settings(scenario).eligibility_domain = '[("birth_place", "=", "SIM"), ("income", "<", 25)]'
        self.settings(scenario, "entitlement").amount_per_cycle = 150
        self.assertIn("$\xa0100.00 → $\xa0150.00", scenario.differences)
        scenario.action_simulate()
        # Poor: 0, 2, 4, 5, 8
        self.assertEqual((scenario.beneficiaries, scenario.entering, scenario.leaving), (5, 3, 0))
        self.assertEqual(scenario.cost_per_cycle, 750)
        # The program is what it was
        self.assertEqual(self.eligibility.eligibility_domain.count("birthdate"), 1)
        self.assertEqual(self.grant.eligible_beneficiaries_count, 2)

    def test_the_benchmark(self):
        scenario = self.scenario(benchmark_domain='[("birth_place", "=", "SIM"), ("income", "=", 10)]')
        scenario.action_simulate()
        # Known poor: 0, 2, 4, 8; reached: 0, 4. Beneficiaries: 0, 4, 5, 6.
        self.assertEqual((scenario.benchmark_total, scenario.benchmark_reached), (4, 2))
        self.assertEqual((scenario.coverage, scenario.leakage), (50, 50))

    def test_missing_data_is_a_count_of_its_own_and_members_stay(self):
        (self.people[2] | self.people[3]).birthdate = False
        scenario = self.scenario()
        scenario.action_simulate()
        # 2 is enrolled and stays; about 3 nobody can tell. Old: 0, 4, 5, 6.
        self.assertEqual((scenario.beneficiaries, scenario.leaving, scenario.data_missing), (5, 0, 1))
        self.grant.import_eligible_registrants("enrolled")
        self.grant.verify_eligibility()
        self.assertEqual(self.grant.eligible_beneficiaries_count, 5)

    def test_any_manager_is_enough(self):
        scenario = self.scenario()
        self.env["g2p.program_membership.manager.default"].with_user(self.manager).create(
            {
                "name": "Poor",
                "program_id": scenario.sandbox_id.id,
                "eligibility_domain": '[("birth_place", "=", "SIM"), ("income", "=", 10)]',
            }
        )
        scenario.action_simulate()
        self.assertEqual(scenario.beneficiaries, 2)  # old and poor: 0, 4
        scenario.eligibility_mode = "any"
        self.assertIn("Any manager is enough", scenario.differences)
        scenario.action_simulate()
        self.assertEqual(scenario.beneficiaries, 6)  # old or poor, not paused: 0, 2, 4, 5, 6, 8
        scenario.apply_to_program()
        self.assertEqual(self.grant.eligibility_mode, "any")
        self.assertEqual(len(self.grant.eligibility_managers), 2)

    def test_of_a_group_the_head_counts(self):
        heads = [
            self.individual("SIMHEAD1", birthdate=date(1950, 1, 1), gender="female"),
            self.individual("SIMHEAD2", birthdate=date(1990, 1, 1), gender="male"),
        ]
        head = self.env.ref("g2p_registry_base.group_membership_kind_head")
        for number, person in enumerate(heads):
            household = self.household(f"SIMHOUSE{number}", [person])
            household.group_membership_ids.kind = head
        program = self.program("Household grant", target_type="group")
        program.get_manager(program.MANAGER_ELIGIBILITY).eligibility_domain = '[("name", "=like", "SIMHOUSE%")]'
        program.get_manager(program.MANAGER_ENTITLEMENT).amount_per_individual_in_group = 20
        scenario = (
            self.env["g2p.program.scenario"].with_user(self.manager).create({"name": "x", "program_id": program.id})
        )
        scenario.action_simulate()
        self.assertEqual(self.lines(scenario, "sex"), {"Female": (1, 20, 1, 0), "Male": (1, 20, 1, 0)})
        self.assertEqual(self.lines(scenario, "age"), {"75 and over": (1, 20, 1, 0), "30–44": (1, 20, 1, 0)})

    def test_simulating_again_counts_once(self):
        scenario = self.scenario()
        scenario.action_simulate()
        scenario.action_simulate()
        self.assertEqual((scenario.beneficiaries, scenario.cost_per_cycle), (4, 400))

    def test_chunks_add_up_to_the_same(self):
        scenario = self.scenario()
        scenario.action_simulate()
        whole = {line.dimension: self.lines(scenario, line.dimension) for line in scenario.result_ids}
        operation = scenario._bulk_start("simulate", params={"settings": scenario._fingerprint()}, chunk_size=1)
        self.assertEqual(operation.state, "done")
        self.assertEqual(operation.planned, operation.done + operation.skipped)
        self.assertEqual({line.dimension: self.lines(scenario, line.dimension) for line in scenario.result_ids}, whole)

    def test_apply_changes_the_settings_and_nobody(self):
        scenario = self.scenario("The poor")
        self.settings(scenario).eligibility_domain = '[("birth_place", "=", "SIM"), ("income", "<", 25)]'
        self.settings(scenario, "entitlement").amount_per_cycle = 150
        with self.assertRaisesRegex(UserError, "Not simulated"):
            scenario.apply_to_program()
        scenario.action_simulate()
        asked = scenario.action_confirm_apply()["params"]["message"]
        self.assertIn("$\xa0100.00 → $\xa0150.00", asked)
        self.assertIn("about 3 would enter and 0 would leave", asked)
        scenario.apply_to_program()
        self.assertEqual(scenario.state, "applied")
        self.assertEqual(scenario.applied_by_id, self.manager)
        self.assertEqual(self.grant.get_manager(self.grant.MANAGER_ENTITLEMENT).amount_per_cycle, 150)
        self.assertEqual(len(self.grant.eligibility_managers), 1)
        self.assertFalse(scenario.differences)
        self.assertEqual(self.grant.eligible_beneficiaries_count, 2)
        self.assertIn("The poor", self.grant.message_ids[0].body)
        # And the run does what was foretold
        self.grant.import_eligible_registrants("enrolled")
        self.grant.verify_eligibility()
        self.assertEqual(self.grant.eligible_beneficiaries_count, scenario.beneficiaries)

    def running(self):
        """The program had a cycle, which is over, and what it is set to is proposed."""
        self.grant.with_user(self.manager).create_new_cycle()
        self.env.flush_all()
        self.env.cr.execute("UPDATE g2p_cycle SET state = 'ended' WHERE program_id = %s", [self.grant.id])
        self.env.invalidate_all()
        self.env["g2p.approval.kind"].search([("res_model", "=", "g2p.approval.proposal")]).off_company_ids = False

    def request(self, scenario):
        request = scenario.sudo().approval_request_ids.filtered(lambda request: request.state == "waiting")
        return request.with_user(self.users["approver"])

    def test_somebody_else_agrees_to_what_a_running_program_takes_over(self):
        self.running()
        scenario = self.scenario("The poor")
        self.settings(scenario).eligibility_domain = '[("birth_place", "=", "SIM"), ("income", "<", 25)]'
        self.settings(scenario, "entitlement").amount_per_cycle = 150
        scenario.eligibility_mode = "any"
        scenario.action_simulate()
        asked = scenario.action_confirm_apply()["params"]
        self.assertEqual(asked["confirm_label"], "Ask for approval")
        terms = self.grant.get_manager(self.grant.MANAGER_ENTITLEMENT)
        told = scenario.apply_to_program()["params"]["message"]
        self.assertIn("waits for", told)
        self.assertEqual(
            (scenario.state, terms.amount_per_cycle, self.grant.eligibility_mode), ("simulated", 100, "all")
        )
        request = self.request(scenario)
        self.assertIn("$\xa0100.00 → $\xa0150.00", request.figures_text)
        with self.assertRaises(AccessError):
            request.with_user(self.manager).action_approve(None, request.digest)
        request.action_approve(None, request.digest)
        self.env.invalidate_all()
        self.assertEqual((request.state, scenario.state, scenario.applied_by_id), ("done", "applied", self.manager))
        self.assertEqual(self.grant.get_manager(self.grant.MANAGER_ENTITLEMENT).amount_per_cycle, 150)
        self.assertEqual(self.grant.eligibility_mode, "any")
        self.assertEqual(len(self.grant.eligibility_managers), 1)
        # The pass was for this: the next change is proposed again.
        with self.assertRaisesRegex(UserError, "somebody else has to agree"):
            self.grant.get_manager(self.grant.MANAGER_ENTITLEMENT).with_user(self.manager).amount_per_cycle = 1

    def test_what_changed_since_is_not_taken_over(self):
        self.running()
        for change in (
            lambda scenario: self.settings(scenario, "entitlement").write({"amount_per_cycle": 9000}),
            lambda scenario: self.grant.get_manager(self.grant.MANAGER_ENTITLEMENT)
            .sudo()
            .write({"transfer_fee_pct": 5}),
        ):
            scenario = self.scenario()
            self.settings(scenario, "entitlement").amount_per_cycle = 150
            scenario.action_simulate()
            scenario.apply_to_program()
            request = self.request(scenario)
            change(scenario)
            self.env.flush_all()
            request.action_approve(None, request.digest)
            self.assertEqual(request.state, "void")
            self.assertEqual(self.grant.get_manager(self.grant.MANAGER_ENTITLEMENT).amount_per_cycle, 100)

    def test_a_department_does_without_where_it_does_without_all_that_changes(self):
        self.running()
        kinds = self.env["g2p.approval.kind"]
        kinds._of("program_rules").off_company_ids = self.env.company
        scenario = self.scenario()
        self.settings(scenario, "entitlement").amount_per_cycle = 150
        scenario.eligibility_mode = "any"
        scenario.action_simulate()
        scenario.apply_to_program()
        self.assertEqual((self.request(scenario).kind_code, scenario.state), ("program_amounts", "simulated"))
        self.request(scenario).with_user(self.manager).action_withdraw()
        kinds._of("program_amounts").off_company_ids = self.env.company
        scenario.apply_to_program()
        self.assertEqual((scenario.state, self.grant.eligibility_mode), ("applied", "any"))

    def test_an_outdated_simulation_is_not_applied(self):
        scenario = self.scenario()
        self.settings(scenario, "entitlement").amount_per_cycle = 150
        scenario.action_simulate()
        self.assertFalse(scenario.outdated)
        self.settings(scenario, "entitlement").amount_per_cycle = 1000
        scenario.invalidate_recordset()
        self.assertTrue(scenario.outdated)
        with self.assertRaisesRegex(UserError, "simulate again"):
            scenario.apply_to_program()

    def test_nothing_to_apply(self):
        scenario = self.scenario()
        scenario.action_simulate()
        with self.assertRaisesRegex(UserError, "nothing to apply"):
            scenario.action_confirm_apply()

    def test_a_copy_starts_from_the_scenario(self):
        scenario = self.scenario()
        self.settings(scenario, "entitlement").amount_per_cycle = 150
        copied = scenario.copy()
        self.assertEqual(self.settings(copied, "entitlement").amount_per_cycle, 150)
        self.settings(copied, "entitlement").amount_per_cycle = 160
        self.assertEqual(self.settings(scenario, "entitlement").amount_per_cycle, 150)
        self.assertNotEqual(copied.sandbox_id, scenario.sandbox_id)

    def test_a_sandbox_is_no_program(self):
        scenario = self.scenario()
        sandbox = scenario.sandbox_id
        for attempt in (sandbox.action_activate, sandbox.action_unarchive):
            with self.assertRaisesRegex(UserError, "apply the scenario"):
                attempt()
        with self.assertRaises(AccessError):
            sandbox.is_sandbox = False
        with self.assertRaises(CheckViolation), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.env.cr.execute("UPDATE g2p_program SET active = TRUE WHERE id = %s", [sandbox.id])
        domain = self.env.ref("g2p_programs.g2p_program_action").domain
        self.assertIn("is_sandbox", domain)
        scenario.unlink()
        self.assertFalse(sandbox.exists())
        self.assertTrue(self.grant.exists())

    def test_results_and_figures_come_from_the_run_only(self):
        scenario = self.scenario()
        scenario.action_simulate()
        with self.assertRaises(AccessError):
            scenario.beneficiaries = 1
        with self.assertRaises(AccessError):
            scenario.result_ids[0].beneficiaries = 1
        other = self.scenario("Other")
        with self.assertRaises(ValidationError):
            scenario.sandbox_id = other.sandbox_id

    def test_who_may(self):
        scenario = self.scenario()
        scenario.action_simulate()
        for role in ("approver", "finance", "auditor"):
            theirs = scenario.with_user(self.users[role])
            self.assertEqual(theirs.beneficiaries, 4)
            self.assertTrue(theirs.result_ids[0].read(["name"]))
            with self.assertRaises(AccessError):
                theirs.action_simulate()
            with self.assertRaises(AccessError):
                theirs.apply_to_program()
            with self.assertRaises(AccessError):
                theirs.create({"name": "x", "program_id": self.grant.id})
        for role in ("registrar", "support", "validator"):
            with self.assertRaises(AccessError):
                scenario.with_user(self.users[role]).read(["beneficiaries"])
        for user in (self.outsider, self.portal):
            with self.assertRaises(AccessError):
                scenario.with_user(user).read(["name"])

    def test_another_company_sees_nothing(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        self.manager.write({"company_ids": [(4, company.id)]})
        scenario = self.scenario()
        there = scenario.with_user(self.manager).with_context(allowed_company_ids=[company.id])
        with self.assertRaises(AccessError):
            there.read(["name"])

    def test_bad_conditions_are_refused(self):
        with self.assertRaisesRegex(ValidationError, "Known to be poor"):
            self.scenario(benchmark_domain='[("nothing", "=", 1)]')

    def test_statements_do_not_grow_with_people(self):
        scenario = self.scenario()
        scenario.action_simulate()
        operation = scenario.operation_ids.sudo()[:1]
        target = scenario.sudo()

        def cost(high):
            with counting_statements(self.env.cr) as count:
                target._bulk_step("simulate")._chunk(target, operation, 0, high)
            return count.statements

        cost(self.people[1].id)  # fills the caches
        few = cost(self.people[1].id)
        _low, high = self.many_registrants(500, prefix="SIMMANY")
        self.assertEqual(cost(high), few)
