"""Draws of the demo country: SQL over a row's column `bytes`, a SHA-256. Nothing of it is random."""

from odoo.tools import SQL


def draw(position):
    """The ``position``-th of the sixteen draws of a row, 0 … 65535; the row's bytes are its column ``bytes``."""
    return SQL("(get_byte(bytes, %s) * 256 + get_byte(bytes, %s))", 2 * position, 2 * position + 1)


def below(position, limit):
    """A whole number from 0 to ``limit`` - 1."""
    return SQL("((%s * (%s)) >> 16)", draw(position), limit)


def chance(position, percent):
    """True for ``percent`` of the rows."""
    return SQL("(%s < %s)", draw(position), round(percent * 655.36))
