from odoo import models

from ..agreed import CYCLE


class Approve(models.AbstractModel):
    """Somebody of the approver group, who had no hand in it, agrees to the cycle as it was sent."""

    _name = "g2p.cycle.step.approve"
    _inherit = "g2p.cycle.step"
    _description = "Approve cycle"

    _step = "approve"
    _place = 50
    _says_whose = False
    _has_rows = False
    _relies_on = (
        "copy",
        "verify",
        "prepare",
        "submit",
        "withdraw",
    )

    _button = "approve"
    _button_context = {"submission": "submission"}
    _visible = "state == 'to_approve' and can_approve"
    _stage = 3

    def _label(self):
        return self.env._("Approve cycle")

    def _help(self):
        return self.env._("You did not prepare it, so you may approve it")

    def _asked(self, cycle):
        return cycle._seen(self._step)

    def _question(self, cycle):
        if cycle.auto_approve_entitlements:
            text = self.env._(
                "%(cycle)s and its %(count)s entitlements of %(amount)s are approved. The money is reserved for them."
            )
        else:
            text = self.env._(
                "%(cycle)s is approved with %(members)s beneficiaries. Its %(count)s entitlements of %(amount)s are "
                "approved in the next step, and nothing is paid before."
            )
        return (text + cycle._fund_text()) % cycle._told() + cycle._others_text(CYCLE)

    def _next(self, cycle):
        return cycle.state == "to_approve" and 10

    def _next_words(self, cycle):
        if cycle.can_approve:
            return self.env._("Look at the beneficiaries and the amounts, then approve the cycle or send it back.")
        if waits := cycle._waits_text(CYCLE):
            return waits
        return self.env._("Somebody of the approver group, not who prepared it, approves the cycle.")
