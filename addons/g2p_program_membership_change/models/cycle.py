from odoo import api, models
from odoo.tools import SQL

from .kinds import CHANGES, LEFT_STATES

# They come before or after a change, or decide on the whole cycle.
RELYING_ON_CHANGES = (
    "copy",
    "verify",
    "prepare",
    "submit",
    "approve",
    "approve_entitlements",
    "prepare_payments",
    "send",
    "to_approve",
)
# A change and these meet in the entitlements and payments, row by row.
MEETING_CHANGES = ("approve", "approve_entitlements", "prepare_payments", "send", "to_approve")


class Cycle(models.Model):
    """A cycle agrees with the states of members, and is not called distributed while entitlements are on hold."""

    _inherit = "g2p.cycle"

    # What comes before what

    def _bulk_related(self, model):
        if model == "g2p.membership.change":
            return SQL("SELECT id FROM g2p_membership_change WHERE program_id = %s", self.program_id.id)
        return super()._bulk_related(model)

    @api.model
    def _bulk_relies_on(self):
        relied = super()._bulk_relies_on()
        return relied | {name: (*relied[name], *CHANGES) for name in RELYING_ON_CHANGES}

    @api.model
    def _bulk_harmless(self):
        harmless = super()._bulk_harmless()
        return harmless | {name: (*harmless.get(name, ()), *CHANGES) for name in MEETING_CHANGES}

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

    def _catch_up_with_members(self, operation):
        """Who was paused or left while the step ran, and whose change did not see what the step made.

        The end of the step and the end of the change both write the cycle's counters: one of them sees what the other did.
        """
        members = self.program_id._members_in(("paused", *LEFT_STATES))
        [[some]] = self.env.execute_query(SQL("SELECT EXISTS (%s)", members))
        if not some:
            return
        self.program_id._follow_members(members, self, operation)
