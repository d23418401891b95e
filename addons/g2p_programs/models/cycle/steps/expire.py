from odoo import fields, models
from odoo.tools import SQL


class Expire(models.AbstractModel):
    """Approved entitlements that nobody paid within their validity end, and their money is released."""

    _name = "g2p.cycle.step.expire"
    _inherit = "g2p.cycle.step"
    _description = "Expire entitlements"

    _step = "expire"
    _place = 120
    _moves = ("g2p.entitlement",)
    _moved = {"expired": ("g2p.entitlement", "expired")}

    def _label(self):
        return self.env._("Expire entitlements")

    def _outcomes(self):
        return {"expired": (self.env._("Expired"), "done")}

    def _source(self, cycle, operation):
        return self._entitlement_keys(cycle, SQL("t.state = 'approved' AND %s", self._expired(cycle)))

    def _chunk(self, cycle, operation, low, high):
        expired = self.env["g2p.entitlement"]._leave_where(
            SQL("%s AND %s", self._entitlement_range(cycle, low, high), self._expired(cycle)),
            ("approved",),
            "expired",
            cycle._hold_key(operation),
            reason=self.env._("Not paid within its validity"),
            operation=operation,
        )
        return {"expired": expired}

    def _finish(self, cycle, operation):
        cycle._finish_leaving(operation)

    def _expired(self, cycle):
        """Over `t`: past the validity, and nobody is paying it."""
        return SQL(
            """
            t.valid_until < %s
            AND NOT EXISTS (
                SELECT FROM g2p_payment AS live
                 WHERE live.entitlement_id = t.id AND live.status IS DISTINCT FROM 'failed'
            )
            """,
            fields.Date.context_today(cycle),
        )
