from decimal import Decimal

import psycopg2

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
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
            .with_user(self.finance)
            .create([{"program_id": self.grant.id, "amount": amount} for amount in (1, 2, 3)])
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

    def test_all_of_some_funds_are_moved_or_none(self):
        funds = self.env["g2p.program.fund"].with_user(self.finance)
        first = funds.create({"program_id": self.grant.id, "amount": 10})
        second = funds.create({"program_id": self.grant.id, "amount": 20})
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
        for move, amount in (("_reserve", 86), ("_withdraw", 86), ("_release", 31), ("_disburse", 31), ("_refund", 16)):
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
