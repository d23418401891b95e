from odoo import fields, models


class WebhookReceipt(models.Model):
    """That the other system knows of an operation."""

    _name = "g2p.example.webhook.receipt"
    _description = "Webhook receipt"
    _order = "id desc"
    _rec_name = "operation_id"

    _once = models.Constraint("UNIQUE (operation_id, channel_id)", "The operation was told to this channel.")

    operation_id = fields.Many2one("g2p.bulk.operation", required=True, readonly=True, ondelete="cascade")
    channel_id = fields.Many2one("g2p.outbox.channel", required=True, readonly=True, ondelete="cascade")
    outcome = fields.Selection(
        [("delivered", "Delivered"), ("refused", "Refused"), ("given_up", "Given up")], required=True, readonly=True
    )
    reference = fields.Char(readonly=True)
