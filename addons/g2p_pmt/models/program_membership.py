from odoo import fields, models

from .pmt_score import VERDICTS
from .res_partner import SEEN_BY


class ProgramMembership(models.Model):
    _inherit = "g2p.program_membership"

    pmt_score_id = fields.Many2one(
        "g2p.pmt.score", "Proxy means test score", compute="_compute_pmt_score", groups=SEEN_BY
    )
    latest_pmt_score = fields.Float("PMT score", digits=(24, 6), compute="_compute_pmt_score", groups=SEEN_BY)
    pmt_band_id = fields.Many2one("g2p.pmt.band", "PMT band", compute="_compute_pmt_score", groups=SEEN_BY)
    pmt_verdict = fields.Selection(VERDICTS, "Proxy means test", compute="_compute_pmt_score", groups=SEEN_BY)
    pmt_reason = fields.Char("No score because", compute="_compute_pmt_score", groups=SEEN_BY)
    pmt_breakdown_html = fields.Html(
        "How this score came about", compute="_compute_pmt_score", sanitize=False, groups=SEEN_BY
    )

    def _compute_pmt_score(self):
        """The score in the member's own program, by its active version: one query for all."""
        scores = self.env["g2p.pmt.score"].search(
            [
                ("partner_id", "in", self.partner_id.ids),
                ("program_id", "in", self.program_id.ids),
                ("latest", "=", True),
                ("model_id.state", "=", "active"),
            ]
        )
        by_member = {(score.program_id, score.partner_id): score for score in scores}
        for membership in self:
            score = by_member.get((membership.program_id, membership.partner_id), scores.browse())
            membership.pmt_score_id = score
            membership.latest_pmt_score = score.score
            membership.pmt_band_id = score.band_id
            membership.pmt_verdict = score.verdict
            membership.pmt_reason = score.reason
            membership.pmt_breakdown_html = score.breakdown_html
