from odoo import models
from odoo.tools import SQL

from ....tools.constants import GROUP_VALIDATOR
from .. import figures


class Withdraw(models.AbstractModel):
    """What waits for approval becomes a draft again, with its cycle."""

    _name = "g2p.cycle.step.withdraw"
    _inherit = "g2p.cycle.step"
    _description = "Take entitlements back to draft"

    _step = "withdraw"
    _place = 55
    _role = GROUP_VALIDATOR
    _from_states = ("draft",)
    _moves = ("g2p.entitlement",)
    _completed_by = ("submit", "repair", "cancel_entitlements")
    _moved = {"withdrawn": ("g2p.entitlement", "draft")}

    _button = "reset_draft"
    _asked_as = "reset"
    _groups = "g2p_programs.g2p_program_validator"
    _visible = "state == 'to_approve' and (can_manage or can_approve)"
    _stage = 2

    def _label(self):
        return self.env._("Take entitlements back to draft")

    def _title(self):
        return self.env._("Reset to draft")

    def _help(self):
        return self.env._("Give it back to who prepared it")

    def _question(self, cycle):
        return self.env._(
            "%(cycle)s goes back to who prepared it, and its %(count)s entitlements become drafts again.",
            **cycle._told(),
        )

    def _outcomes(self):
        return {"withdrawn": (self.env._("Back in draft"), "done")}

    def _shortfall(self, cycle, name):
        pending = cycle.state == "draft" and figures.of_set(cycle)["pending"]
        return pending and self.env._(
            "%(count)s entitlements of %(cycle)s, which is a draft, wait for approval still. "
            "Press Repair first, which says what it does.",
            count=cycle._number(pending),
            cycle=cycle.display_name,
        )

    def _source(self, cycle, operation):
        return self._entitlement_keys(cycle, SQL("t.state = 'pending_validation'"))

    def _chunk(self, cycle, operation, low, high):
        moved = self.env["g2p.entitlement"]._transition_where(
            SQL("%s AND %s", self._entitlement_range(cycle, low, high), self._cycle_is(cycle, "draft")),
            "draft",
            operation=operation,
            from_state="pending_validation",
            assign={"left_out_reason": SQL("NULL")},
        )
        return {"withdrawn": moved}
