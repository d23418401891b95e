from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from odoo.addons.g2p_payment_cash.hooks import uninstall_hook
from odoo.addons.g2p_programs.tests.money import MoneyCase


@tagged("post_install", "-at_install")
class TestCashPayment(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deposit(1000)
        cls.grant.payment_managers.unlink()
        cls.env["g2p.program.payment.manager.cash"].with_user(cls.manager).create(
            {"name": "Cash desk", "program_id": cls.grant.id}
        )

    def validated(self):
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        return cycle

    def test_recording_a_payment_makes_it_pays_it_and_charges_the_fund(self):
        cycle = self.validated()
        entitlement = self.entitlements(cycle)[0].with_user(self.finance)
        self.assertTrue(entitlement.show_payment_prepare)
        entitlement.prepare_and_send_payment_cash()
        payment = entitlement.payment_ids
        self.assertEqual((payment.state, payment.status, payment.status_is_final), ("reconciled", "paid", True))
        self.assertEqual((payment.amount_paid, payment.amount_issued), (156.8, 156.8))
        self.assertTrue(payment.payment_datetime)
        self.assertEqual(entitlement.state, "rdpd2ben")
        self.assertFalse(entitlement.show_payment_prepare)
        self.assertEqual(self.figures(), (1000, 220, 160))
        with self.assertRaisesRegex(UserError, "not waiting"):
            entitlement.prepare_and_send_payment_cash()
        self.assertEqual(len(entitlement.payment_ids), 1)

    def test_a_batch_is_recorded_at_once_and_the_cycle_is_distributed(self):
        cycle = self.validated()
        cycle.prepare_payment()
        self.assertEqual(self.counts(cycle, "prepare_payments"), {"prepared": 3})
        cycle.send_payment()
        batch = cycle.payment_batch_ids
        self.assertTrue(batch.is_cash_desk)
        with self.assertRaises(AccessError):
            batch.with_user(self.manager).action_record_cash_payment()
        batch.with_user(self.finance).action_record_cash_payment()
        self.assertEqual(set(self.payments(cycle).mapped("status")), {"paid"})
        self.assertEqual((cycle.state, batch.stats_paid_transactions), ("distributed", 3))
        self.assertEqual(self.figures(), (1000, 0, 380))

    def test_several_entitlements_are_recorded_in_one_go(self):
        cycle = self.validated()
        cycle.prepare_payment()
        self.entitlements(cycle).with_user(self.finance).prepare_and_send_payment_cash()
        self.assertEqual(len(self.payments(cycle)), 3)
        self.assertEqual(cycle.state, "distributed")

    def test_only_finance_records_and_only_what_is_approved(self):
        cycle = self.approved_cycle()
        entitlement = self.entitlements(cycle)[0]
        with self.assertRaisesRegex(UserError, "not waiting"):
            entitlement.with_user(self.finance).prepare_and_send_payment_cash()
        cycle.with_user(self.finance).validate_entitlement()
        for role in ("manager", "validator", "approver", "registrar", "support", "auditor"):
            self.assertFalse(entitlement.with_user(self.users[role]).show_payment_prepare)
            with self.assertRaises(AccessError):
                entitlement.with_user(self.users[role]).prepare_and_send_payment_cash()

    def test_a_program_that_pays_otherwise_records_no_cash(self):
        self.grant.payment_managers.unlink()
        self.env["g2p.program.payment.manager.default"].create({"name": "Bank", "program_id": self.grant.id})
        cycle = self.validated()
        cycle.prepare_payment()
        with self.assertRaisesRegex(UserError, "not waiting"):
            self.entitlements(cycle)[0].with_user(self.finance).prepare_and_send_payment_cash()
        with self.assertRaisesRegex(UserError, "is not paid in cash"):
            cycle.payment_batch_ids.with_user(self.finance).action_record_cash_payment()

    def test_uninstalling_leaves_no_dangling_manager(self):
        uninstall_hook(self.env)
        self.grant.invalidate_recordset()
        self.assertFalse(self.grant.payment_managers)
