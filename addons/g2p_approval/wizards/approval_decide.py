from odoo import api, fields, models
from odoo.exceptions import UserError


class ApprovalDecide(models.TransientModel):
    """Show what is decided on, ask for a remark, and decide on exactly that."""

    _name = "g2p.approval.decide"
    _description = "Decide on approval requests"

    request_ids = fields.Many2many("g2p.approval.request", string="Requests", required=True)
    decision = fields.Selection([("approved", "Approve"), ("rejected", "Reject")], required=True, default="approved")
    remark = fields.Text()
    shown = fields.Json(help="The digest of each request when this was opened.")
    changed_count = fields.Integer(compute="_compute_changed_count")

    @api.model
    def default_get(self, fields_list):
        values = super().default_get(fields_list)
        context = self.env.context
        ids = context.get("default_request_ids") or []
        if not ids and context.get("active_model") == "g2p.approval.request":
            ids = context.get("active_ids") or []
        requests = self.env["g2p.approval.request"].search([("id", "in", ids), ("can_decide", "=", True)])
        values["request_ids"] = [fields.Command.set(requests.ids)]
        values["shown"] = {str(request.id): request.digest for request in requests}
        return values

    @api.depends("request_ids")
    def _compute_changed_count(self):
        for wizard in self:
            wizard.changed_count = len(wizard.request_ids.filtered("is_changed"))

    def decide(self):
        """Button."""
        self.ensure_one()
        if not self.request_ids:
            raise UserError(self.env._("None of these requests waits for you."))
        decide = self.request_ids.action_approve if self.decision == "approved" else self.request_ids.action_reject
        return decide(self.remark, self.shown or {})
