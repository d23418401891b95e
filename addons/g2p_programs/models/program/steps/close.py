from odoo import models

from ....tools.constants import GROUP_MANAGER

MEMBERS = (
    "import_eligible",
    "enroll",
    "verify",
    "deduplicate",
    "auto_enrol",
)


class NewCycle(models.AbstractModel):
    """The next cycle of the program."""

    _name = "g2p.program.step.new_cycle"
    _inherit = "g2p.program.step"
    _description = "Create new cycle"

    _step = "create_new_cycle"
    _place = 60
    _has_rows = False
    _role = GROUP_MANAGER
    _relies_on = MEMBERS

    _button = "create_new_cycle"
    _asked_as = "cycle"
    _groups = "g2p_programs.g2p_program_manager"
    _visible = "state == 'active' and active and eligible_beneficiaries_count"

    def _label(self):
        return self.env._("Create new cycle")

    def _question(self, program):
        text = self.env._(
            "The next cycle is created for %(enrolled)s enrolled members. Nothing is promised to anybody yet, and "
            "the cycle can be cancelled.",
            **program._told(),
        )
        duplicates = program._waiting_duplicates_text()
        return f"{text} {duplicates}" if duplicates else text

    def _next(self, program):
        return (
            program.state == "active"
            and program.eligible_beneficiaries_count
            and not program.draft_count
            and not program.open_cycle_id
            and 30
        )


class End(models.AbstractModel):
    """Nobody is enrolled and no cycle is created any more."""

    _name = "g2p.program.step.end"
    _inherit = "g2p.program.step"
    _description = "End program"

    _step = "end_program"
    _place = 900
    _has_rows = False
    _role = GROUP_MANAGER
    _from_states = ("active", "paused")
    _relies_on = (*MEMBERS, "g2p.cycle:*")

    _button = "end_program"
    _asked_as = "end"
    _groups = "g2p_programs.g2p_program_manager"
    _visible = "state in ('active', 'paused') and active"

    def _label(self):
        return self.env._("End program")

    def _question(self, program):
        return self.env._(
            "%(program)s ends: nobody is enrolled and no cycle is created any more. Nothing is deleted, and you can "
            "re-activate it.",
            **program._told(),
        )
