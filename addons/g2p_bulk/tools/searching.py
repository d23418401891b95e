"""What people ask for in a search, before it is compared in SQL: who asks for something that can't be compared is told."""

from contextlib import suppress

from odoo.exceptions import UserError


def number(env, value):
    """The number to compare a column with."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        with suppress(ValueError):
            return float(value)
    raise UserError(env._("“%s” is no number: this is searched by a number.", value))


def text(env, value):
    """The text to compare a column with."""
    if isinstance(value, str):
        return value
    raise UserError(env._("“%s” is no text: this is searched by a text.", value))
