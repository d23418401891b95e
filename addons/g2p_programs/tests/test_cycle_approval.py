"""Cycles and their entitlements are approved in the stages that are set: one request for the set, and for exactly what was seen."""

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.service.model import call_kw
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import SQL, mute_logger

from odoo.addons.g2p_bulk.tests.statements import counting_statements

from .money import MoneyCase

APPROVER = "g2p_programs.g2p_program_cycle_approver"
FINANCE = "g2p_programs.g2p_finance_validator"


class StagesCase(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kind = cls.env.ref("g2p_programs.approval_kind_cycle")
        cls.kind_entitlements = cls.env.ref("g2p_programs.approval_kind_cycle_entitlements")
        cls.second = new_test_user(cls.env, login="second_approver", groups=APPROVER)
        cls.third = new_test_user(cls.env, login="third_approver", groups=APPROVER)
        cls.treasurer = new_test_user(cls.env, login="treasurer", groups=FINANCE)
        cls.admin = new_test_user(cls.env, login="sets_stages", groups="g2p_registry_base.group_g2p_admin")
        cls.deposit(1000)

    @classmethod
    def stage(cls, name, group=APPROVER, kind=None, **values):
        return (
            cls.env["g2p.approval.stage"]
            .with_user(cls.admin)
            .create(
                {
                    "name": name,
                    "kind_id": (kind or cls.kind).id,
                    "group_id": cls.env.ref(group).id,
                    "scope": f"g2p.program,{cls.grant.id}",
                    **values,
                }
            )
        )

    def submitted(self, **values):
        cycle = self.new_cycle(**values)
        cycle.prepare_entitlement()
        cycle.to_approve()
        return cycle

    def request(self, cycle):
        """What is asked for of the cycle now, as superuser."""
        return cycle._approval_open().sudo()

    def rpc(self, user, records, method, *args, **context):
        """A call as it comes from outside."""
        target = self.env[records._name].with_user(user).with_context(**context)
        result = call_kw(target, method, [records.ids, *args], {})
        self.env.flush_all()
        self.env.invalidate_all()
        return result

    def agree(self, cycle, user, remark=None):
        """In the inbox, to what is asked for now."""
        request = self.request(cycle)
        return self.rpc(user, request, "action_approve", remark, request.digest)

    def waiting(self, user):
        return self.env["g2p.approval.request"].with_user(user).search([("can_decide", "=", True)])


@tagged("post_install", "-at_install")
class TestOneStage(StagesCase):
    """Where no stages are set it is as it was, and in the inbox."""

    def test_what_was_sent_is_in_the_inbox_with_its_figures(self):
        cycle = self.submitted()
        request = self.request(cycle)
        self.assertEqual((request.kind_code, request.state, request.requested_by), ("cycle", "waiting", self.manager))
        self.assertIn(request, self.waiting(self.approver))
        for user in (self.manager, self.finance, self.users["validator"]):
            self.assertNotIn(request, self.waiting(user))
        self.assertEqual(request.stage_ids.group_id, self.env.ref(APPROVER))
        self.assertEqual(request.amount, 380)
        figures = {figure["label"]: figure["value"] for figure in request.figures}
        self.assertEqual((figures["Beneficiaries"], figures["Entitlements"]), (3, 3))
        self.assertEqual(
            (float(figures["Amount"]), float(figures["Available in the fund when it was asked for"])), (380, 1000)
        )
        self.assertIn("with 3 entitlements", request.name)
        self.assertEqual(request.scope_name, cycle.display_name)

    def test_the_fund_is_told_to_who_may_read_it(self):
        cycle = self.submitted()
        request = self.request(cycle)
        self.assertIn("Available in the fund", request.with_user(self.finance).figures_text)
        self.assertNotIn("Available in the fund", request.with_user(self.approver).figures_text)
        with self.assertRaises(AccessError):
            request.with_user(self.approver).read(["figures"])
        self.assertNotIn("Available", " ".join(request.message_ids.mapped("body")))

    def test_the_fund_is_told_as_it_is_now(self):
        self.deposit(800, kind="withdrawal")
        cycle = self.submitted()
        request = self.request(cycle).with_user(self.finance)
        self.assertIn("Available in the fund now $\xa0200.00 · Short in the fund now $\xa0180.00", request.figures_text)
        self.deposit(500)
        self.env.invalidate_all()
        self.assertIn("Available in the fund now $\xa0700.00", request.figures_text)
        self.assertNotIn("Short", request.figures_text)
        # What was decided keeps what was asked.
        self.rpc(self.manager, self.request(cycle), "action_withdraw")
        self.assertIn("Available in the fund when it was asked for $\xa0200.00", request.figures_text)

    def test_one_press_approves_and_is_on_record(self):
        cycle = self.submitted()
        request = self.request(cycle)
        self.rpc(self.approver, cycle, "approve", submission=cycle.submission)
        self.assertEqual((cycle.state, cycle.approved_by, request.state), ("approved", self.approver, "done"))
        self.assertEqual(request.decision_ids.user_id, self.approver)
        following = self.request(cycle)
        self.assertEqual(
            (following.kind_code, following.stage_ids.group_id), ("cycle_entitlements", self.env.ref(FINANCE))
        )
        self.assertIn(following, self.waiting(self.finance))
        self.rpc(self.finance, cycle, "validate_entitlement", submission=cycle.submission)
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"approved"})
        self.assertEqual((following.state, self.figures()), ("done", (1000, 380, 0)))
        self.assertFalse(self.request(cycle))

    def test_the_inbox_does_the_same(self):
        cycle = self.submitted()
        self.agree(cycle, self.approver)
        self.assertEqual((cycle.state, cycle.approved_by), ("approved", self.approver))
        self.agree(cycle, self.finance)
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"approved"})
        self.assertEqual(self.operation(cycle, "approve_entitlements").user_id, self.finance)
        self.assertEqual(self.figures(), (1000, 380, 0))

    def test_one_approval_for_both_from_the_inbox(self):
        self.grant.get_manager(self.grant.MANAGER_CYCLE).sudo().auto_approve_entitlements = True
        cycle = self.submitted()
        self.agree(cycle, self.approver)
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"approved"})
        self.assertFalse(self.request(cycle))

    def test_who_prepared_it_is_refused_everywhere(self):
        self.manager.group_ids += self.env.ref(APPROVER) + self.env.ref(FINANCE)
        cycle = self.submitted()
        with self.assertRaisesRegex(AccessError, "somebody else"):
            self.rpc(self.manager, cycle, "approve")
        with self.assertRaisesRegex(AccessError, "somebody else"):
            self.agree(cycle, self.manager)
        self.agree(cycle, self.approver)
        with self.assertRaisesRegex(AccessError, "somebody else"):
            self.agree(cycle, self.manager)
        self.assertEqual((cycle.state, self.figures()), ("approved", (1000, 0, 0)))

    def test_rejecting_sends_it_back_with_the_remark(self):
        cycle = self.submitted()
        request = self.request(cycle)
        with self.assertRaisesRegex(UserError, "Say why"):
            self.rpc(self.approver, request, "action_reject", "", request.digest)
        self.rpc(self.approver, request, "action_reject", "Family Large twice", request.digest)
        self.assertEqual((cycle.state, request.state), ("draft", "refused"))
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"draft"})
        history = self.env["g2p.state.history"].search(
            [("res_model", "=", "g2p.cycle"), ("res_id", "=", cycle.id), ("to_state", "=", "draft")], limit=1
        )
        self.assertEqual(history.reason, "Family Large twice")
        cycle.to_approve()
        self.assertEqual((self.request(cycle).state, cycle.submission), ("waiting", 2))

    def test_entitlements_that_are_rejected_as_a_set_go_back_too(self):
        cycle = self.submitted()
        self.agree(cycle, self.approver)
        request = self.request(cycle)
        self.rpc(self.finance, request, "action_reject", "Not this month", request.digest)
        self.assertEqual((cycle.state, cycle.approved_by.id), ("draft", False))
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"draft"})
        cycle.to_approve()
        self.assertEqual(self.request(cycle).kind_code, "cycle")

    def test_what_is_promised_already_does_not_go_back(self):
        cycle = self.submitted()
        self.agree(cycle, self.approver)
        self.rpc(self.finance, self.entitlements(cycle)[0], "approve_entitlement")
        request = self.request(cycle)
        with self.assertRaisesRegex(UserError, "approved already"), self.cr.savepoint():
            self.rpc(self.finance, request, "action_reject", "No", request.digest)
        self.env.invalidate_all()
        self.assertEqual((cycle.state, request.state), ("approved", "waiting"))

    def test_reset_and_cancel_close_the_request(self):
        for method in ("reset_draft", "mark_cancelled"):
            with self.subTest(method):
                cycle = self.submitted()
                request = self.request(cycle)
                self.rpc(self.manager, cycle, method)
                self.assertEqual((request.state, bool(self.request(cycle))), ("withdrawn", False))

    def test_who_asked_takes_it_back(self):
        cycle = self.submitted()
        request = self.request(cycle)
        with self.assertRaises(AccessError):
            self.rpc(self.approver, request, "action_withdraw")
        self.rpc(self.manager, request, "action_withdraw")
        self.assertEqual((cycle.state, request.state), ("draft", "withdrawn"))
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"draft"})

    def test_the_rest_is_asked_for_after_a_selection(self):
        cycle = self.submitted()
        self.agree(cycle, self.approver)
        first = self.request(cycle)
        self.rpc(self.finance, self.entitlements(cycle)[0], "approve_entitlement")
        rest = self.request(cycle)
        self.assertEqual((first.state, rest.state), ("withdrawn", "waiting"))
        self.assertIn("2 entitlements", rest.name)
        self.entitlements(cycle)[1].with_user(self.finance)._reject("rejected3", "No")
        last = self.request(cycle)
        self.assertEqual((rest.state, last.state), ("void", "waiting"))
        self.agree(cycle, self.finance)
        self.assertEqual(self.entitlements(cycle).mapped("state"), ["approved", "rejected3", "approved"])

    def test_too_little_money_decides_nothing(self):
        self.deposit(900, kind="withdrawal")
        cycle = self.submitted()
        self.agree(cycle, self.approver)
        with self.assertRaisesRegex(UserError, "short"), self.cr.savepoint():
            self.agree(cycle, self.finance)
        self.env.invalidate_all()
        self.assertEqual((self.request(cycle).state, len(self.request(cycle).decision_ids)), ("waiting", 0))
        self.deposit(900)
        self.agree(cycle, self.finance)
        self.assertEqual(self.figures(), (1000, 380, 0))

    def test_what_the_inbox_showed_is_what_is_agreed_to(self):
        cycle = self.submitted()
        seen = self.request(cycle)
        cycle.reset_draft()
        self.entitlements(cycle)[0].with_user(self.manager).with_context(g2p_reason="Board").initial_amount = 5
        cycle.to_approve()
        request = self.request(cycle)
        with self.assertRaisesRegex(UserError, "not what is asked for"):
            self.rpc(self.approver, request, "action_approve", None, seen.digest)
        self.assertEqual(cycle.state, "to_approve")

    def test_each_row_of_the_set_counts(self):
        cycle = self.submitted()
        known = cycle._approval_digest("cycle")
        self.assertEqual(cycle._approval_digest("cycle"), known)
        self.cr.execute("ALTER TABLE g2p_entitlement DISABLE TRIGGER USER")
        try:
            first, second = self.entitlements(cycle)[:2]
            for statement in (
                SQL("UPDATE g2p_entitlement SET initial_amount = initial_amount + 1 WHERE id = %s", first.id),
                SQL("UPDATE g2p_entitlement SET partner_id = %s WHERE id = %s", self.individual("Other").id, first.id),
                SQL("UPDATE g2p_entitlement SET valid_until = valid_until + 1 WHERE id = %s", first.id),
                SQL("UPDATE g2p_entitlement SET state = 'cancelled' WHERE id = %s", first.id),
                # The same sum, the other way round
                SQL(
                    "UPDATE g2p_entitlement SET initial_amount = CASE id WHEN %(one)s THEN %(b)s ELSE %(a)s END"
                    " WHERE id IN (%(one)s, %(two)s)",
                    one=first.id,
                    two=second.id,
                    a=first.initial_amount,
                    b=second.initial_amount,
                ),
            ):
                with self.subTest(statement.code), self.cr.savepoint() as savepoint:
                    self.cr.execute(statement)
                    self.assertNotEqual(cycle._approval_digest("cycle"), known, statement.code)
                    savepoint.rollback()
                self.env.invalidate_all()
        finally:
            self.cr.execute("ALTER TABLE g2p_entitlement ENABLE TRIGGER USER")
        self.assertNotEqual(cycle._approval_digest("cycle_entitlements"), known)

    def test_the_same_statements_whatever_the_size(self):
        taken = []
        for families in (self.families[:1], self.families):
            program = self.program(f"Grant of {len(families)}", "group")
            program.get_manager(program.MANAGER_ENTITLEMENT).amount_per_cycle = 10
            cycle = self.new_cycle(families, program)
            cycle.prepare_entitlement()
            self.env.invalidate_all()
            with counting_statements(self.env.cr) as sent:
                cycle.to_approve()
            self.env.invalidate_all()
            mine = cycle.with_user(self.approver)
            with counting_statements(self.env.cr) as pressed:
                mine.approve()
            taken.append((sent.statements, pressed.statements))
        (sent, pressed), (sent_more, pressed_more) = taken
        self.assertLessEqual(sent_more, sent)
        self.assertLessEqual(pressed_more, pressed)

    def test_no_approver_group_asks_nobody(self):
        self.grant.get_manager(self.grant.MANAGER_CYCLE).sudo().approver_group_id = False
        cycle = self.submitted()
        self.assertFalse(self.request(cycle))
        with self.assertRaisesRegex(AccessError, "No approver group"):
            self.rpc(self.approver, cycle, "approve")

    def test_a_cycle_of_before_is_asked_for_by_its_approver(self):
        cycle = self.submitted()
        self.request(cycle)._end("withdrawn")
        self.rpc(self.approver, cycle, "approve")
        self.assertEqual((cycle.state, len(cycle.sudo().approval_request_ids.decision_ids)), ("approved", 1))

    def test_one_person_does_both_where_that_is_allowed(self):
        self.env["ir.config_parameter"].sudo().set_param("g2p_programs.maker_checker", "False")
        self.manager.group_ids += self.env.ref(APPROVER)
        cycle = self.submitted()
        self.assertFalse(self.request(cycle))
        self.rpc(self.manager, cycle, "approve")
        self.assertEqual(cycle.state, "approved")

    def test_outsiders(self):
        request = self.request(self.submitted())
        company = self.env["res.company"].create({"name": "Elsewhere"})
        elsewhere = new_test_user(
            self.env, login="elsewhere", groups=f"{APPROVER},{FINANCE}", company_id=company.id, company_ids=[company.id]
        )
        for user in (elsewhere, self.outsider, self.portal):
            with self.subTest(user.login):
                with self.assertRaises(AccessError):
                    self.rpc(user, request, "read", ["name"])
                with self.assertRaises(AccessError):
                    self.rpc(user, request, "action_approve", None, request.digest)
                with self.assertRaises(AccessError):
                    self.rpc(user, request, "action_reject", "No", request.digest)

    def test_nobody_agrees_to_who_they_do_not_see(self):
        here, there = self.env["g2p.area"].create([{"name": "Here"}, {"name": "There"}])
        self.large.area_id, self.small.area_id, self.empty.area_id = here, there, there
        cycle = self.submitted()
        self.second.g2p_area_ids = here
        for attempt in (lambda: self.rpc(self.second, cycle, "approve"), lambda: self.agree(cycle, self.second)):
            with self.assertRaisesRegex(AccessError, "2 of these entitlements are outside"):
                attempt()
        self.second.g2p_area_ids = here + there
        self.rpc(self.second, cycle, "approve")
        self.assertEqual(cycle.state, "approved")

    def test_repair_makes_another_request(self):
        cycle = self.submitted()
        before = self.request(cycle)
        self.cr.execute("UPDATE g2p_entitlement SET state = 'draft' WHERE id = %s", [self.entitlements(cycle)[0].id])
        self.env.invalidate_all()
        cycle._refresh_counters()
        cycle.action_repair()
        after = self.request(cycle)
        self.assertEqual((before.state, after.state), ("void", "waiting"))
        self.rpc(self.approver, cycle, "approve", submission=cycle.submission)
        self.assertEqual((cycle.state, after.state), ("approved", "done"))


