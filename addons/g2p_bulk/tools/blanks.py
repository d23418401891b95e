"""A name that is required is not blank: the database says so, for every required text of the suite's models."""

import logging

import psycopg2

from odoo.tools import SQL, mute_logger, sql

_logger = logging.getLogger(__name__)

SUFFIX = "_not_blank"


def same_name(column, *scope):
    """The expression of a unique index of names: neither case nor spaces make another name.

    :param scope: further expressions, within which a name stands once
    """
    name = f"lower(regexp_replace(btrim({column}), '\\s+', ' ', 'g'))"
    return f"({', '.join([name, *scope])})"


def constraint_name(model, field):
    return sql.make_identifier(f"{model._table}_{field.name}{SUFFIX}")


def named_fields(model):
    """The required, stored texts of a model of the suite: {name of the constraint: field}."""
    if not model._auto or model._abstract or not model._original_module.startswith("g2p_"):
        return {}
    return {
        constraint_name(model, field): field
        for field in model._fields.values()
        if field.type in ("char", "text") and field.required and field.store and field.column_type
    }


def _filled(field):
    """SQL: the column is not blank, in any of its languages."""
    column = SQL.identifier(field.name)
    if field.translate:
        return SQL("""NOT %s @? '$.* ? (@ like_regex "^[[:space:]]*$")'""", column)
    return SQL("%s ~ '[^[:space:]]'", column)


def refuse(cr, model):
    """Make the constraints of a model's table, and drop those of fields that are not required any more.

    Blank names that are there already are filled (“Unnamed 12”), so that nothing that works on these rows fails later.
    """
    wanted = named_fields(model)
    cr.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(%s) AND conname LIKE %s",
        [f'"{model._table}"', "%\\" + SUFFIX],
    )
    present = {name for (name,) in cr.fetchall()}
    table = SQL.identifier(model._table)
    for name in present - wanted.keys():
        cr.execute(SQL("ALTER TABLE %s DROP CONSTRAINT %s", table, SQL.identifier(name)))
    for name, field in wanted.items():
        if name in present:
            continue
        add = SQL("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s)", table, SQL.identifier(name), _filled(field))
        try:
            with cr.savepoint(flush=False), mute_logger("odoo.sql_db"):
                cr.execute(add)
        except psycopg2.errors.CheckViolation:
            column = SQL.identifier(field.name)
            value = SQL("jsonb_build_object('en_US', 'Unnamed ' || id)") if field.translate else SQL("'Unnamed ' || id")
            cr.execute(SQL("UPDATE %s SET %s = %s WHERE NOT (%s)", table, column, value, _filled(field)))
            _logger.warning("%s: %s blank values of %s were filled.", model._table, cr.rowcount, field.name)
            cr.execute(add)


def message(model, constraint):
    """What a person reads who left the text blank, or None where the constraint is another."""
    field = named_fields(model).get(constraint)
    if field is None:
        return None
    kind = model.env["ir.model"]._get(model._name).name or model._description
    return model.env._(
        "“%(field)s” of %(kind)s is blank: give it a text.", field=field._description_string(model.env), kind=kind
    )
