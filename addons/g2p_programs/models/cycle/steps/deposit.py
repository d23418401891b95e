from odoo import models

from ....tools.constants import GROUP_FINANCE


class Deposit(models.AbstractModel):
    """Before entitlements can be approved: the fund can't pay one of those who wait, so far as the reader may know."""

    _name = "g2p.cycle.step.deposit"
    _inherit = "g2p.cycle.step.money"
    _description = "Deposit money"

    _step = "action_deposit"
    _place = 58
    _has_rows = False
    _role = GROUP_FINANCE
    _relies_on = None

    _asked_as = "deposit"
    _stage = 3

    def _label(self):
        return self.env._("Deposit money")

    def _next(self, cycle):
        return (
            cycle.state == "approved"
            and cycle.pending_count > cycle.left_out_count
            and cycle._fund_reaches_nobody()
            and 9
        )

    def _next_words(self, cycle):
        return cycle._short_text()
