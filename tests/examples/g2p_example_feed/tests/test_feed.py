from odoo.tests import tagged
from odoo.tools import SQL

from odoo.addons.g2p_programs.tests.money import MoneyCase


@tagged("post_install", "-at_install")
class TestFeed(MoneyCase):
    def lines(self, cycle):
        lines = self.env["g2p.example.feed.line"].search([("entitlement_id.cycle_id", "=", cycle.id)])
        return sorted((line.entitlement_id.id, line.state) for line in lines)

    def test_a_step_is_told_as_a_set_and_a_button_too(self):
        cycle = self.paid_out()
        entitlements = self.entitlements(cycle)
        approved = [(entitlement.id, "approved") for entitlement in entitlements]
        self.assertEqual(self.lines(cycle), sorted(approved))
        payment = self.payments(cycle)[0]
        payment.with_user(self.finance)._finalize_now(SQL("SELECT %s", payment.id), "paid")
        self.env.cr.precommit.run()
        self.assertEqual(self.lines(cycle), sorted([*approved, (payment.entitlement_id.id, "rdpd2ben")]))
