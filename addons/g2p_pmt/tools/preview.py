"""What a model does, before anybody is scored with it: some registrants one by one, and the distribution of all."""

from markupsafe import Markup

from odoo.fields import Domain
from odoo.tools import SQL
from odoo.tools.misc import formatLang

from . import breakdown
from .score_query import ScoreQuery

SHOWN = 10
# A draft is tried on so many registrants, the first of the set; an active version shows the scores that are kept.
SAMPLE = 2_000
BARS = 20
WIDTH, HEIGHT, MARGIN = 640, 200, 28
NOTE = Markup('<p class="text-muted mb-0">%s</p>')


def sample_query(model):
    """As a draft is tried: what stands for missing values comes from the sample, unless it was worked out for everybody."""
    return ScoreQuery(model, {**model._compute_means(SAMPLE), **(model.means or {})})


# Some registrants


def sample_ids(model):
    """The first registrants of the set whom the user may see."""
    domain = Domain(model.program_id._base_domain())
    if model._uses_applications():
        domain &= Domain("id", "in", SQL("(SELECT registrant_id FROM (%s) AS scored)", model._scored_registrants()))
    return model.env["res.partner"].search(domain, order="id", limit=SHOWN).ids


def table(model):
    """A row a registrant: the points of each term, the score, the verdict."""
    env = model.env
    _ = env._
    if problems := model._problems():
        return NOTE % problems[0]
    env.flush_all()
    ids = sample_ids(model)
    if not ids:
        return NOTE % (
            _("Nobody has applied yet: the model asks the application.")
            if model._uses_applications()
            else _("There is no registrant in the program's reach yet.")
        )
    rows = env.execute_query_dict(
        SQL("SELECT * FROM (%s) AS tried ORDER BY registrant_id", sample_query(model).scores(ids=ids))
    )
    names = {partner.id: partner.name for partner in env["res.partner"].browse(ids)}
    bands = model.band_ids._poorest_first()
    head = [_("Registrant"), *model.term_ids.mapped("label"), _("Score"), _("Verdict")]
    body = []
    for row in rows:
        points = [line["points"] for line in breakdown.lines(model, row["terms"])]
        body.append(
            Markup("<tr><td>%s</td>%s<td class='text-end fw-bold'>%s</td><td>%s</td></tr>")
            % (
                names[row["registrant_id"]],
                Markup("").join(
                    Markup("<td class='text-end'>%s</td>") % breakdown.number(env, point, 3) for point in points
                ),
                breakdown.number(env, row["score"]),
                verdict_text(model, row, bands),
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


def verdict_text(model, row, bands):
    """Such as “Poor · Extreme poor”."""
    _ = model.env._
    if row["score"] is None:
        names = [model.term_ids[number - 1].label for number in row["missing"] or ()]
        return _("Can't be scored. Missing: %s", ", ".join(filter(None, names)))
    parts = []
    if row["is_poor"] is not None:
        parts.append(_("Poor") if row["is_poor"] else _("Not poor"))
    if row["band"] and (band := bands[row["band"] - 1].name) and band not in parts:
        parts.append(band)
    return " · ".join(parts)


# All of them


def tried_scores(model):
    """The scores to look at: those kept of an active or archived version, a sample of fresh ones of a draft; for users
    limited to areas those of registrants whom they may see.

    :return SQL: columns `registrant_id`, `score`, `is_poor`; or None when this version can't score.
    """
    user = model.env.user
    if model.state != "draft":
        return SQL(
            """
            SELECT partner_id AS registrant_id, score, is_poor
              FROM g2p_pmt_score
             WHERE model_id = %s AND latest AND %s
            """,
            model._origin.id or 0,
            user._g2p_seen(SQL("partner_id")),
        )
    if not model.program_id or model._problems():
        return None
    return SQL(
        "SELECT registrant_id, score, is_poor FROM (%s) AS tried WHERE %s",
        sample_query(model).scores(limit=SAMPLE),
        user._g2p_seen(SQL("registrant_id")),
    )


def distribution(model):
    """A histogram of the scores with the cut-off as a line; one query."""
    scores = tried_scores(model)
    if scores is None:
        return False
    env = model.env
    env.flush_all()
    rows = env.execute_query(
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
    _ = env._
    if not rows:
        return NOTE % (
            _("Nobody is scored yet.") if model.state == "draft" else _("Nobody is scored yet: press Compute scores.")
        )
    total, poor = sum(row[1] for row in rows), sum(row[4] for row in rows)
    text = _("%(count)s scored registrants.", count=formatLang(env, total, digits=0))
    if model.state == "draft":
        text = _(
            "Tried on %(count)s registrants (at most %(limit)s); nothing is kept.",
            count=formatLang(env, total, digits=0),
            limit=formatLang(env, SAMPLE, digits=0),
        )
    if model.has_cut_off:
        text += " " + _(
            "Poor: %(poor)s (%(share)s %%).",
            poor=formatLang(env, poor, digits=0),
            share=formatLang(env, 100 * poor / total, digits=1),
        )
    [_bar, _count, low, high, _poor] = rows[0]
    picture = histogram(
        {row[0]: row[1] for row in rows},
        ends=(breakdown.number(env, low, 2), breakdown.number(env, high, 2)),
        title=_("Number of registrants by score"),
        line=share_of_width(model.cut_off, low, high) if model.has_cut_off else None,
        line_label=_("cut-off %s", breakdown.number(env, model.cut_off)),
    )
    return Markup("<p>%s</p>%s") % (text, picture)


def share_of_width(value, low, high):
    """Where a value stands between two others, from 0 to 1; None beyond them.

    >>> share_of_width(5, 0, 20), share_of_width(7, 7, 7)
    (0.25, 0.0)
    >>> share_of_width(21, 0, 20), share_of_width(-1, 0, 20)
    (None, None)
    """
    place = (value - low) / (high - low or 1.0)
    return place if 0 <= place <= 1 else None


def histogram(counts, ends, title, line=None, line_label=""):
    """Bars as SVG.

    :param dict counts: {number of the bar, from 1 to BARS: count}
    :param ends: what stands under the first and the last bar
    :param line: where a line stands, from 0 to 1; None: nowhere

    >>> picture = histogram({1: 3, 20: 6}, ("0", "<9>"), "Scores", 0.5, "cut-off 4")
    >>> picture.count("<rect"), picture.count("stroke-dasharray")
    (2, 1)
    >>> '<rect x="1.0" y="86.0" width="30.0" height="86.0" fill="#71639e"><title>3</title>' in picture
    True
    >>> "&lt;9&gt;" in picture, "stroke-dasharray" in histogram({1: 3}, ("0", "9"), "Scores")
    (True, False)
    """
    plot_height = HEIGHT - MARGIN
    bar_width = WIDTH / BARS
    top = max(counts.values())
    bars = Markup("").join(
        Markup('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="#71639e"><title>%s</title></rect>')
        % (
            (bar - 1) * bar_width + 1,
            plot_height - plot_height * count / top,
            bar_width - 2,
            plot_height * count / top,
            count,
        )
        for bar, count in counts.items()
    )
    labels = Markup(
        '<text x="0" y="%d" font-size="12">%s</text><text x="%d" y="%d" font-size="12" text-anchor="end">%s</text>'
    ) % (HEIGHT - 8, ends[0], WIDTH, HEIGHT - 8, ends[1])
    drawn = Markup("")
    if line is not None:
        place = line * WIDTH
        drawn = Markup(
            '<line x1="%.1f" x2="%.1f" y1="0" y2="%d" stroke="#d44c59" stroke-width="2" stroke-dasharray="5 3"/>'
            '<text x="%.1f" y="%d" font-size="12" text-anchor="middle" fill="#d44c59">%s</text>'
        ) % (place, place, plot_height, min(max(place, 60), WIDTH - 60), HEIGHT - 8, line_label)
    return Markup(
        '<svg viewBox="0 0 %d %d" role="img" aria-label="%s" style="width:100%%;max-width:%dpx" '
        'class="o_g2p_pmt_histogram"><line x1="0" x2="%d" y1="%d" y2="%d" stroke="#888"/>%s%s%s</svg>'
    ) % (WIDTH, HEIGHT, title, WIDTH, WIDTH, plot_height, plot_height, bars, drawn, labels)
