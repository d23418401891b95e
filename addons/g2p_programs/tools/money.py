"""Money in SQL: numeric in, numeric out. What passes through Python is `Decimal`, never float."""

from decimal import Decimal

from odoo.tools import SQL


def decimal(value):
    """An exact number from what SQL gave as text, or from a Monetary field.

    >>> decimal("160.00") + decimal(3.2)
    Decimal('163.20')
    >>> decimal(None)
    Decimal('0')
    """
    return Decimal(str(value)) if value else Decimal(0)


def round_sql(currency, expression):
    """`expression` rounded half up to what can be paid in the currency; amounts are not negative.

    >>> from types import SimpleNamespace
    >>> round_sql(SimpleNamespace(rounding=0.01), SQL("amount")).code
    'ROUND(amount, %s)'
    >>> round_sql(SimpleNamespace(rounding=0.05), SQL("amount")).code
    '(ROUND((amount) / %s) * %s)'
    """
    step = decimal(currency.rounding or 0.01).normalize()
    if step.as_tuple().digits == (1,):
        return SQL("ROUND(%s, %s)", expression, -step.as_tuple().exponent)
    return SQL("(ROUND((%s) / %s) * %s)", expression, step, step)