@tagged("post_install", "-at_install")
class TestStages(StagesCase):
    def test_two_of_the_group_and_then_finance(self):
        self.stage("Two approvers", needed=2, sequence=1)
        self.stage("Finance", FINANCE, sequence=2)
        cycle = self.submitted()
        self.assertEqual(cycle.with_user(self.manager).approval_state, "Two approvers")
        self.assertEqual(
            set(self.entitlements(cycle).with_user(self.manager).mapped("approval_state")), {"Two approvers"}
        )
        with self.assertRaises(AccessError):
            self.rpc(self.treasurer, cycle, "approve")
        answer = self.rpc(self.approver, cycle, "approve", submission=cycle.submission)
        self.assertIn("1 agreed so far", answer["params"]["message"])
        self.assertEqual(cycle.state, "to_approve")
        self.assertFalse(cycle.with_user(self.approver).can_approve)
        with self.assertRaisesRegex(AccessError, "decided on this already"):
            self.rpc(self.approver, cycle, "approve")
        self.agree(cycle, self.second)
        self.assertEqual(cycle.with_user(self.manager).approval_state, "Finance")
        with self.assertRaises(AccessError):
            self.agree(cycle, self.third)
        self.assertTrue(cycle.with_user(self.treasurer).can_approve)
        self.rpc(self.treasurer, cycle, "approve")
        self.assertEqual((cycle.state, cycle.approved_by), ("approved", self.treasurer))
        request = cycle.sudo().approval_request_ids.filtered(lambda request: request.state == "done")
        self.assertEqual(request.decision_ids.user_id, self.approver + self.second + self.treasurer)

    def test_nobody_agrees_in_two_stages(self):
        self.stage("First", sequence=1)
        self.stage("Second", sequence=2)
        cycle = self.submitted()
        self.rpc(self.approver, cycle, "approve")
        for attempt in (lambda: self.rpc(self.approver, cycle, "approve"), lambda: self.agree(cycle, self.approver)):
            with self.assertRaisesRegex(AccessError, "earlier stage"):
                attempt()
        self.rpc(self.second, cycle, "approve")
        self.assertEqual(cycle.state, "approved")

    def test_stages_of_entitlements(self):
        self.stage("Approver", kind=self.kind_entitlements, sequence=1)
        self.stage("Finance", FINANCE, kind=self.kind_entitlements, sequence=2)
        cycle = self.submitted()
        self.rpc(self.approver, cycle, "approve")
        with self.assertRaises(AccessError):
            self.rpc(self.finance, cycle, "validate_entitlement")
        answer = self.rpc(self.second, cycle, "validate_entitlement", submission=cycle.submission)
        self.assertIn("waits for", answer["params"]["message"])
        self.assertEqual(self.figures(), (1000, 0, 0))
        self.assertFalse(self.operation(cycle, "approve_entitlements"))
        with self.assertRaisesRegex(UserError, "together, in stages"):
            self.rpc(self.finance, self.entitlements(cycle)[0], "approve_entitlement")
        self.rpc(self.finance, cycle, "validate_entitlement", submission=cycle.submission)
        self.assertEqual(self.figures(), (1000, 380, 0))
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"approved"})

    def test_a_change_after_the_first_stage_voids_it(self):
        self.stage("First", sequence=1)
        self.stage("Second", FINANCE, sequence=2)
        cycle = self.submitted()
        self.rpc(self.approver, cycle, "approve")
        request = self.request(cycle)
        one = self.entitlements(cycle)[0]
        self.env["g2p.entitlement"]._leave_where(
            SQL("t.id = %s", one.id), ("pending_validation",), "rejected3", "test", reason="Left"
        )
        answer = self.rpc(self.treasurer, cycle, "approve", submission=cycle.submission)
        self.assertIn("nothing was decided", answer["params"]["message"])
        again = self.request(cycle)
        self.assertEqual((cycle.state, request.state, again.stage_id.name), ("to_approve", "void", "First"))
        self.rpc(self.approver, cycle, "approve")
        self.rpc(self.treasurer, cycle, "approve")
        self.assertEqual(cycle.state, "approved")

    def test_a_change_that_nobody_had_agreed_to_costs_no_second_press(self):
        cycle = self.submitted()
        one = self.entitlements(cycle)[0]
        self.env["g2p.entitlement"]._leave_where(
            SQL("t.id = %s", one.id), ("pending_validation",), "rejected3", "test", reason="Left"
        )
        self.rpc(self.approver, cycle, "approve", submission=cycle.submission)
        self.assertEqual(cycle.state, "approved")
        states = cycle.sudo().approval_request_ids.filtered(lambda request: request.kind_code == "cycle")
        self.assertEqual(sorted(states.mapped("state")), ["done", "void"])

    def test_what_waits_keeps_its_stages(self):
        cycle = self.submitted()
        self.stage("Later rule", FINANCE)
        self.assertEqual(self.request(cycle).stage_ids.group_id, self.env.ref(APPROVER))
        self.rpc(self.approver, cycle, "approve")
        self.assertEqual(cycle.state, "approved")
        following = self.submitted()
        with self.assertRaises(AccessError):
            self.rpc(self.approver, following, "approve")
        self.rpc(self.treasurer, following, "approve")
        self.assertEqual(following.state, "approved")

    def test_an_amount_chooses_the_stages(self):
        self.stage("Everything", sequence=1)
        self.stage("Large ones", FINANCE, sequence=2, amount_from=380)
        cycle = self.submitted()
        self.assertEqual(self.request(cycle).stage_ids.mapped("name"), ["Everything", "Large ones"])
        other = self.program("Small Grant", "group")
        other.get_manager(other.MANAGER_ENTITLEMENT).amount_per_cycle = 100
        for stage in self.env["g2p.approval.stage"].search([("scope", "=", f"g2p.program,{self.grant.id}")]):
            stage.copy({"scope": f"g2p.program,{other.id}"})
        small = self.submitted(families=self.families, program=other)
        self.assertEqual(self.request(small).amount, 300)
        self.assertEqual(self.request(small).stage_ids.mapped("name"), ["Everything"])

    def test_the_question_says_who_has_to_agree_too(self):
        self.stage("First", sequence=1)
        self.stage("Minister", FINANCE, sequence=2)
        cycle = self.submitted()
        mine = cycle.with_user(self.approver)
        asked = mine.with_context(cycle_step="approve", submission=mine.submission).action_confirm()
        self.assertIn("Minister", str(asked))
        self.rpc(self.approver, cycle, "approve")
        self.assertIn("Finance", cycle.with_user(self.approver).next_step)

    def test_what_nobody_could_agree_to_is_not_asked(self):
        self.stage("Everybody", FINANCE, needed=100)
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        with self.assertRaisesRegex(UserError, "needs 100 of"), self.cr.savepoint():
            cycle.to_approve()
        self.env.invalidate_all()
        self.assertEqual((cycle.state, bool(self.request(cycle))), ("draft", False))

    def test_stages_hold_where_one_person_may_do_both(self):
        self.env["ir.config_parameter"].sudo().set_param("g2p_programs.maker_checker", "False")
        self.stage("First", sequence=1)
        self.stage("Second", FINANCE, sequence=2)
        self.manager.group_ids += self.env.ref(APPROVER)
        cycle = self.submitted()
        with self.assertRaisesRegex(AccessError, "somebody else"):
            self.rpc(self.manager, cycle, "approve")
        self.rpc(self.approver, cycle, "approve")
        self.assertEqual(cycle.state, "to_approve")

    def test_who_is_away_is_stood_in_for_where_the_stage_allows_it(self):
        stage = self.stage("Approvers")
        self.env["g2p.approval.delegation"].with_user(self.approver).create(
            {"user_id": self.approver.id, "delegate_id": self.treasurer.id, "date_to": "2099-01-01"}
        )
        cycle = self.submitted()
        with self.assertRaises(AccessError):
            self.rpc(self.treasurer, cycle, "approve")
        stage.may_delegate = True
        cycle.reset_draft()
        cycle.to_approve()
        self.rpc(self.treasurer, cycle, "approve")
        decision = cycle.sudo().approval_request_ids.decision_ids
        self.assertEqual(
            (cycle.state, decision.user_id, decision.voice_id), ("approved", self.treasurer, self.approver)
        )

    def test_the_group_must_hold_the_right(self):
        with self.assertRaisesRegex(ValidationError, "does not hold the right"):
            self.stage("Managers", "g2p_programs.g2p_program_manager")

    def test_nobody_does_without(self):
        with self.assertRaises(ValidationError):
            (self.kind + self.kind_entitlements).off_company_ids = self.env.company


