from decimal import Decimal

import psycopg2

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .money import MoneyCase


@tagged("post_install", "-at_install")
class TestMoneyFund(MoneyCase):
    def test_posting_numbers_the_fund_and_fills_the_account(self):
        fund = self.deposit(1000.1)
        self.assertRegex(fund.name, r"^PF-\d{4}-\d{6}$")
        self.assertEqual((fund.state, fund.posted_by), ("posted", self.finance))
        self.assertTrue(fund.date_posted)
        self.assertEqual(self.figures(), (Decimal("1000.1"), 0, 0))
        self.assertEqual(fund.available, 1000.1)

    def test_several_funds_are_posted_cancelled_and_reset_at_once(self):
        funds = (
            self.env["g2p.program.fund"]
            .with_user(self.manager)
            .create([{"program_id": self.grant.id, "amount": amount} for amount in (1, 2, 3)])
            .with_user(self.finance)
        )
        funds.cancel_fund()
        self.assertEqual(set(funds.mapped("state")), {"cancelled"})
        funds.reset_draft()
        funds.post_fund()
        self.assertEqual(set(funds.mapped("state")), {"posted"})
        self.assertEqual(len(set(funds.mapped("name"))), 3)
        self.assertEqual(self.figures(), (6, 0, 0))

    def test_posted_money_stays_as_it_is(self):
        fund = self.deposit(10)
        with self.assertRaisesRegex(UserError, "can't be deleted"):
            fund.unlink()
        with self.assertRaisesRegex(UserError, "can't be edited"):
            fund.amount = 5
        for button in ("post_fund", "cancel_fund", "reset_draft"):
            with self.assertRaises(UserError):
                getattr(fund, button)()

    def test_available_money_can_be_taken_back_promised_money_cannot(self):
        self.deposit(500)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        self.deposit(120, kind="withdrawal")
        self.assertEqual(self.figures(), (380, 380, 0))
        with self.assertRaisesRegex(UserError, "short by"):
            self.deposit(0.01, kind="withdrawal")

    def test_only_finance_posts(self):
        fund = self.env["g2p.program.fund"].with_user(self.manager).create({"program_id": self.grant.id, "amount": 5})
        for role in ("manager", "validator", "approver", "auditor"):
            with self.assertRaises(AccessError):
                fund.with_user(self.users[role]).post_fund()
        with self.assertRaises(AccessError):
            fund.state = "posted"
        fund.with_user(self.users["admin"]).post_fund()
        self.assertEqual(fund.state, "posted")

    def test_who_prepared_a_deposit_does_not_post_it(self):
        colleague = self.two_of_finance()
        for kind in ("deposit", "withdrawal"):
            if kind == "withdrawal":
                self.deposit(100)
            fund = (
                self.env["g2p.program.fund"]
                .with_user(self.finance)
                .create({"program_id": self.grant.id, "amount": 100, "kind": kind})
            )
            posted = self.figures()[0]
            notice = fund.action_confirm_post()["params"]
            self.assertIn("somebody else agrees", notice["message"])
            self.assertEqual(notice["confirm_label"], "Ask for approval")
            self.assertEqual(fund.post_fund()["tag"], "display_notification")
            self.assertEqual((fund.state, self.figures()[0]), ("draft", posted))
            request = fund.approval_request_ids
            self.assertIn("100.00", request.figures_text)
            after = posted + (100 if kind == "deposit" else -100)
            self.assertIn(f"Available afterwards $\xa0{after:.2f}", request.figures_text)
            self.deposit(50)
            posted += 50
            request.invalidate_recordset()
            self.assertIn(f"Available afterwards $\xa0{after + 50:.2f}", request.figures_text)
            self.assertNotIn("when it was asked", request.figures_text)
            with self.assertRaisesRegex(UserError, "somebody else has to agree"), self.cr.savepoint():
                fund.post_fund()
            # Neither who prepares programs, nor who approves cycles.
            for role in ("manager", "approver"):
                with self.assertRaises(AccessError), self.cr.savepoint():
                    request.with_user(self.users[role]).action_approve(None, request.digest)
            request.with_user(colleague).action_approve("The bank's letter", request.digest)
            self.assertEqual(fund.state, "posted")
            self.assertEqual(self.figures()[0], posted + (100 if kind == "deposit" else -100))

    def test_a_deposit_that_is_changed_is_asked_for_again(self):
        fund = self.env["g2p.program.fund"].with_user(self.finance).create({"program_id": self.grant.id, "amount": 100})
        self.two_of_finance()
        fund.post_fund()
        request = fund.approval_request_ids
        fund.amount = 1000
        self.assertEqual(request.state, "void")
        fund.post_fund()
        second = fund.approval_request_ids - request
        fund.cancel_fund()
        self.assertEqual(second.state, "withdrawn")

    def two_of_finance(self):
        return new_test_user(self.env, login="second finance", groups="g2p_programs.g2p_finance_validator")

    def test_who_may_not_post_asks_finance(self):
        fund = self.env["g2p.program.fund"].with_user(self.manager).create({"program_id": self.grant.id, "amount": 5})
        for role in ("validator", "approver", "auditor"):
            with self.assertRaises(AccessError), self.cr.savepoint():
                fund.with_user(self.users[role]).ask_post()
        fund.ask_post()
        request = fund.approval_request_ids
        self.assertEqual((request.state, request.requested_by), ("waiting", self.manager))
        self.assertTrue(request.with_user(self.finance).can_decide)
        fund.with_user(self.finance).post_fund()
        self.assertEqual((fund.state, request.state), ("posted", "done"))

    def test_who_may_not_post_does_not_by_asking_where_nobody_has_to_agree(self):
        self.env.ref("g2p_programs.approval_kind_fund_deposit").off_company_ids = self.grant.company_id
        fund = self.env["g2p.program.fund"].with_user(self.manager).create({"program_id": self.grant.id, "amount": 5})
        with self.assertRaises(AccessError), self.cr.savepoint():
            fund.ask_post()
        self.assertEqual((fund.state, self.figures()), ("draft", (0, 0, 0)))
        fund.with_user(self.finance).ask_post()
        self.assertEqual(fund.state, "posted")

    def test_a_small_department_does_without(self):
        self.env.ref("g2p_programs.approval_kind_fund_deposit").off_company_ids = self.grant.company_id
        fund = self.env["g2p.program.fund"].with_user(self.finance).create({"program_id": self.grant.id, "amount": 5})
        self.assertTrue(fund.post_fund())
        self.assertEqual(fund.state, "posted")
        self.assertFalse(fund.approval_request_ids)

    def test_much_money_takes_more_people(self):
        self.env["g2p.approval.stage"].create(
            [
                {
                    "name": name,
                    "kind_id": self.env.ref("g2p_programs.approval_kind_fund_deposit").id,
                    "scope": f"g2p.program,{self.grant.id}",
                    "group_id": self.env.ref("g2p_programs.g2p_finance_validator").id,
                    "amount_from": amount,
                    "sequence": number,
                }
                for number, (name, amount) in enumerate((("Accountant", 0), ("Treasurer", 1000)))
            ]
        )
        self.deposit(999.99)
        self.assertEqual(self.figures()[0], Decimal("999.99"))
        colleague = self.two_of_finance()
        fund = self.deposit(1000)
        self.assertEqual((fund.state, fund.approval_state), ("draft", "Treasurer"))
        fund.with_user(colleague).post_fund()
        self.assertEqual(fund.state, "posted")

    def test_all_of_some_funds_are_moved_or_none(self):
        funds = self.env["g2p.program.fund"].with_user(self.manager)
        first = funds.create({"program_id": self.grant.id, "amount": 10}).with_user(self.finance)
        second = funds.create({"program_id": self.grant.id, "amount": 20}).with_user(self.finance)
        (first + first + second).cancel_fund()
        (second + first + first).reset_draft()
        self.assertEqual((first + second).mapped("state"), ["draft"] * 2)
        # Posted by somebody else since the form was read.
        self.env.cr.execute("UPDATE g2p_program_fund SET state = 'cancelled' WHERE id = %s", [second.id])
        with self.assertRaisesRegex(UserError, "by somebody else"), self.cr.savepoint():
            (first + second).post_fund()
        self.assertEqual(self.figures(), (0, 0, 0))
        first.post_fund()
        self.assertEqual(self.figures(), (10, 0, 0))

    def test_amounts_are_above_zero(self):
        with self.assertRaises(psycopg2.Error), self.cr.savepoint(), mute_logger("odoo.sql_db"):
            self.env["g2p.program.fund"].create({"program_id": self.grant.id, "amount": 0}).flush_recordset()
        with self.assertRaises(ValueError):
            self.account()._deposit(0)

    def test_the_account_refuses_what_it_does_not_hold(self):
        account = self.account()
        account._deposit(100)
        account._reserve(60)
        account._disburse(20)
        account._refund(5)
        account._release(10)
        for move, amount in (
            ("_reserve", 86),
            ("_withdraw", 86),
            ("_release", 31),
            ("_disburse", 31),
            ("_refund", 16),
            ("_write_off", 16),
        ):
            with self.assertRaises(UserError):
                getattr(account, move)(amount)
        self.env.cr.execute(
            "SELECT posted::text, reserved::text, disbursed::text FROM g2p_fund_account WHERE id = %s", [account.id]
        )
        self.assertEqual(self.env.cr.fetchone(), ("100", "30", "15"))
        last = account.ledger_ids[0]
        self.assertEqual(
            (last.kind, last.posted_after, last.reserved_after, last.disbursed_after), ("release", 100, 30, 15)
        )

    def test_the_database_refuses_overspending(self):
        account = self.account()
        account._deposit(100)
        for column in ("reserved", "disbursed"):
            with self.assertRaises(psycopg2.Error), self.cr.savepoint(), mute_logger("odoo.sql_db"):
                self.env.cr.execute(f"UPDATE g2p_fund_account SET {column} = 101 WHERE id = %s", [account.id])

    def test_the_ledger_is_append_only(self):
        self.deposit(100)
        ledger = self.account().ledger_ids
        for statement in (
            "UPDATE g2p_fund_ledger SET amount = 1",
            "DELETE FROM g2p_fund_ledger",
            "TRUNCATE g2p_fund_ledger",
        ):
            with self.assertRaises(psycopg2.Error), self.cr.savepoint(), mute_logger("odoo.sql_db"):
                self.env.cr.execute(statement)
        for call in (lambda: ledger.write({"amount": 1}), ledger.unlink, lambda: ledger.create({"amount": 1})):
            with self.assertRaises(AccessError):
                call()
        self.assertEqual(ledger.amount, 100)

    def test_the_check_finds_what_does_not_add_up(self):
        self.deposit(100)
        account = self.account()
        self.assertEqual(account._verify_balance(), [])
        account._reserve(10)
        self.assertEqual(len(account._verify_balance()), 1)
        self.env.cr.execute("UPDATE g2p_fund_account SET posted = 200 WHERE id = %s", [account.id])
        self.assertEqual(len(account._verify_balance()), 2)
        self.env["g2p.fund.account"]._cron_verify_balance()
        self.env["g2p.fund.account"]._cron_verify_balance()
        self.assertEqual(len(self.grant.activity_ids), 1)

    def test_the_report_is_the_signed_ledger(self):
        self.deposit(1000)
        self.deposit(100, kind="withdrawal")
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        cycle.prepare_payment()
        cycle.with_user(self.finance)._mark_payments("paid")
        self.env.flush_all()
        [[balance, reserved, available]] = self.env["g2p.program.fund.report.view"]._read_group(
            [("program_id", "=", self.grant.id)], [], ["amount:sum", "reserved_amount:sum", "available_amount:sum"]
        )
        self.assertEqual((balance, reserved, available), (520, 0, 520))
        self.assertEqual(self.figures(), (900, 0, 380))

    def test_every_kind_of_movement_is_added_up_alike(self):
        """By the account, its check, and the report; also a kind that is added some day."""
        account = self.account()
        account._deposit(1000)
        account._reserve(400)
        account._disburse(200)
        for kind, label in self.env["g2p.fund.ledger"]._fields["kind"].selection:
            with self.subTest(label):
                getattr(account, f"_{kind}")(10)
                self.assertEqual(account.ledger_ids[0].kind, kind)
                self.assertFalse([told for told in account._verify_balance() if "does not add up" in told])
                [sums] = self.env["g2p.program.fund.report.view"]._read_group(
                    [("program_id", "=", self.grant.id)],
                    [],
                    ["amount:sum", "reserved_amount:sum", "available_amount:sum"],
                )
                self.assertEqual(sums, (account.posted - account.disbursed, account.reserved, account.available))

    def test_a_currency_in_use_keeps_its_cents(self):
        self.deposit(100)
        currencies = self.env["res.currency"].sudo()
        used, other = currencies.browse(self.grant.currency_id.id), currencies.create({"name": "XTS", "symbol": "X"})
        used.rounding = 0.01
        for rounding in (1.0, 0.1, 0.05, 0.003):
            with self.subTest(rounding), self.assertRaisesRegex(UserError, "to the last cent"), self.cr.savepoint():
                used.rounding = rounding
        other.rounding = 1.0
        used.rounding = 0.001

    def test_what_is_written_off_is_gone(self):
        account = self.account()
        account._deposit(100)
        account._reserve(60)
        account._disburse(60)
        account._write_off(20)
        self.assertEqual((account.posted, account.reserved, account.disbursed), (80, 0, 40))
        self.assertEqual((account.available, account.written_off), (40, 20))
        self.grant.invalidate_recordset()
        self.assertEqual((self.grant.fund_written_off, self.grant.paid_this_year), (20, 40))
        [[written_off]] = self.env["g2p.program.fund.report.view"]._read_group(
            [("program_id", "=", self.grant.id)], [], ["written_off_amount:sum"]
        )
        self.assertEqual(written_off, 20)
