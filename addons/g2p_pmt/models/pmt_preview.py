"""What a model does, before anybody is scored with it: some registrants one by one, and the distribution of all."""

from markupsafe import Markup

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL
from odoo.tools.misc import formatLang

SHOWN = 10
# A draft is tried on so many registrants, the first of the set; an active version shows the scores that are kept.
SAMPLE = 2_000
BARS = 20
WIDTH, HEIGHT, MARGIN = 640, 200, 28

# What a new score depends on
TERMS = [
    "program_id",
    "constant",
    "direction",
    "has_cut_off",
    "cut_off",
    "cut_off_ids.area_id",
    "cut_off_ids.residence",
    "cut_off_ids.cut_off",
    "band_ids.name",
    "band_ids.bound",
    "band_ids.is_rest",
    "term_ids.sequence",
    "term_ids.source",
    "term_ids.pmt_field",
    "term_ids.transform",
    "term_ids.cap_min",
    "term_ids.cap_max",
    "term_ids.pmt_weightage",
    "term_ids.missing",
    "term_ids.missing_value",
    "term_ids.only_where_key",
    "term_ids.class_ids.bound",
    "term_ids.class_ids.is_rest",
    "term_ids.class_ids.points",
    "term_ids.category_ids.value",
    "term_ids.category_ids.points",
    "term_ids.weight_ids.area_id",
    "term_ids.weight_ids.residence",
    "term_ids.weight_ids.weight",
]


