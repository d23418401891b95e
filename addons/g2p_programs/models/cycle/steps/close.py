from odoo import models

# All money of a cycle has to be where it is said to be before the cycle is left.
PAID = (
    "prepare",
    "submit",
    "withdraw",
    "approve_entitlements",
    "prepare_payments",
    "send",
    "reconcile",
)


class Distribute(models.AbstractModel):
    """Every payment is final; happens by itself when the last one is reconciled."""

    _name = "g2p.cycle.step.distribute"
    _inherit = "g2p.cycle.step"
    _description = "Mark as distributed"

    _step = "mark_distributed"
    _place = 100
    _has_rows = False
    _from_states = ("approved",)
    _relies_on = PAID

    _button = "mark_distributed"
    _asked_as = "distribute"
    _groups = "g2p_programs.g2p_program_manager"
    _visible = "state == 'approved' and next_action == 'distribute'"
    _stage = 5

    def _label(self):
        return self.env._("Mark as distributed")

    def _help(self):
        return self.env._("Every payment is final")

    def _question(self, cycle):
        return self.env._(
            "%(cycle)s is marked as distributed: every payment is paid or has failed for good.", **cycle._told()
        )

    def _next(self, cycle):
        return cycle.state == "approved" and not cycle._payable_later() and 90

    def _next_words(self, cycle):
        return self.env._("Every payment is final: mark the cycle as distributed.")


class End(models.AbstractModel):
    """The cycle is over."""

    _name = "g2p.cycle.step.end"
    _inherit = "g2p.cycle.step"
    _description = "End cycle"

    _step = "mark_ended"
    _place = 110
    _has_rows = False
    _from_states = ("distributed",)
    _relies_on = PAID

    _button = "mark_ended"
    _asked_as = "end"
    _groups = "g2p_programs.g2p_program_manager"
    _visible = "state == 'distributed'"
    _stage = 6

    def _label(self):
        return self.env._("End cycle")

    def _help(self):
        return self.env._("Close the cycle")

    def _question(self, cycle):
        return self.env._(
            "%(cycle)s is closed. It stays readable, and nothing in it changes any more.", **cycle._told()
        )

    def _next(self, cycle):
        return cycle.state == "distributed" and 10

    def _next_words(self, cycle):
        return self.env._("Everything is paid: end the cycle.")
