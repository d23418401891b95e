from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged

from odoo.addons.g2p_programs.tests.money import MoneyCase


@tagged("post_install", "-at_install")
class TestDelivery(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rice = cls.env["g2p.benefit.codes"].create(
            {"benefit_mnemonic": "RICE", "benefit_type": "COMMODITY", "measurement_unit": "kilogram"}
        )
        cls.grant.definition_id.benefit_code_line_ids = [Command.create({"benefit_code_id": cls.rice.id})]
        cls.terms.sudo().unlink()
        cls.goods = (
            cls.env["g2p.program.entitlement.manager.goods"]
            .with_user(cls.manager)
            .create({"name": "Rice", "program_id": cls.grant.id, "quantity": 25})
        )

    def approved(self):
        """Approved without a coin in the fund."""
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        return cycle

    def test_what_is_delivered_is_a_quantity_of_goods_and_charges_no_fund(self):
        cycle = self.approved()
        self.assertEqual(self.counts(cycle, "approve_entitlements"), {"approved": 3})
        entitlements = self.entitlements(cycle)
        self.assertEqual(
            {
                (one.settlement, one.is_cash_entitlement, one.quantity, one.initial_amount, one.benefit_code_id)
                for one in entitlements
            },
            {("delivery", False, 25, 0, self.rice)},
        )
        self.assertEqual((cycle.approved_count, cycle.approved_amount), (3, 0))
        cycle.prepare_payment()
        self.assertFalse(self.payments(cycle))
        self.assertEqual(self.figures(), (0, 0, 0))
        self.assertFalse(self.large.benefits_due_count)

    def test_what_is_added_by_hand_is_delivered_too(self):
        cycle = self.new_cycle()
        self.env["g2p.entitlement.create.wizard"].with_user(self.manager).create(
            {
                "cycle_id": cycle.id,
                "cycle_membership_ids": [Command.set(cycle.cycle_membership_ids[:1].ids)],
                "benefit_code_id": self.rice.id,
                "quantity": 5,
                "reason": "Decision of the appeal board",
            }
        ).create_entitlement()
        given = self.entitlements(cycle)
        self.assertEqual((given.settlement, given.quantity, given.initial_amount), ("delivery", 5, 0))

    def test_a_cycle_is_distributed_when_all_are_delivered(self):
        cycle = self.approved()
        first, *others = self.entitlements(cycle)
        with self.assertRaisesRegex(UserError, r"3 approved .* not settled: Delivery \(3\)"):
            cycle.mark_distributed()
        first.with_user(self.manager).action_record_delivery()
        self.assertEqual((first.state, cycle.state), ("rdpd2ben", "approved"))
        with self.assertRaisesRegex(UserError, r"Delivery \(2\)"):
            cycle.mark_distributed()
        with self.assertRaisesRegex(UserError, "handed out already"):
            cycle.mark_cancelled()
        for one in others:
            one.with_user(self.manager).action_record_delivery()
        self.assertEqual(cycle.state, "distributed")
        self.assertEqual(self.figures(), (0, 0, 0))

    def test_only_managers_record_only_once_and_only_what_nothing_holds_back(self):
        first, second, _third = self.entitlements(self.approved())
        with self.assertRaises(AccessError):
            first.with_user(self.users["registrar"]).action_record_delivery()
        first.with_user(self.manager).action_record_delivery()
        with self.assertRaisesRegex(UserError, "Nothing was done"), self.cr.savepoint():
            first.with_user(self.manager).action_record_delivery()
        second.partner_id._disable("Moved away")
        with self.assertRaisesRegex(UserError, "holds back"), self.cr.savepoint():
            second.with_user(self.manager).action_record_delivery()
        self.assertEqual(second.state, "approved")
