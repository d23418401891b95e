from odoo import api, models
from odoo.tools import SQL

from ....tools.constants import GROUP_VALIDATOR


class ProgramStep(models.AbstractModel):
    """A step of a program: its members are made or move, in ranges of registrants."""

    _name = "g2p.program.step"
    _inherit = "g2p.bulk.step"
    _description = "Step of a Program"

    _target = "g2p.program"
    #: the role that the button asks for
    _role = GROUP_VALIDATOR
    _from_states = ("active",)
    _moves = ("g2p.program_membership",)

    @api.model
    def _check_may(self, program):
        """What the button checks before it starts the step."""
        program.ensure_one()
        program._check_can(self._role)
        program.check_access("write")
        program._check_active()

    @api.model
    def _mine(self, program, operation, outcome):
        """Over `t`, the members: of this program, in a chunk that counted the outcome."""
        return SQL("t.program_id = %s AND %s", program.id, operation._in_chunks_with(outcome, SQL("t.partner_id")))
