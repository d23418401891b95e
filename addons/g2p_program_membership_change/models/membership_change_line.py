from odoo import fields, models


class MembershipChangeLine(models.Model):
    """One member of a change, and where they came from."""

    _name = "g2p.membership.change.line"
    _inherit = ["g2p.bulk.row.mixin"]
    _description = "Member of a change"
    _order = "id desc"
    _rec_name = "membership_id"
    _log_access = False

    _change_partner_uniq = models.Constraint("UNIQUE (change_id, partner_id)", "The member is in the change already.")
    _membership_idx = models.Index("(membership_id)")

    change_id = fields.Many2one("g2p.membership.change", required=True, readonly=True, ondelete="cascade")
    membership_id = fields.Many2one("g2p.program_membership", required=True, readonly=True, ondelete="restrict")
    # Indexed: a registrant who is deleted, or whose import is undone, is looked for here.
    partner_id = fields.Many2one(
        "res.partner", "Registrant", required=True, readonly=True, index=True, ondelete="restrict"
    )
    outcome = fields.Selection(
        [("pending", "Waiting"), ("done", "Changed"), ("skipped", "Left as they were"), ("reversed", "Reversed")],
        required=True,
        readonly=True,
    )
    skipped = fields.Char("Skipped because", readonly=True)
    skipped_reason = fields.Char("Why left as they were", compute="_compute_skipped_reason")
    from_state = fields.Char(readonly=True)
    from_reason = fields.Char(readonly=True)
    from_exit_date = fields.Datetime(readonly=True)
    from_paused_until = fields.Date(readonly=True)
    from_change_id = fields.Many2one("g2p.membership.change", readonly=True, ondelete="restrict")

    area_id = fields.Many2one(related="partner_id.area_id")
    kind = fields.Selection(related="change_id.kind")
    state = fields.Selection(related="change_id.state")
    date = fields.Date(related="change_id.date")
    until = fields.Date(related="change_id.until")
    reason_id = fields.Many2one(related="change_id.reason_id")
    remark = fields.Text(related="change_id.remark")
    user_id = fields.Many2one(related="change_id.user_id")

    def _compute_skipped_reason(self):
        outcomes = self.env["g2p.membership.change"]._bulk_outcomes()
        for line in self:
            line.skipped_reason = outcomes[line.skipped][0] if line.skipped in outcomes else line.skipped

    def action_open_change(self):
        """Button: the change, with its documents."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "g2p.membership.change",
            "res_id": self.change_id.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }
