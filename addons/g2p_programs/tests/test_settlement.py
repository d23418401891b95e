import psycopg2

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from .money import MoneyCase


@tagged("post_install", "-at_install")
class TestSettlement(MoneyCase):
    """How an entitlement is fulfilled: by a payment, or by nothing at all; the rest is brought by plug-ins."""

    def unpaid(self, entitlement):
        """As of a plug-in that is gone, or of a database of before: nothing is to be done for it."""
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE g2p_entitlement SET settlement = 'none', is_cash_entitlement = FALSE WHERE id = %s",
            [entitlement.id],
        )
        self.env.invalidate_all()

    def test_what_managers_give_by_default_is_money(self):
        entitlements = self.entitlements(self.approved_cycle())
        self.assertEqual(set(entitlements.mapped("settlement")), {"payment"})
        self.assertEqual(set(entitlements.mapped("is_cash_entitlement")), {True})

    def test_the_fund_is_charged_and_payments_are_made_for_money_only(self):
        self.deposit(1000)
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        large, small, empty = self.entitlements(cycle)
        self.unpaid(large)
        cycle.to_approve()
        cycle.with_user(self.approver).approve()
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual(self.figures(), (1000, small.initial_amount + empty.initial_amount, 0))
        cycle.prepare_payment()
        self.assertEqual(self.payments(cycle).entitlement_id, small + empty)
        cycle.send_payment()
        cycle.with_user(self.finance)._mark_payments("paid")
        self.assertEqual((large.state, cycle.state), ("approved", "distributed"))
        self.assertEqual(self.figures(), (1000, 0, small.initial_amount + empty.initial_amount))

    def test_nothing_is_distributed_where_only_nothing_was_to_be_done(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        for entitlement in self.entitlements(cycle):
            self.unpaid(entitlement)
        cycle.to_approve()
        cycle.with_user(self.approver).approve()
        cycle.with_user(self.finance).validate_entitlement()
        cycle._set_distributed_if_complete()
        self.assertEqual(cycle.state, "approved")
        cycle.mark_distributed()
        self.assertEqual(cycle.state, "distributed")

    def test_a_payment_is_settled_by_its_payment_alone(self):
        with self.assertRaises(ValueError):
            self.env["g2p.entitlement"]._settle_where(SQL("TRUE"), "payment")

    def test_the_database_keeps_money_and_anything_else_apart(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        entitlement = self.entitlements(cycle)[0]
        for values in (
            "is_cash_entitlement = FALSE",
            "settlement = 'none'",
            "quantity = 3",
            "initial_amount = 0, transfer_fee = 0",
            "currency_id = NULL",
        ):
            with (
                self.subTest(values),
                self.assertRaises(psycopg2.errors.CheckViolation),
                mute_logger("odoo.sql_db"),
                self.cr.savepoint(),
            ):
                self.cr.execute(f"UPDATE g2p_entitlement SET {values} WHERE id = {entitlement.id}")

    def test_settlements_are_not_written_from_outside(self):
        entitlement = self.entitlements(self.approved_cycle())[0]
        for values in ({"settlement": "none"}, {"is_cash_entitlement": False}, {"quantity": 3}):
            with self.subTest(values), self.assertRaises(UserError), self.cr.savepoint():
                entitlement.with_user(self.users["admin"]).write(values)
