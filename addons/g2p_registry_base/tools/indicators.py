"""The figures of groups (g2p.group.indicator) as conditions over `indicator`. What is not known is neither yes nor no."""

from odoo.tools import SQL

# OpenG2P's names of the fields, and the column that each shows.
FIELDS = {
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
COMPARISONS = {"<": SQL("<"), "<=": SQL("<="), ">": SQL(">"), ">=": SQL(">=")}


def groups(condition):
    """The ids of the groups whose figures meet a condition."""
    return SQL("SELECT indicator.group_id FROM g2p_group_indicator AS indicator WHERE %s", condition)


def condition(column, operator, value):
    """Whether a figure compares so, as a search of the ORM asks for it; None where it can't be asked so.

    >>> condition("children", ">=", 3).code
    '"indicator"."children" >= %s'
    >>> condition("head_age", "not in", [30]).code
    '"indicator"."head_age" IS NOT NULL AND NOT ("indicator"."head_age" IS NOT NULL AND "indicator"."head_age" = ANY(%s))'
    >>> condition("children", "like", "3")
    """
    figure = SQL.identifier("indicator", column)
    if operator in COMPARISONS:
        return SQL("%s %s %s", figure, COMPARISONS[operator], value)
    if operator == "in":
        return _is_one_of(column, figure, value)
    if operator == "not in":
        asked_for_unknown = column in MAY_BE_UNKNOWN and column != "female_headed" and False in value
        known = SQL() if asked_for_unknown else SQL("%s IS NOT NULL AND ", figure)
        return SQL("%sNOT (%s)", known, _is_one_of(column, figure, value))
    return None


def unknown(column):
    """That a figure is not known; None where it always is.

    >>> unknown("head_age").code
    '"indicator"."head_age" IS NULL'
    >>> unknown("children")
    """
    return SQL("%s IS NULL", SQL.identifier("indicator", column)) if column in MAY_BE_UNKNOWN else None


def _is_one_of(column, figure, values):
    """SQL that is true or false, never unknown."""
    if column == "female_headed":
        return SQL("%s IS NOT NULL AND %s = ANY(%s)", figure, figure, [bool(value) for value in values])
    known = [value for value in values if value is not None and value is not False]
    same = SQL("%s IS NOT NULL AND %s = ANY(%s)", figure, figure, known) if known else SQL("FALSE")
    if len(known) == len(values):
        return same
    if column in MAY_BE_UNKNOWN:
        return SQL("(%s) OR %s IS NULL", same, figure)
    return SQL("(%s) OR %s = 0", same, figure)
