from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged

from .money import MoneyCase


@tagged("post_install", "-at_install")
class TestSeveralManagers(MoneyCase):
    """A grant, and a fuel allowance of 30 of a manager of its own, in one program."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        codes = cls.env["g2p.benefit.codes"]
        cls.cash, cls.fuel = (
            codes.create({"benefit_mnemonic": name, "measurement_unit": cls.grant.currency_id.name})
            for name in ("GRANT", "FUEL")
        )
        lines = [Command.create({"benefit_code_id": code.id}) for code in (cls.cash, cls.fuel)]
        cls.grant.definition_id.benefit_code_line_ids = [Command.clear(), *lines]
        cls.terms.benefit_code_id = cls.cash
        cls.allowance = cls.add(amount_per_cycle=30, benefit_code_id=cls.fuel.id, validity_days=10)

    @classmethod
    def add(cls, **values):
        return (
            cls.env["g2p.program.entitlement.manager.default"]
            .with_user(cls.manager)
            .create({"name": "Fuel", "program_id": cls.grant.id, **values})
        )

    def amounts(self, cycle):
        return {(one.partner_id, one.benefit_code_id): one.initial_amount for one in self.entitlements(cycle)}

    def test_each_gives_its_benefit_and_everything_adds_up(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        self.assertEqual(self.counts(cycle, "prepare"), {"prepared": 3})
        grants = {self.large: 160, self.small: 120, self.empty: 100}
        self.assertEqual(
            self.amounts(cycle),
            {(family, self.cash): amount for family, amount in grants.items()}
            | {(family, self.fuel): 30 for family in grants},
        )
        until = {one.benefit_code_id: one.valid_until for one in self.entitlements(cycle)}
        self.assertEqual((until[self.cash] - until[self.fuel]).days, 355)
        self.assertEqual((cycle.entitlements_count, cycle.total_amount), (6, 470))
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual(self.figures(), (1000, 470, 0))
        cycle.prepare_payment()
        self.assertEqual(len(self.payments(cycle)), 6)
        cycle.send_payment()
        cycle.with_user(self.finance)._mark_payments("paid")
        self.assertEqual((cycle.state, cycle.paid_amount, cycle.fee_amount), ("distributed", 462.4, 7.6))
        self.assertEqual(self.figures(), (1000, 0, 470))

    def test_again_changes_nothing(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        before = self.amounts(cycle)
        cycle.prepare_entitlement()
        self.assertEqual(self.counts(cycle, "prepare"), {"already_prepared": 3})
        self.assertEqual(self.amounts(cycle), before)
        self.assertEqual(len(self.entitlements(cycle)), 6)

    def test_what_one_gave_is_not_given_again_when_another_comes_or_a_code_changes(self):
        self.allowance.sudo().unlink()
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        self.add(amount_per_cycle=30, benefit_code_id=self.fuel.id)
        cycle.prepare_entitlement()
        self.assertEqual(self.counts(cycle, "prepare"), {"prepared": 3})
        self.assertEqual(len(self.entitlements(cycle)), 6)
        other = self.cash.copy({"benefit_mnemonic": "OTHER"})
        self.grant.definition_id.benefit_code_line_ids = [Command.create({"benefit_code_id": other.id})]
        self.terms.benefit_code_id = other
        cycle.prepare_entitlement()
        self.assertEqual(self.counts(cycle, "prepare"), {"already_prepared": 3})
        self.assertEqual(len(self.entitlements(cycle)), 6)

    def test_two_do_not_give_the_same(self):
        self.allowance.benefit_code_id = self.cash
        cycle = self.new_cycle()
        with self.assertRaisesRegex(UserError, "both give GRANT"):
            cycle.prepare_entitlement()

    def test_whoever_approves_is_one_whom_all_managers_allow(self):
        self.deposit(1000)
        group = self.env["res.groups"].create(
            {
                "name": "Council",
                "implied_ids": [Command.link(self.env.ref("g2p_programs.g2p_finance_validator").id)],
            }
        )
        self.allowance.sudo().entitlement_validation_group_id = group
        cycle = self.approved_cycle()
        with self.assertRaisesRegex(AccessError, "Council"):
            cycle.with_user(self.finance).validate_entitlement()
        self.finance.sudo().group_ids += group
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"approved"})
