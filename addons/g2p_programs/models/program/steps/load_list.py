import io
import re

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import table_file
from odoo.addons.g2p_bulk.tools.table_file import Cell, FileError, copy_text

LIST = "g2p.program_membership.manager.list"
# What a column may be called, in lower case without spaces and signs.
COLUMNS = {
    "id_type": {"idtype", "typeofid"},
    "value": {"id", "idvalue", "idnumber", "value"},
    "reference": {"registrant", "registrantid", "reference", "ref"},
}
SHORTENED = re.compile(r"\d([.,]\d+)?[eE]\+?\d{1,2}")  # what a spreadsheet makes of a long number


class LoadListStep(models.AbstractModel):
    """Reads a file of IDs or references into the lines of a list manager of the program, and finds their registrants. The lines
    change all at once: nobody is judged by half a list, and while a list is loaded no step of the program runs.

    ``operation.params``: ``manager`` and ``attachment`` (ids), ``file_name``, ``encoding``, ``id_type`` (the name of the type
    of all IDs, where the file has no column with it).
    """

    _name = "g2p.program.step.load_list"
    _inherit = "g2p.bulk.step.read"
    _description = "Reading of an Eligibility List"

    _target = "g2p.program"
    _step = "load_list"
    _place = 6
    _moves = ("g2p.eligibility.list.line",)
    _given_up = True  # the list of before stays

    def _label(self):
        return self.env._("Load a list")

    def _outcomes(self):
        return {
            "found": (self.env._("Found in the registry"), "done"),
            "not_found": (self.env._("Not found"), "skipped"),
        }

    def _rows(self, record, operation, outcome):
        """The lines, until the list is loaded again."""
        manager = operation.params["manager"]
        latest = self.env["g2p.bulk.operation"].search(
            [
                ("res_model", "=", record._name),
                ("res_id", "=", record.id),
                ("step", "=", self._step),
                ("state", "=", "done"),
            ],
            order="id desc",
        )
        if next((later for later in latest if later.params["manager"] == manager), operation) != operation:
            return None
        problem = {"found": SQL("IS NULL"), "not_found": SQL("IS NOT NULL")}.get(outcome)
        if problem is None:
            return super()._rows(record, operation, outcome)
        return "g2p.eligibility.list.line", SQL("t.manager_id = %s AND t.problem %s", manager, problem)

    def _open(self, record, operation):
        attachment = self.env["ir.attachment"].browse(operation.params["attachment"])
        if attachment.store_fname:
            return open(attachment._full_path(attachment.store_fname), "rb")
        return io.BytesIO(attachment.raw or b"")

    def _file_name(self, record, operation):
        return operation.params["file_name"] or ""

    def _chunk(self, record, operation, low, high):
        count = super()._chunk(record, operation, low, high)["read"]
        manager = self._manager(operation)
        return {"found": manager.matched_count, "not_found": count - manager.matched_count}

    def _stage(self, record, operation, table, report):
        manager, params = self._manager(operation), operation.params
        # It may have come into use since the button was pressed.
        manager.with_user(operation.user_id)._check_loadable()
        rows = table.rows(params["encoding"])
        try:
            header = next(rows, (0, []))[1]
            places = table_file.find_columns(header, COLUMNS)
        except FileError as error:
            raise error.for_user(self.env) from error
        self._check_columns(places, params["id_type"])
        self.env.cr.execute(SQL("DELETE FROM g2p_eligibility_list_line WHERE manager_id = %s", manager.id))
        lines = self._lines(rows, places, manager.id, params["id_type"] if "value" in places else None)
        count = table_file.copy_rows(
            self.env,
            "COPY g2p_eligibility_list_line (manager_id, row_number, id_type, value, problem) FROM STDIN",
            self._reported(lines, report),
        )
        self.env.cr.execute("ANALYZE g2p_eligibility_list_line")
        self._find_registrants(manager)
        manager.write(
            {"file_name": params["file_name"], "loaded_on": fields.Datetime.now(), "loaded_by": operation.user_id.id}
        )
        self.env.invalidate_all()
        return count

    def _finish(self, record, operation):
        if operation.state == "failed":
            return  # it may be resumed yet
        self.env["ir.attachment"].browse(operation.params["attachment"]).exists().unlink()
        manager = self._manager(operation).exists()
        if operation.state == "done" and manager:
            manager.invalidate_recordset()
            manager.with_user(operation.user_id)._proposal_renew()
            record.message_post(
                body=self.env._(
                    "The list “%(manager)s” was loaded from %(file)s: %(lines)s lines, %(found)s found in the registry, "
                    "%(missing)s not found.",
                    manager=manager.name,
                    file=manager.file_name or self.env._("a file"),
                    lines=manager.lines_count,
                    found=manager.matched_count,
                    missing=manager.unmatched_count,
                )
            )

    # Helpers

    def _analyzed(self, record):
        return []  # taken before the registrants are found

    def _manager(self, operation):
        return self.env[LIST].browse(operation.params["manager"])

    def _check_columns(self, places, id_type):
        if ("value" in places) == ("reference" in places):
            raise UserError(
                self.env._(
                    "The first row must name the columns: “ID type” and “ID value”, or “Registrant” with the reference "
                    "or the number of the registrant."
                )
            )
        if "value" in places and "id_type" not in places and not id_type:
            raise UserError(self.env._("The file has no column “ID type”: choose the ID type of all lines."))

    def _lines(self, rows, places, manager_id, default_type):
        """Lines for COPY."""
        value_place = places.get("value", places.get("reference"))
        type_place = places.get("id_type") if "value" in places else None

        def cell(cells, place):
            text = cells[place] if place is not None and place < len(cells) else ""
            return " ".join(table_file.storable(text).split()) or None

        for number, cells in rows:
            id_type = cell(cells, type_place) or default_type
            if "value" in places:
                id_type = id_type or ""
            value = cell(cells, value_place)
            # a number that a spreadsheet has rounded may be somebody else's
            is_shortened = Cell in map(type, cells[value_place : value_place + 1]) or SHORTENED.fullmatch(value or "")
            problem = "shortened" if is_shortened else None
            yield f"{manager_id}\t{number}\t{copy_text(id_type)}\t{copy_text(value)}\t{copy_text(problem)}\n"

    def _find_registrants(self, manager):
        """One statement: the registrant of each line, or why there is none.

        Only the program's base set is looked at; that an ID belongs to somebody outside it is told without a name.
        """
        program = manager.program_id
        self.env.cr.execute(
            SQL(
                """
                WITH named AS MATERIALIZED (
                    SELECT line.id AS line_id, document.partner_id
                      FROM g2p_eligibility_list_line AS line
                      JOIN g2p_id_type AS type ON lower(type.name) = lower(line.id_type)
                      JOIN g2p_reg_id AS document ON document.id_type = type.id
                           AND document.value_key = g2p_id_key(line.value, type.case_sensitive)
                     WHERE line.manager_id = %(manager)s AND COALESCE(document.status, 'valid') <> 'invalid'
                     UNION
                    SELECT line.id, registrant.id
                      FROM g2p_eligibility_list_line AS line
                      JOIN res_partner AS registrant ON registrant.ref = line.value AND registrant.is_registrant
                     WHERE line.manager_id = %(manager)s AND line.id_type IS NULL
                     UNION
                    SELECT line.id, registrant.id
                      FROM g2p_eligibility_list_line AS line
                      JOIN res_partner AS registrant
                        ON registrant.id = CASE WHEN line.value ~ '^[0-9]{1,9}$' THEN line.value::integer END
                       AND registrant.is_registrant
                     WHERE line.manager_id = %(manager)s AND line.id_type IS NULL
                ), found AS (
                    SELECT named.line_id,
                           COUNT(base.registrant_id) AS reachable,
                           MIN(base.registrant_id) AS partner_id
                      FROM named
                      LEFT JOIN (%(base)s) AS base ON base.registrant_id = named.partner_id
                     GROUP BY named.line_id
                )
                UPDATE g2p_eligibility_list_line AS line
                   SET partner_id = CASE WHEN found.reachable = 1 AND line.problem IS NULL THEN found.partner_id END,
                       problem = CASE WHEN line.problem IS NOT NULL THEN line.problem
                                      WHEN line.value IS NULL THEN 'empty'
                                      WHEN line.id_type IS NOT NULL AND NOT EXISTS (
                                            SELECT FROM g2p_id_type AS type WHERE lower(type.name) = lower(line.id_type)
                                           ) THEN 'type'
                                      WHEN found.line_id IS NULL THEN 'not_found'
                                      WHEN found.reachable = 0 THEN 'not_reachable'
                                      WHEN found.reachable > 1 THEN 'several' END
                  FROM g2p_eligibility_list_line AS this
                  LEFT JOIN found ON found.line_id = this.id
                 WHERE line.id = this.id AND this.manager_id = %(manager)s
                """,
                manager=manager.id,
                base=program._base_registrants(),
            )
        )
