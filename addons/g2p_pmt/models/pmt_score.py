from markupsafe import Markup

from odoo import api, fields, models
from odoo.tools import SQL
from odoo.tools.misc import formatLang

from .pmt_scoring import KEPT

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
            score.breakdown = score.model_id._breakdown(score.terms)

    @api.depends("breakdown")
    def _compute_breakdown_html(self):
        for score in self:
            score.breakdown_html = score.model_id._breakdown_html(score.breakdown, score.score, score.verdict)

    def _in_words(self):
        """Such as “9.5, Poor · Extreme poor”."""
        verdict = dict(self._fields["verdict"]._description_selection(self.env))[self.verdict]
        band = self.band_id.name
        words = " · ".join([verdict] * (self.verdict != "scored") + [band] * (bool(band) and band != verdict))
        return ", ".join(filter(None, (self.model_id._number(self.score), words)))

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


class PMTModel(models.Model):
    _inherit = "g2p.pmt.model"

    def _breakdown(self, kept):
        """[{variable, source, value, missing, counts, policy, transform, transformed, weight, points}] from what a score keeps."""
        if not kept:
            return []
        width = len(KEPT)
        lines = []
        for position, term in enumerate(self.term_ids):
            figures = dict(zip(KEPT, kept[position * width : (position + 1) * width], strict=True))
            counts = figures["weight"] is not None
            missing = counts and figures["value"] is None
            lines.append(
                {
                    "variable": term.label,
                    "source": term.source,
                    "field": term.pmt_field,
                    "transform": term.transform,
                    "answer": term._answer_label(figures["value"]),
                    "missing": missing,
                    "counts": counts,
                    # Also where a value has no logarithm or root.
                    "policy": term.missing if missing or (counts and self._was_undefined(term, figures)) else False,
                    **figures,
                }
            )
        return lines

    @staticmethod
    def _was_undefined(term, figures):
        value = figures["value"]
        if term.transform == "classes" and value is not None:
            return not any(line.is_rest or value <= line.bound for line in term.class_ids)
        if term.category_ids and isinstance(value, str):
            return value not in term.category_ids.mapped("value")
        return value is not None and (
            (term.transform == "log" and value <= 0) or (term.transform == "sqrt" and value < 0)
        )

    def _breakdown_html(self, lines, score, verdict):
        """A table that adds up: one row for each term, the constant first, the score last."""
        if not lines:
            return False
        _ = self.env._
        transforms = dict(self.env["g2p.proxy_means_test_params"]._fields["transform"]._description_selection(self.env))
        policies = dict(self.env["g2p.proxy_means_test_params"]._fields["missing"]._description_selection(self.env))
        cell = Markup('<td class="text-end text-nowrap">%s</td>')
        rows = [Markup("<tr><td>%s</td><td/><td/><td/>%s</tr>") % (_("Constant"), cell % self._number(self.constant))]
        for line in lines:
            if line["missing"]:
                value = Markup('<td class="text-end text-warning-emphasis">%s</td>') % _("missing")
            else:
                value = cell % (line["answer"] or self._number(line["value"]))
            name = line["variable"]
            if line["transform"] != "none":
                name = Markup('%s <span class="text-muted">(%s)</span>') % (name, transforms[line["transform"]].lower())
            if not line["counts"]:
                name = Markup('%s <div class="small text-muted">%s</div>') % (name, _("does not count here"))
            if line["policy"]:
                name = Markup('%s <div class="small text-warning-emphasis">%s</div>') % (name, policies[line["policy"]])
            rows.append(
                Markup("<tr><td>%s</td>%s%s%s%s</tr>")
                % (name, value, *(cell % self._number(line[key]) for key in ("transformed", "weight", "points")))
            )
        total = _("can't be scored") if verdict == "unscorable" else self._number(score)
        rows.append(
            Markup('<tr class="fw-bold"><td>%s</td><td/><td/><td/><td class="text-end">%s</td></tr>')
            % (_("Score"), total)
        )
        head = Markup("<tr><th>%s</th>%s</tr>") % (
            _("Term"),
            Markup("").join(
                Markup('<th class="text-end">%s</th>') % title
                for title in (_("Value"), _("Counts as"), _("Weight"), _("Points"))
            ),
        )
        return Markup(
            '<table class="table table-sm o_g2p_pmt_breakdown"><thead>%s</thead><tbody>%s</tbody></table>'
        ) % (
            head,
            Markup("").join(rows),
        )

    def _number(self, value, digits=6):
        """With separators and no more decimals than the number has, at most `digits`."""
        if value is None or value is False:
            return "–"
        text = f"{float(value):.{digits}f}".rstrip("0")
        return formatLang(self.env, float(value), digits=len(text.partition(".")[2]))


class RegistrantImport(models.Model):
    _inherit = "g2p.registrant.import"

    def _tables_of_registrants(self):
        """A score is worked out of the registrant by itself."""
        return super()._tables_of_registrants() | {("g2p_pmt_score", "partner_id")}