@tagged("post_install", "-at_install")
class TestApprovalSettings(StagesCase):
    """OpenG2P's *Approval Settings* are the stages of the program."""

    def settings(self, **values):
        return (
            self.env["g2p.program.approval.mapping"]
            .with_user(self.admin)
            .create(
                {
                    "program_id": self.grant.id,
                    "state": "Finance",
                    "group_id": self.env.ref(FINANCE).id,
                    "sequence": 5,
                    **values,
                }
            )
        )

    def stages(self):
        return self.env["g2p.approval.stage"].search([("scope", "=", f"g2p.program,{self.grant.id}")])

    def test_they_are_the_stages(self):
        row = self.settings()
        stage = self.stages()
        self.assertEqual((stage.id, stage.name, stage.group_id), (row.id, "Finance", self.env.ref(FINANCE)))
        self.assertEqual((stage.kind_id, stage.sequence, stage.needed), (self.kind_entitlements, 5, 1))
        row.write({"state": "Treasury", "needed": 2})
        self.assertEqual((stage.name, stage.needed), ("Treasury", 2))
        stage.name = "Bank"
        self.assertEqual(row.state, "Bank")
        self.stage("Approvers", sequence=1)
        self.assertEqual(self.grant.with_user(self.admin).approval_mapping_ids.mapped("state"), ["Approvers", "Bank"])
        row.unlink()
        self.assertEqual(self.stages().mapped("name"), ["Approvers"])

    def test_by_the_entitlement_manager_as_openg2p_names_it(self):
        reference = f"{self.terms._name}, {self.terms.id}"
        row = self.settings(program_id=False, entitlement_manager_ref=reference)
        self.assertEqual((row.program_id, row.entitlement_manager_ref), (self.grant, reference))
        with self.assertRaisesRegex(UserError, "no entitlement manager"):
            self.settings(program_id=False, state="X", entitlement_manager_ref="res.users, 1")

    def test_a_name_stands_once(self):
        self.settings()
        with self.assertRaisesRegex(Exception, "stage of this name already|unique"), mute_logger("odoo.sql_db"):
            self.settings()

    def test_only_administrators(self):
        row = self.settings()
        for role in ("manager", "approver", "finance", "validator"):
            mine = row.with_user(self.users[role])
            self.assertEqual(mine.state, "Finance")
            for attempt in (
                lambda mine=mine: mine.write({"state": "Mine"}),
                lambda mine=mine: mine.unlink(),
                lambda mine=mine: mine.create(
                    {"program_id": self.grant.id, "state": "M", "group_id": mine.group_id.id}
                ),
                lambda mine=mine: self.grant.with_user(mine.env.user).write(
                    {"approval_mapping_ids": [Command.update(row.id, {"state": "Mine"})]}
                ),
            ):
                with self.subTest(role), self.assertRaises(AccessError):
                    attempt()
        self.assertEqual(self.stages().name, "Finance")

    def test_on_the_form_of_the_program(self):
        with Form(self.grant.with_user(self.admin)) as form, form.approval_mapping_ids.new() as line:
            line.state = "Council"
            line.group_id = self.env.ref(FINANCE)
        self.assertEqual(self.stages().name, "Council")
        self.assertEqual(self.terms.with_user(self.admin).action_approval_settings()["domain"][0][2], self.grant.id)

    def test_an_administrator_of_another_company(self):
        row = self.settings()
        self.assertEqual(self.stages().company_id, self.grant.company_id)
        company = self.env["res.company"].create({"name": "Elsewhere"})
        other = new_test_user(
            self.env,
            login="other_admin",
            groups="g2p_registry_base.group_g2p_admin",
            company_id=company.id,
            company_ids=[company.id],
        )
        mine = row.with_user(other)
        for attempt in (
            lambda: mine.read(["state"]),
            lambda: mine.write({"needed": 1}),
            lambda: mine.unlink(),
            lambda: mine.create({"program_id": self.grant.id, "state": "M", "group_id": row.group_id.id}),
        ):
            with self.assertRaises(AccessError):
                attempt()

    def test_it_goes_with_the_program(self):
        program = self.program("Short lived", "group")
        self.settings(program_id=program.id)
        program.sudo().unlink()
        self.assertFalse(self.env["g2p.approval.stage"].search([("scope", "=", f"g2p.program,{program.id}")]))
