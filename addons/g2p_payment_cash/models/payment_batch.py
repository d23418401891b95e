from odoo import models
from odoo.exceptions import UserError
from odoo.tools import SQL


class PaymentBatch(models.Model):
    _inherit = "g2p.payment.batch"

    def action_record_cash_payment(self):
        """Button: the money of this batch was handed out; every payment of it that is not final is paid, now."""
        self.ensure_one()
        self._check_can_finalize()
        if not self.is_cash_desk:
            raise UserError(self.env._("%s does not pay in cash: reconcile its payments.", self.program_id.name))
        self.cycle_id._require_state("approved")
        # sudo: role, access to the batch and state were checked above
        recorded = (
            self.env["g2p.payment"]
            .sudo()
            ._finalize_now(
                SQL("SELECT id FROM g2p_payment WHERE batch_id = %s AND status IS NULL", self.id),
                "paid",
                self.env._("Cash"),
            )
        )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success" if recorded else "warning",
                "message": self.env._("%s cash payments were recorded.", recorded),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }
