"""Money and control: what got through once, by people who hold a role and want more."""

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged

from odoo.addons.g2p_programs.tests.money import MoneyCase


@tagged("post_install", "-at_install")
class TestControl(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deposit(10000)

    def test_nobody_marks_what_they_do_not_see(self):
        cycle = self.paid_out()
        area = self.env["g2p.area"].create({"name": "Here", "code": "HERE"})
        self.large.area_id = area
        limited = new_test_user(
            self.env, login="limited", groups="g2p_programs.g2p_finance_validator", g2p_area_ids=[Command.set(area.ids)]
        )
        wizard = self.env["g2p.payment.mark.wizard"].with_user(limited)
        with self.assertRaisesRegex(UserError, "2 of these payments are outside"):
            wizard.create({"cycle_id": cycle.id, "status": "paid"}).mark()
        self.assertEqual(set(self.payments(cycle).mapped("status")), {False})
        wizard.create({"batch_id": self.payments(cycle).batch_id.id, "status": "paid"}).mark()
        paid = self.payments(cycle).filtered(lambda payment: payment.status == "paid")
        self.assertEqual(paid.partner_id, self.large)

    def test_nobody_hands_out_what_they_do_not_see(self):
        self.grant.payment_managers.unlink()
        self.env["g2p.program.payment.manager.cash"].create({"name": "Desk", "program_id": self.grant.id})
        cycle = self.paid_out()
        area = self.env["g2p.area"].create({"name": "Here", "code": "HERE"})
        self.large.area_id = area
        limited = new_test_user(
            self.env, login="limited", groups="g2p_programs.g2p_finance_validator", g2p_area_ids=[Command.set(area.ids)]
        )
        self.payments(cycle).batch_id.with_user(limited).action_record_cash_payment()
        paid = self.payments(cycle).filtered(lambda payment: payment.status == "paid")
        self.assertEqual(paid.partner_id, self.large)

    def test_a_program_with_a_cycle_under_way_is_not_archived_past_the_button(self):
        self.approved_cycle()
        with self.assertRaisesRegex(UserError, "under way"):
            self.grant.with_user(self.manager).write({"active": False})
