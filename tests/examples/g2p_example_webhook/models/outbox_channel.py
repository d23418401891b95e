from odoo import api, fields, models
from odoo.tools import SQL


class OutboxChannel(models.Model):
    _inherit = "g2p.outbox.channel"

    kind = fields.Selection(selection_add=[("webhook", "Webhook")], ondelete={"webhook": "set default"})

    @api.model
    def _cron_queue_webhooks(self):
        """Queue every operation that has ended since the channel was made, and wasn't queued yet: one statement a channel,
        in the transaction of whoever calls it."""
        for channel in self.search([("kind", "=", "webhook")]):
            channel._queue(
                SQL(
                    """
                    SELECT 'operation-' || operation.id AS key, 'Ended operations' AS batch, operation.id AS res_id,
                           jsonb_build_object('step', operation.step, 'state', operation.state) AS payload
                      FROM g2p_bulk_operation AS operation
                     WHERE operation.state IN ('done', 'cancelled') AND operation.finished_at >= %s
                       AND operation.company_id = %s
                       AND NOT EXISTS (
                            SELECT FROM g2p_outbox_message AS message
                             WHERE message.channel_id = %s AND message.key = 'operation-' || operation.id
                       )
                     ORDER BY operation.id
                    """,
                    channel.create_date,
                    channel.company_id.id,
                    channel.id,
                ),
                "g2p.bulk.operation",
            )
