from odoo import api, models


class PaymentManager(models.Model):
    _inherit = "g2p.program.payment.manager"

    @api.model
    def _selection_manager_ref_id(self):
        return [*super()._selection_manager_ref_id(), ("g2p.program.payment.manager.cash", self.env._("Cash"))]


class CashPaymentManager(models.Model):
    """Money handed out at a cash desk. *Send* hands the list to the desk; who answers for the money records that it was
    paid, for one beneficiary or for a batch. No account is needed."""

    _name = "g2p.program.payment.manager.cash"
    _description = "Payment manager (cash)"
    _inherit = "g2p.base.program.payment.manager"

    _is_cash_desk = True
