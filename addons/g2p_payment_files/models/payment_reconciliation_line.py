from odoo import fields, models

OUTCOMES = [
    ("matched", "Matched"),
    ("unmatched", "No payment has this reference"),
    ("amount_mismatch", "Another amount"),
    ("too_early", "Paid before it was issued"),
    ("duplicate", "Twice in the file"),
    ("already_final", "Final already"),
    ("contradiction", "Contradicts what is recorded"),
    ("not_due", "Entitlement not approved any more"),
    ("blocked", "Never left, and held back"),
    ("not_sent", "Never left"),
    ("bad", "Can't be read"),
]
# About the others something is wrong, which somebody has to find out: the operation's count of what failed, and the filter
# of the list, say so of the same lines.
DONE, SKIPPED = ("matched",), ("already_final",)


class PaymentReconciliationLine(models.Model):
    """One line of a payer's file, and what became of it."""

    _name = "g2p.payment.reconciliation.line"
    _inherit = ["g2p.bulk.row.mixin"]
    _description = "Line of a payment reconciliation"
    _order = "reconciliation_id desc, row_number"
    _rec_name = "reference"
    _log_access = False

    _row_idx = models.Index("(reconciliation_id, row_number)")

    reconciliation_id = fields.Many2one("g2p.payment.reconciliation", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one(related="reconciliation_id.company_id")
    currency_id = fields.Many2one(related="reconciliation_id.currency_id")
    row_number = fields.Integer("Row", readonly=True, aggregator=None)
    reference = fields.Char("Payment reference", readonly=True)
    status = fields.Selection([("paid", "Paid"), ("failed", "Failed")], readonly=True)
    amount = fields.Float(digits=(16, 4), readonly=True)
    date = fields.Datetime(readonly=True)
    bank_reference = fields.Char(readonly=True)
    reason = fields.Char(readonly=True)
    payment_id = fields.Many2one("g2p.payment", readonly=True, ondelete="set null", index="btree_not_null")
    partner_id = fields.Many2one(related="payment_id.partner_id")
    outcome = fields.Selection(OUTCOMES, readonly=True)
    note = fields.Char(readonly=True)
