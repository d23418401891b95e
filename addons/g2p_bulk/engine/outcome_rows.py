"""Which rows an outcome of an operation counts, as conditions over a table with the alias `t`."""

from datetime import timedelta

from odoo import fields
from odoo.tools import SQL

TABLE = """
    CREATE TABLE IF NOT EXISTS g2p_bulk_row (
        operation_id integer NOT NULL REFERENCES g2p_bulk_operation ON DELETE CASCADE,
        outcome varchar NOT NULL,
        res_id integer NOT NULL
    );
    CREATE INDEX IF NOT EXISTS g2p_bulk_row_operation_idx ON g2p_bulk_row (operation_id, outcome);
"""


def moved(operation, model, to_states=()):
    """Of a table of rows with a state: the operation moved them (to one of these states), says the history. Asked by date and
    user first, by which the history is indexed."""
    return SQL(
        """
        t.id IN (
            SELECT moved.res_id FROM g2p_state_history AS moved
            WHERE moved.date >= %s AND moved.date <= %s AND moved.user_id = %s
                AND moved.operation_id = %s AND moved.res_model = %s AND %s
        )
        """,
        operation.create_date,
        (operation.finished_at or fields.Datetime.now()) + timedelta(seconds=1),
        operation.user_id.id,
        operation.id,
        model,
        SQL("moved.to_state = ANY(%s)", list(to_states)) if to_states else SQL("TRUE"),
    )


def in_chunks_with(operation, outcome, key):
    """:param SQL key: the key of a row; it lies in a chunk that counted the outcome"""
    return SQL(
        """
        EXISTS (
            SELECT FROM g2p_bulk_chunk AS part
            WHERE part.operation_id = %s AND part.counts ? %s AND %s > part.low AND %s <= part.high
        )
        """,
        operation.id,
        outcome,
        key,
        key,
    )


def noted(operation, outcome, key=None):
    """:param SQL key: what was noted, by default the row's id; it was noted with this outcome"""
    return SQL(
        "%s IN (SELECT noted.res_id FROM g2p_bulk_row AS noted WHERE noted.operation_id = %s AND noted.outcome = %s)",
        key or SQL("t.id"),
        operation.id,
        outcome,
    )


def note(operation, source):
    """The INSERT that notes rows whose outcome can't be told from anything else afterwards; it fits as the body of a CTE.

    :param SQL source: columns outcome, id
    """
    return SQL(
        "INSERT INTO g2p_bulk_row (operation_id, outcome, res_id) SELECT %s, source.* FROM (%s) AS source",
        operation.id,
        source,
    )
