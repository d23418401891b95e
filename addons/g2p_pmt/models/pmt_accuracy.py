"""How well a model finds the poor, against people of whom it is known: one grouped query."""

from markupsafe import Markup

from odoo import api, fields, models
from odoo.tools import SQL
from odoo.tools.misc import formatLang

from .pmt_preview import TERMS


class PMTModel(models.Model):
    _inherit = "g2p.pmt.model"

    accuracy_html = fields.Html("Errors", compute="_compute_accuracy_html", sanitize=False)

    @api.depends("known_poor_key", "state", *TERMS)
    @api.depends_context("uid")
    def _compute_accuracy_html(self):
        for model in self:
            model.accuracy_html = model._accuracy_html()

    def _accuracy(self):
        """The table of verdict and truth.

        :return: {(known to be poor: True | False | None, scored as poor: True | False | None): registrants}, or None when
            there is nothing to compare
        """
        self.ensure_one()
        variable = self._variables().get(self.known_poor_key) if self.known_poor_key else None
        scores = self._tried_scores()
        if not variable or not self.has_cut_off or scores is None:
            return None
        self.env.flush_all()
        answers = SQL("NULL::jsonb")
        if variable.source == "application":
            answers = SQL(
                """
                (SELECT info.program_registrant_info FROM g2p_program_registrant_info AS info
                  WHERE info.program_id = %s AND info.registrant_id = registrant.id AND info.is_latest)
                """,
                self.program_id.id,
            )
        rows = self.env.execute_query(
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

    def _rates(self):
        """{rate: (part, whole)} of those of whom it is known and who have a score.

        coverage: of the poor, found poor; exclusion error: of the poor, missed; inclusion error: of those who are not
        poor, taken for poor; leakage: of those taken for poor, not poor.
        """
        table = self._accuracy()
        if table is None:
            return None
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

    def _accuracy_html(self):
        _ = self.env._
        note = Markup('<p class="text-muted mb-0">%s</p>')
        if not self.known_poor_key:
            return note % _("Choose a yes-or-no variable that says who is known to be poor, such as one from a survey.")
        if self.known_poor_key not in self._variables():
            return note % _("The variable that says who is known to be poor is gone: choose another one.")
        if not self.has_cut_off:
            return note % _("Without a cut-off the model tells nobody poor: set one.")
        rates = self._rates()
        if rates is None:
            return note % (self.problem or _("The model can't score yet."))
        if not rates["coverage"][1] and not rates["inclusion"][1]:
            return note % _("Of nobody is known both whether they are poor and what their score is.")
        sentences = {
            "coverage": _("Coverage: of %(whole)s poor, %(part)s are found poor."),
            "exclusion": _("Exclusion error: of %(whole)s poor, %(part)s are missed."),
            "inclusion": _("Inclusion error: of %(whole)s who are not poor, %(part)s are taken for poor."),
            "leakage": _("Leakage: of %(whole)s taken for poor, %(part)s are not poor."),
            "unknown": _(
                "Not compared: of %(whole)s, %(part)s have no score or it is not known whether they are poor."
            ),
        }
        rows = []
        for rate, (part, whole) in rates.items():
            share = f"{formatLang(self.env, 100 * part / whole, digits=1)} %" if whole else "–"
            text = sentences[rate] % {
                "part": formatLang(self.env, part, digits=0),
                "whole": formatLang(self.env, whole, digits=0),
            }
            rows.append(Markup('<tr><td class="text-end fw-bold">%s</td><td>%s</td></tr>') % (share, text))
        return Markup('<table class="table table-sm w-auto o_g2p_pmt_errors"><tbody>%s</tbody></table>') % Markup(
            ""
        ).join(rows)
