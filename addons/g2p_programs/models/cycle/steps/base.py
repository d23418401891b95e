from odoo import api, models
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import roles

from ....tools.constants import GROUP_MANAGER


class CycleStep(models.AbstractModel):
    """A step of a cycle: beneficiaries, entitlements or payments move, in ranges of registrants."""

    _name = "g2p.cycle.step"
    _inherit = "g2p.bulk.step"
    _description = "Step of a Cycle"

    _target = "g2p.cycle"
    #: the role that the button asks for
    _role = GROUP_MANAGER
    #: whether who can't do it is told whose button it is
    _says_whose = True
    #: {outcome: (model, state that the rows came to)} of the outcomes that the history of states knows
    _moved = {}

    # Who may, and when

    @api.model
    def _check_may(self, cycle):
        """What the button checks before it starts the step."""
        cycle.ensure_one()
        cycle._check_can(self._role)
        cycle._require_state(*self._from_states)
        self._check_program(cycle.program_id)
        self._check_cycle(cycle)

    @api.model
    def _check_cycle(self, cycle):
        """What else of the cycle the step needs."""

    @api.model
    def _check_program(self, program):
        program._check_active()

    @api.model
    def _next_text(self, cycle):
        text = self._next_words(cycle)
        return roles.for_role(self.env, text, self._role) if self._says_whose else text

    @api.model
    def _next_words(self, cycle):
        return f"{self._title()}."

    # Rows

    @api.model
    def _rows(self, cycle, operation, outcome):
        if outcome in self._moved:
            model, state = self._moved[outcome]
            return model, operation._moved_rows(model, state)
        return super()._rows(cycle, operation, outcome)

    @api.model
    def _mine(self, cycle, operation, outcome):
        """Over `t`, a table of rows of cycles and registrants: of this cycle, in a chunk that counted the outcome."""
        return SQL("t.cycle_id = %s AND %s", cycle.id, operation._in_chunks_with(outcome, SQL("t.partner_id")))

    # Entitlements, as conditions over `t`

    def _entitlement_keys(self, cycle, condition):
        """The registrants of this cycle's entitlements `t` that meet a condition: column `key`."""
        return SQL(
            "SELECT t.partner_id AS key FROM g2p_entitlement AS t WHERE t.cycle_id = %s AND %s", cycle.id, condition
        )

    def _entitlement_range(self, cycle, low, high):
        """This cycle's entitlements `t` of one range of registrants, as a condition."""
        return SQL("t.cycle_id = %s AND t.partner_id > %s AND t.partner_id <= %s", cycle.id, low, high)

    def _cycle_is(self, cycle, state):
        """Whether this cycle is still in the state that a step is for: one that is resumed later moves nothing."""
        return SQL("EXISTS (SELECT FROM g2p_cycle AS still WHERE still.id = %s AND still.state = %s)", cycle.id, state)

    @api.model
    def _block_outcomes(self):
        """What may stand in the way of an entitlement or a payment, as outcomes."""
        return {code: (block.words, "skipped") for code, block in self.env["g2p.entitlement"]._blocks().items()}

    @api.model
    def _left_out_codes(self):
        return self.env["g2p.entitlement"]._fields["left_out_reason"].get_values(self.env)


class CycleMoneyStep(models.AbstractModel):
    """A step that money hangs on: a program that is paused, but does not hold its payments back, lets it go on."""

    _name = "g2p.cycle.step.money"
    _inherit = "g2p.cycle.step"
    _description = "Step of a Cycle that moves Money"

    @api.model
    def _check_program(self, program):
        program._check_not_paused(only_held=True)
