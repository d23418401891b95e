"""Numbers as people and banks write them: which sign is the decimal mark, and which parts thousands.

What can mean one thing is read so, whatever stands in other rows: `1234,56` is 1234.56, `1.234.567` is 1234567. What can mean two,
such as `1,234`, is told by the other values of its column; where they don't tell either, nobody guesses.
"""

import re
from decimal import Decimal

from odoo.tools import SQL

SPACES = " \u00a0\u202f'\u2019"
GROUPED = re.compile(r"\d{1,3}(?:[ \u00a0\u202f'\u2019]\d{3})+(?:[.,]\d+)?")
WHOLE = "whole"  # the mark of a column that has none: what may be thousands is thousands
PLAIN = re.compile(r"\d+|\d*[.,]\d+|\d+[.,]")
# by thousands, or as in South Asia by hundreds and at the end by thousands
COMMAS = re.compile(r"\d{1,3}(?:,\d{3}){2,}|\d{1,3}(?:,\d{3})+\.\d+|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?")
POINTS = re.compile(r"\d{1,3}(?:\.\d{3}){2,}|\d{1,3}(?:\.\d{3})+,\d+")
EITHER = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
EXPONENT = re.compile(r"\d(?:[.,]\d+)?[eE][+-]?\d{1,2}")


class NotANumberError(ValueError):
    pass


class AmbiguousError(ValueError):
    """The text means two numbers: the arguments are the text, the number if its mark is decimal, and if it is not."""


def split(text):
    """(sign, digits with at most one mark, the decimal mark it proves, or the mark in doubt).

    The last two are one of `.`, `,` and None: what the text proves to be its decimal mark, and the mark that may be either.

    >>> split("1234,56"), split("1.234.567"), split("-1,234"), split("12")
    (('', '1234.56', ',', None), ('', '1234567', ',', None), ('-', '1,234', None, ','), ('', '12', None, None))
    >>> split("12,34,5")
    Traceback (most recent call last):
    ...
    odoo.addons.g2p_bulk.tools.decimal_text.NotANumberError
    """
    plain = text.strip()
    sign = plain[:1] if plain[:1] in ("+", "-") else ""
    plain = plain[len(sign) :]
    if not plain.isascii() or not plain.isdigit():
        if EITHER.fullmatch(plain):
            return sign, plain, None, "," if "," in plain else "."
        if GROUPED.fullmatch(plain):
            plain = plain.translate(dict.fromkeys(map(ord, SPACES)))
        elif COMMAS.fullmatch(plain):
            return sign, plain.replace(",", ""), ".", None
        elif POINTS.fullmatch(plain):
            return sign, plain.replace(".", "").replace(",", "."), ",", None
        elif not PLAIN.fullmatch(plain) and not EXPONENT.fullmatch(plain):
            raise NotANumberError()
        if not plain.isascii():
            raise NotANumberError()
    mark = "," if "," in plain else "." if "." in plain else None
    return sign, plain.replace(",", "."), mark, None


def parse(text, mark=None):
    """The number that ``text`` means, in a column whose decimal mark is ``mark``: a point, a comma or WHOLE.

    >>> parse("1234,56"), parse("1,234", "."), parse("1,234", ","), parse("1 234.5"), parse("12,34,567.5")
    (Decimal('1234.56'), Decimal('1234'), Decimal('1.234'), Decimal('1234.5'), Decimal('1234567.5'))
    >>> parse("1,234")
    Traceback (most recent call last):
    ...
    odoo.addons.g2p_bulk.tools.decimal_text.AmbiguousError: ('1,234', Decimal('1.234'), Decimal('1234'))
    """
    sign, digits, _proved, doubt = split(text)
    if doubt:
        decimal = Decimal(sign + digits.replace(doubt, "."))
        whole = Decimal(sign + digits.replace(doubt, ""))
        if not mark:
            raise AmbiguousError(text.strip(), decimal, whole)
        return decimal if mark == doubt else whole
    return Decimal(sign + digits)


class Column:
    """What the values of a column, given one after the other, say about its decimal mark.

    >>> column = Column()
    >>> for value in ("1,234", "5", "7,50"): column.add(value)
    >>> column.mark, column.is_open
    (',', False)
    >>> column = Column(); column.add("1,234"); column.mark, column.is_open, column.sample
    (None, True, '1,234')
    """

    def __init__(self):
        self.proved = set()
        self.sample = None  # the first value that may mean two numbers

    def add(self, text):
        if text.isdigit():
            return
        try:
            _sign, _digits, proved, doubt = split(text)
        except NotANumberError:
            return
        if proved:
            self.proved.add(proved)
        elif doubt and self.sample is None:
            self.sample = text.strip()

    @property
    def mark(self):
        """The decimal mark, if the values prove one and only one."""
        return next(iter(self.proved)) if len(self.proved) == 1 else None

    @property
    def is_open(self):
        return self.sample is not None and self.mark is None


def number_sql(cell, mark):
    """`parse` as SQL: text that PostgreSQL takes as a number, or NULL where it is none.

    :param SQL cell: the text, without spaces at its ends.
    :param mark: the decimal mark of the column: a point, a comma or WHOLE; with None, what is in doubt is no number.
    """
    plain = SQL("regexp_replace(%s, '^[+-]', '')", cell)
    sign = SQL("CASE WHEN left(%s, 1) = '-' THEN '-' ELSE '' END", cell)
    either = SQL("NULL::text")
    if mark == WHOLE:
        either = SQL("translate(plain.text, ',.', '')")
    elif mark:
        other = "." if mark == "," else ","
        either = SQL("replace(replace(plain.text, %s, ''), %s, '.')", other, mark)
    return SQL(
        r"""
        (SELECT %(sign)s || CASE
            WHEN plain.text ~ '^[0-9]+$' THEN plain.text
            WHEN plain.text ~ '^[1-9][0-9]{0,2}[.,][0-9]{3}$' THEN %(either)s
            WHEN plain.text ~ '^([0-9]+|[0-9]*[.,][0-9]+|[0-9]+[.,]|[0-9]([.,][0-9]+)?[eE][+-]?[0-9]{1,2})$'
                THEN replace(plain.text, ',', '.')
            WHEN plain.text ~ %(grouped)s THEN replace(translate(plain.text, %(spaces)s, ''), ',', '.')
            WHEN plain.text ~ '^([0-9]{1,3}(,[0-9]{3}){2,}|[0-9]{1,3}(,[0-9]{3})+\.[0-9]+|[0-9]{1,2}(,[0-9]{2})+,[0-9]{3}(\.[0-9]+)?)$'
                THEN replace(plain.text, ',', '')
            WHEN plain.text ~ '^([0-9]{1,3}(\.[0-9]{3}){2,}|[0-9]{1,3}(\.[0-9]{3})+,[0-9]+)$'
                THEN replace(replace(plain.text, '.', ''), ',', '.')
            END
           FROM (SELECT %(plain)s AS text) AS plain)
        """,
        sign=sign,
        either=either,
        grouped=f"^[0-9]{{1,3}}([{SPACES}][0-9]{{3}})+([.,][0-9]+)?$",
        spaces=SPACES,
        plain=plain,
    )
