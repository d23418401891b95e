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
            raise UserError(self.env._("%s is not paid in cash: reconcile its payments.", self.name))
        self.cycle_id._require_state("approved")
        # sudo: role, access to the batch and state were checked above
        payment = self.env["g2p.payment"].sudo()
        payments = SQL("SELECT id FROM g2p_payment WHERE batch_id = %s AND status IS NULL", self.id)
        held_back = payment._blocked_text(payments)
        recorded = payment._finalize_now(payments, "paid", self.env._("Cash")).paid
        message = self.env._("%s cash payments were recorded.", recorded)
        if held_back:
            message += " " + self.env._("Not recorded, because something holds them back: %s.", held_back)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success" if recorded and not held_back else "warning",
                "message": message,
                "sticky": bool(held_back),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }
