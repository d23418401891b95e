# ruff: noqa: S608 - what is formatted is declared by classes: names of models, tables and fields
"""The triggers that write ``g2p.change.history``: what a model declares becomes PL/pgSQL.

Everything that is formatted into text here is the name of a model, table or field, or SQL that a class declares.
"""

import contextlib
import hashlib
import re
from typing import NamedTuple

from psycopg2.extensions import TRANSACTION_STATUS_INERROR

from odoo.models import LOG_ACCESS_COLUMNS

PREFIX = "g2p_changes_"
NAME_LENGTH = 63
# Of relations, sensors of the web client and mail: nobody sets them, or they hang on what people set.
PLUMBING = {
    "parent_path",
    "message_main_attachment_id",
    "message_follower_ids",
    "activity_ids",
    "rating_ids",
    "website_message_ids",
}


class Trigger(NamedTuple):
    table: str
    name: str
    statements: str


def is_business(field):
    """Whether a field is something that a person or a module sets and that stays: what is to be on record."""
    if field.name == "id" or field.name in LOG_ACCESS_COLUMNS or field.name in PLUMBING or not field.store:
        return False
    if field.compute and field.readonly:
        return False
    if field.type == "many2many":
        return bool(field.relation)
    return bool(field.column_type)


def short(name):
    """A name that PostgreSQL does not cut.

    >>> short("g2p_changes_g2p_program")
    'g2p_changes_g2p_program'
    >>> len(short("g2p_changes_" + "a" * 80))
    63
    """
    if len(name) <= NAME_LENGTH:
        return name
    return name[: NAME_LENGTH - 9] + "_" + hashlib.sha256(name.encode()).hexdigest()[:8]


def quoted(name):
    """An SQL identifier.

    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text):
    """An SQL string.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def path_sql(model, path, row, depth=1):
    """The SQL value at the end of a dotted path of many2one fields from the row ``row`` of ``model``; follows related fields."""
    name, _dot, rest = path.partition(".")
    field = model._fields[name]
    if not field.store and field.related:
        return path_sql(model, f"{field.related}.{rest}" if rest else field.related, row, depth)
    if not field.store:
        return "NULL"
    column = f"{row}.{quoted(name)}"
    if field.related:
        # A stored copy is filled in after the row is made.
        column = f"COALESCE({column}, {path_sql(model, field.related, row, depth)})"
    if not rest:
        return column
    comodel = model.env[field.comodel_name]
    alias = f"step{depth}"
    value = path_sql(comodel, rest, alias, depth + 1)
    return f"(SELECT {value} FROM {quoted(comodel._table)} AS {alias} WHERE {alias}.id = {column})"


def name_sql(comodel, value):
    """``Name (#12)`` of the record that a many2one names, as it is called at this moment; people by their number only."""
    label = "login" if comodel._name == "res.users" else comodel._rec_name
    field = comodel._fields.get(label) if label else None
    if not field or not field.store or comodel._name == "res.partner" or field.type not in ("char", "text"):
        return f"'#' || {value}"
    column = f"named.{quoted(label)}" + ("->>'en_US'" if field.translate else "")
    return (
        f"COALESCE((SELECT {column} || ' ' FROM {quoted(comodel._table)} AS named WHERE named.id = {value}), '')"
        f" || '(#' || {value} || ')'"
    )


def value_sql(model, field, row):
    """The text that is kept of a field's value."""
    column = f"{row}.{quoted(field.name)}"
    if field.type == "binary" or field.name in model._secret_fields:
        text = f"encode({column}, 'base64')" if field.type == "binary" else f"{column}::text"
        # With the database's secret, so that a short password is not found by trying.
        salted = f"(SELECT value FROM ir_config_parameter WHERE key = 'database.secret') || {text}"
        digest = f"'sha256:' || left(encode(sha256(convert_to({salted}, 'UTF8')), 'hex'), 16)"
        if condition := model._secret_where:
            return f"CASE WHEN {condition.replace('row.', row + '.')} THEN {digest} ELSE {column}::text END"
        return digest
    if field.type == "many2one":
        return f"CASE WHEN {column} IS NOT NULL THEN {name_sql(model.env[field.comodel_name], column)} END"
    if field.translate:
        return f"CASE WHEN {column} - 'en_US' = '{{}}' THEN {column}->>'en_US' ELSE {column}::text END"
    return f"{column}::text"


def condition_sql(model, row):
    return model._changes_where.replace("row.", f"{row}.") if model._changes_where else "TRUE"


def place(model, row):
    """Parent and owner of a row: SQL values (parent_model, parent_id, owner_model, owner_id)."""
    parent = ("NULL", "NULL")
    if path := model._changes_parent_path():
        parent = (literal(model._changes_end(path)), path_sql(model, path, row))
    owner = path_sql(model, model._changes_on, row) if model._changes_on else f"{row}.id"
    return (*parent, literal(model._changes_owner_model()), owner)


def company_sql(model, row):
    return path_sql(model, "company_id", row) if "company_id" in model._fields else "NULL"


def places_sql(model, rows, record_id):
    """A subquery of where a change stands, one row for each of the given rows of the model, without repetition.

    What hung on something that is deleted with it is found where it last stood.
    """
    me = literal(model._name)
    selects = []
    for row in rows:
        parent_model, parent_id, owner_model, owner_id = place(model, row)
        selects.append(
            f"SELECT {parent_model}::varchar, ({parent_id})::integer, {owner_model}::varchar, ({owner_id})::integer,"
            f" ({company_sql(model, row)})::integer"
        )
    columns = "(parent_model, parent_id, owner_model, owner_id, company_id)"
    found = "\n            UNION ".join(selects)
    if not model._changes_on:
        return f"({found}) AS place {columns}"
    # Looked up only for those that need it, by the record (id + 0): in the order of the primary key it would be the history from
    # its end, for each row.
    last = (
        "SELECT owner_model, owner_id, company_id FROM g2p_change_history"
        f" WHERE place.owner_id IS NULL AND res_model = {me} AND res_id = {record_id} AND owner_id IS NOT NULL"
        " ORDER BY id + 0 DESC LIMIT 1"
    )
    return f"""(
            SELECT place.parent_model, place.parent_id,
                   CASE WHEN place.owner_id IS NULL THEN COALESCE(last.owner_model, {me}) ELSE place.owner_model END,
                   COALESCE(place.owner_id, last.owner_id, {record_id}),
                   COALESCE(place.company_id, last.company_id)
            FROM ({found}) AS place {columns}
            LEFT JOIN LATERAL ({last}) AS last ON TRUE
        ) AS place {columns}"""


COLUMNS = (
    "operation, res_model, res_id, parent_model, parent_id, owner_model, owner_id, company_id,"
    " field, old_value, new_value, user_id, reason"
)


def insert_sql(model, operation, source, record_id, rows, values, condition, who="who"):
    """INSERT of what changed.

    :param source: FROM clause in which ``rows`` are rows of the model
    :param values: [(field, whether it counts, old, new)]
    """
    listed = ",\n            ".join(f"({literal(name)}, {counts}, {old}, {new})" for name, counts, old, new in values)
    return f"""
        INSERT INTO g2p_change_history ({COLUMNS})
        SELECT '{operation}', {literal(model._name)}, {record_id}, place.parent_model, place.parent_id,
               place.owner_model, place.owner_id, place.company_id, nullif(value.field, ''), value.old, value.new, {who}, why
        FROM {source}
        CROSS JOIN LATERAL (VALUES
            {listed}
        ) AS value (field, counts, old, new)
        CROSS JOIN LATERAL {places_sql(model, rows, record_id)}
        WHERE ({condition}) AND value.counts;"""


def changed_sql(field):
    column = quoted(field.name)
    # json has no equality
    cast = "::text" if field.column_type and field.column_type[0] == "json" else ""
    return f"before.{column}{cast} IS DISTINCT FROM after.{column}{cast}"


def label_sql(model, row):
    field = model._fields.get(model._rec_name or "")
    if field is None or not field.store or not field.column_type or field.name in model._secret_fields:
        return "NULL::text"
    return value_sql(model, field, row)


def function_sql(name, body):
    # A session keeps its plan: one made when single rows changed must not compare each row with every other when many do.
    return f"""
CREATE OR REPLACE FUNCTION {quoted(name)}() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $changes$
DECLARE
    why varchar := nullif(current_setting('g2p.reason', true), '');
    who integer := nullif(current_setting('g2p.user_id', true), '');
BEGIN{body}
    RETURN NULL;
END
$changes$;"""


