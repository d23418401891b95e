"""What became of the rows of a file, as a file."""

import csv
import io

from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import table_file

BATCH = 5000  # rows read at a time


def own_columns(env):
    """The columns that come before the file's own in the download of refused rows."""
    return [env._("row number"), env._("column"), env._("reason")]


def lines(record, only_refused=False):
    """Yield the lines of a CSV file: the rows that the user may read as they came, each with what became of it. No cell can run
    as a formula, and no more than a few thousand rows are in memory.

    :param only_refused: the refused rows, with the reasons first
    """
    rows = record.env["g2p.registrant.import.line"]
    labels = dict(rows._fields["state"]._description_selection(record.env))
    header = [table_file.neutral(name) for name in record.header or []]
    width = len(header)
    own = own_columns(record.env)
    output = io.StringIO(newline="")
    writer = csv.writer(output)
    output.write("\ufeff")
    writer.writerow([*own, *header] if only_refused else [*header, own[0], record.env._("result"), *own[1:]])
    last = 0
    mine = [("import_id", "=", record.id), *([("state", "=", "refused")] if only_refused else [])]
    while True:
        yield output.getvalue()
        output.seek(0)
        output.truncate()
        # the rows that the user may read, no others
        query = rows._search([*mine, ("row_number", ">", last)], order="row_number", limit=BATCH)
        columns = ("row_number", "state", "column_name", "reason", "raw")
        read = record.env.execute_query(query.select(*(SQL.identifier(query.table, name) for name in columns)))
        if not read:
            return
        last = read[-1][0]
        for number, state, column, reason, raw in read:
            cells = [*(raw or []), *[""] * (width - len(raw or []))]
            why = [column or "", reason or ""]
            values = [number, *why, *cells] if only_refused else [*cells, number, labels[state], *why]
            writer.writerow([table_file.neutral(value) for value in values])
