"""In a program that runs, a version of the means test comes into force when somebody else agrees."""

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from .common import PMTCase


@tagged("post_install", "-at_install")
class TestVersionApproval(PMTCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.ref("g2p_programs.approval_kind_program_rules").off_company_ids = False
        cls.both = new_test_user(
            cls.env,
            "t_pmt_both",
            groups="g2p_programs.g2p_program_manager,g2p_programs.g2p_program_cycle_approver",
        )
        cls.first = cls.activate(cls.model([("children", 10)]))

    def run_program(self):
        """A cycle of it went further than a draft."""
        self.env["g2p.cycle"].create(
            {
                "name": "First",
                "program_id": self.grant.id,
                "sequence": 1,
                "start_date": "2030-01-01",
                "end_date": "2030-01-31",
                "state": "approved",
            }
        )
        self.assertTrue(self.grant._in_use())

    def draft(self, user=None):
        action = self.first.with_user(user or self.manager).action_new_version()
        version = self.env["g2p.pmt.model"].browse(action["res_id"])
        version.term_ids.with_user(user or self.manager).write({"pmt_weightage": 99})
        return version

    def test_weights_in_force_change_when_another_agrees(self):
        self.run_program()
        version = self.draft()
        answer = version.with_user(self.manager).action_activate()
        self.assertIn("waits for", answer["params"]["message"])
        self.assertEqual((version.state, self.first.state), ("draft", "active"))
        request = version.approval_request_ids
        self.assertEqual(request.kind_code, "program_rules")
        self.assertIn("99", request.figures[1]["value"])
        for user in (self.manager, *(self.users[role] for role in ("validator", "registrar", "support", "auditor"))):
            with self.subTest(user.login), self.assertRaises(AccessError):
                request.with_user(user).action_approve("Yes", request.digest)
        self.agree(version)
        self.assertEqual((version.state, self.first.state, request.state), ("active", "archived", "done"))

    def test_who_changed_a_weight_does_not_agree(self):
        self.run_program()
        version = self.draft(self.both)
        version.with_user(self.manager).action_activate()
        request = version.approval_request_ids
        with self.assertRaises(AccessError):
            request.with_user(self.both).action_approve("Yes", request.digest)

    def test_a_change_meanwhile_voids_it(self):
        self.run_program()
        version = self.draft()
        version.with_user(self.manager).action_activate()
        request = version.approval_request_ids
        version.term_ids.with_user(self.manager).write({"pmt_weightage": 100})
        self.assertTrue(request.is_changed)
        self.agree(version)
        self.assertEqual((version.state, request.state, self.first.state), ("draft", "void", "active"))

    def test_what_is_in_force_is_not_taken_back_to_a_draft(self):
        self.first.with_user(self.manager).action_reset_to_draft()
        self.activate(self.first)
        self.run_program()
        with self.assertRaisesRegex(UserError, "press New version"):
            self.first.with_user(self.manager).action_reset_to_draft()
        with self.assertRaisesRegex(UserError, "stays as it is"):
            self.first.term_ids.with_user(self.manager).write({"pmt_weightage": 1})

    def test_the_switch_is_proposed(self):
        self.run_program()
        with self.assertRaisesRegex(UserError, "somebody else has to agree"):
            self.grant.with_user(self.manager).pmt_config = False

    def test_before_the_program_runs_nobody_is_asked(self):
        version = self.draft()
        version.with_user(self.manager).action_activate()
        self.assertEqual(version.state, "active")

    def draft_program(self):
        """A program that is not agreed to yet, with a means test that is in force in it."""
        program = (
            self.env["g2p.program"]
            .with_user(self.manager)
            .create({"name": "New", "target_type": "group", "pmt_config": True})
        )
        program.definition_id.sudo().application_schema = self.QUESTIONS
        return program, self.activate(self.model([("children", 10)], program))

    def test_a_program_starts_with_the_means_test_that_was_agreed_to(self):
        program, version = self.draft_program()
        for change in (
            {"constant": -9},
            {"has_cut_off": True, "cut_off": 7},
            {"term_ids": [(1, version.term_ids.id, {"pmt_weightage": 3})]},
            {"band_ids": [(0, 0, {"name": "Poor", "bound": 3})]},
        ):
            program.action_activate()
            request = program.approval_request_ids[:1].sudo()
            self.assertIn("children".title(), str(request.figures))
            own = version.with_user(self.manager)
            own.action_reset_to_draft()
            own.write(change)
            own.action_activate()
            with self.subTest(change):
                self.assertTrue(request.is_changed)
                self.agree(program)
                self.assertEqual((program.state, request.state), ("draft", "void"))
        program.action_activate()
        self.agree(program)
        self.assertEqual(program.state, "active")

    def test_who_set_the_means_test_does_not_agree_to_the_start(self):
        program, version = self.draft_program()
        version.with_user(self.both).action_reset_to_draft()
        version.term_ids.with_user(self.both).pmt_weightage = 5
        version.with_user(self.manager).action_activate()
        program.action_activate()
        with self.assertRaises(AccessError):
            self.agree(program, self.both)

    def test_a_department_does_without(self):
        self.run_program()
        self.env.ref("g2p_programs.approval_kind_program_rules").off_company_ids = self.env.company
        version = self.draft()
        version.with_user(self.manager).action_activate()
        self.assertEqual(version.state, "active")