class PMTModel(models.Model):
    _inherit = "g2p.pmt.model"

    preview_html = fields.Html("Preview", compute="_compute_preview_html", sanitize=False)
    distribution_html = fields.Html("Distribution", compute="_compute_distribution_html", sanitize=False)

    # Some registrants

    def _sample_ids(self):
        """The first registrants of the set whom the user may see."""
        domain = Domain(self.program_id._base_domain())
        if self._uses_applications():
            domain &= Domain("id", "in", SQL("(SELECT registrant_id FROM (%s) AS scored)", self._scored_registrants()))
        return self.env["res.partner"].search(domain, order="id", limit=SHOWN).ids

    @api.depends(*TERMS)
    def _compute_preview_html(self):
        for model in self:
            model.preview_html = model._preview_html() if model.program_id else False

    def _preview_html(self):
        _ = self.env._
        note = Markup('<p class="text-muted mb-0">%s</p>')
        if problems := self._problems():
            return note % problems[0]
        self.env.flush_all()
        ids = self._sample_ids()
        if not ids:
            return note % (
                _("Nobody has applied yet: the model asks the application.")
                if self._uses_applications()
                else _("There is no registrant in the program's reach yet.")
            )
        means = {**self._compute_means(SAMPLE), **(self.means or {})}
        rows = self.env.execute_query_dict(
            SQL("SELECT * FROM (%s) AS tried ORDER BY registrant_id", self._scores_sql(ids=ids, means=means))
        )
        names = {partner.id: partner.name for partner in self.env["res.partner"].browse(ids)}
        bands = self.band_ids._poorest_first()
        terms = self.term_ids
        head = [_("Registrant"), *terms.mapped("label"), _("Score"), _("Verdict")]
        body = []
        for row in rows:
            points = [line["points"] for line in self._breakdown(row["terms"])]
            verdict = self._verdict_text(row, bands)
            body.append(
                Markup("<tr><td>%s</td>%s<td class='text-end fw-bold'>%s</td><td>%s</td></tr>")
                % (
                    names[row["registrant_id"]],
                    Markup("").join(
                        Markup("<td class='text-end'>%s</td>") % self._number(point, 3) for point in points
                    ),
                    self._number(row["score"]),
                    verdict,
                )
            )
        return Markup(
            '<div class="table-responsive"><table class="table table-sm table-striped o_g2p_pmt_preview">'
            "<thead><tr>%s</tr></thead><tbody>%s</tbody></table></div>"
        ) % (
            Markup("").join(
                Markup("<th class='%s'>%s</th>") % ("" if position in (0, len(head) - 1) else "text-end", title)
                for position, title in enumerate(head)
            ),
            Markup("").join(body),
        )

    def _verdict_text(self, row, bands):
        """Such as “Poor · Extreme poor”."""
        _ = self.env._
        if row["score"] is None:
            names = [self.term_ids[number - 1].label for number in row["missing"] or ()]
            return _("Can't be scored. Missing: %s", ", ".join(filter(None, names)))
        parts = []
        if row["is_poor"] is not None:
            parts.append(_("Poor") if row["is_poor"] else _("Not poor"))
        if row["band"] and (band := bands[row["band"] - 1].name) and band not in parts:
            parts.append(band)
        return " · ".join(parts)

    # All of them

    def _tried_scores(self):
        """The scores to look at: those kept of an active or archived version, a sample of fresh ones of a draft; for users
        limited to areas those of registrants whom they may see.

        :return SQL: columns `registrant_id`, `score`, `is_poor`; or None when this version can't score.
        """
        if self.state != "draft":
            return SQL(
                """
                SELECT partner_id AS registrant_id, score, is_poor
                  FROM g2p_pmt_score
                 WHERE model_id = %s AND latest AND %s
                """,
                self._origin.id or 0,
                self.env.user._g2p_seen(SQL("partner_id")),
            )
        if not self.program_id or self._problems():
            return None
        return SQL(
            "SELECT registrant_id, score, is_poor FROM (%s) AS tried WHERE %s",
            self._scores_sql(limit=SAMPLE, means={**self._compute_means(SAMPLE), **(self.means or {})}),
            self.env.user._g2p_seen(SQL("registrant_id")),
        )

    @api.depends("state", *TERMS)
    @api.depends_context("uid")
    def _compute_distribution_html(self):
        for model in self:
            model.distribution_html = model._distribution_html()

    def _distribution_html(self):
        """A histogram of the scores with the cut-off as a line; one query."""
        scores = self._tried_scores()
        if scores is None:
            return False
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                WITH tried AS MATERIALIZED (%(scores)s),
                     span AS (SELECT MIN(score) AS low, MAX(score) AS high FROM tried)
                SELECT CASE WHEN span.high > span.low
                            THEN LEAST(width_bucket(tried.score, span.low, span.high, %(bars)s), %(bars)s) ELSE 1 END AS bar,
                       COUNT(*), MIN(span.low)::float, MAX(span.high)::float, COUNT(*) FILTER (WHERE tried.is_poor)
                  FROM tried, span
                 WHERE tried.score IS NOT NULL
                 GROUP BY bar
                 ORDER BY bar
                """,
                scores=scores,
                bars=BARS,
            )
        )
        _ = self.env._
        if not rows:
            text = (
                _("Nobody is scored yet.")
                if self.state == "draft"
                else _("Nobody is scored yet: press Compute scores.")
            )
            return Markup('<p class="text-muted mb-0">%s</p>') % text
        total, poor = sum(row[1] for row in rows), sum(row[4] for row in rows)
        text = _("%(count)s scored registrants.", count=formatLang(self.env, total, digits=0))
        if self.state == "draft":
            text = _(
                "Tried on %(count)s registrants (at most %(limit)s); nothing is kept.",
                count=formatLang(self.env, total, digits=0),
                limit=formatLang(self.env, SAMPLE, digits=0),
            )
        if self.has_cut_off:
            text += " " + _(
                "Poor: %(poor)s (%(share)s %%).",
                poor=formatLang(self.env, poor, digits=0),
                share=formatLang(self.env, 100 * poor / total, digits=1),
            )
        return Markup("<p>%s</p>%s") % (text, self._histogram_svg(rows))

    def _histogram_svg(self, rows):
        low, high = rows[0][2], rows[0][3]
        span = high - low or 1.0
        top = max(row[1] for row in rows)
        plot_height = HEIGHT - MARGIN
        bar_width = WIDTH / BARS
        bars = Markup("").join(
            Markup('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="#71639e"><title>%s</title></rect>')
            % (
                (bar - 1) * bar_width + 1,
                plot_height - plot_height * count / top,
                bar_width - 2,
                plot_height * count / top,
                count,
            )
            for bar, count, *_rest in rows
        )
        labels = Markup(
            '<text x="0" y="%d" font-size="12">%s</text><text x="%d" y="%d" font-size="12" text-anchor="end">%s</text>'
        ) % (HEIGHT - 8, self._number(low, 2), WIDTH, HEIGHT - 8, self._number(high, 2))
        line = Markup("")
        if self.has_cut_off:
            place = (self.cut_off - low) / span * WIDTH
            if 0 <= place <= WIDTH:
                line = Markup(
                    '<line x1="%.1f" x2="%.1f" y1="0" y2="%d" stroke="#d44c59" stroke-width="2" stroke-dasharray="5 3"/>'
                    '<text x="%.1f" y="%d" font-size="12" text-anchor="middle" fill="#d44c59">%s</text>'
                ) % (
                    place,
                    place,
                    plot_height,
                    min(max(place, 60), WIDTH - 60),
                    HEIGHT - 8,
                    self.env._("cut-off %s", self._number(self.cut_off)),
                )
        title = self.env._("Number of registrants by score")
        return Markup(
            '<svg viewBox="0 0 %d %d" role="img" aria-label="%s" style="width:100%%;max-width:%dpx" '
            'class="o_g2p_pmt_histogram"><line x1="0" x2="%d" y1="%d" y2="%d" stroke="#888"/>%s%s%s</svg>'
        ) % (WIDTH, HEIGHT, title, WIDTH, WIDTH, plot_height, plot_height, bars, line, labels)
