from odoo import models


class DefaultPaymentManager(models.Model):
    """Payments and batches that somebody takes to the payer: *Send* marks them sent; what came of them is recorded by
    hand, or by what the payer answers."""

    _name = "g2p.program.payment.manager.default"
    _description = "Payment manager (default)"
    _inherit = "g2p.base.program.payment.manager"
