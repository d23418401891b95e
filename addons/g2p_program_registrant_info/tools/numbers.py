"""Application numbers: the day as ddmmyy, and a running number of five digits."""

from odoo.tools import SQL

SEQUENCE = "g2p.program.registrant_info"


class Numbering:
    """How numbers are drawn and written.

    ``drawn`` is SQL: another number of the sequence for each row in which it stands.
    """

    def __init__(self, env):
        # sudo: drawing a number is part of making an application
        sequence = env["ir.sequence"].sudo().search([("code", "=", SEQUENCE)], limit=1)
        self.env = env
        self.prefix, self.padding = sequence._get_prefix_suffix()[0], sequence.padding
        self.drawn = SQL("nextval(%s)", f"ir_sequence_{sequence.id:03}")

    def text(self, number):
        """:param SQL number: one that was drawn; :return SQL: the application's number"""
        return SQL(
            "%(prefix)s || lpad(%(number)s::text, greatest(%(padding)s, length(%(number)s::text)), '0')",
            prefix=self.prefix,
            padding=self.padding,
            number=number,
        )

    def draw(self, count):
        """So many numbers, in one statement."""
        rows = self.env.execute_query(
            SQL(
                "SELECT %s FROM (SELECT %s AS number FROM generate_series(1, %s)) AS drawn",
                self.text(SQL("drawn.number")),
                self.drawn,
                count,
            )
        )
        return Numbers(number for [number] in rows)


class Numbers:
    """Drawn numbers, handed from `create` to the field's default. Nothing that comes from outside is one.

    >>> numbers = Numbers(["01122600001", "01122600002"])
    >>> next(numbers), next(numbers)
    ('01122600001', '01122600002')
    """

    def __init__(self, numbers):
        self.numbers = iter(numbers)

    def __next__(self):
        return next(self.numbers)
