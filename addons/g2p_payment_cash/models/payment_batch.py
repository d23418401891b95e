from odoo import models
from odoo.exceptions import UserError


class PaymentBatch(models.Model):
    _inherit = "g2p.payment.batch"

    def action_record_cash_payment(self):
        """Button: the money of this batch was handed out; every payment of it that is not final is paid, now."""
        self.ensure_one()
        self._check_can_finalize()
        if not self.is_cash_desk:
            raise UserError(self.env._("%s is not paid in cash: reconcile its payments.", self.name))
        self.cycle_id._require_state("approved")
        # The record rules of the user narrow the set.
        payments = self.env["g2p.payment"]._search([("batch_id", "=", self.id), ("status", "=", False)]).subselect()
        # sudo: role, access to the batch and state were checked above, and the set is what the user may see
        payment = self.env["g2p.payment"].sudo()
        held_back = payment._blocked_text(payments)
        recorded = payment._finalize_now(payments, "paid", self.env._("Cash")).paid
        message = self.env["g2p.entitlement"]._recorded_text(recorded)
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
