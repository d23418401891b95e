from odoo import api, fields, models
from odoo.tools import SQL

from .pmt_score import VERDICTS
from .res_partner import SEEN_BY, _search_score


class RegistrantInfo(models.Model):
    _inherit = "g2p.program.registrant_info"

    pmt_score = fields.Float(
        "PMT score", digits=(24, 6), compute="_compute_pmt_score", search="_search_pmt_score", groups=SEEN_BY
    )
    pmt_verdict = fields.Selection(VERDICTS, "Proxy means test", compute="_compute_pmt_score", groups=SEEN_BY)

    def _compute_pmt_score(self):
        """By the active version of the program's model; of an earlier application, as it was scored then."""
        scores = self.env["g2p.pmt.score"].search(
            [("application_id", "in", self.ids), ("model_id.state", "=", "active")], order="id"
        )
        by_application = {score.application_id.id: score for score in scores}
        for application in self:
            score = by_application.get(application.id, scores.browse())
            application.pmt_score = score.score
            application.pmt_verdict = score.verdict

    @api.model
    def _search_pmt_score(self, operator, value):
        return _search_score(self, SQL("application_id"), operator, value, self.env["res.partner"]._visible_programs())

    # Answers that change are scored at once

    @api.model_create_multi
    def create(self, vals_list):
        applications = super().create(vals_list)
        applications._refresh_pmt_scores()
        return applications

    def write(self, vals):
        result = super().write(vals)
        if "program_registrant_info" in vals:
            self._refresh_pmt_scores()
        return result

    def _refresh_pmt_scores(self):
        """Score the registrants of these applications: a constant number of statements for each program."""
        for program, applications in self.grouped("program_id").items():
            # sudo: the score follows from the answers, whoever gives them; they don't get to see it
            model = program.sudo()._active_pmt_model()
            # A model with a problem says so on its own form; it must not keep anybody from applying.
            if model and model._uses_applications() and not model._problems():
                model._save_scores(ids=applications.registrant_id.ids)
