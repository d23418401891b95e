"""Steps that take members into a cycle look again at their end at who was paused or left meanwhile."""

from odoo import models


class CopyStep(models.AbstractModel):
    _inherit = "g2p.cycle.step.copy"

    def _finish(self, cycle, operation):
        cycle._catch_up_with_members(operation)
        return super()._finish(cycle, operation)


class PrepareStep(models.AbstractModel):
    _inherit = "g2p.cycle.step.prepare"

    def _finish(self, cycle, operation):
        cycle._catch_up_with_members(operation)
        return super()._finish(cycle, operation)
