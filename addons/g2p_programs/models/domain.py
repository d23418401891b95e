"""Domains that people write into settings: eligibility conditions, batch tags, conditions of items."""

import ast
import datetime

from dateutil.relativedelta import relativedelta

from odoo import fields
from odoo.fields import Domain
from odoo.tools.safe_eval import safe_eval

# What would make a domain say one thing to who writes it and another to who runs it.
FORBIDDEN = (ast.IfExp, ast.BoolOp, ast.Compare, ast.Lambda, ast.comprehension, ast.NamedExpr)


def parse_domain(env, text):
    """The domain that a text stands for. Dates may be relative: `context_today()`, `relativedelta(years=5)`.
    The conditions themselves are the same for everybody and every day.

    :raise ValueError: when the text is no domain.
    """
    text = (text or "[]").strip()
    if any(isinstance(node, FORBIDDEN) for node in ast.walk(ast.parse(text, mode="eval"))):
        raise ValueError("a plain list of conditions is expected, without if, and, or, comparisons or loops")
    value = safe_eval(
        text,
        {
            "context_today": lambda: fields.Date.context_today(env.user),
            "today": fields.Date.context_today(env.user),
            "datetime": datetime_namespace,
            "relativedelta": relativedelta,
            "True": True,
            "False": False,
        },
    )
    if not isinstance(value, list | tuple):
        raise ValueError("a list of conditions is expected")
    return Domain(list(value))


class datetime_namespace:  # noqa: N801 - stands for the module of that name inside a domain
    date = datetime.date
    timedelta = datetime.timedelta
