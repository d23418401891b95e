from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import searching

# OpenG2P's names of the fields, and the column of g2p.group.indicator that each shows.
INDICATORS = {
    "z_ind_grp_num_children": "children",
    "z_ind_grp_num_children_under_5": "children_under_5",
    "z_ind_grp_num_children_6_17": "children_6_17",
    "z_ind_grp_num_adults": "adults",
    "z_ind_grp_num_elderly": "elderly",
    "z_ind_grp_num_working_age": "working_age",
    "z_ind_grp_num_women": "women",
    "z_ind_grp_num_females": "females",
    "z_ind_grp_is_female_headed": "female_headed",
    "z_ind_grp_num_disabled": "disabled_members",
    "z_ind_grp_num_unknown_age": "unknown_age_members",
    "z_ind_grp_dependency_ratio": "dependency_ratio",
    "z_ind_grp_head_age": "head_age",
    "z_ind_grp_head_gender": "head_gender",
}
# What is not known of a group, or does not apply to it, is empty in these.
MAY_BE_UNKNOWN = {"female_headed", "dependency_ratio", "head_age", "head_gender"}
SOURCES = {"birthdate", "gender", "disability", "disabled", "active", "is_registrant", "is_group"}
COMPARISONS = {"<": SQL("<"), "<=": SQL("<="), ">": SQL(">"), ">=": SQL(">=")}


def searched(column):
    """The search method of the field that shows ``column``."""

    def search_column(self, operator, value):
        return self._search_indicator(column, operator, value)

    return search_column


def counted(column, string, **attributes):
    return fields.Integer(string, compute="_compute_indicators", search=searched(column), **attributes)


class ResPartner(models.Model):
    """What its members make of a group: figures kept by the database, shown and searched here.

    A search never finds a group of which the answer is not known, whichever way the question is put; `= False` finds them.
    """

    # a file is one thing: the figures stand apart from what people enter
    _inherit = "res.partner"  # pylint: disable=consider-merging-classes-inherited

    z_ind_grp_num_children = counted("children", "Children", help="Members aged 0 to 17.")
    z_ind_grp_num_children_under_5 = counted("children_under_5", "Children under 5", help="Members aged 0 to 4.")
    z_ind_grp_num_children_6_17 = counted("children_6_17", "Children of 6 to 17", help="Members aged 6 to 17.")
    z_ind_grp_num_adults = counted("adults", "Adults", help="Members aged 18 to 64.")
    z_ind_grp_num_elderly = counted("elderly", "Elderly", help="Members aged 65 and over.")
    z_ind_grp_num_working_age = counted("working_age", "Of working age", help="Members aged 15 to 64.")
    z_ind_grp_num_women = counted("women", "Women", help="Female members aged 18 and over.")
    z_ind_grp_num_females = counted("females", "Females", help="Female members of any age.")
    z_ind_grp_is_female_headed = fields.Boolean(
        "Headed by a woman",
        compute="_compute_indicators",
        search=searched("female_headed"),
        help="Not known where the group has no head or their gender is not known: neither yes nor no finds it then.",
    )
    z_ind_grp_num_disabled = counted(
        "disabled_members", "With a disability", help="Members whose disability is recorded as yes."
    )
    z_ind_grp_num_unknown_age = counted(
        "unknown_age_members", "Of unknown age", help="Members without a date of birth."
    )
    z_ind_grp_dependency_ratio = fields.Float(
        "Dependency ratio",
        digits=(16, 4),
        compute="_compute_indicators",
        search=searched("dependency_ratio"),
        help="Members aged 0 to 14 and 65 and over, for each member aged 15 to 64. There is none where nobody is of that age.",
    )
    z_ind_grp_head_age = counted("head_age", "Age of the head", help="In whole years.")
    z_ind_grp_head_gender = fields.Selection(
        selection=lambda self: self.env["gender.type"]._selection(),
        string="Gender of the head",
        compute="_compute_indicators",
        search=searched("head_gender"),
    )

    def _compute_indicators(self):
        self._flush_indicator_sources()
        columns = SQL(", ").join(SQL.identifier(column) for column in INDICATORS.values())
        rows = self.env.execute_query(
            SQL("SELECT group_id, %s FROM g2p_group_indicator WHERE group_id = ANY(%s)", columns, self._origin.ids)
        )
        figures = {row[0]: dict(zip(INDICATORS, row[1:], strict=True)) for row in rows}
        nothing = dict.fromkeys(INDICATORS, False)
        for partner in self:
            partner.update(figures.get(partner._origin.id, nothing))

    @api.model
    def _search_indicator(self, column, operator, value):
        """Groups by one figure: a semi-join with the table of figures."""
        figure = SQL("indicator.%s", SQL.identifier(column))
        if operator in COMPARISONS and column not in ("female_headed", "head_gender"):
            condition = SQL("%s %s %s", figure, COMPARISONS[operator], searching.number(self.env, value))
        elif operator in ("in", "not in"):
            condition = self._is_one_of(column, figure, value)
            if operator == "not in":
                asked_for_unknown = column in MAY_BE_UNKNOWN and column != "female_headed" and False in value
                known = SQL() if asked_for_unknown else SQL("%s IS NOT NULL AND ", figure)
                condition = SQL("%sNOT (%s)", known, condition)
        else:
            return NotImplemented
        self._flush_indicator_sources()
        return [
            ("id", "in", SQL("SELECT indicator.group_id FROM g2p_group_indicator AS indicator WHERE %s", condition))
        ]

    def _is_one_of(self, column, figure, values):
        """SQL that is true or false, never unknown."""
        if column == "female_headed":
            return SQL("%s IS NOT NULL AND %s = ANY(%s)", figure, figure, [bool(value) for value in values])
        as_asked = searching.text if column == "head_gender" else searching.number
        known = [as_asked(self.env, value) for value in values if value is not None and value is not False]
        condition = SQL("%s IS NOT NULL AND %s = ANY(%s)", figure, figure, known) if known else SQL("FALSE")
        if len(known) == len(values):
            return condition
        if column in MAY_BE_UNKNOWN:
            return SQL("(%s) OR %s IS NULL", condition, figure)
        return SQL("(%s) OR %s = 0", condition, figure)

    @api.model
    def _unknown_domain(self, name):
        """The groups of which a figure is not known; None where it always is. A search for the figure never finds them."""
        if INDICATORS.get(name) not in MAY_BE_UNKNOWN:
            return None
        column = SQL.identifier(INDICATORS[name])
        return Domain(
            "id",
            "in",
            SQL("(SELECT indicator.group_id FROM g2p_group_indicator AS indicator WHERE indicator.%s IS NULL)", column),
        )

    @api.model
    def _flush_indicator_sources(self):
        self.flush_model(SOURCES)
        self.env["g2p.group.membership"].flush_model()

    @api.model
    def _forget_indicators(self):
        """The database has counted; forget what the cache knew."""
        self.invalidate_model(["z_ind_grp_num_individuals", *INDICATORS], flush=False)

    def write(self, vals):
        result = super().write(vals)
        if vals.keys() & SOURCES:
            self.flush_recordset(vals.keys() & SOURCES)
            self._forget_indicators()
        return result
