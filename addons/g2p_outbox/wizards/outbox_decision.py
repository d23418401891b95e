from odoo import api, fields, models


class OutboxDecision(models.TransientModel):
    """A person decides about batches that could not be delivered."""

    _name = "g2p.outbox.decision"
    _description = "Decision about outbox batches"

    decision = fields.Selection([("again", "Try again"), ("give_up", "Give up")], required=True)
    batch_ids = fields.Many2many("g2p.outbox.batch", string="Batches", required=True)
    reason = fields.Char(required=True)
    summary = fields.Char(compute="_compute_summary")

    @api.depends("decision", "batch_ids")
    def _compute_summary(self):
        for wizard in self:
            count = sum(wizard.batch_ids.mapped("size"))
            unknown = sum(wizard.batch_ids.filtered(lambda batch: batch.fate != "none").mapped("size"))
            if wizard.decision == "again":
                text = self.env._("%s messages are tried again.", f"{count:,}")
            else:
                text = self.env._("%s messages are not sent any more, and their records are told so.", f"{count:,}")
            if unknown and wizard.decision == "again":
                text += " " + self.env._(
                    "Nobody knows whether %s of them arrived: that is asked first.", f"{unknown:,}"
                )
            elif unknown:
                text += " " + self.env._(
                    "Nobody knows whether %s of them arrived: find out before you give them up.", f"{unknown:,}"
                )
            wizard.summary = text

    def action_confirm(self):
        """Button."""
        self.ensure_one()
        self.batch_ids.channel_id._check_steers()
        self.batch_ids.check_access("read")
        batches = self.batch_ids.sudo()  # sudo: role and access to each batch were checked just above
        waiting = batches.browse()
        if self.decision == "again":
            batches._try_again(self.reason)
        else:
            waiting = batches._give_up(self.reason)
        message = self.env._("%s batches were given up.", len(batches - waiting))
        if self.decision == "again":
            message = self.env._("%s batches are tried again.", len(batches))
        elif waiting:
            message += " " + self.env._("%s wait for a second person, who gives them up too.", len(waiting))
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning" if waiting else "success",
                "message": message,
                "next": {"type": "ir.actions.act_window_close"},
            },
        }
