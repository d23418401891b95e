"""What cells of files of registrants may hold. The files themselves are read by `g2p_bulk.tools.table_file`.

Nothing here knows the ORM; every refusal is a `CellError` with one sentence, which is translated when somebody reads it.
"""

import re

from odoo.tools import LazyTranslate

from odoo.addons.g2p_bulk.tools.table_file import SURROGATE

_lt = LazyTranslate(__name__)

MAX_CELL = 4096  # a cell longer than this is an accident or an attack, not a registrant's value
DATE_FORMATS = [
    ("%Y-%m-%d", "YYYY-MM-DD"),
    ("%d-%m-%Y", "DD-MM-YYYY"),
    ("%d/%m/%Y", "DD/MM/YYYY"),
    ("%m/%d/%Y", "MM/DD/YYYY"),
    ("%d.%m.%Y", "DD.MM.YYYY"),
]

DECIMAL_MARKS = [(".", "Point, as in 1234.56"), (",", "Comma, as in 1234,56")]


class CellError(Exception):
    """One cell can't be taken: the rest of a sentence that begins with the column."""

    def __init__(self, sentence):
        super().__init__()
        self.sentence = sentence

    def __str__(self):
        return str(self.sentence)


def unreadable_cell(cells):
    """(position, CellError) of the first cell that no column may hold, or None. Whole rows are tested first."""
    joined = "".join(cells)
    if len(joined) <= MAX_CELL and (joined.isascii() or not SURROGATE.search(joined)):
        return None
    for position, value in enumerate(cells):
        if SURROGATE.search(value):
            return position, CellError(_lt("is not text in the chosen encoding"))
        if len(value) > MAX_CELL:
            return position, CellError(
                _lt(
                    "is too long: %(length)s characters, at most %(limit)s are taken", length=len(value), limit=MAX_CELL
                )
            )
    return None


# What means the same to Python and to PostgreSQL: letters, classes, groups, alternatives, greedy repetitions.
PORTABLE = re.compile(
    r"\^?(?:[\w \-,:/@#%&=;]|\\[d.\-/()+*?]|\[(?:[\w\-]|\\d)+\]|\((?:\?:|(?!\?))|[)|.]|[?*+](?![?*+{])"
    r"|\{\d{1,2}(?:,\d{0,2})?\}(?![?*+{]))+\$?"
)


def portable_pattern(pattern):
    """`pattern` for PostgreSQL's ~, matching the whole value, or None if it may mean something else there.

    >>> portable_pattern(r"[A-Z]{2}-?\\d{6}")
    '^(?:[A-Z]{2}-?\\\\d{6})$'
    >>> portable_pattern(r"(?i)ab\\b") is None
    True
    """
    return f"^(?:{pattern})$" if PORTABLE.fullmatch(pattern) and pattern.isascii() else None
