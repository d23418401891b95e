from odoo import models
from odoo.tools import SQL

from .. import agreed, figures


class Submit(models.AbstractModel):
    """The drafts of a cycle that was sent for approval wait for it from here on."""

    _name = "g2p.cycle.step.submit"
    _inherit = "g2p.cycle.step"
    _description = "Send entitlements for approval"

    _step = "submit"
    _place = 40
    _from_states = ("to_approve",)
    _moves = ("g2p.entitlement",)
    _relies_on = (
        "copy",
        "verify",
        "prepare",
        "withdraw",
    )
    _completed_by = ("withdraw", "repair", "cancel_entitlements")
    _moved = {"submitted": ("g2p.entitlement", "pending_validation")}

    _button = "to_approve"
    _groups = "g2p_programs.g2p_program_manager"
    _visible = "state == 'draft' and entitlements_count"
    _stage = 3

    def _label(self):
        return self.env._("Send entitlements for approval")

    def _title(self):
        return self.env._("Send for approval")

    def _help(self):
        return self.env._("Somebody else approves the cycle")

    def _question(self, cycle):
        text = self.env._(
            "%(entitlements)s entitlements of %(total)s go to approval. Somebody else than you has to approve them. "
            "“Reset to draft” takes the cycle back.",
            **cycle._told(),
        )
        if day := agreed.payable_later(cycle):
            text += " " + self.env._("Nothing of it can be paid before %s.", day)
        return text

    def _next(self, cycle):
        return cycle.state == "draft" and cycle.entitlements_count and not cycle.unprepared_count and 20

    def _next_words(self, cycle):
        return self.env._("Send the cycle for approval.")

    def _outcomes(self):
        return {"submitted": (self.env._("Sent for approval"), "done")}

    def _shortfall(self, cycle, name):
        drafts = cycle.state != "draft" and figures.of_set(cycle)["drafts"]
        return drafts and self.env._(
            "%(count)s entitlements of %(cycle)s are still drafts, so nobody was asked to approve them. "
            "Press Repair first, which says what it does.",
            count=cycle._number(drafts),
            cycle=cycle.display_name,
        )

    def _source(self, cycle, operation):
        return self._entitlement_keys(cycle, SQL("t.state = 'draft'"))

    def _chunk(self, cycle, operation, low, high):
        moved = self.env["g2p.entitlement"]._transition_where(
            SQL("%s AND %s", self._entitlement_range(cycle, low, high), self._cycle_is(cycle, "to_approve")),
            "pending_validation",
            operation=operation,
            from_state="draft",
        )
        return {"submitted": moved}