def column_triggers(model, fields):
    """The triggers of the model's own table: one a statement, however many rows it changes."""

    def trigger(event, tables, insert):
        function = short(f"{PREFIX}{model._table}_{event.lower()}")
        name = f"{PREFIX}{event.lower()}"
        return Trigger(
            model._table,
            name,
            f"""{function_sql(function, insert)}
CREATE OR REPLACE TRIGGER {name} AFTER {event} ON {quoted(model._table)} REFERENCING {tables}
    FOR EACH STATEMENT EXECUTE FUNCTION {quoted(function)}();""",
        )

    who = "who"
    if model._log_access:
        # A statement that does not say who is not put down to who came before.
        who = (
            "CASE WHEN after.write_date IS DISTINCT FROM before.write_date OR after.write_date = now() AT TIME ZONE 'UTC'"
            " THEN after.write_uid ELSE who END"
        )
    any_changed = "\n            OR ".join(changed_sql(field) for field in fields)
    updated = [
        (
            field.name,
            changed_sql(field),
            f"CASE WHEN {changed_sql(field)} THEN {value_sql(model, field, 'before')} END",
            f"CASE WHEN {changed_sql(field)} THEN {value_sql(model, field, 'after')} END",
        )
        for field in fields
    ]
    watched = f"{condition_sql(model, 'before')} OR {condition_sql(model, 'after')}"
    if model._watched_by_row:
        yield row_trigger(model, fields, updated, watched, who)
    else:
        yield trigger(
            "UPDATE",
            "OLD TABLE AS rows_before NEW TABLE AS rows_after",
            insert_sql(
                model,
                "write",
                "rows_after AS after JOIN rows_before AS before ON before.id = after.id",
                "after.id",
                ["before", "after"],
                updated,
                f"({any_changed})\n            AND ({watched})",
                who,
            ),
        )
    deleted = [("", "TRUE", label_sql(model, "before"), "NULL::text")] + [
        (field.name, f"before.{quoted(field.name)} IS NOT NULL", value_sql(model, field, "before"), "NULL")
        for field in fields
    ]
    yield trigger(
        "DELETE",
        "OLD TABLE AS rows_before",
        insert_sql(
            model,
            "unlink",
            "rows_before AS before",
            "before.id",
            ["before"],
            deleted,
            condition_sql(model, "before"),
        ),
    )
    if not model._watches_create():
        return
    created = [("", "TRUE", "NULL::text", label_sql(model, "after"))] + [
        (field.name, f"after.{quoted(field.name)} IS NOT NULL", "NULL", value_sql(model, field, "after"))
        for field in fields
    ]
    yield trigger(
        "INSERT",
        "NEW TABLE AS rows_after",
        insert_sql(
            model,
            "create",
            "rows_after AS after",
            "after.id",
            ["after"],
            created,
            condition_sql(model, "after"),
            "COALESCE(after.create_uid, who)" if model._log_access else "who",
        ),
    )


def row_trigger(model, fields, updated, watched, who):
    """The trigger of an update as one a row, which other columns do not wake."""
    function, name = short(f"{PREFIX}{model._table}_row"), f"{PREFIX}row"
    changed = "\n        OR ".join(
        changed_sql(field).replace("before.", "OLD.").replace("after.", "NEW.") for field in fields
    )
    source = "(SELECT OLD.*) AS before CROSS JOIN (SELECT NEW.*) AS after"
    insert = insert_sql(model, "write", source, "after.id", ["before", "after"], updated, watched, who)
    return Trigger(
        model._table,
        name,
        f"""{function_sql(function, insert)}
CREATE OR REPLACE TRIGGER {name} AFTER UPDATE OF {", ".join(quoted(field.name) for field in fields)} ON {quoted(model._table)}
    FOR EACH ROW WHEN ({changed}) EXECUTE FUNCTION {quoted(function)}();""",
    )


def link_trigger(model, field):
    """The trigger of the table of a many2many field: each link that comes or goes."""
    name = short(f"{PREFIX}{model._table}_{field.name}")
    comodel = model.env[field.comodel_name]

    def insert(link, added):
        linked = name_sql(comodel, f"{link}.{quoted(field.column2)}")
        old, new = ("NULL::text", linked) if added else (linked, "NULL::text")
        record_id = f"{link}.{quoted(field.column1)}"
        source = f"(SELECT * FROM {quoted(model._table)} WHERE id = {record_id}) AS linking"
        values = [(field.name, "TRUE", old, new)]
        return insert_sql(model, "write", source, record_id, ["linking"], values, condition_sql(model, "linking"))

    body = f"""
    IF TG_OP <> 'INSERT' THEN{insert("OLD", added=False)}
    END IF;
    IF TG_OP <> 'DELETE' THEN{insert("NEW", added=True)}
    END IF;"""
    return Trigger(
        field.relation,
        name,
        f"""{function_sql(name, body)}
CREATE OR REPLACE TRIGGER {quoted(name)} AFTER INSERT OR UPDATE OR DELETE ON {quoted(field.relation)}
    FOR EACH ROW EXECUTE FUNCTION {quoted(name)}();""",
    )


def triggers(model, columns):
    """The triggers that a watched model needs; ``columns``: {(table, column)} that exist."""
    needed = [*re.findall(r"row\.(\w+)", model._changes_where or ""), *(model._changes_on or "").split(".")[:1]]
    if any(name and (model._table, name) not in columns for name in needed):
        return
    fields = model._watched()
    stored = [field for field in fields if field.column_type and (model._table, field.name) in columns]
    if stored:
        yield from column_triggers(model, stored)
    for field in fields:
        if field.type == "many2many" and stored and (field.relation, field.column1) in columns:
            yield link_trigger(model, field)


@contextlib.contextmanager
def because(env, reason, user):
    """Tell the triggers why and by whom, for what happens inside; then what was said before."""
    env.flush_all()
    env.cr.execute("SELECT current_setting('g2p.reason', true), current_setting('g2p.user_id', true)")
    why, who = env.cr.fetchone()
    say = "SELECT set_config('g2p.reason', %s, true), set_config('g2p.user_id', %s, true)"
    env.cr.execute(say, [reason or why or "", str(user.id)])
    try:
        yield
        env.flush_all()
    finally:
        # A statement that failed ends the transaction or its savepoint, and the settings with it.
        if env.cr._obj.connection.info.transaction_status != TRANSACTION_STATUS_INERROR:
            env.cr.execute(say, [why or "", who or ""])
