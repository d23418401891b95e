from odoo import models


class CycleReconcileStep(models.AbstractModel):
    _inherit = "g2p.cycle.step.reconcile"

    def _next_words(self, cycle):
        return self.env._("Payments are on their way: reconcile them with the payer's file, or mark them by hand.")
