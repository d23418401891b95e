from odoo import models
from odoo.tools import SQL


class Cancel(models.AbstractModel):
    """What is not paid of a cancelled cycle is cancelled, and its money is released."""

    _name = "g2p.cycle.step.cancel"
    _inherit = "g2p.cycle.step"
    _description = "Cancel entitlements"

    _step = "cancel_entitlements"
    _place = 900
    _from_states = ("cancelled",)
    _moves = ("g2p.entitlement",)
    _completed_by = ("repair",)
    _moved = {"cancelled": ("g2p.entitlement", "cancelled")}

    _button = "mark_cancelled"
    _asked_as = "cancel"
    _groups = "g2p_programs.g2p_program_manager"
    _visible = "state in ('draft', 'to_approve', 'approved') and not paid_count and not sent_count"
    _stage = 6

    def _label(self):
        return self.env._("Cancel entitlements")

    def _title(self):
        return self.env._("Cancel cycle")

    def _help(self):
        return self.env._("Cancel the cycle and its entitlements")

    def _question(self, cycle):
        return self.env._(
            "%(cycle)s and its entitlements are cancelled, and the money reserved for them is released. "
            "A cancelled cycle can't be opened again.",
            **cycle._told(),
        )

    def _outcomes(self):
        return {"cancelled": (self.env._("Cancelled"), "done")}

    def _source(self, cycle, operation):
        return self._entitlement_keys(cycle, SQL("t.state IN ('draft', 'pending_validation', 'approved')"))

    def _chunk(self, cycle, operation, low, high):
        cancelled = self.env["g2p.entitlement"]._leave_where(
            SQL("%s AND %s", self._entitlement_range(cycle, low, high), self._cycle_is(cycle, "cancelled")),
            ("draft", "pending_validation", "approved"),
            "cancelled",
            cycle._hold_key(operation),
            reason=self.env._("The cycle was cancelled"),
            operation=operation,
        )
        return {"cancelled": cancelled}

    def _finish(self, cycle, operation):
        cycle._finish_leaving(operation)
