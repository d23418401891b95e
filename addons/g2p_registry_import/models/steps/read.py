import json

from odoo import api, models
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import decimal_text, table_file
from odoo.addons.g2p_bulk.tools.table_file import Cell, FileError, copy_text

from ...tools import import_file, layout, rows


class Read(models.AbstractModel):
    """Stages the rows of a file of registrants; they are checked when it is read."""

    _name = "g2p.registrant.import.step.read"
    _inherit = "g2p.bulk.step.read"
    _description = "Reading of a File of Registrants"

    _target = "g2p.registrant.import"
    _step = "read"
    _place = 10
    _from_states = ("draft", "checked")
    _moves = ("g2p.registrant.import.line",)
    _follows = "check"

    def _rows(self, record, operation, outcome):
        if outcome == "read":
            return "g2p.registrant.import.line", SQL("t.import_id = %s", record.id)
        return super()._rows(record, operation, outcome)

    def _open(self, record, operation):
        return record._open_file()

    def _file_name(self, record, operation):
        return record._file_name()

    def _stage(self, record, operation, table, report):
        """Stream the file into the staging table, once; memory does not grow with the file."""
        execute = self.env.cr.execute
        execute("DELETE FROM g2p_registrant_import_line WHERE import_id = %s", [record.id])
        read = table.rows(record.encoding, record.mapping_id.delimiter)
        try:
            header = [cell.strip() for cell in next(read, (0, []))[1]]
        except FileError as error:
            raise error.for_user(self.env) from error
        lines = layout.lines_of(record, header)
        self._check_layout(record, lines)
        columns = layout.columns_of(record, header, lines)
        numbers = {column["position"]: decimal_text.Column() for column in columns if layout.is_number(column)}
        count = table_file.copy_rows(
            self.env,
            "COPY g2p_registrant_import_line (import_id, row_number, unit, state, problems, column_name, reason, raw, data) "
            "FROM STDIN",
            self._reported(self._copied(record, read, header, columns, numbers), report),
        )
        for column in columns:
            if found := numbers.get(column["position"]):
                column["mark"] = layout.decimal_mark(record, column, found)
        execute("ANALYZE g2p_registrant_import_line")
        record.write({"state": "draft", "header": header, "layout": columns, "file_hash": table.sha256()})
        return count

    @api.model
    def _check_layout(self, record, lines):
        """Refuse columns that can't be taken as the lines of the mapping say."""
        layout.check(record, lines)
        layout.check_once(record, lines)

    def _copied(self, record, read, header, columns, numbers):
        """Lines for COPY: the cells as they stand, and cleaned where that differs. What no column may hold is refused.

        :param numbers: {position: decimal_text.Column}, which is given the values of the column.
        """
        encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        width = len(header)
        used = {column["position"]: column["target"] in rows.IDENTIFIERS for column in columns}
        meanings = {column["position"]: column["values"] for column in columns if column["values"]}
        for number, cells in read:
            column = reason = problems = None
            if any(map(str.strip, cells[width:])):
                reason = self.env._("has more cells than the first row")
            elif problem := import_file.unreadable_cell(cells[:width]):
                column, error = header[problem[0]], problem[1]
                reason = self.env._(error.sentence)
            if reason:
                problems = encode([[column, reason]])
                raw, data, state = encode([table_file.storable(cell) for cell in cells]), None, "refused"
            else:
                cells = cells[:width]
                if Cell in map(type, cells) and (found := self._cell_problems(cells, header, used)):
                    problems = encode(found)
                for position, finder in numbers.items():
                    # a number of a workbook has no mark that could be in doubt
                    if position < len(cells) and type(cells[position]) is str:
                        text = cells[position]
                        finder.add(meanings[position].get(text.strip().lower(), text) if position in meanings else text)
                cleaned = table_file.clean(cells)
                raw, data, state = encode(cells), None if cleaned == cells else encode(cleaned), "staged"
            yield (
                f"{record.id}\t{number}\t{number}\t{state}\t{copy_text(problems)}\t{copy_text(column)}\t"
                f"{copy_text(reason)}\t{copy_text(raw)}\t{copy_text(data)}\n"
            )

    def _cell_problems(self, cells, header, used):
        """[[column, reason]] of what a workbook holds that is not what somebody typed, in the columns that are used."""
        return [
            [header[position], cell.reason(self.env)]
            for position, cell in enumerate(cells)
            if isinstance(cell, Cell) and position in used and (cell.problem != "fraction" or used[position])
        ]
