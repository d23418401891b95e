from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.g2p_programs.tools import blocks


class Entitlement(models.Model):
    """On hold: neither approved nor paid while the member is paused, nor paid again when one who left had a payment on its
    way that came back.

    The mark is on the entitlement itself, so that whoever holds it and whoever approves or pays it meet in one row.
    """

    _inherit = "g2p.entitlement"

    _on_hold_idx = models.Index("(cycle_id, partner_id) WHERE on_hold")

    on_hold = fields.Boolean(readonly=True, copy=False, help="The member is paused or has left: it is not paid now.")

    @property
    def _protected_fields(self):
        return (*super()._protected_fields, "on_hold")

    @api.depends("on_hold")
    def _compute_blocked_now(self):
        return super()._compute_blocked_now()

    @api.model
    def _blocks(self):
        return {
            "paused": blocks.Block(self.env._("The member is paused or has left"), SQL("t.on_hold")),
            **super()._blocks(),
        }
