import psycopg2

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged
from odoo.tools import SQL, mute_logger

from .money import MoneyCase


@tagged("post_install", "-at_install")
class TestPaymentMark(MoneyCase):
    """What one person says of payments by hand, another agrees to: as a set, by one request."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kind = cls.env.ref("g2p_programs.approval_kind_payment_mark")
        cls.kind.off_company_ids = False
        cls.second = new_test_user(cls.env, login="second_finance", groups="g2p_programs.g2p_finance_validator")
        cls.cycle = cls.paid_out()
        cls.batch = cls.cycle.payment_batch_ids

    def wizard(self, user=None, **values):
        return self.env["g2p.payment.mark.wizard"].with_user(user or self.finance).create({"status": "paid", **values})

    def ask(self, **values):
        answer = self.wizard(**(values or {"cycle_id": self.cycle.id})).mark()
        return answer, self.env["g2p.payment.mark"].search([], limit=1, order="id desc")

    def statuses(self):
        return self.payments(self.cycle).mapped("status")

    def request(self, mark):
        return mark.sudo().approval_request_ids

    def approve(self, mark, user=None):
        request = self.request(mark).with_user(user or self.second)
        return request.action_approve(None, request.digest)

    def test_a_cycle_is_recorded_as_paid_by_two_people_with_one_request(self):
        answer, mark = self.ask(cycle_id=self.cycle.id, bank_reference="Letter 3")
        self.assertIn("waits for", answer["params"]["message"])
        self.assertEqual((self.statuses(), self.figures()), ([False] * 3, (1000, 380, 0)))
        request = self.request(mark)
        self.assertEqual((len(request), request.requested_by, request.state), (1, self.finance, "waiting"))
        figures = {figure["label"]: figure["value"] for figure in request.figures}
        self.assertEqual((figures["Payments"], figures["Amount"], figures["Recorded as"]), (3, "372.4", "Paid"))
        self.assertEqual(figures["Bank reference"], "Letter 3")
        self.assertTrue(request.with_user(self.second).can_decide)
        self.assertFalse(request.with_user(self.finance).can_decide)
        self.approve(mark)
        self.assertEqual((self.statuses(), self.figures()), (["paid"] * 3, (1000, 0, 380)))
        self.assertEqual((mark.state, request.state, self.cycle.state), ("done", "done", "distributed"))
        self.assertEqual(request.decision_ids.user_id, self.second)
        self.assertEqual(set(self.payments(self.cycle).mapped("bank_reference")), {"Letter 3"})

    def test_a_selection_and_a_batch_are_recorded_as_they_were_asked_for(self):
        large = self.payments(self.cycle).filtered(lambda payment: payment.partner_id == self.large)
        _answer, mark = self.ask(payment_ids=[Command.set(large.ids)])
        self.approve(mark)
        self.assertEqual((large.status, mark.result), ("paid", "1 payment was marked."))
        _answer, mark = self.ask(batch_id=self.batch.id)
        self.assertEqual(mark.payment_ids, self.payments(self.cycle) - large)
        self.approve(mark)
        self.assertEqual((self.statuses(), self.figures()), (["paid"] * 3, (1000, 0, 380)))

    def test_who_asked_does_not_agree_by_any_way(self):
        _answer, mark = self.ask()
        request = self.request(mark).with_user(self.finance)
        with self.assertRaisesRegex(AccessError, "somebody else has to agree"):
            request.action_approve(None, request.digest)
        with self.assertRaisesRegex(UserError, "Somebody asked to record"):
            self.wizard(cycle_id=self.cycle.id).mark()
        with self.assertRaises(psycopg2.Error), self.cr.savepoint(), mute_logger("odoo.sql_db"):
            self.env.cr.execute(
                """
                INSERT INTO g2p_approval_decision (request_id, stage_id, user_id, voice_id, decision, date, digest)
                SELECT id, stage_id, %(user)s, %(user)s, 'approved', now(), digest FROM g2p_approval_request WHERE id = %(id)s
                """,
                {"user": self.finance.id, "id": request.id},
            )
        self.assertEqual(self.statuses(), [False] * 3)

    def test_only_finance_asks_agrees_and_nobody_writes(self):
        for role in ("manager", "validator", "approver", "registrar", "support", "auditor"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.wizard(self.users[role], cycle_id=self.cycle.id).mark()
        _answer, mark = self.ask()
        request = self.request(mark)
        for role in ("manager", "validator", "approver", "registrar", "support", "auditor"):
            with self.subTest(role), self.assertRaises(AccessError):
                own = request.with_user(self.users[role])
                own.action_approve(None, request.digest)
        for user in (self.finance, self.second, self.manager, self.users["admin"]):
            for act in (lambda own: own.write({"state": "done"}), lambda own: own.unlink(), lambda own: own.copy()):
                with self.subTest(user.login), self.assertRaises(UserError):
                    act(mark.with_user(user))
            with self.assertRaises(AccessError):
                mark.with_user(user).create({"program_id": self.grant.id, "status": "paid"})
        self.assertEqual(self.statuses(), [False] * 3)

    def test_what_was_changed_since_is_void(self):
        _answer, mark = self.ask()
        payment = self.payments(self.cycle)[0]
        self.env["g2p.payment"]._finalize_now(
            SQL("SELECT unnest(%s)", payment.ids), "failed", "Account closed", confirmed=True
        )
        self.assertTrue(self.request(mark).is_changed)
        self.approve(mark)
        self.assertEqual((self.request(mark).state, mark.state), ("void", "refused"))
        self.assertEqual(self.statuses(), ["failed", False, False])
        _answer, again = self.ask()
        self.approve(again)
        self.assertEqual(self.statuses(), ["failed", "paid", "paid"])

    def test_a_refusal_says_why_and_changes_nothing(self):
        _answer, mark = self.ask()
        request = self.request(mark).with_user(self.second)
        with self.assertRaisesRegex(UserError, "Say why"):
            request.action_reject("", request.digest)
        request.action_reject("The statement says otherwise", request.digest)
        self.assertEqual((mark.state, request.state, self.statuses()), ("refused", "refused", [False] * 3))
        self.assertIn("The statement says otherwise", mark.sudo().approval_stage_ids.said)

    def test_nobody_agrees_to_what_they_do_not_see(self):
        area = self.env["g2p.area"].create({"name": "Here", "code": "HERE"})
        self.large.area_id = area
        _answer, mark = self.ask()
        self.second.g2p_area_ids = area
        with self.assertRaisesRegex(UserError, "2 of these payments are outside"):
            self.approve(mark)
        self.assertEqual(self.statuses(), [False] * 3)

    def test_what_has_not_left_fails_by_two_people(self):
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        cycle.prepare_payment()
        payments = self.payments(cycle)
        _answer, mark = self.ask(
            payment_ids=[Command.set((payments + self.payments(self.cycle)[0]).ids)],
            status="failed",
            reason="Wrong day",
        )
        self.assertEqual(mark.payment_ids, payments, "what left is asked for by a correction")
        self.approve(mark)
        self.assertEqual((set(payments.mapped("status")), set(self.statuses())), ({"failed"}, {False}))
        self.assertEqual(set(payments.mapped("status_reason")), {"Wrong day"})

    def test_two_stages_are_both_needed(self):
        self.env["g2p.approval.stage"].create(
            [
                {"name": "Finance", "kind_id": self.kind.id, "sequence": 1, "group_id": self.kind.group_id.id},
                {
                    "name": "Head",
                    "kind_id": self.kind.id,
                    "sequence": 2,
                    "user_ids": [Command.set(self.users["admin"].ids)],
                    "amount_from": 300,
                },
            ]
        )
        _answer, mark = self.ask()
        self.approve(mark)
        self.assertEqual((self.statuses(), self.request(mark).waits_for), ([False] * 3, self.users["admin"].name))
        self.approve(mark, self.users["admin"])
        self.assertEqual(self.statuses(), ["paid"] * 3)

    def test_payments_of_two_programs_are_not_asked_for_together(self):
        other = self.program("Other Grant", "group")
        other.get_manager(other.MANAGER_ENTITLEMENT).with_user(self.manager).amount_per_cycle = 10
        second = self.paid_out(program=other)
        with self.assertRaisesRegex(UserError, "payments of one program"):
            self.ask(payment_ids=[Command.set((self.payments(self.cycle) + self.payments(second)).ids)])

    def test_payments_of_a_company_that_does_without_carry_no_others_along(self):
        """Whichever stands first in the selection."""
        ministry = self.env["res.company"].create({"name": "Other Ministry"})
        other = self.program("Their Grant", "group")
        other.get_manager(other.MANAGER_ENTITLEMENT).with_user(self.manager).amount_per_cycle = 10
        theirs = self.paid_out(program=other)
        self.env.flush_all()
        for model in (theirs.program_id, theirs.program_id.definition_id):
            self.env.cr.execute(
                SQL("UPDATE %s SET company_id = %s WHERE id = %s", SQL.identifier(model._table), ministry.id, model.id)
            )
        self.env.invalidate_all()
        self.kind.off_company_ids = ministry
        self.finance.company_ids = self.env.company + ministry
        mine, foreign = self.payments(self.cycle), self.payments(theirs)
        for chosen in (foreign + mine, mine + foreign):
            wizard = self.wizard(payment_ids=[Command.set(chosen.ids)])
            wizard = wizard.with_context(allowed_company_ids=(ministry + self.env.company).ids)
            for button in (wizard.action_confirm_mark, wizard.mark):
                with self.assertRaisesRegex(UserError, "payments of one program"):
                    button()
        self.assertEqual(({*mine.mapped("status")}, {*foreign.mapped("status")}), ({False}, {False}))

    def test_a_department_that_is_too_small_does_it_at_once(self):
        self.kind.off_company_ids = self.env.company
        self.wizard(cycle_id=self.cycle.id).mark()
        self.assertEqual(self.statuses(), ["paid"] * 3)
        self.assertFalse(self.env["g2p.payment.mark"].search([]))
