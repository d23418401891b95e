"""CSV made by PostgreSQL and read from it little by little: a file of a million lines needs no more memory than a short one."""

from uuid import uuid4

from odoo.tools import SQL

FETCH = 5_000


def cell(value):
    """One cell of text as SQL: quoted, empty for NULL, and never run as a formula by a spreadsheet.

    :param SQL value: an expression of a text type.
    """
    return SQL(
        """
        COALESCE('"' || replace(CASE WHEN left(%(value)s, 1) IN ('=', '+', '-', '@', chr(9), chr(13))
                                     THEN '''' || %(value)s ELSE %(value)s END, '"', '""') || '"', '')
        """,
        value=value,
    )


def number(value):
    """One cell of a number, as SQL."""
    return SQL("COALESCE((%s)::text, '')", value)


def row(cells):
    """A line of CSV as SQL, without its end."""
    return SQL(" || ',' || ").join(cells)


def stream(env, header, query):
    """Yield the text of a CSV file: a byte order mark, the header, and the lines that a query gives in its one column."""
    name = SQL.identifier(f"g2p_csv_{uuid4().hex}")
    env.flush_all()
    env.cr.execute(SQL("DECLARE %s NO SCROLL CURSOR FOR %s", name, query))
    yield "\ufeff" + ",".join(header) + "\r\n"
    while True:
        env.cr.execute(SQL("FETCH %s FROM %s", FETCH, name))
        if not env.cr.rowcount:
            break
        yield "\r\n".join(line for [line] in env.cr.fetchall()) + "\r\n"
    env.cr.execute(SQL("CLOSE %s", name))
