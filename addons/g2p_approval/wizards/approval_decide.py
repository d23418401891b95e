from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools.misc import format_datetime


class ApprovalDecide(models.TransientModel):
    """Show what is decided on, ask for a remark, and decide on exactly that."""

    _name = "g2p.approval.decide"
    _description = "Decide on approval requests"

    request_ids = fields.Many2many("g2p.approval.request", string="Requests", required=True)
    decision = fields.Selection([("approved", "Approve"), ("rejected", "Reject")], required=True, default="approved")
    remark = fields.Text()
    shown = fields.Json(help="The digest of each request when this was opened.")
    changed_count = fields.Integer(compute="_compute_changed_count")
    told = fields.Html("What is asked", compute="_compute_told")

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

    @api.depends("request_ids")
    @api.depends_context("lang", "tz", "uid")
    def _compute_told(self):
        for wizard in self:
            requests = wizard.request_ids
            wizard.told = Markup("").join(
                Markup("<div class='mb-3'><strong>%s</strong><div class='text-muted'>%s</div>%s</div>")
                % (
                    request.name,
                    self.env._(
                        "%(of)sAsked by %(user)s on %(date)s",
                        of=f"{request.scope_name} · " if request.scope_name else "",
                        # sudo: the name of who asked, for whoever may see the request
                        user=request.sudo().requested_by.name,
                        date=format_datetime(self.env, request.requested_on),
                    ),
                    # One is read line by line, of several each in one.
                    (request.figures_table or "")
                    if len(requests) == 1
                    else Markup("<div>%s</div>") % request.figures_text,
                )
                for request in requests
            )

    def decide(self):
        """Button."""
        self.ensure_one()
        if not self.request_ids:
            raise UserError(self.env._("None of these requests waits for you."))
        decide = self.request_ids.action_approve if self.decision == "approved" else self.request_ids.action_reject
        return decide(self.remark, self.shown or {})
