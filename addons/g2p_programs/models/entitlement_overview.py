from odoo import api, fields, models


class Entitlement(models.Model):
    _inherit = "g2p.entitlement"

    can_approve = fields.Boolean(compute="_compute_can_approve", help="Whether the user may decide on it.")

    @api.depends("state", "cycle_id.state")
    @api.depends_context("uid")
    def _compute_can_approve(self):
        """As the step itself will check; one answer a cycle."""
        for cycle, entitlements in self.grouped("cycle_id").items():
            entitlements.can_approve = cycle.state == "approved" and not cycle._validation_refusal()
