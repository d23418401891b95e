"""How well a model finds the poor, against people of whom it is known: one grouped query."""

from markupsafe import Markup

from odoo.tools import SQL
from odoo.tools.misc import formatLang

from .preview import NOTE, tried_scores


def compared(model):
    """The table of verdict and truth.

    :return: {(known to be poor: True | False | None, scored as poor: True | False | None): registrants}, or None when
        there is nothing to compare
    """
    variable = model._variables().get(model.known_poor_key) if model.known_poor_key else None
    scores = tried_scores(model)
    if not variable or not model.has_cut_off or scores is None:
        return None
    model.env.flush_all()
    answers = SQL("NULL::jsonb")
    if variable.source == "application":
        answers = SQL(
            """
            (SELECT info.program_registrant_info FROM g2p_program_registrant_info AS info
              WHERE info.program_id = %s AND info.registrant_id = registrant.id AND info.is_latest)
            """,
            model.program_id.id,
        )
    rows = model.env.execute_query(
        SQL(
            """
            SELECT %(known)s AS known_poor, tried.is_poor, COUNT(*)
              FROM (%(scores)s) AS tried
              JOIN res_partner AS registrant ON registrant.id = tried.registrant_id
              LEFT JOIN g2p_group_indicator AS household ON household.group_id = registrant.id
             CROSS JOIN LATERAL (SELECT %(answers)s AS answers) AS application
             GROUP BY 1, 2
            """,
            known=variable.sql,
            scores=scores,
            answers=answers,
        )
    )
    return {(known, poor): count for known, poor, count in rows}


def rates(table):
    """{rate: (part, whole)} of those of whom it is known and who have a score, from the table of :func:`compared`.

    coverage: of the poor, found poor; exclusion error: of the poor, missed; inclusion error: of those who are not poor,
    taken for poor; leakage: of those taken for poor, not poor; unknown: of all, not compared.

    >>> found = rates({(True, True): 6, (True, False): 2, (False, True): 3, (False, False): 5, (None, True): 1, (True, None): 4})
    >>> found["coverage"], found["exclusion"], found["inclusion"], found["leakage"], found["unknown"]
    ((6, 8), (2, 8), (3, 8), (3, 9), (5, 21))
    >>> rates({})["coverage"]
    (0, 0)
    """
    found, missed = table.get((True, True), 0), table.get((True, False), 0)
    wrong, right = table.get((False, True), 0), table.get((False, False), 0)
    return {
        "coverage": (found, found + missed),
        "exclusion": (missed, found + missed),
        "inclusion": (wrong, wrong + right),
        "leakage": (wrong, found + wrong),
        "unknown": (
            sum(count for (known, poor), count in table.items() if known is None or poor is None),
            sum(table.values()),
        ),
    }


def report(model):
    """The errors as a table of shares and sentences, or a sentence that says why there is none."""
    env = model.env
    _ = env._
    if not model.known_poor_key:
        return NOTE % _("Choose a yes-or-no variable that says who is known to be poor, such as one from a survey.")
    if model.known_poor_key not in model._variables():
        return NOTE % _("The variable that says who is known to be poor is gone: choose another one.")
    if not model.has_cut_off:
        return NOTE % _("Without a cut-off the model tells nobody poor: set one.")
    table = compared(model)
    if table is None:
        return NOTE % (model.problem or _("The model can't score yet."))
    found = rates(table)
    if not found["coverage"][1] and not found["inclusion"][1]:
        return NOTE % _("Of nobody is known both whether they are poor and what their score is.")
    sentences = {
        "coverage": _("Coverage: of %(whole)s poor, %(part)s are found poor."),
        "exclusion": _("Exclusion error: of %(whole)s poor, %(part)s are missed."),
        "inclusion": _("Inclusion error: of %(whole)s who are not poor, %(part)s are taken for poor."),
        "leakage": _("Leakage: of %(whole)s taken for poor, %(part)s are not poor."),
        "unknown": _("Not compared: of %(whole)s, %(part)s have no score or it is not known whether they are poor."),
    }
    rows = []
    for rate, (part, whole) in found.items():
        share = f"{formatLang(env, 100 * part / whole, digits=1)} %" if whole else "–"
        text = sentences[rate] % {"part": formatLang(env, part, digits=0), "whole": formatLang(env, whole, digits=0)}
        rows.append(Markup('<tr><td class="text-end fw-bold">%s</td><td>%s</td></tr>') % (share, text))
    return Markup('<table class="table table-sm w-auto o_g2p_pmt_errors"><tbody>%s</tbody></table>') % Markup("").join(
        rows
    )
