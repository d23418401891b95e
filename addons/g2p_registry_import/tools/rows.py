"""The rows of a file as SQL, over `line` (g2p_registrant_import_line): which they are, and what is said of them."""

from odoo.tools import SQL

GOOD = SQL("line.state = 'ok'")
SEEN = SQL("line.state IN ('ok', 'refused')")
COLLATION = SQL('COLLATE "und-x-icu"')  # capitals of every script, whatever the database's own collation knows
NOW = SQL("now() AT TIME ZONE 'UTC'")
VALUE = "\x01"  # stands for the cell's own text while a reason is translated
NAME_TARGETS = ("full_name", "family_name", "given_name")  # the columns that hold a registrant's name
IDENTIFIERS = ("id", "group_id", "related_id", "household", "phone", "account_number", "wallet_number", "area_code")
ACCOUNTS = {"account_number": "bank", "wallet_number": "mobile_wallet"}


def of(record):
    """All rows of a file."""
    return SQL("line.import_id = %s", record.id)


def numbered(record, low, high):
    """The rows with a number in (low, high]."""
    return SQL("line.import_id = %s AND line.row_number > %s AND line.row_number <= %s", record.id, low, high)


def of_units(record, low, high):
    """The rows of the units in (low, high]: all rows of a household are of one unit."""
    return SQL("line.import_id = %s AND line.unit > %s AND line.unit <= %s", record.id, low, high)


def full_name(family, given, additional):
    """As res.partner's _full_name: FAMILY, GIVEN ADDITIONAL."""
    return SQL(
        "upper(concat_ws(', ', %s, NULLIF(concat_ws(' ', %s, %s), '')) %s)", family, given, additional, COLLATION
    )


def reason(text, cell=None):
    """A translated reason as SQL, with the cell's own text where `text` has its mark.

    >>> reason("is empty").code
    '%s::text'
    >>> reason(f"is no area: {VALUE}", SQL("c0")).code
    '(%s::text || left(c0, 50) || %s::text)'
    """
    parts = text.split(VALUE)
    shown = SQL(" || left(%s, 50) || ", cell)
    return SQL("(%s)", shown.join(SQL("%s::text", part) for part in parts)) if len(parts) > 1 else SQL("%s::text", text)


def words(problems):
    """Assignments of what a person reads: of one problem its column and its reason, of several all of them."""
    return SQL(
        """
        column_name = CASE WHEN %(problems)s IS NOT NULL THEN
            (SELECT string_agg(item->>0, ', ') FROM jsonb_array_elements(%(problems)s) item) END,
        reason = CASE WHEN jsonb_array_length(%(problems)s) = 1 THEN %(problems)s->0->>1
            WHEN %(problems)s IS NOT NULL THEN
            (SELECT string_agg(concat_ws(': ', item->>0, item->>1), '; ') FROM jsonb_array_elements(%(problems)s) item) END
        """,
        problems=problems,
    )


def refusal(found):
    """The statement that refuses rows for one more reason each.

    :param SQL found: line_id, column_name, reason; one row for each line
    """
    return SQL(
        """
        UPDATE g2p_registrant_import_line line
        SET state = 'refused', problems = more.problems, %s
        FROM (
            SELECT found.line_id, COALESCE(this.problems, '[]')
                || jsonb_build_array(jsonb_build_array(found.column_name, found.reason)) AS problems
            FROM (%s) AS found
            JOIN g2p_registrant_import_line this ON this.id = found.line_id
        ) AS more
        WHERE line.id = more.line_id
        """,
        words(SQL("more.problems")),
        found,
    )
