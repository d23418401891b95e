from odoo import models
from odoo.tools import SQL


class Cycle(models.Model):
    _inherit = "g2p.cycle"

    def _of_range(self, low, high):
        """This cycle's entitlements of one range of registrants."""
        return SQL(
            "entitlement.cycle_id = %s AND entitlement.partner_id > %s AND entitlement.partner_id <= %s",
            self.id,
            low,
            high,
        )

    def _bulk_chunk_prepare(self, operation, low, high):
        counts = super()._bulk_chunk_prepare(operation, low, high)
        self.env["g2p.program.registrant_info"]._link_entitlements(self._of_range(low, high))
        return counts

    def _bulk_chunk_approve_entitlements(self, operation, low, high):
        """Applications are completed by the payment; where nothing will be paid, by the approval."""
        counts = super()._bulk_chunk_approve_entitlements(operation, low, high)
        has_payments = bool(self.program_id.get_managers(self.program_id.MANAGER_PAYMENT))
        self.env["g2p.program.registrant_info"]._complete_where(
            SQL(
                "%s AND entitlement.state = 'approved' AND (NOT entitlement.is_cash_entitlement OR NOT %s)",
                self._of_range(low, high),
                has_payments,
            ),
            operation,
        )
        return counts
