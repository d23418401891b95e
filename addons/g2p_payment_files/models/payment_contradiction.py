from odoo import fields, models


class PaymentContradiction(models.Model):
    _inherit = "g2p.payment.contradiction"

    _line_once = models.UniqueIndex("(line_id)", "This line is listed already.")

    line_id = fields.Many2one("g2p.payment.reconciliation.line", "Line of the file", readonly=True, ondelete="restrict")
    reconciliation_id = fields.Many2one(related="line_id.reconciliation_id", string="File")

    def _told_by(self):
        return self.reconciliation_id.name or super()._told_by()
