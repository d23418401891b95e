"""Domains that people write into settings: eligibility conditions, batch tags, conditions of items."""

import datetime

from dateutil.relativedelta import relativedelta

from odoo import fields
from odoo.fields import Domain
from odoo.tools.safe_eval import safe_eval


def parse_domain(env, text):
    """The domain that a text stands for. Dates may be relative: `context_today()`, `relativedelta(years=5)`.

    :raise ValueError: when the text is no domain.
    """
    value = safe_eval(
        text or "[]",
        {
            "context_today": lambda: fields.Date.context_today(env.user),
            "today": fields.Date.context_today(env.user),
            "datetime": datetime_namespace,
            "relativedelta": relativedelta,
            "uid": env.uid,
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
