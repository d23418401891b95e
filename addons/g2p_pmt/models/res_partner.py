from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import searching

SEEN_BY = "g2p_programs.g2p_program_validator,g2p_registry_base.group_g2p_support,g2p_registry_base.group_g2p_auditor"
COMPARISONS = {"<": SQL("<"), "<=": SQL("<="), ">": SQL(">"), ">=": SQL(">=")}


class ResPartner(models.Model):
    _inherit = "res.partner"

    pmt_score_ids = fields.One2many(
        "g2p.pmt.score",
        "partner_id",
        string="Proxy means test scores",
        domain=[("latest", "=", True), ("model_id.state", "=", "active")],
        groups=SEEN_BY,
    )
    latest_pmt_score = fields.Float(
        "Latest PMT score",
        digits=(24, 6),
        compute="_compute_latest_pmt_score",
        search="_search_latest_pmt_score",
        groups=SEEN_BY,
        help="The most recent score by the active model of a program. A registrant in several programs has several "
        "scores: to decide who qualifies, use the eligibility manager “Proxy means test”, which asks the program's own.",
    )

    def _compute_latest_pmt_score(self):
        scores = dict(
            self.env.execute_query(
                SQL(
                    """
                    SELECT DISTINCT ON (kept.partner_id) kept.partner_id, kept.score
                      FROM g2p_pmt_score AS kept
                      JOIN g2p_pmt_model AS model ON model.id = kept.model_id AND model.state = 'active'
                     WHERE kept.latest AND kept.score IS NOT NULL AND kept.partner_id = ANY(%s)
                       AND kept.program_id IN %s
                     ORDER BY kept.partner_id, kept.date DESC, kept.id DESC
                    """,
                    self.ids,
                    self._visible_programs(),
                )
            )
        )
        for partner in self:
            partner.latest_pmt_score = scores.get(partner.id, False)

    @api.model
    def _visible_programs(self):
        """The programs of the user's companies: their scores only."""
        return self.env["g2p.program"].with_context(active_test=False)._search([]).subselect()

    @api.model
    def _search_latest_pmt_score(self, operator, value):
        return _search_score(self, SQL("partner_id"), operator, value, self._visible_programs())


def _search_score(model, column, operator, value, programs):
    """Records by their latest score; `= False` finds those without one."""
    # The ORM keeps who may not see a field from reading it, not from searching by it.
    model.env["g2p.pmt.score"].check_access("read")
    latest = SQL(
        """
        SELECT DISTINCT ON (kept.%(column)s) kept.%(column)s AS record_id, kept.score
          FROM g2p_pmt_score AS kept
          JOIN g2p_pmt_model AS model ON model.id = kept.model_id AND model.state = 'active'
         WHERE kept.score IS NOT NULL AND kept.%(column)s IS NOT NULL AND kept.program_id IN %(programs)s
         ORDER BY kept.%(column)s, kept.date DESC, kept.id DESC
        """,
        column=column,
        programs=programs,
    )
    if operator in COMPARISONS:
        condition = SQL("latest.score %s %s", COMPARISONS[operator], searching.number(model.env, value))
    elif operator in ("in", "not in"):
        numbers = [searching.number(model.env, one) for one in value if one is not False and one is not None]
        condition = SQL("latest.score = ANY(%s::numeric[])", numbers)
        if len(numbers) < len(value):
            everybody = SQL("SELECT record_id FROM (%s) AS latest WHERE NOT (%s)", latest, condition)
            return [("id", "not in" if operator == "in" else "in", SQL("(%s)", everybody))]
        if operator == "not in":
            condition = SQL("NOT (%s)", condition)
    else:
        return NotImplemented
    return [("id", "in", SQL("(SELECT record_id FROM (%s) AS latest WHERE %s)", latest, condition))]
