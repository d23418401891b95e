"""The proxy means test in a scenario: scored on the fly by the scenario's own version, and nothing is kept."""

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..tools.applying import program_of


class ConditionCatalogue(models.AbstractModel):
    _inherit = "g2p.condition.catalogue"

    def _pmt_scores(self, program, low, high):
        """Of a scenario nobody's score is kept."""
        model = program._active_pmt_model()
        if not program.is_sandbox or not model:
            return super()._pmt_scores(program, low, high)
        return SQL("SELECT scored.registrant_id, scored.score FROM (%s) AS scored", model._scores_sql(low, high))


class PMTModel(models.Model):
    _inherit = "g2p.pmt.model"

    is_sandbox = fields.Boolean(related="program_id.is_sandbox")

    def action_activate(self):
        if self.is_sandbox:
            raise UserError(
                self.env._("This is the version of a scenario: go back to the scenario, simulate it, and apply it.")
            )
        return super().action_activate()

    def _approval_asks(self, kind):
        """It comes with the scenario, which was agreed to."""
        return program_of(self.env) != self.program_id and super()._approval_asks(kind)


class PMTEligibilityManager(models.Model):
    _inherit = "g2p.program_membership.manager.pmt"

    def _scores(self, condition):
        """Nobody's score is kept for a scenario: it is worked out where it is asked for, within the range of keys that
        the context names."""
        model = self._active_model()
        if not self.program_id.is_sandbox or not model:
            return super()._scores(condition)
        low, high = self.env.context.get("g2p_scenario_range", (None, None))
        return SQL(
            """
            base.registrant_id IN (
                    SELECT kept.partner_id
                      FROM (
                            SELECT registrant_id AS partner_id, score, is_poor, (%(bands)s::integer[])[band] AS band_id
                              FROM (%(scored)s) AS scored
                           ) AS kept
                     WHERE kept.score IS NOT NULL AND %(condition)s
                   )
            """,
            bands=model.band_ids._poorest_first().ids,
            scored=model._scores_sql(low, high),
            condition=condition,
        )
