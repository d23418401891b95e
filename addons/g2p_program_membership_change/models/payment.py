from odoo import models
from odoo.tools import SQL

from .kinds import LEFT_STATES


class Payment(models.Model):
    _inherit = "g2p.payment"

    def _finalize(self, source, key, operation=None, confirmed=False):
        """Where a payment comes back unpaid whose member has left meanwhile, the entitlement is cancelled at once."""
        result = super()._finalize(source, key, operation, confirmed)
        self.env["g2p.entitlement"]._leave_where(
            SQL(
                """
                t.on_hold AND EXISTS (
                    SELECT FROM g2p_program_membership AS membership
                     WHERE membership.program_id = t.program_id AND membership.partner_id = t.partner_id
                       AND membership.state = ANY(%s)
                )
                """,
                list(LEFT_STATES),
            ),
            ("approved",),
            "cancelled",
            key,
            reason=self.env._("Left the program"),
            operation=operation,
        )
        return result
