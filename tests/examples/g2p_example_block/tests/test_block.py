from odoo.tests import tagged

from odoo.addons.g2p_programs.tests.money import MoneyCase


@tagged("post_install", "-at_install")
class TestBlock(MoneyCase):
    def test_nothing_is_approved_while_a_complaint_is_open_and_afterwards_it_is(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        complaint = self.env["g2p.example.complaint"].create({"partner_id": self.large.id})
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual(self.counts(cycle, "approve_entitlements"), {"approved": 2, "complaint": 1})
        left = self.entitlements(cycle).filtered(lambda entitlement: entitlement.state == "pending_validation")
        self.assertEqual((left.partner_id, left.left_out_reason), (self.large, "complaint"))
        complaint.is_open = False
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"approved"})

    def test_nor_is_a_payment_prepared(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        self.env["g2p.example.complaint"].create({"partner_id": self.small.id})
        cycle.prepare_payment()
        self.assertEqual(self.counts(cycle, "prepare_payments"), {"prepared": 2, "complaint": 1})
