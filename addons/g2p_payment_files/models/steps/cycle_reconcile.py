from odoo import models


class CycleReconcileStep(models.AbstractModel):
    _inherit = "g2p.cycle.step.reconcile"

    def _other_ways(self, cycle):
        return [*super()._other_ways(cycle), self.env._("If the payer gave you a file: Reconcile with a file.")]
