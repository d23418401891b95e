from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.g2p_bulk.tools import roles

from ..tools.constants import GROUP_MANAGER


class AssignPaymentsBatchWizard(models.TransientModel):
    """Put selected payments, which are in no batch yet, into a new one."""

    _name = "g2p.assign.payments.batch.wizard"
    _description = "Add payments to a batch"

    payment_ids = fields.Many2many("g2p.payment", string="Payments")
    tag_id = fields.Many2one("g2p.payment.batch.tag", string="Batch tag")
    free_count = fields.Integer("Payments without a batch", compute="_compute_free_count")

    @api.model
    def default_get(self, fields_list):
        values = super().default_get(fields_list)
        if self.env.context.get("active_model") == "g2p.payment" and not values.get("payment_ids"):
            values["payment_ids"] = [(6, 0, self.env.context.get("active_ids") or [])]
        return values

    def _free_payments(self):
        return self.payment_ids.filtered(
            lambda payment: not payment.batch_id and payment.state == "issued" and not payment.status
        )

    @api.depends("payment_ids")
    def _compute_free_count(self):
        for wizard in self:
            wizard.free_count = len(wizard._free_payments())

    def assign(self):
        """Button: make the batch, and open it."""
        self.ensure_one()
        roles.check(self.env, GROUP_MANAGER)
        payments = self._free_payments()
        if not payments:
            raise UserError(self.env._("All of these payments are in a batch already, or have left."))
        if len(payments.cycle_id) > 1:
            raise UserError(self.env._("A batch holds the payments of one cycle: select payments of one cycle."))
        payments.cycle_id._bulk_check("edit_payments")
        # sudo: the role was checked above and the payments are what the user may see; nobody edits payments directly
        batch = (
            self.env["g2p.payment.batch"]
            .sudo()
            .create(
                {
                    "cycle_id": payments.cycle_id.id,
                    "program_id": payments.program_id.id,
                    "company_id": payments.cycle_id.company_id.id,
                    "tag_id": self.tag_id.id,
                }
            )
        )
        payments.sudo().write({"batch_id": batch.id})
        batch._refresh_statistics()
        return {
            "type": "ir.actions.act_window",
            "res_model": "g2p.payment.batch",
            "res_id": batch.id,
            "view_mode": "form",
        }
