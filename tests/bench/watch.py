"""A statement that takes far longer than usual ends the run, and shows its plan: it will not get better by waiting."""

import contextlib
from unittest.mock import patch

from psycopg2.errors import QueryCanceled

import odoo.sql_db

TIMES = 10
# No single statement is asked to be quicker than this, whatever is usual: small runs are all fixed costs.
LEAST_SECONDS = 30


@contextlib.contextmanager
def watched(cr, step, usual_seconds):
    """End the run when a statement of the block takes more than ``TIMES`` its usual time.

    :param usual_seconds: what the whole step usually takes
    :raise SystemExit: with the statement's plan, as PostgreSQL makes it now
    """
    limit = max(TIMES * usual_seconds, LEAST_SECONDS)
    execute, stopped = odoo.sql_db.Cursor.execute, []

    def remember(cursor, query, *args, **kwargs):
        try:
            return execute(cursor, query, *args, **kwargs)
        except QueryCanceled:
            stopped.append(cursor._obj.query)
            raise

    cr.execute("SET statement_timeout = %s", [f"{limit * 1000:.0f}ms"])
    try:
        with patch.object(odoo.sql_db.Cursor, "execute", remember):
            yield
    except QueryCanceled:
        pass  # told below; the engine keeps such an error to itself
    if not stopped:
        cr.execute("SET statement_timeout = 0")
        return
    cr.rollback()
    cr.execute("SET statement_timeout = 0")
    cr.execute(b"EXPLAIN " + stopped[0])
    plan = "\n".join(line for (line,) in cr.fetchall())
    raise SystemExit(
        f"{step}: a statement took more than {limit:.0f} s, the step usually takes {usual_seconds:.1f} s. Its plan:\n"
        f"{stopped[0].decode()}\n{plan}"
    )
