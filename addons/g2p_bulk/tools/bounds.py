"""How large a number, and how early or late a date, can be that the suite keeps. The database says so, by a CHECK on each
column, for every model there is and will be: no one has to think of it."""

import logging

import psycopg2

from odoo.tools import sql

_logger = logging.getLogger(__name__)

# Money, quantities and figures: 15 significant digits of a float end beyond it, and so does every budget.
MOST = 10**12
FIRST_DAY, LAST_DAY = "1900-01-01", "2200-01-01"
PREFIX = "g2p_"


def bounded(field):
    """Whether a field is a column of the suite that holds a number with decimals, or a date."""
    return bool(
        field.store
        and field.column_type
        and not field.company_dependent
        and field.type in ("monetary", "float", "date", "datetime")
        and field.name not in ("create_date", "write_date")
        and any(module.startswith(PREFIX) for module in field._modules)
    )


def definition(field):
    """The CHECK of a field, as text.

    A number that is none (NaN) sorts above all others, and infinity above all dates: both are refused by it.

    >>> from types import SimpleNamespace
    >>> definition(SimpleNamespace(name="amount", type="monetary"))
    'CHECK ("amount" > -1000000000000 AND "amount" < 1000000000000)'
    >>> definition(SimpleNamespace(name="fee_pct", type="float"))
    'CHECK ("fee_pct" >= 0 AND "fee_pct" <= 100)'
    >>> definition(SimpleNamespace(name="start_date", type="date"))
    'CHECK ("start_date" >= \\'1900-01-01\\' AND "start_date" < \\'2200-01-01\\')'
    """
    column = f'"{field.name}"'
    if field.name.endswith(("_pct", "_percent", "_percentage")):
        return f"CHECK ({column} >= 0 AND {column} <= 100)"
    if field.type in ("date", "datetime"):
        return f"CHECK ({column} >= '{FIRST_DAY}' AND {column} < '{LAST_DAY}')"
    return f"CHECK ({column} > -{MOST} AND {column} < {MOST})"


def constraint_name(field, table):
    """
    >>> from types import SimpleNamespace
    >>> constraint_name(SimpleNamespace(name="amount"), "g2p_payment")
    'g2p_payment_amount_within_bounds'
    """
    return f"{table[: 62 - len(field.name) - 14]}_{field.name[:40]}_within_bounds"


def bounded_fields(model):
    """{constraint: field} of a model's table."""
    return {constraint_name(field, model._table): field for field in model._fields.values() if bounded(field)}


def add(model):
    """Add the constraints of a model's table that are not there yet, after the columns were made."""
    if not model._auto or model._abstract:
        return
    for name, field in bounded_fields(model).items():
        model.pool.post_constraint(
            model.env.cr, lambda cr, name=name, field=field: _add(cr, model._table, name, field), name
        )


def _add(cr, table, name, field):
    wanted = definition(field)
    known = sql.constraint_definition(cr, table, name)
    if known == wanted:
        return
    try:
        with cr.savepoint(flush=False):
            if known:
                sql.drop_constraint(cr, table, name)
            sql.add_constraint(cr, table, name, wanted)
    except psycopg2.errors.CheckViolation:
        # Rows of before are there: new ones can't be checked by this constraint until somebody corrects them.
        _logger.error("%s has values beyond the bounds of %s: correct them and update the module", table, field)


def message(model, constraint):
    """What a person reads whose value lies beyond the bounds, or None where the constraint is another."""
    field = bounded_fields(model).get(constraint)
    if field is None:
        return None
    _ = model.env._
    label = field._description_string(model.env)
    if field.type in ("date", "datetime"):
        return _("%(field)s lies outside what can be: give a date between the years 1900 and 2199.", field=label)
    if "<= 100" in definition(field):
        return _("%(field)s is a share of something: give a number from 0 to 100.", field=label)
    return _(
        "%(field)s is larger than anything that can be: give a number below %(most)s.", field=label, most=f"{MOST:,}"
    )
