"""Entitlements on hold: neither approved nor paid while their member is paused, nor paid again when one who left had a
payment on its way that came back.

The mark is on the entitlement itself, so that whoever holds it and whoever approves or pays it meet in one row.
"""

from odoo import api, fields, models
from odoo.tools import SQL

from ...tools import blocks
from ..entitlement import Entitlement as BaseEntitlement
from .kinds import LEFT_STATES


class Entitlement(models.Model):
    _inherit = "g2p.entitlement"

    _protected_fields = (*BaseEntitlement._protected_fields, "on_hold")

    _on_hold_idx = models.Index("(cycle_id, partner_id) WHERE on_hold")

    on_hold = fields.Boolean(readonly=True, copy=False, help="The member is paused or has left: it is not paid now.")

    @api.model
    def _blocks(self):
        return {
            "paused": blocks.Block(self.env._("The member is paused or has left"), SQL("t.on_hold")),
            **super()._blocks(),
        }


class Cycle(models.Model):
    _inherit = "g2p.cycle"

    def _open_payments_text(self):
        # sudo: an entitlement counts whether or not the user may see it; only the refusal is shown
        held = (
            self.env["g2p.entitlement"]
            .sudo()
            .search_count([("cycle_id", "=", self.id), ("state", "=", "approved"), ("on_hold", "=", True)])
        )
        if held:
            return self.env._(
                "%(count)s approved entitlements of %(cycle)s are on hold: resume or exit their members, or reject them.",
                count=held,
                cycle=self.display_name,
            )
        return super()._open_payments_text()


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
