"""A program starts when somebody agrees who did not set it up; creating one and getting going stays obvious."""

from odoo.exceptions import AccessError, UserError
from odoo.service.model import call_kw
from odoo.tests import new_test_user, tagged

from .common import ProgramsCase

MANAGER = "g2p_programs.g2p_program_manager"
APPROVER = "g2p_programs.g2p_program_cycle_approver"


@tagged("post_install", "-at_install")
class TestProgramActivation(ProgramsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager, cls.approver = cls.users["manager"], cls.users["approver"]
        cls.kind = cls.env.ref("g2p_programs.approval_kind_program_activation")
        cls.both = new_test_user(cls.env, "t_both", groups=f"{MANAGER},{APPROVER}")

    def rpc(self, user, records, method, *args):
        """A call as it comes from outside; what it changes is undone where it is refused."""
        with self.env.cr.savepoint():
            result = call_kw(self.env[records._name].with_user(user), method, [records.ids, *args], {})
            self.env.flush_all()
        self.env.invalidate_all()
        return result

    def draft(self, user=None, **values):
        programs = self.env["g2p.program"].with_user(user or self.manager)
        number = self.env["g2p.program"].search_count([])
        program = programs.create({"name": f"Grant {number}", "target_type": "individual", **values})
        self.env.flush_all()
        return program.with_env(self.env)

    def asked(self, user=None):
        program = self.draft(user)
        program.get_manager(program.MANAGER_ENTITLEMENT).with_user(user or self.manager).amount_per_cycle = 12.5
        answer = self.rpc(user or self.manager, program, "action_activate")
        self.assertIn("waits for", answer["params"]["message"])
        return program, program.approval_request_ids

    def wizard(self, user=None, **values):
        wizards = self.env["g2p.program.create.wizard"].with_user(user or self.manager)
        wizard = wizards.create({"name": "By wizard", "target_type": "individual", "amount_per_cycle": 5, **values})
        return wizard, self.env["g2p.program"].browse(wizard.create_program()["res_id"])

    def test_it_starts_when_another_agrees(self):
        program, request = self.asked()
        self.assertEqual((program.state, request.state, request.requested_by), ("draft", "waiting", self.manager))
        self.assertIn("starts when somebody else agrees", program.with_user(self.manager).next_step)
        self.assertIn("waits for", program.with_user(self.manager).approval_text)
        told = {figure["label"]: figure["value"] for figure in request.figures}
        self.assertEqual(told["What each gets"].split(", ")[0], "Amount per cycle $\xa012.50")
        with self.assertRaisesRegex(UserError, "not active"):
            self.rpc(self.manager, program, "import_eligible_registrants")
        inbox = self.env["g2p.approval.request"].with_user(self.approver).search([("can_decide", "=", True)])
        self.assertIn(request, inbox)
        self.rpc(self.approver, request, "action_approve", "Go", request.digest)
        self.assertEqual((program.state, request.state), ("active", "done"))
        self.rpc(self.manager, program, "import_eligible_registrants")

    def test_what_starts_is_told_in_words(self):
        self.individual("Kept", birth_place="Adama")
        self.individual("Elsewhere", birth_place="Gondar")
        self.individual("Not known")
        _wizard, program = self.wizard(
            eligibility_domain="[('birth_place', '=', 'Adama')]", rrule_type="monthly", month_by="date", day=30
        )
        lines = dict(program.approval_request_ids._figure_lines(self.approver))
        told = {label: str(value).replace("\xa0", " ") for label, value in lines.items()}
        self.assertEqual(told["Who gets it"], "Birth place is Adama")
        self.assertEqual(told["Match now"], "1")
        self.assertNotEqual(told["Can't be decided: data is missing"], "0")
        self.assertIn("Amount per cycle $ 5.00", told["What each gets"])
        self.assertEqual(told["A cycle costs about"], "$ 5.00")
        self.assertEqual(told["Cycles"], "monthly, on day 30")
        for value in told.values():
            self.assertNotRegex(value, r"\[\(|Default")

    def test_nobody_who_had_a_part_or_no_right_agrees(self):
        program, request = self.asked(self.both)
        other = self.env["res.company"].create({"name": "Other country"})
        there = new_test_user(
            self.env, "t_there", groups=APPROVER, company_id=other.id, company_ids=[(6, 0, other.ids)]
        )
        roles = ("manager", "validator", "finance", "registrar", "support", "auditor")
        nobody = [self.both, there, *(self.users[role] for role in roles), self.outsider, self.portal]
        for user in nobody:
            for method, remark in (("action_approve", "Yes"), ("action_reject", "No")):
                with self.subTest(user=user.login, method=method), self.assertRaises(AccessError):
                    self.rpc(user, request, method, remark, request.digest)
        for user in nobody[1:]:
            if user != self.manager:
                with self.subTest(user=user.login), self.assertRaises(AccessError):
                    self.rpc(user, program, "action_activate")
        for user in (self.both, self.manager):
            with self.subTest(user=user.login), self.assertRaises(UserError):
                self.rpc(user, program, "action_activate")
        self.assertEqual((program.state, request.state), ("draft", "waiting"))

    def test_who_changed_a_setting_does_not_agree(self):
        """Of the program, of its definition, of a manager: who set anything up has a part in it."""
        for change in (
            lambda program: self.rpc(self.both, program, "write", {"no_account_policy": "desk"}),
            lambda program: self.rpc(self.both, program.definition_id, "write", {"description": "For all"}),
            lambda program: self.rpc(
                self.both, program.get_manager(program.MANAGER_ENTITLEMENT), "write", {"amount_per_cycle": 7}
            ),
        ):
            program = self.draft()
            change(program)
            self.rpc(self.manager, program, "action_activate")
            request = program.approval_request_ids
            with self.assertRaises(AccessError):
                self.rpc(self.both, request, "action_approve", "Yes", request.digest)
            self.rpc(self.approver, request, "action_approve", "Yes", request.digest)
            self.assertEqual(program.state, "active")

    def test_a_manager_who_may_agree_and_had_no_part_starts_it_at_once(self):
        program = self.draft()
        self.rpc(self.both, program, "action_activate")
        self.assertEqual((program.state, program.approval_request_ids.decision_ids.user_id), ("active", self.both))

    def test_a_change_of_anything_voids_it(self):
        for number, change in enumerate(
            (
                lambda program: program.write({"no_account_policy": "desk"}),
                lambda program: program.write({"target_type": "group"}),
                lambda program: program.get_manager(program.MANAGER_ENTITLEMENT).write({"amount_per_cycle": 1000}),
                lambda program: self.env["g2p.program_membership.manager.default"].create(
                    {"name": "More", "program_id": program.id, "eligibility_domain": "[]"}
                ),
            )
        ):
            with self.subTest(number):
                program, request = self.asked()
                change(program.with_user(self.manager))
                self.env.flush_all()
                self.env.invalidate_all()
                if request.state == "waiting":
                    self.assertTrue(request.is_changed)
                    self.rpc(self.approver, request, "action_approve", "Yes", request.digest)
                self.assertEqual((program.state, request.state), ("draft", "void"))
                # It is asked for again, as it is now.
                self.rpc(self.manager, program, "action_activate")
                self.agree(program)
                self.assertEqual(program.state, "active")

    def test_who_changed_it_asks_again_at_once(self):
        """Nobody has to wait until an approver finds that it is not what was asked for."""
        program, request = self.asked()
        own = program.with_user(self.manager)
        self.assertTrue(own.approval_waits)
        program.get_manager(program.MANAGER_ENTITLEMENT).with_user(self.manager).amount_per_cycle = 70
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertFalse(own.approval_waits)
        self.assertIn("press Activate to ask again", own.next_step)
        self.rpc(self.manager, program, "action_activate")
        self.assertEqual(program.approval_request_ids.mapped("state"), ["waiting", "void"])
        self.agree(program)
        self.assertEqual(program.state, "active")

    def test_looking_at_it_changes_nothing(self):
        program, request = self.asked()
        program.with_user(self.approver).read()
        self.env.flush_all()
        self.assertFalse(request.is_changed)

    def test_refused_it_stays_a_draft(self):
        program, request = self.asked()
        self.rpc(self.approver, request, "action_reject", "Too much", request.digest)
        self.assertEqual((program.state, request.state), ("draft", "refused"))
        own = program.with_user(self.manager)
        self.assertIn("Too much", own.approval_stage_ids.said)
        told = f"Rejected by {self.approver.name}: Too much"
        self.assertEqual(own.approval_outcome, told)
        self.assertIn(told, own.message_ids[0].body)
        # Once it is asked for again it is history.
        self.rpc(self.manager, program, "action_activate")
        self.assertFalse(own.approval_outcome)
        self.agree(program)
        self.assertFalse(own.approval_outcome)

    def test_who_changes_it_is_told_that_nobody_is_asked_any_more(self):
        program, request = self.asked()
        own = program.with_user(self.manager)
        self.assertFalse(own.approval_outcome)
        own.no_account_policy = "desk"
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual((request.state, own.approval_outcome), ("void", request._outcome_text()))
        self.assertIn("has to be asked for again", own.approval_outcome)
        self.assertIn("has to be asked for again", own.message_ids[0].body)

    def test_archived_it_is_asked_for_no_more(self):
        program, request = self.asked()
        self.rpc(self.manager, program, "action_archive")
        self.assertEqual((program.state, request.state), ("draft", "withdrawn"))

    def test_the_wizard_asks_and_what_was_chosen_is_done_then(self):
        self.individual("Kept", birth_place="Adama")
        wizard, program = self.wizard(eligibility_domain="[('birth_place', '=', 'Adama')]", import_beneficiaries="yes")
        self.assertIn("as soon as somebody else agrees", wizard.start_notice)
        request = program.approval_request_ids
        self.assertEqual((program.state, request.state), ("draft", "waiting"))
        self.assertFalse(program.program_membership_ids)
        self.rpc(self.approver, request, "action_approve", "Go", request.digest)
        self.assertEqual((program.state, request.state, program.import_when_active), ("active", "done", False))
        self.assertEqual(program.program_membership_ids.mapped("state"), ["enrolled"])
        self.assertEqual(self.operation(program, "import_eligible").user_id, self.manager)

    def test_what_was_refused_enrols_nobody_later(self):
        self.individual("Kept", birth_place="Adama")
        _wizard, program = self.wizard(import_beneficiaries="yes")
        request = program.approval_request_ids
        self.rpc(self.approver, request, "action_reject", "No", request.digest)
        self.rpc(self.manager, program, "action_activate")
        self.agree(program)
        self.assertEqual((program.state, program.have_members), ("active", False))

    def test_a_department_does_without(self):
        self.kind.off_company_ids = self.env.company
        self.individual("Kept", birth_place="Adama")
        wizard, program = self.wizard(import_beneficiaries="yes")
        self.assertIn("becomes active", wizard.start_notice)
        self.assertEqual((program.state, program.have_members), ("active", True))
        self.assertFalse(program.approval_request_ids)
        program = self.draft(name="Another")
        self.rpc(self.manager, program, "action_activate")
        self.assertEqual(program.state, "active")

    def test_stages_of_one_program(self):
        """An administrator may ask for more people, of one program too."""
        program = self.draft()
        for number, group in enumerate((APPROVER, MANAGER)):
            self.env["g2p.approval.stage"].create(
                {
                    "name": group,
                    "sequence": number,
                    "kind_id": self.kind.id,
                    "group_id": self.env.ref(group).id,
                    "scope": f"g2p.program,{program.id}",
                }
            )
        self.rpc(self.manager, program, "action_activate")
        request = program.approval_request_ids
        self.rpc(self.approver, request, "action_approve", "Go", request.digest)
        self.assertEqual((program.state, request.state), ("draft", "waiting"))
        self.rpc(self.both, request, "action_approve", "Go", request.digest)
        self.assertEqual(program.state, "active")

    def test_it_starts_once(self):
        program, request = self.asked()
        self.rpc(self.approver, request, "action_approve", "Go", request.digest)
        with self.assertRaises(UserError):
            self.rpc(self.both, request, "action_approve", "Go", request.digest)
        with self.assertRaises(UserError):
            self.rpc(self.both, program, "action_activate")
