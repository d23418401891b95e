from odoo import api, models
from odoo.tools import SQL

from odoo.addons.g2p_registry_base.models.condition_catalogue import Figure


class ConditionCatalogue(models.AbstractModel):
    """The score by the program's active proxy means test."""

    _inherit = "g2p.condition.catalogue"

    @api.model
    def _names(self):
        names = super()._names()
        names["res.partner"].add("latest_pmt_score")
        return names

    @api.model
    def _figure_sources(self):
        return [*super()._figure_sources(), ("pmt", self.env._("Proxy means test"))]

    def _pmt_figures(self, program):
        if not self.env["g2p.pmt.score"].has_access("read") or (
            program and (program._name != "g2p.program" or not program.pmt_config)
        ):
            return []
        return [Figure("pmt", "score", self.env._("Score"), SQL("pmt.score::numeric"))]

    def _pmt_join(self, program, low, high):
        return SQL("LEFT JOIN (%s) AS pmt ON pmt.registrant_id = registrant.id", self._pmt_scores(program, low, high))

    def _pmt_scores(self, program, low, high):
        """Columns `registrant_id`, `score`."""
        return SQL(
            """
            SELECT kept.partner_id AS registrant_id, kept.score
              FROM g2p_pmt_score AS kept
             WHERE kept.model_id = %s AND kept.latest AND %s AND %s
            """,
            program._active_pmt_model().id or 0,
            SQL("kept.partner_id > %s", low) if low is not None else SQL("TRUE"),
            SQL("kept.partner_id <= %s", high) if high is not None else SQL("TRUE"),
        )
