import base64
import binascii
import io
import re

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import table_file
from odoo.addons.g2p_bulk.tools.table_file import Cell, FileError, copy_text

from ..tools.constants import GROUP_MANAGER

# What a column may be called, in lower case without spaces and signs.
COLUMNS = {
    "id_type": {"idtype", "typeofid"},
    "value": {"id", "idvalue", "idnumber", "value"},
    "reference": {"registrant", "registrantid", "reference", "ref"},
}

SHORTENED = re.compile(r"\d([.,]\d+)?[eE]\+?\d{1,2}")  # what a spreadsheet makes of a long number


class EligibilityListLoad(models.TransientModel):
    """Reads a file of IDs or references into the lines of a list manager, which it replaces."""

    _name = "g2p.eligibility.list.load"
    _description = "Load an eligibility list"

    manager_id = fields.Many2one("g2p.program_membership.manager.list", required=True, ondelete="cascade")
    file = fields.Binary("CSV or XLSX file", attachment=False)
    file_name = fields.Char()
    encoding = fields.Selection([table_file.AUTO, *table_file.ENCODINGS], required=True, default="auto")
    id_type_id = fields.Many2one(
        "g2p.id.type", "ID type of all lines", help="Used where the file has no column with the type."
    )

    def action_load(self):
        """Button: read the file, find the registrants, and say how many were found."""
        self.ensure_one()
        manager = self.manager_id
        manager.program_id._check_can(GROUP_MANAGER)
        manager.check_access("write")
        if not self.file:
            raise UserError(self.env._("Choose a file."))
        try:
            stream = io.BytesIO(base64.b64decode(self.file, validate=True))
        except binascii.Error as error:
            raise UserError(self.env._("The file did not arrive whole: choose it again.")) from error
        self.env.flush_all()
        # Two loads at once follow each other.
        self.env.cr.execute(
            SQL("SELECT id FROM %s WHERE id = %s FOR UPDATE", SQL.identifier(manager._table), manager.id)
        )
        self._copy_lines(stream)
        self._find_registrants()
        # sudo: role and access were checked above; users don't write who loaded what
        manager.sudo().write(
            {"file_name": self.file_name, "loaded_on": fields.Datetime.now(), "loaded_by": self.env.uid}
        )
        self.env.invalidate_all()
        manager.program_id.message_post(
            body=self.env._(
                "The list “%(manager)s” was loaded from %(file)s: %(lines)s lines, %(found)s found in the registry, "
                "%(missing)s not found.",
                manager=manager.name,
                file=self.file_name or self.env._("a file"),
                lines=manager.lines_count,
                found=manager.matched_count,
                missing=manager.unmatched_count,
            )
        )
        return {
            "type": "ir.actions.act_window",
            "name": manager.name,
            "res_model": manager._name,
            "res_id": manager.id,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
        }

    def _copy_lines(self, stream):
        """Replace the lines of the list by those of the file, in one COPY."""
        rows = table_file.read_rows(stream, self.file_name, self.encoding)
        try:
            header = next(rows, (0, []))[1]
            places = table_file.find_columns(header, COLUMNS)
        except FileError as error:
            raise error.for_user(self.env) from error
        if ("value" in places) == ("reference" in places):
            raise UserError(
                self.env._(
                    "The first row must name the columns: “ID type” and “ID value”, or “Registrant” with the reference "
                    "or the number of the registrant."
                )
            )
        if "value" in places and "id_type" not in places and not self.id_type_id:
            raise UserError(self.env._("The file has no column “ID type”: choose the ID type of all lines."))
        self.env.cr.execute(SQL("DELETE FROM g2p_eligibility_list_line WHERE manager_id = %s", self.manager_id.id))
        # Nothing may be read from the database while COPY runs.
        default_type = self.id_type_id.name if "value" in places else None
        table_file.copy_rows(
            self.env,
            "COPY g2p_eligibility_list_line (manager_id, row_number, id_type, value, problem) FROM STDIN",
            self._lines(rows, places, self.manager_id.id, default_type),
        )
        self.env.cr.execute("ANALYZE g2p_eligibility_list_line")

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

    def _find_registrants(self):
        """One statement: the registrant of each line, or why there is none.

        Only the program's base set is looked at; that an ID belongs to somebody outside it is told without a name.
        """
        program = self.manager_id.program_id
        self.env.cr.execute(
            SQL(
                """
                WITH named AS MATERIALIZED (
                    SELECT line.id AS line_id, document.partner_id
                      FROM g2p_eligibility_list_line AS line
                      JOIN g2p_id_type AS type ON lower(type.name) = lower(line.id_type)
                      JOIN g2p_reg_id AS document ON document.id_type = type.id
                           AND document.value_key = CASE WHEN type.case_sensitive THEN line.value
                                                         ELSE upper(line.value COLLATE "und-x-icu") END
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
                manager=self.manager_id.id,
                base=program._base_registrants(),
            )
        )
