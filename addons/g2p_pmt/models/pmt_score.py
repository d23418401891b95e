from odoo import api, fields, models
from odoo.tools import SQL

from ..tools import breakdown

VERDICTS = [
    ("poor", "Poor"),
    ("not_poor", "Not poor"),
    ("scored", "Scored"),
    ("unscorable", "Can't be scored"),
]


class PMTScore(models.Model):
    """The score of a registrant by one version of a program's model. Written by set-based SQL only."""

    _name = "g2p.pmt.score"
    _inherit = ["g2p.bulk.row.mixin"]
    _description = "Proxy means test score"
    _log_access = False
    _order = "id desc"
    _rec_name = "partner_id"

    _latest_uniq = models.UniqueIndex("(model_id, partner_id) WHERE latest", "A registrant has one score in a model.")
    _partner_idx = models.Index("(partner_id)")
    _program_band = models.Index("(program_id, verdict)")
    _application_idx = models.Index("(application_id) WHERE application_id IS NOT NULL")

    partner_id = fields.Many2one("res.partner", "Registrant", required=True, readonly=True, ondelete="cascade")
    program_id = fields.Many2one("g2p.program", required=True, readonly=True, ondelete="restrict")
    company_id = fields.Many2one(related="program_id.company_id")
    model_id = fields.Many2one("g2p.pmt.model", "Model", required=True, readonly=True, ondelete="restrict")
    model_state = fields.Selection(related="model_id.state", string="State of the model")
    application_id = fields.Many2one("g2p.program.registrant_info", "Application", readonly=True, ondelete="cascade")
    area_id = fields.Many2one(
        "g2p.area", "Area", readonly=True, ondelete="restrict", help="Where the registrant lived."
    )
    score = fields.Float(digits=(24, 6), readonly=True, aggregator="avg")
    band_id = fields.Many2one("g2p.pmt.band", "Band", readonly=True, ondelete="restrict")
    cut_off = fields.Float("Cut-off", digits=(24, 6), readonly=True, aggregator=None)
    is_poor = fields.Boolean("Poor", readonly=True, help="Empty in the database where there is no score or no cut-off.")
    verdict = fields.Selection(VERDICTS, required=True, readonly=True)
    reason = fields.Char(compute="_compute_reason", help="Why there is no score.")
    missing = fields.Json(readonly=True, help="Positions of the terms without which there is no score.")
    terms = fields.Json(readonly=True, help="For each term: value, transformed, weight, points.")
    breakdown = fields.Json(compute="_compute_breakdown", help="How the score came about, term by term.")
    breakdown_html = fields.Html("How this score came about", compute="_compute_breakdown_html", sanitize=False)
    date = fields.Datetime("As of", required=True, readonly=True, help="When the score came out like this.")
    latest = fields.Boolean(readonly=True, help="Not the score of an earlier application.")
    is_stale = fields.Boolean(
        "Out of date",
        compute="_compute_is_stale",
        search="_search_is_stale",
        help="What is known of the registrant has changed since. Scores are brought up to date every night.",
    )

    @api.depends("missing", "model_id.term_ids")
    def _compute_reason(self):
        for score in self:
            terms = score.model_id.term_ids
            names = [terms[number - 1].label for number in score.missing or ()]
            score.reason = self.env._("Missing: %s", ", ".join(names)) if names else False

    @api.depends("terms", "model_id.term_ids")
    def _compute_breakdown(self):
        for score in self:
            score.breakdown = breakdown.lines(score.model_id, score.terms)

    @api.depends("breakdown")
    def _compute_breakdown_html(self):
        for score in self:
            score.breakdown_html = breakdown.table(score.model_id, score.breakdown, score.score, score.verdict)

    def _in_words(self):
        """Such as “9.5, Poor · Extreme poor”."""
        verdict = dict(self._fields["verdict"]._description_selection(self.env))[self.verdict]
        band = self.band_id.name
        words = " · ".join([verdict] * (self.verdict != "scored") + [band] * (bool(band) and band != verdict))
        return ", ".join(filter(None, (breakdown.number(self.env, self.score), words)))

    # Keeping scores

    @api.model
    def _save(self, model, low=None, high=None, ids=None):
        """Score registrants by a model and keep what differs from what is kept.

        :return: {"scored": new or changed, "unchanged": rows, "unscorable": rows}
        """
        model.ensure_one()
        self.env.flush_all()
        if model._uses_applications():
            self._settle_latest(model, low, high, ids)
        self.env.cr.execute(
            SQL(
                """
                WITH result AS MATERIALIZED (%(scores)s),
                saved AS (
                    INSERT INTO g2p_pmt_score AS kept
                           (model_id, program_id, partner_id, application_id, area_id, score, band_id, cut_off, is_poor,
                            verdict, missing, terms, date, latest)
                    SELECT %(model)s, %(program)s, registrant_id, application_id, area_id, score,
                           (%(bands)s::integer[])[band], cut_off, is_poor,
                           CASE WHEN score IS NULL THEN 'unscorable'
                                WHEN is_poor THEN 'poor'
                                WHEN NOT is_poor THEN 'not_poor'
                                ELSE 'scored' END,
                           to_jsonb(missing), terms, %(now)s, TRUE
                      FROM result
                     ORDER BY registrant_id
                        ON CONFLICT (model_id, partner_id) WHERE latest DO UPDATE
                       SET application_id = EXCLUDED.application_id,
                           area_id = EXCLUDED.area_id,
                           score = EXCLUDED.score,
                           band_id = EXCLUDED.band_id,
                           cut_off = EXCLUDED.cut_off,
                           is_poor = EXCLUDED.is_poor,
                           verdict = EXCLUDED.verdict,
                           missing = EXCLUDED.missing,
                           terms = EXCLUDED.terms,
                           date = EXCLUDED.date
                     WHERE (kept.application_id, kept.area_id, kept.score, kept.band_id, kept.cut_off, kept.missing, kept.terms)
                           IS DISTINCT FROM
                           (EXCLUDED.application_id, EXCLUDED.area_id, EXCLUDED.score, EXCLUDED.band_id, EXCLUDED.cut_off,
                            EXCLUDED.missing, EXCLUDED.terms)
                 RETURNING kept.score
                )
                SELECT (SELECT COUNT(*) FROM saved WHERE score IS NOT NULL),
                       COUNT(score),
                       COUNT(*) - COUNT(score)
                  FROM result
                """,
                scores=model._scores_sql(low, high, ids),
                model=model.id,
                program=model.program_id.id,
                bands=model.band_ids._poorest_first().ids,
                now=self.env.cr.now(),
            )
        )
        saved, scorable, unscorable = self.env.cr.fetchone()
        self.invalidate_model(flush=False)
        return {"scored": saved, "unchanged": scorable - saved, "unscorable": unscorable}

    @api.model
    def _settle_latest(self, model, low, high, ids):
        """The score of a registrant's latest application is their latest score; those of earlier ones stay as history."""
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_pmt_score AS kept
                   SET latest = NOT kept.latest
                  FROM (%(scored)s) AS application
                 WHERE kept.model_id = %(model)s
                   AND kept.partner_id = application.registrant_id
                   AND kept.latest <> (kept.application_id = application.application_id)
                """,
                scored=model._scored_registrants(low, high, ids),
                model=model.id,
            )
        )

    # Out of date

    def _compute_is_stale(self):
        """Worked out again and compared: one query for each model shown."""
        stale = set()
        for model, scores in self.filtered("latest").grouped("model_id").items():
            if model.state == "active" and not model._problems():
                rows = self.env.execute_query(
                    SQL(
                        """
                        SELECT kept.id
                          FROM g2p_pmt_score AS kept
                          JOIN (%s) AS now ON now.registrant_id = kept.partner_id
                         WHERE kept.id = ANY(%s) AND %s
                        """,
                        model._scores_sql(ids=scores.partner_id.ids),
                        scores.ids,
                        self._differs_sql(),
                    )
                )
                stale.update(score_id for (score_id,) in rows)
        for score in self:
            score.is_stale = score.id in stale

    @api.model
    def _differs_sql(self):
        return SQL(
            """
            (kept.score, kept.cut_off, kept.terms, kept.area_id, kept.application_id)
            IS DISTINCT FROM (now.score, now.cut_off, now.terms, now.area_id, now.application_id)
            """
        )

    @api.model
    def _search_is_stale(self, operator, value):
        if operator not in ("in", "not in"):
            return NotImplemented
        # sudo: which models there are; the scores found go through the record rules
        models_ = self.env["g2p.pmt.model"].sudo().search([("state", "=", "active")])
        queries = [
            SQL(
                """
                SELECT kept.id
                  FROM g2p_pmt_score AS kept
                  JOIN (%s) AS now ON now.registrant_id = kept.partner_id
                 WHERE kept.model_id = %s AND kept.latest AND %s
                """,
                model._scores_sql(),
                model.id,
                self._differs_sql(),
            )
            for model in models_
            if not model._problems()
        ]
        if not queries:
            return fields.Domain.FALSE if operator == "in" else fields.Domain.TRUE
        self.env.flush_all()
        return [("id", operator, SQL("(%s)", SQL(" UNION ALL ").join(queries)))]
