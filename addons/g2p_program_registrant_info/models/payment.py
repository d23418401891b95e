from odoo import api, models
from odoo.tools import SQL

from odoo.addons.g2p_programs.models.entitlement import RESERVED_STATES


class Payment(models.Model):
    _inherit = "g2p.payment"

    @api.model
    def _finalize(self, source, key, operation=None, confirmed=False):
        """Applications whose entitlement is paid are completed. They are found first, by what makes a payment final: the
        source may know nothing of payments that are."""
        self.env["g2p.program.registrant_info"]._complete_where(
            SQL(
                """
                entitlement.state = ANY(%s) AND entitlement.id IN (
                    SELECT payment.entitlement_id FROM g2p_payment AS payment
                     WHERE payment.status IS NULL AND payment.id IN (
                        SELECT source.payment_id FROM (%s) AS source WHERE source.status = 'paid'
                     )
                )
                """,
                list(RESERVED_STATES),
                source,
            ),
            operation,
        )
        return super()._finalize(source, key, operation, confirmed)
