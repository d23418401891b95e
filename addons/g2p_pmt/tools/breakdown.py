"""How a score came about, term by term: figures, and a table that adds up."""

from markupsafe import Markup

from odoo.tools.misc import formatLang

from .score_query import KEPT


def places(value, most=6):
    """How many decimals a number has, at most ``most``.

    >>> places(2.5), places(3.0), places(1 / 3), places(0.1 + 0.2, 2)
    (1, 0, 6, 1)
    """
    return len(f"{value:.{most}f}".rstrip("0").partition(".")[2])


def number(env, value, most=6):
    """With separators and no more decimals than the number has, at most ``most``."""
    if value is None or value is False:
        return "–"
    return formatLang(env, float(value), digits=places(float(value), most))


def lines(model, kept):
    """[{variable, source, value, missing, counts, policy, transform, transformed, weight, points}], a line a term.

    :param model: the record of g2p.pmt.model that has scored
    :param kept: what the score keeps, see KEPT
    """
    if not kept:
        return []
    width = len(KEPT)
    found = []
    for position, term in enumerate(model.term_ids):
        figures = dict(zip(KEPT, kept[position * width : (position + 1) * width], strict=True))
        counts = figures["weight"] is not None
        missing = counts and figures["value"] is None
        found.append(
            {
                "variable": term.label,
                "source": term.source,
                "field": term.pmt_field,
                "transform": term.transform,
                "answer": term._answer_label(figures["value"]),
                "missing": missing,
                "counts": counts,
                # Also where a value has no logarithm or root.
                "policy": term.missing if missing or (counts and _was_undefined(term, figures["value"])) else False,
                **figures,
            }
        )
    return found


def _was_undefined(term, value):
    if value is None:
        return False
    if term.transform == "classes":
        return not any(line.is_rest or value <= line.bound for line in term.class_ids)
    if term.category_ids and isinstance(value, str):
        return value not in term.category_ids.mapped("value")
    return (term.transform == "log" and value <= 0) or (term.transform == "sqrt" and value < 0)


def table(model, breakdown, score, verdict):
    """A table that adds up: one row for each term, the constant first, the score last."""
    if not breakdown:
        return False
    env = model.env
    _ = env._
    terms = env["g2p.proxy_means_test_params"]._fields
    transforms = dict(terms["transform"]._description_selection(env))
    policies = dict(terms["missing"]._description_selection(env))
    cell = Markup('<td class="text-end text-nowrap">%s</td>')
    rows = [Markup("<tr><td>%s</td><td/><td/><td/>%s</tr>") % (_("Constant"), cell % number(env, model.constant))]
    for line in breakdown:
        if line["missing"]:
            value = Markup('<td class="text-end text-warning-emphasis">%s</td>') % _("missing")
        else:
            value = cell % (line["answer"] or number(env, line["value"]))
        name = line["variable"]
        if line["transform"] != "none":
            name = Markup('%s <span class="text-muted">(%s)</span>') % (name, transforms[line["transform"]].lower())
        if not line["counts"]:
            name = Markup('%s <div class="small text-muted">%s</div>') % (name, _("does not count here"))
        if line["policy"]:
            name = Markup('%s <div class="small text-warning-emphasis">%s</div>') % (name, policies[line["policy"]])
        rows.append(
            Markup("<tr><td>%s</td>%s%s%s%s</tr>")
            % (name, value, *(cell % number(env, line[key]) for key in ("transformed", "weight", "points")))
        )
    total = _("can't be scored") if verdict == "unscorable" else number(env, score)
    rows.append(
        Markup('<tr class="fw-bold"><td>%s</td><td/><td/><td/><td class="text-end">%s</td></tr>') % (_("Score"), total)
    )
    head = Markup("<tr><th>%s</th>%s</tr>") % (
        _("Term"),
        Markup("").join(
            Markup('<th class="text-end">%s</th>') % title
            for title in (_("Value"), _("Counts as"), _("Weight"), _("Points"))
        ),
    )
    return Markup('<table class="table table-sm o_g2p_pmt_breakdown"><thead>%s</thead><tbody>%s</tbody></table>') % (
        head,
        Markup("").join(rows),
    )
