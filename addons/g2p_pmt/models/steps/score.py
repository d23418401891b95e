from odoo import models
from odoo.exceptions import UserError
from odoo.tools import SQL


class ScoreStep(models.AbstractModel):
    """Everybody in a program's reach gets a score by the active version of its proxy means test."""

    _name = "g2p.program.step.score"
    _inherit = "g2p.bulk.step"
    _description = "Compute scores"

    _target = "g2p.program"
    _step = "score"
    _place = 5
    _moves = ("g2p.pmt.score",)

    def _label(self):
        return self.env._("Compute scores")

    def _outcomes(self):
        _ = self.env._
        return {
            "scored": (_("Scored"), "done"),
            "unchanged": (_("Same score as before"), "done"),
            "unscorable": (_("Can't be scored, data is missing"), "skipped"),
        }

    def _rows(self, record, operation, outcome):
        """Scores: those that were made or changed have the operation's date; who can't be scored has a score without a
        number."""
        conditions = {
            "scored": SQL("t.score IS NOT NULL AND t.date >= %s", operation.create_date),
            "unchanged": SQL("t.score IS NOT NULL AND t.date < %s", operation.create_date),
            "unscorable": SQL("t.score IS NULL"),
        }
        if outcome not in conditions:
            return None
        return "g2p.pmt.score", SQL(
            "t.model_id = %s AND t.latest AND %s AND %s",
            operation.params["model"],
            operation._in_chunks_with(outcome, SQL("t.partner_id")),
            conditions[outcome],
        )

    def _before(self, record, operation):
        """Settle which version scores, and what stands for missing values: the same for all chunks."""
        if not record.pmt_config:
            raise UserError(self.env._("%s has no proxy means test: switch it on first.", record.name))
        model = record._active_pmt_model()
        if not model:
            raise UserError(
                self.env._("%s has no active proxy means test: activate a version of the model first.", record.name)
            )
        model._check_scorable()
        if operation.params.get("means") or any(
            term._mean_key not in (model.means or {}) for term in model._mean_terms()
        ):
            model.means = model._compute_means()
        operation.params = {**operation.params, "model": model.id}

    def _source(self, record, operation):
        scored = self._model(operation)._scored_registrants()
        return SQL("SELECT scored.registrant_id AS key FROM (%s) AS scored", scored)

    def _chunk(self, record, operation, low, high):
        model = self._model(operation)
        model._check_scorable()
        return model._save_scores(low, high)

    def _model(self, operation):
        return self.env["g2p.pmt.model"].browse(operation.params["model"])
