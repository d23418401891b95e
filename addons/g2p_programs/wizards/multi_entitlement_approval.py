from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.cycle.cycle import MAX_SELECTION


class MultiEntitlementApprovalWizard(models.TransientModel):
    """Approve the entitlements that are selected in a list."""

    _name = "g2p.multi.entitlement.approval.wizard"
    _description = "Approve entitlements"

    entitlement_ids = fields.Many2many(
        "g2p.entitlement", default=lambda self: self._default_entitlement_ids(), readonly=True
    )
    currency_id = fields.Many2one("res.currency", compute="_compute_figures")
    waiting_ids = fields.Many2many("g2p.entitlement", string="To be approved", compute="_compute_figures")
    waiting_count = fields.Integer("Entitlements", compute="_compute_figures")
    waiting_amount = fields.Monetary("Amount", compute="_compute_figures")
    skipped_count = fields.Integer(
        "Left as they are",
        compute="_compute_figures",
        help="They don't wait for approval, or their cycle isn't approved.",
    )

    seen = fields.Char(
        default=lambda self: self._submissions(
            self.env["g2p.entitlement"].browse(self._default_entitlement_ids() or [])
        ),
        help="Which submissions of the cycles the list was shown of.",
    )

    @api.model
    def _submissions(self, entitlements):
        """Which submissions of their cycles these entitlements are of, as text to compare."""
        return " ".join(f"{cycle.id}:{cycle.submission}" for cycle in entitlements.cycle_id.sorted("id"))

    @api.model
    def _default_entitlement_ids(self):
        if self.env.context.get("active_model") != "g2p.entitlement":
            return False
        selected = self.env.context.get("active_ids") or []
        if len(selected) > MAX_SELECTION:
            raise UserError(
                self.env._(
                    "%(count)s entitlements are selected; up to %(most)s can be approved at a time this way. "
                    "Use Approve entitlements on the cycle for all of them.",
                    count=len(selected),
                    most=MAX_SELECTION,
                )
            )
        return selected

    @api.depends("entitlement_ids")
    def _compute_figures(self):
        for wizard in self:
            waiting = wizard.entitlement_ids.filtered(
                lambda entitlement: entitlement.state == "pending_validation"
                and entitlement.cycle_id.state == "approved"
            )
            wizard.waiting_ids = waiting
            wizard.waiting_count = len(waiting)
            wizard.waiting_amount = sum(waiting.mapped("initial_amount"))
            wizard.skipped_count = len(wizard.entitlement_ids) - len(waiting)
            wizard.currency_id = waiting.currency_id[:1]

    def approve_selected(self):
        """Button: approve those that wait. Role, preparer and fund are checked as for a whole cycle."""
        self.ensure_one()
        if not self.waiting_ids:
            raise UserError(self.env._("None of the selected entitlements waits for approval in an approved cycle."))
        for cycle in self.entitlement_ids.cycle_id:
            cycle._bulk_gate()
        self.entitlement_ids.cycle_id.invalidate_recordset(["submission"])
        if self.seen and self.seen != self._submissions(self.entitlement_ids):
            raise UserError(
                self.env._(
                    "A cycle of these entitlements was taken back and sent for approval again since you opened the list: look at "
                    "it again. Nothing was approved."
                )
            )
        return self.waiting_ids.approve_entitlement()


class EntitlementRejectWizard(models.TransientModel):
    """Why entitlements are rejected."""

    _name = "g2p.entitlement.reject.wizard"
    _description = "Reject entitlements"

    entitlement_ids = fields.Many2many("g2p.entitlement", required=True)
    state = fields.Selection(
        [
            ("rejected1", "Declined by the beneficiary"),
            ("rejected2", "No account"),
            ("rejected3", "Other reason"),
        ],
        "Reason",
        required=True,
        default="rejected3",
    )
    reason = fields.Char("Details", required=True)

    @api.model
    def default_get(self, fields_list):
        values = super().default_get(fields_list)
        if self.env.context.get("active_model") == "g2p.entitlement" and not values.get("entitlement_ids"):
            values["entitlement_ids"] = [(6, 0, self.env.context.get("active_ids") or [])]
        return values

    def reject(self):
        """Button: reject; what was reserved is released."""
        self.ensure_one()
        self.entitlement_ids.check_access("read")
        self.entitlement_ids._reject(self.state, self.reason)
        return {"type": "ir.actions.act_window_close"}
