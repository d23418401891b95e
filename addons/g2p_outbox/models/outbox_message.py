from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL


class OutboxMessage(models.Model):
    """One thing that is told once: of which record, with which key, and what came of it. Made by SQL, as a set, see
    `g2p.outbox.channel._queue_sql`."""

    _name = "g2p.outbox.message"
    _description = "Outbox message"
    _order = "id desc"
    _rec_name = "key"

    _key_uniq = models.Constraint("UNIQUE (channel_id, key)", "The channel has taken this key already.")
    _loose_idx = models.Index("(channel_id, id) WHERE batch_id IS NULL")
    _record_idx = models.Index("(res_model, res_id)")

    channel_id = fields.Many2one("g2p.outbox.channel", required=True, readonly=True, ondelete="restrict")
    batch_id = fields.Many2one("g2p.outbox.batch", readonly=True, index="btree_not_null", ondelete="restrict")
    key = fields.Char(required=True, readonly=True, help="What makes it this message: the channel takes it once.")
    label = fields.Char("Goes with", readonly=True, help="Messages with the same go in one call, or in several.")
    res_model = fields.Char("Model", required=True, readonly=True)
    res_id = fields.Many2oneReference("Record number", model_field="res_model", readonly=True)
    payload = fields.Json(readonly=True)
    outcome = fields.Selection(
        [("delivered", "Delivered"), ("refused", "Refused"), ("given_up", "Given up")], readonly=True
    )
    reference = fields.Char("Their reference", readonly=True)
    reason = fields.Char(readonly=True)
    batch_state = fields.Selection(related="batch_id.state")
    batch_fate = fields.Selection(related="batch_id.fate")

    def action_open_record(self):
        """Button: the record it is about, with the user's own rights."""
        self.ensure_one()
        self.check_access("read")
        if self.res_model not in self.env:
            raise UserError(self.env._("The module of this record isn't there any more."))
        record = self.env[self.res_model].browse(self.res_id).exists()
        if not record:
            raise UserError(self.env._("The record isn't there any more."))
        record.check_access("read")
        return {
            "type": "ir.actions.act_window",
            "res_model": self.res_model,
            "res_id": self.res_id,
            "view_mode": "form",
        }

    # Sets

    def _take_results(self, batch, results):
        """Write down what came of single messages of a batch; the first that is said stays. Returns how many were new."""
        if not results:
            return 0
        rows = [(key, result.outcome, result.reference, result.reason) for key, result in results.items()]
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_outbox_message AS message
                   SET outcome = result.outcome, reference = result.reference, reason = result.reason
                  FROM unnest(%s::varchar[], %s::varchar[], %s::varchar[], %s::varchar[])
                       AS result (key, outcome, reference, reason)
                 WHERE message.batch_id = %s AND message.key = result.key AND message.outcome IS NULL
                """,
                *map(list, zip(*rows, strict=True)),
                batch.id,
            )
        )
        count = self.env.cr.rowcount
        self.invalidate_model(["outcome", "reference", "reason"], flush=False)
        return count

    def _take_rest(self, batch, outcome, reason=None):
        """What has no outcome yet shares that of its batch."""
        self.env.cr.execute(
            SQL(
                "UPDATE g2p_outbox_message SET outcome = %s, reason = %s WHERE batch_id = %s AND outcome IS NULL",
                outcome,
                reason,
                batch.id,
            )
        )
        self.invalidate_model(["outcome", "reason"], flush=False)
