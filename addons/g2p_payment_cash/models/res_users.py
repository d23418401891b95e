from odoo import models


class ResUsers(models.Model):
    _inherit = "res.users"

    def _g2p_home_action(self):
        action = super()._g2p_home_action()
        if not action and self.has_group("g2p_payment_cash.g2p_cashier"):
            return "g2p_payment_cash.g2p_cash_desk_action"
        return action
