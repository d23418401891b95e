import re

from odoo import api, models
from odoo.tools import SQL

from ...tools import cells, check, ids, import_file, rows


class Check(models.AbstractModel):
    """The cells of each row become values, or the row is refused with all that is wrong with it."""

    _name = "g2p.registrant.import.step.check"
    _inherit = "g2p.registrant.import.step"
    _description = "Check of a File of Registrants"

    _step = "check"
    _place = 20
    _from_states = ("draft", "checked")
    _moves = ("g2p.registrant.import.line",)
    _key = "row_number"
    # told by what the rows were before the import changed them
    _states = {
        "good": ("ok", "imported", "updated", "undone"),
        "skipped": ("skipped",),
        "refused": ("refused",),
    }

    def _label(self):
        return self.env._("Check file")

    def _outcomes(self):
        _ = self.env._
        return {
            "good": (_("Good"), "done"),
            "skipped": (_("Skipped"), "skipped"),
            "refused": (_("Refused"), "skipped"),
        }

    def _source(self, record, operation):
        return self._keys_of(record, "staged")

    def _chunk(self, record, operation, low, high):
        which = rows.numbered(record, low, high)
        columns = cells.Cells(record)
        self.env.cr.execute(
            check.statement(record, which, columns, lambda column, cell: self._check_cell(columns, column, cell))
        )
        total = self.env.cr.rowcount
        # all that is wrong with a row is said at once: rows that are refused already are looked at too
        self._refuse_by_pattern(record, which, rows.SEEN)
        self._judge(record, which, rows.SEEN)
        [[good, skipped]] = self.env.execute_query(
            SQL(
                "SELECT count(*) FILTER (WHERE state = 'ok'), count(*) FILTER (WHERE state = 'skipped') "
                "FROM g2p_registrant_import_line line WHERE %s",
                which,
            )
        )
        return {"good": good, "skipped": skipped, "refused": total - good - skipped}

    def _finish(self, record, operation):
        if operation.state == "done":
            if ids.unique_columns(record):
                self._refuse(ids.repeated(record))
            self._tie_households(record)
            record._find_known_households()
        record._count("checked" if operation.state == "done" else None)

    @api.model
    def _check_cell(self, columns, column, cell):
        """What is said of a column and what it gives to the row's data: see :class:`Cells`, which has the columns of the
        registry. Addons add what they have brought as targets.

        :param Cells columns: of the statement
        :param column: an item of the layout
        :param SQL cell: its text, NULL where the cell is empty
        """
        return columns.check(column, cell)

    def _refuse_by_pattern(self, record, which, seen):
        """Patterns that PostgreSQL may read in another way than the registry does are matched here, on the distinct
        values of the chunk."""
        for column in record._columns("id"):
            id_type = self.env["g2p.id.type"].browse(column["id_type"])
            if not id_type.id_validation or import_file.portable_pattern(id_type.id_validation):
                continue
            key = f"id_{id_type.id}"
            values = self.env.execute_query(
                SQL(
                    "SELECT DISTINCT line.data->>%s FROM g2p_registrant_import_line line WHERE %s AND %s AND line.data ? %s",
                    key,
                    which,
                    seen,
                    key,
                )
            )
            pattern = re.compile(id_type.id_validation)
            if wrong := [value for (value,) in values if not pattern.fullmatch(value)]:
                self._refuse(
                    SQL(
                        "SELECT line.id AS line_id, %s::text AS column_name, %s AS reason "
                        "FROM g2p_registrant_import_line line WHERE %s AND %s AND line.data->>%s = ANY(%s)",
                        column["column"],
                        rows.reason(cells.pattern_reason(self.env, id_type), SQL("line.data->>%s", key)),
                        which,
                        seen,
                        key,
                        wrong,
                    )
                )

    def _tie_households(self, record):
        """Rows of one household are imported together; of two holders of a role that only one may have, the first
        stays."""
        if not record._columns("household"):
            return
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_registrant_import_line line
                SET unit = home.first_row
                FROM (
                    SELECT data->>'household' AS number, min(row_number) AS first_row
                    FROM g2p_registrant_import_line
                    WHERE import_id = %s AND state = 'ok' AND data ? 'household'
                    GROUP BY 1
                    HAVING count(*) > 1
                ) home
                WHERE line.import_id = %s AND line.state = 'ok' AND line.data->>'household' = home.number
                    AND line.unit <> home.first_row
                """,
                record.id,
                record.id,
            )
        )
        if not record._columns("role"):
            return
        self._refuse(
            SQL(
                """
                SELECT id AS line_id, %s::text AS column_name, format(%s, first_row) AS reason
                FROM (
                    SELECT line.id, line.row_number,
                        min(row_number) OVER (PARTITION BY data->>'household', data->>'role') AS first_row
                    FROM g2p_registrant_import_line line
                    JOIN g2p_group_membership_kind kind ON kind.id = (line.data->>'role')::integer AND kind.is_unique
                    WHERE line.import_id = %s AND line.state = 'ok' AND line.data ? 'household'
                ) twice
                WHERE row_number > first_row
                """,
                record._label("role"),
                self.env._("only one in a household may have this role, and row %s has it"),
                record.id,
            )
        )
