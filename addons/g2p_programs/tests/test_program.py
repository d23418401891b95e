from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from ..tools.constants import MANAGER_FIELDS, SINGLE_MANAGERS
from .common import ProgramsCase


@tagged("post_install", "-at_install")
class TestProgram(ProgramsCase):
    def test_a_new_program_works_without_any_setting(self):
        program = self.env["g2p.program"].with_user(self.manager).create({"name": "Winter aid"})
        self.assertEqual(program.state, "draft")
        self.assertEqual(program.program_mnemonic, "WINTER-AID")
        for kind in SINGLE_MANAGERS:
            self.assertTrue(program.get_manager(kind), MANAGER_FIELDS[kind])
        self.assertTrue(program.get_managers(program.MANAGER_ELIGIBILITY))
        self.assertTrue(program.get_managers(program.MANAGER_DEDUPLICATION))

    def test_mnemonics_stay_unique(self):
        first = self.program("Winter aid")
        second = self.program("Winter-aid!")
        self.assertEqual([first.program_mnemonic, second.program_mnemonic], ["WINTER-AID", "WINTER-AID-2"])

    def test_life_cycle(self):
        program = self.env["g2p.program"].with_user(self.manager).create({"name": "Life"})
        with self.assertRaisesRegex(UserError, "not active"):
            program.import_eligible_registrants()
        program.action_activate()
        self.agree(program)
        program.end_program()
        self.assertEqual(program.state, "ended")
        self.assertTrue(program.date_ended)
        with self.assertRaises(UserError):
            program.enroll_eligible_registrants()
        with self.assertRaises(UserError):
            program.create_new_cycle()
        program.reactivate_program()
        self.assertEqual(program.state, "active")
        self.assertFalse(program.date_ended)

    def test_state_is_not_writable(self):
        program = self.program()
        with self.assertRaises(AccessError):
            program.write({"state": "ended"})
        with self.assertRaises(AccessError):
            self.env["g2p.program"].with_user(self.manager).create({"name": "Sly", "state": "active"})

    def test_a_validator_presses_buttons_but_changes_no_setting(self):
        program = self.program()
        with self.assertRaises(AccessError):
            program.with_user(self.users["validator"]).write({"name": "Mine"})
        with self.assertRaises(AccessError):
            program.with_user(self.users["validator"]).end_program()
        self.assertTrue(program.with_user(self.users["validator"]).import_eligible_registrants())

    def test_delete(self):
        program = self.program()
        managers = [manager for kind in MANAGER_FIELDS for manager in program.get_managers(kind)]
        definition = program.definition_id
        member = self.member(program, self.individual("Abebe"))
        with self.assertRaisesRegex(UserError, "has members"):
            program.with_user(self.manager).unlink()
        member.unlink()
        program.with_user(self.manager).unlink()
        self.assertFalse(definition.exists())
        for manager in managers:
            self.assertFalse(manager.exists())

    def test_a_frequency_that_decides_nothing_is_on_no_screen(self):
        program = self.program(enrollment_frequency="Monthly")  # OpenG2P's scripts may write it
        self.assertEqual(program.definition_id.enrollment_frequency, "Monthly")
        views = self.env["ir.ui.view"].search([("model", "in", ["g2p.program", "g2p.program.definition"])])
        self.assertTrue(views)
        self.assertFalse(views.filtered(lambda view: "enrollment_frequency" in view.arch_db))

    def test_duplicate_program_runs_the_same_definition_again(self):
        program = self.program()
        eligibility = program.get_managers(program.MANAGER_ELIGIBILITY)[0]
        eligibility.eligibility_domain = "[('birth_place', '=', 'Adama')]"
        self.member(program, self.individual("Abebe"))
        copied = program.copy()
        self.assertEqual(copied.definition_id, program.definition_id)
        self.assertEqual(copied.state, "draft")
        self.assertFalse(copied.have_members)
        for kind in MANAGER_FIELDS:
            originals, copies = program.get_managers(kind), copied.get_managers(kind)
            self.assertEqual([m._name for m in originals], [m._name for m in copies])
            self.assertFalse({(m._name, m.id) for m in originals} & {(m._name, m.id) for m in copies})
        self.assertEqual(
            copied.get_managers(program.MANAGER_ELIGIBILITY)[0].eligibility_domain, "[('birth_place', '=', 'Adama')]"
        )

    def test_archive_cancels_open_cycles(self):
        program = self.program()
        self.member(program, self.individual("Abebe"), "enrolled")
        program.create_new_cycle()
        cycle = program.cycle_ids
        program.action_archive()
        self.assertEqual(cycle.state, "cancelled")
        program.action_unarchive()
        self.assertTrue(program.active)

    def test_only_one_manager_of_a_single_kind(self):
        program = self.program()
        with self.assertRaisesRegex(ValidationError, "more than one"):
            self.env["g2p.cycle.manager.default"].create({"name": "Second", "program_id": program.id})

    def test_the_target_type_is_fixed_once_there_are_members(self):
        program = self.program()
        self.member(program, self.individual("Abebe"))
        with self.assertRaises(UserError):
            program.write({"target_type": "group"})

    def test_currency_and_company_are_fixed_once_people_or_money_depend_on_them(self):
        program = self.program()
        other = self.env["res.currency"].with_context(active_test=False).search([("name", "=", "ETB")])
        program.currency_id = other
        self.member(program, self.individual("Abebe"), "enrolled")
        program.create_new_cycle()
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        for values in ({"currency_id": self.env.company.currency_id.id}, {"company_id": elsewhere.id}):
            with self.subTest(values), self.assertRaisesRegex(UserError, "once it has members, cycles or funds"):
                program.sudo().write(values)
        with self.assertRaises(AccessError):
            program.write({"company_id": elsewhere.id})

    def test_wizard(self):
        wizard = self.env["g2p.program.create.wizard"].with_user(self.manager).create({"name": "By wizard"})
        with self.assertRaisesRegex(UserError, "an amount per cycle"):
            wizard.new(
                {"name": "Nothing for persons", "target_type": "individual", "amount_per_individual_in_group": 5}
            )._check_settings()
        with self.assertRaisesRegex(UserError, "what a beneficiary gets"):
            wizard.next_step()
        self.individual("Kept", birth_place="Adama")
        self.individual("Other", birth_place="Gondar")
        self.individual("Silent")
        wizard.write(
            {
                "target_type": "individual",
                "amount_per_cycle": 50,
                "eligibility_domain": "[('birth_place', '=', 'Adama')]",
                "import_beneficiaries": "yes",
            }
        )
        self.assertEqual(wizard.matching_count, 1)
        self.assertRegex(wizard.unknown_told, "more can't be decided. Not known: Birth place")
        wizard.eligibility_domain = "[('birth_place', '!=', False)]"
        self.assertFalse(wizard.unknown_told, "whether something is known is always known")
        wizard.eligibility_domain = "[('birth_place', '=', 'Adama')]"
        wizard.next_step()
        self.assertEqual(wizard.state, "step2")
        program = self.env["g2p.program"].browse(wizard.create_program()["res_id"])
        self.assertEqual((program.state, program.have_members), ("draft", False))
        self.agree(program)
        self.assertEqual(program.state, "active")
        self.assertEqual(program.eligible_beneficiaries_count, 1)
        self.assertEqual(program.program_membership_ids.partner_id.family_name, "Kept")

    def test_a_program_of_another_company_is_out_of_reach(self):
        program = self.program()
        company = self.env["res.company"].create({"name": "Other ministry"})
        stranger = self.manager.copy(
            {"login": "stranger", "company_id": company.id, "company_ids": [(6, 0, company.ids)]}
        )
        self.assertFalse(self.env["g2p.program"].with_user(stranger).search([("id", "=", program.id)]))
        with self.assertRaises(AccessError):
            program.with_user(stranger).read(["name"])
