from odoo import api, models
from odoo.tools import SQL

# A file that is being applied, or was not applied wholly, stands in the way of these.
APPLIED = "g2p.payment.reconciliation:reconcile"
WAITING = ("mark_distributed", "mark_ended", "mark_cancelled")


class Cycle(models.Model):
    _inherit = "g2p.cycle"

    def action_reconcile(self):
        """Button: reconcile with a file of the payer."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Reconcile payments"),
            "res_model": "g2p.payment.reconciliation",
            "view_mode": "form",
            "context": {"default_cycle_id": self.id},
        }

    @api.model
    def _bulk_relies_on(self):
        relied = super()._bulk_relies_on()
        return {**relied, **{name: (*relied[name], APPLIED) for name in WAITING}}

    def _bulk_related(self, model):
        if model == "g2p.payment.reconciliation":
            return SQL(
                """
                SELECT id FROM g2p_payment_reconciliation
                 WHERE cycle_id = %s OR cycle_id IS NULL AND company_id = %s
                """,
                self.id,
                self.company_id.id,
            )
        return super()._bulk_related(model)
