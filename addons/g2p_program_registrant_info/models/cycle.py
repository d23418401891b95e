from odoo import models
from odoo.tools import SQL


class CycleStep(models.AbstractModel):
    _inherit = "g2p.cycle.step"

    def _of_range(self, cycle, low, high):
        """This cycle's entitlements of one range of registrants, over `entitlement`."""
        return SQL("entitlement.cycle_id = %s AND %s", cycle.id, self._range("entitlement", "partner_id", low, high))


class PrepareStep(models.AbstractModel):
    _inherit = "g2p.cycle.step.prepare"

    def _chunk(self, cycle, operation, low, high):
        counts = super()._chunk(cycle, operation, low, high)
        self.env["g2p.program.registrant_info"]._link_entitlements(self._of_range(cycle, low, high))
        return counts


class ApproveEntitlementsStep(models.AbstractModel):
    """Applications are completed by the payment; where nothing will be paid, by the approval."""

    _inherit = "g2p.cycle.step.approve_entitlements"

    def _chunk(self, cycle, operation, low, high):
        counts = super()._chunk(cycle, operation, low, high)
        has_payments = bool(cycle.program_id.get_managers(cycle.program_id.MANAGER_PAYMENT))
        self.env["g2p.program.registrant_info"]._complete_where(
            SQL(
                "%s AND entitlement.state = 'approved' AND (NOT entitlement.is_cash_entitlement OR NOT %s)",
                self._of_range(cycle, low, high),
                has_payments,
            ),
            operation,
        )
        return counts
