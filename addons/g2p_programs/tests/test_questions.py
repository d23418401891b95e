from freezegun import freeze_time
from lxml import etree

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import SQL
from odoo.tools.misc import format_date

from .money import MoneyCase


@tagged("post_install", "-at_install")
class TestQuestions(MoneyCase):
    """What is asked before a step is what will happen."""

    def question(self, record, method="action_confirm", **context):
        return getattr(record.with_context(**context), method)()["params"]

    def approved(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        return cycle

    def test_payments_are_promised_to_those_who_get_one_only(self):
        self.small.bank_ids.active = False
        cycle = self.approved()
        message = self.question(cycle, cycle_step="prepare_payments")["message"]
        self.assertIn("each of 2 approved entitlements", message)
        self.assertIn("1 more is held back and gets none: No account (1)", message)
        cycle.prepare_payment()
        self.assertEqual(len(self.payments(cycle)), 2)

    def test_what_is_stopped_before_it_is_sent_is_not_promised(self):
        cycle = self.approved()
        cycle.prepare_payment()
        self.small.bank_ids.acc_number = "ET-Elsewhere"
        message = self.question(cycle, cycle_step="send")["message"]
        left = sum(self.payments(cycle).filtered(lambda one: one.partner_id != self.small).mapped("amount_issued"))
        self.assertIn(f"Send 2 payments of {cycle._money(left)}", message)
        self.assertIn("1 more is stopped before sending: The account was changed since the approval (1)", message)
        cycle.send_payment()
        operation = self.operation(cycle, "send")
        self.assertEqual(operation.counts_text, "Sent: 2. The account was changed since the approval: 1.")
        self.assertEqual((operation.skipped_text, operation.failed_text), ("1 stopped before sending", False))
        stopped = self.payments(cycle).filtered(lambda one: one.partner_id == self.small)
        self.assertEqual(
            stopped, self.env["g2p.payment"].search(operation.action_open_outcome("account_changed")["domain"])
        )
        self.assertTrue(stopped.account_changed)
        [payments] = [box for box in cycle.pipeline if box["label"] == "Payments"]
        held_back = self.env["g2p.entitlement"].search(getattr(cycle, payments["note_action"])()["domain"])
        self.assertEqual((payments["note"], held_back), ("1 held back", stopped.entitlement_id))

    def test_who_is_disabled_since_is_not_promised_a_payment(self):
        self.small.bank_ids.active = False
        cycle = self.approved()
        (self.large + self.empty).write({"disabled": "2026-01-01", "disabled_reason": "gone"})
        message = self.question(cycle, cycle_step="prepare_payments")["message"]
        self.assertIn(
            "No payment can be made now. 3 are held back: ", message, "no word of more where none comes first"
        )
        self.assertIn("The beneficiary is disabled or archived (2)", message)

    def test_what_is_valid_later_is_said_before_it_is_sent_and_not_paid_before(self):
        self.deposit(1000)
        day = fields.Date.add(fields.Date.today(), days=30)
        words = format_date(self.env, day)
        cycle = self.new_cycle()
        cycle.sudo().write({"start_date": day, "end_date": fields.Date.add(day, days=20)})
        cycle.prepare_entitlement()
        self.assertIn(f"Nothing of it can be paid before {words}", self.question(cycle, cycle_step="submit")["message"])
        cycle.to_approve()
        [request] = self.env["g2p.approval.request"].search(
            [("res_model", "=", "g2p.cycle"), ("res_id", "=", cycle.id)]
        )
        self.assertIn(f"Payable from {words}", request.with_user(self.approver).figures_text)
        cycle.with_user(self.approver).approve()
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual((cycle.unpaid_count, cycle.payable_from), (3, day))
        self.assertEqual(
            (cycle.next_action, cycle.next_step), (False, f"Payable from {words}: prepare the payments then.")
        )
        message = self.question(cycle, cycle_step="prepare_payments")["message"]
        self.assertIn(f"Nothing can be paid before {words}.", message)
        self.assertNotIn("more", message)
        with self.assertRaisesRegex(UserError, f"before {words}"):
            cycle.prepare_payment()
        self.assertFalse(self.payments(cycle))
        with freeze_time(fields.Datetime.to_datetime(day)):
            cycle.invalidate_recordset()
            self.assertEqual(cycle.next_action, "prepare_payments")

    def test_duplicates_that_wait_are_named_before_members_are_paid(self):
        cycle = self.new_cycle()
        self.assertNotIn("duplicates", self.question(cycle, cycle_step="copy")["message"])
        members = self.grant.program_membership_ids
        self.env["g2p.program.membership.duplicate"].create(
            {"program_id": self.grant.id, "beneficiary_ids": [(6, 0, members[:2].ids)]}
        )
        self.grant.invalidate_recordset()
        for record, step in (
            (cycle, {"cycle_step": "copy"}),
            (self.grant.with_user(self.manager), {"program_step": "cycle"}),
        ):
            with self.subTest(step):
                self.assertIn("1 set of duplicates of Family Grant waits", self.question(record, **step)["message"])
        self.env["g2p.program.membership.duplicate"].create(
            {"program_id": self.grant.id, "beneficiary_ids": [(6, 0, members[1:3].ids)]}
        )
        self.assertIn("2 sets of duplicates of Family Grant wait", self.question(cycle, cycle_step="copy")["message"])

    def test_a_duplicate_that_was_taken_out_is_no_warning(self):
        cycle = self.new_cycle()
        members = self.grant.program_membership_ids
        self.env["g2p.program.membership.duplicate"].create(
            {"program_id": self.grant.id, "beneficiary_ids": [(6, 0, members[:2].ids)], "reason": "The same ID"}
        )
        members[0]._transition("duplicated")
        message = self.question(cycle, cycle_step="copy")["message"]
        self.assertIn("1 duplicate was taken out: The same ID.", message)
        self.assertNotIn("paid twice", message)

    def test_a_payment_that_is_still_open_is_named_beside_what_is_next(self):
        cycle = self.paid_out()
        payments = self.payments(cycle)
        self.assertIn("3 payments of", cycle.with_user(self.finance).next_step)
        self.env["g2p.payment"]._finalize_now(SQL("%s", payments[0].id), "failed", "Closed", confirmed=True)
        self.env["g2p.payment"]._finalize_now(SQL("%s", payments[1].id), "paid")
        for user, whose in ((self.finance, False), (self.manager, True)):
            text = cycle.with_user(user).next_step
            with self.subTest(user.name):
                self.assertIn(f"1 payment of {cycle._money(payments[2].amount_issued)} is still open", text)
                self.assertIn(payments[2].partner_id.name, text)
                self.assertEqual("role “Finance" in text, whose)

    def test_a_fund_says_what_it_will_have(self):
        self.deposit(1000)
        fund = self.env["g2p.program.fund"].with_user(self.finance).create({"program_id": self.grant.id, "amount": 250})
        question = self.question(fund, "action_confirm_post")
        self.assertRegex(question["message"], r"250\.00.* come into the fund of Family Grant\..*1,000\.00.*1,250\.00")
        self.assertEqual(question["method"], "post_fund")
        fund.kind = "withdrawal"
        self.assertRegex(self.question(fund, "action_confirm_post")["message"], r"taken out.*1,000\.00.*750\.00")
        with self.assertRaises(AccessError):
            fund.with_user(self.users["approver"]).action_confirm_post()

    def test_marking_says_how_many_and_how_much(self):
        cycle = self.paid_out()
        wizard = self.env["g2p.payment.mark.wizard"].with_user(self.finance).create({"cycle_id": cycle.id})
        self.assertRegex(self.question(wizard, "action_confirm_mark")["message"], r"3 payments of .*372\.40.* as paid")
        getattr(wizard, self.question(wizard, "action_confirm_mark")["method"])()
        self.assertEqual(set(self.payments(cycle).mapped("status")), {"paid"})

    def test_what_the_payer_may_still_pay_is_not_said_to_have_failed(self):
        cycle = self.paid_out()
        wizard = self.env["g2p.payment.mark.wizard"].with_user(self.finance).create({"cycle_id": cycle.id})
        wizard.write({"status": "failed", "reason": "Bank closed"})
        with self.assertRaisesRegex(UserError, "the payer may pay them"):
            wizard.action_confirm_mark()
        self.assertEqual(set(self.payments(cycle).mapped("status")), {False})

    def test_without_money_a_deposit_comes_before_the_approval(self):
        cycle = self.approved_cycle()
        finance = cycle.with_user(self.finance)
        self.assertEqual(finance.next_action, "deposit")
        self.assertRegex(finance.next_step, r"short by .*380\.00")
        deposit = finance.action_deposit()["context"]
        self.assertEqual((deposit["default_program_id"], deposit["default_amount"]), (self.grant.id, 380))
        asked = self.question(finance, cycle_step="validate")
        self.assertEqual((asked["method"], asked["confirm_label"]), ("action_deposit", "Deposit money"))
        self.terms.sudo().shortage_policy = "priority"
        self.deposit(120)
        finance.invalidate_recordset()
        self.assertEqual(finance.next_action, "validate")
        self.deposit(500)
        self.terms.sudo().shortage_policy = "all"
        finance.invalidate_recordset()
        self.assertEqual(finance.next_action, "validate")
        asked = self.question(finance, cycle_step="validate")
        self.assertEqual((asked["method"], asked["confirm_label"]), ("validate_entitlement", "Approve entitlements"))

    def test_a_deposit_that_waits_is_not_posted_again(self):
        """Its form says that it waits, and offers no Post beside that."""
        arch = etree.fromstring(self.env["g2p.program.fund"].with_user(self.finance).get_view(view_type="form")["arch"])
        [post] = arch.iterfind("header/button[@name='action_confirm_post']")
        self.assertIn("approval_text", post.get("invisible"))

    def test_on_a_phone_cycles_stand_on_cards(self):
        self.assertIn("kanban", self.env.ref("g2p_programs.g2p_cycle_action").view_mode.split(","))
        arch = etree.fromstring(self.env["g2p.cycle"].with_user(self.approver).get_view(view_type="kanban")["arch"])
        shown = {field.get("name") for field in arch.iterfind("templates//field")}
        self.assertLessEqual({"display_name", "total_amount", "state"}, shown)

    def test_on_a_phone_what_waits_stands_on_cards(self):
        action = self.env.ref("g2p_approval.g2p_approval_request_action")
        self.assertIn("kanban", action.view_mode.split(","), "a phone takes the cards of an action by itself")
        arch = etree.fromstring(self.env["g2p.approval.request"].get_view(view_type="kanban")["arch"])
        shown = {field.get("name") for field in arch.iterfind("templates//field")}
        self.assertLessEqual({"name", "amount", "requested_by", "requested_on", "waits_for"}, shown)

    def test_who_can_not_do_the_next_step_is_told_whose_it_is(self):
        cycle = self.approved()
        self.assertIn("role “Program Manager”", cycle.with_user(self.finance).next_step)
        self.assertNotIn("role", cycle.next_step)
        self.assertIn("role “Program Manager”", self.grant.with_user(self.finance).next_step)

    def test_a_batch_has_a_name_that_people_can_say(self):
        batch = self.payments(self.paid_out()).batch_id[:1].with_user(self.finance)
        self.assertRegex(batch.reference, r"^B\d{5,}$")
        self.assertEqual(batch.display_name, f"{batch.cycle_id.display_name} · {batch.reference}")
        found = self.env["g2p.payment.batch"].with_user(self.finance).name_search(batch.reference.lower())
        self.assertEqual([batch_id for batch_id, _name in found], batch.ids)
        self.assertFalse(batch.search([("reference", "=", "B99999999999")]))
