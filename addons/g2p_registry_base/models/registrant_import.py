import base64
import csv
import io
import json
import re

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tools import SQL, mute_logger

from .. import import_file
from ..import_file import CellError, FileError

STAGE_BATCH = 1000  # rows per INSERT into the staging table
CREATE_BATCH = 1000  # registrants per create(), each batch under its own savepoint
NAME_TARGETS = ("full_name", "family_name", "given_name")  # the columns that hold a registrant's name
KEEP_ROWS_DAYS = 30  # the rows hold personal data: the registry keeps it, the staging table forgets it


class RegistrantImport(models.Model):
    """A file of registrants: staged row by row, checked by statements over the staged rows, and its good rows
    imported. A refused row never holds up the others."""

    _name = "g2p.registrant.import"
    _description = "Registrant Import"
    _order = "id desc"

    name = fields.Char(string="File name", required=True)
    file = fields.Binary(required=True, attachment=True)
    mapping_id = fields.Many2one(
        "g2p.registrant.import.mapping",
        ondelete="restrict",
        index=True,
        help="Empty: columns are found by their names.",
    )
    target_type = fields.Selection(
        [("individual", "Individuals"), ("group", "Groups")],
        string="Imports",
        compute="_compute_options",
        precompute=True,
        store=True,
        readonly=False,
        required=True,
    )
    encoding = fields.Selection(
        import_file.ENCODINGS, compute="_compute_options", store=True, precompute=True, readonly=False, required=True
    )
    date_format = fields.Selection(
        import_file.DATE_FORMATS,
        string="Date format",
        compute="_compute_options",
        store=True,
        precompute=True,
        readonly=False,
        required=True,
    )
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company, readonly=True
    )
    state = fields.Selection(
        [("draft", "New"), ("checked", "Checked"), ("done", "Imported")], default="draft", readonly=True, copy=False
    )
    total_count = fields.Integer(string="Rows", readonly=True, copy=False)
    ok_count = fields.Integer(string="Good", readonly=True, copy=False)
    refused_count = fields.Integer(string="Refused", readonly=True, copy=False)
    imported_count = fields.Integer(string="Imported", readonly=True, copy=False)
    header = fields.Json(readonly=True, copy=False, help="The first row of the file.")
    line_ids = fields.One2many("g2p.registrant.import.line", "import_id", string="Rows of the file")
    refused_line_ids = fields.One2many(
        "g2p.registrant.import.line", "import_id", string="Refused rows", domain=[("state", "=", "refused")]
    )
    refused_file = fields.Binary(compute="_compute_refused_file")

    @api.depends("mapping_id")
    def _compute_options(self):
        for record in self:
            mapping = record.mapping_id
            record.target_type = mapping.target_type or record.target_type or "individual"
            record.encoding = mapping.encoding or record.encoding or "utf-8"
            record.date_format = mapping.date_format or record.date_format or "%Y-%m-%d"

    def _compute_refused_file(self):
        for record in self:
            record.refused_file = base64.b64encode(record._refused_csv().encode("utf-8-sig"))

    def write(self, vals):
        if vals.keys() & {"file", "mapping_id", "target_type", "encoding", "date_format"}:
            if any(record.state == "done" for record in self):
                raise UserError(
                    self.env._("This file was imported already. Upload the corrected rows as a new import.")
                )
            vals = {**vals, "state": "draft"}
        return super().write(vals)

    # -- buttons

    def action_check(self):
        """Stage the file's rows and check them. Nothing is registered yet."""
        self._check_may_import()
        if self.state == "done":
            raise UserError(self.env._("This file was imported already. Upload the corrected rows as a new import."))
        self.env.cr.execute("DELETE FROM g2p_registrant_import_line WHERE import_id = %s", [self.id])
        self._stage()
        self._check_staged()
        self._count("checked")

    def action_import(self):
        """Register the good rows; rows that turn out bad on the way are refused one by one."""
        self._check_may_import()
        self.env.cr.execute("SELECT state FROM g2p_registrant_import WHERE id = %s FOR UPDATE", [self.id])
        if self.env.cr.fetchone() != ("checked",):
            raise UserError(self.env._("Check the file first."))
        self._check_staged()  # the registry may have changed since the file was checked
        last = 0
        while batch := self._next_good_lines(last):
            last = batch[-1][1]
            self._create_registrants(batch)
        self._count("done")
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning" if self.refused_count else "success",
                "message": self.env._(
                    "Imported %(imported)s. Refused %(refused)s.",
                    imported=self.imported_count,
                    refused=self.refused_count,
                ),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def action_download_refused(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_url",
            "url": f"/web/content/{self._name}/{self.id}/refused_file/refused-rows.csv?download=true",
            "target": "self",
        }

    def action_view_registrants(self):
        self.ensure_one()
        kind = self.target_type
        action = self.env["ir.actions.act_window"]._for_xml_id(f"g2p_registry_base.g2p_{kind}_action")
        return {**action, "domain": [("import_line_ids.import_id", "=", self.id)]}

    def _check_may_import(self):
        self.ensure_one()
        if not self.env.su and not self.env.user.has_group("g2p_registry_base.group_g2p_registrar"):
            raise AccessError(self.env._("Only a registrar may import registrants."))
        self.check_access("write")

    # -- from the file to staged rows

    def _stage(self):
        """Read the file once; each row is staged with its values, or with the first cell that can't be taken."""
        content = base64.b64decode(self.with_context(bin_size=False).file or b"")
        rows = import_file.read_rows(content, self.name, self.encoding, self.mapping_id.delimiter)
        try:
            header = [cell.strip() for cell in next(rows, (0, []))[1]]
            columns = self._columns(header)
            self.header = header
            batch = []
            for number, cells in rows:
                batch.append(self._staged_row(number, header, columns, cells))
                if len(batch) == STAGE_BATCH:
                    self._insert_rows(batch)
                    batch = []
            self._insert_rows(batch)
        except FileError as error:
            raise UserError(self.env._(str(error))) from error
        except csv.Error as error:
            raise UserError(self.env._("The file can't be read as CSV: %s", error)) from error

    def _columns(self, header):
        """[(position, column name, mapping line)] of the columns that are used."""
        if not any(header):
            raise UserError(self.env._("The file is empty: its first row must hold the names of the columns."))
        if twice := {name for name in header if name and header.count(name) > 1}:
            raise UserError(self.env._("These columns stand twice in the file: %s", ", ".join(sorted(twice))))
        lines = self.mapping_id.line_ids
        if not self.mapping_id:
            lines = self.mapping_id._columns_by_name(header, self.env["g2p.id.type"].search([("active", "=", True)]))
        if missing := [line.column for line in lines if line.column.strip() not in header]:
            raise UserError(self.env._("These columns are missing in the file: %s", ", ".join(missing)))
        if not set(NAME_TARGETS) & set(lines.mapped("target")):
            raise UserError(self.env._("No column of the file holds names. Choose a mapping, or name the columns."))
        return [(header.index(line.column.strip()), line.column, line) for line in lines]

    def _staged_row(self, number, header, columns, cells):
        raw = [import_file.storable(cell) for cell in cells]
        data, column, reason = {}, None, None
        try:
            if any(cell.strip() for cell in cells[len(header) :]):
                raise CellError("has more cells than the first row")
            for position, cell in enumerate(cells[: len(header)]):
                column = header[position]
                import_file.check_cell(cell)
            for position, column, line in columns:  # noqa: B007 - a refusal names the column the loop stands at
                self._take_cell(data, line, cells[position] if position < len(cells) else "")
            column = next(name for _position, name, line in columns if line.target in NAME_TARGETS)
            self._take_names(data)
        except CellError as error:
            # the templates are listed for translators in _reasons()
            reason = self.env._(error.template, **error.values)
            data = {}
        return (
            self.id,
            number,
            "refused" if reason else "ok",
            column if reason else None,
            reason,
            json.dumps(raw),
            json.dumps(data),
        )

    def _take_cell(self, data, line, cell):
        """Put what `cell` says into `data`, or raise CellError."""
        if not cell.strip():
            if line.required:
                raise CellError("is empty")
            return
        target = line.target
        if target in ("birthdate", "registration_date"):
            label = dict(import_file.DATE_FORMATS)[self.date_format]
            today = fields.Date.context_today(self)
            data[target] = import_file.parse_past_date(cell, self.date_format, label, today)
        elif target == "phone":
            data.setdefault("phones", []).append(import_file.parse_phone(cell))
        elif target == "income":
            data[target] = import_file.parse_number(cell)
        elif target == "email":
            data[target] = import_file.parse_email(cell)
        elif target == "gender":
            value = self.env["gender.type"]._values_by_name().get(import_file.parse_text(cell).lower())
            if not value:
                raise CellError("is no gender of the registry: %(value)s", value=cell[:50])
            data[target] = value
        elif target == "id":
            data.setdefault("ids", []).append(self._take_id(line, import_file.parse_text(cell)))
        elif target in ("account_number", "wallet_number"):
            kind = "bank" if target == "account_number" else "mobile_wallet"
            data.setdefault("accounts", []).append([kind, import_file.parse_text(cell)])
        elif target == "info":
            data.setdefault("info", {})[line.column] = import_file.parse_text(cell)
        else:
            data[target] = import_file.parse_text(cell)

    def _take_id(self, line, value):
        id_type = line.id_type_id
        if len(value) > 100:
            raise CellError(
                "is too long: %(length)s characters, at most %(limit)s are taken", length=len(value), limit=100
            )
        if id_type.id_validation and not re.fullmatch(id_type.id_validation, value):
            raise CellError("does not match the pattern of %(type)s: %(value)s", type=id_type.name, value=value[:50])
        return {"type": id_type.id, "value": value, "column": line.column}

    def _take_names(self, data):
        """Turn a full name into its parts; a row without any name is refused."""
        if not any(data.get(name) for name in NAME_TARGETS):
            raise CellError("is empty: a registrant needs a name")
        if self.target_type == "group":
            data["name"] = next(data[name] for name in NAME_TARGETS if data.get(name))
        elif data.get("full_name"):
            order = self.mapping_id.name_order or "given_first"
            family, given, additional = import_file.split_name(data["full_name"], order)
            data |= {"family_name": family, "given_name": given, "addl_name": additional}

    def _insert_rows(self, rows):
        if rows:
            self.env.cr.execute_values(
                "INSERT INTO g2p_registrant_import_line "
                "(import_id, row_number, state, column_name, reason, raw, data) VALUES %s",
                rows,
                page_size=STAGE_BATCH,
            )

    # -- checks over all staged rows at once

    def _check_staged(self):
        """Refuse good rows that the registry can't take, whatever their number, by one statement a rule."""
        self.env.flush_all()
        self._resolve_areas()
        if self.target_type == "group":
            self._refuse_unknown_kinds()
        self._refuse_known_ids()
        self._refuse_repeated_ids()
        self.env["g2p.registrant.import.line"].invalidate_model(flush=False)

    def _column_of(self, target):
        line = self.mapping_id.line_ids.filtered(lambda line: line.target == target)[:1]
        return line.column or dict(self.env["g2p.registrant.import.mapping.line"]._fields["target"].selection)[target]

    def _resolve_areas(self):
        """Find areas by code, in the areas of the user where they are limited to some."""
        # sudo: the user's own areas
        limits = self.env.user.sudo().g2p_area_ids if not self.env.su else self.env["g2p.area"]
        execute = self.env.cr.execute
        execute(
            SQL(
                """
                UPDATE g2p_registrant_import_line line
                SET area_id = area.id
                FROM g2p_area area
                WHERE line.import_id = %s AND line.state = 'ok' AND area.code = line.data->>'area_code' AND area.active
                """,
                self.id,
            )
        )
        column = self._column_of("area_code")
        execute(
            SQL(
                """
                UPDATE g2p_registrant_import_line line
                SET state = 'refused', column_name = %s, reason = format(%s, left(data->>'area_code', 50))
                WHERE import_id = %s AND state = 'ok' AND area_id IS NULL AND data->>'area_code' IS NOT NULL
                """,
                column,
                self.env._("is no area of the registry: %s"),
                self.id,
            )
        )
        if not limits:
            return
        if len(limits) == 1:
            execute(
                SQL(
                    "UPDATE g2p_registrant_import_line SET area_id = %s "
                    "WHERE import_id = %s AND state = 'ok' AND area_id IS NULL",
                    limits.id,
                    self.id,
                )
            )
        execute(
            SQL(
                """
                UPDATE g2p_registrant_import_line line
                SET state = 'refused', column_name = %s, reason = %s
                WHERE import_id = %s AND state = 'ok' AND NOT EXISTS (
                    SELECT FROM g2p_area area
                    JOIN g2p_area allowed ON allowed.id = ANY(%s) AND area.parent_path LIKE allowed.parent_path || '%%'
                    WHERE area.id = line.area_id
                )
                """,
                column,
                self.env._("is outside the areas you work in"),
                self.id,
                limits.ids,
            )
        )

    def _refuse_unknown_kinds(self):
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_registrant_import_line line
                SET state = 'refused', column_name = %s, reason = format(%s, left(data->>'kind', 50))
                WHERE import_id = %s AND state = 'ok' AND data->>'kind' IS NOT NULL AND NOT EXISTS (
                    SELECT FROM g2p_group_kind kind WHERE lower(kind.name) = lower(line.data->>'kind')
                )
                """,
                self._column_of("kind"),
                self.env._("is no group type of the registry: %s"),
                self.id,
            )
        )

    def _staged_ids(self):
        """(line_id, row_number, id_type, value, column_name) of the IDs of good rows whose type is unique."""
        return SQL(
            """
            SELECT line.id AS line_id, line.row_number, item.type AS id_type, item.value, item."column" AS column_name
            FROM g2p_registrant_import_line line
            CROSS JOIN LATERAL jsonb_to_recordset(line.data->'ids') AS item (type integer, value text, "column" text)
            JOIN g2p_id_type id_type ON id_type.id = item.type AND id_type.is_unique
            WHERE line.import_id = %s AND line.state = 'ok'
            """,
            self.id,
        )

    def _refuse_known_ids(self):
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_registrant_import_line line
                SET state = 'refused', column_name = known.column_name, reason = format(%s, known.value)
                FROM (
                    SELECT DISTINCT ON (staged.line_id) staged.*
                    FROM (%s) staged
                    JOIN g2p_reg_id ON g2p_reg_id.id_type = staged.id_type AND g2p_reg_id.value = staged.value
                    ORDER BY staged.line_id
                ) known
                WHERE line.id = known.line_id
                """,
                self.env._("is the ID of a registrant already: %s"),
                self._staged_ids(),
            )
        )

    def _refuse_repeated_ids(self):
        """Of good rows with the same ID, the first stays."""
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_registrant_import_line line
                SET state = 'refused', column_name = repeated.column_name, reason = format(%s, repeated.first_row)
                FROM (
                    SELECT DISTINCT ON (line_id) line_id, column_name, first_row
                    FROM (
                        SELECT
                            staged.*,
                            min(row_number) OVER (PARTITION BY id_type, value) AS first_row
                        FROM (%s) staged
                    ) numbered
                    WHERE row_number > first_row
                    ORDER BY line_id, first_row
                ) repeated
                WHERE line.id = repeated.line_id
                """,
                self.env._("is the same ID as in row %s"),
                self._staged_ids(),
            )
        )

    # -- from staged rows to registrants

    def _next_good_lines(self, after_row):
        """[(line id, row number, data, area id, kind id)] of the next good rows, in the order of the file."""
        self.env.cr.execute(
            """
            SELECT line.id, line.row_number, line.data, line.area_id, kind.id
            FROM g2p_registrant_import_line line
            LEFT JOIN g2p_group_kind kind ON lower(kind.name) = lower(line.data->>'kind')
            WHERE line.import_id = %s AND line.state = 'ok' AND line.row_number > %s
            ORDER BY line.row_number
            LIMIT %s
            """,
            [self.id, after_row, CREATE_BATCH],
        )
        return self.env.cr.fetchall()

    def _create_registrants(self, batch):
        """Create the registrants of `batch` in one call. Where the registry refuses, halve the batch until the rows
        that are to blame stand alone."""
        try:
            # a refusal is told to the user: no log line, which would hold the registrants' data
            with mute_logger("odoo.sql_db"), self.env.cr.savepoint():
                partners = self.env["res.partner"].create([self._registrant_vals(*row) for row in batch])
                self.env.flush_all()
        except (ValidationError, UserError, psycopg2.IntegrityError, psycopg2.DataError) as error:
            if len(batch) == 1:
                self._refuse(batch[0][0], error)
                return
            middle = len(batch) // 2
            self._create_registrants(batch[:middle])
            self._create_registrants(batch[middle:])
            return
        self.env.cr.execute_values(
            "UPDATE g2p_registrant_import_line line SET state = 'imported', partner_id = pair.partner_id "
            "FROM (VALUES %s) AS pair (line_id, partner_id) WHERE line.id = pair.line_id",
            [(row[0], partner.id) for row, partner in zip(batch, partners, strict=True)],
            page_size=CREATE_BATCH,
        )
        self.env["res.partner"].invalidate_model(flush=False)

    def _registrant_vals(self, _line_id, _row_number, data, area_id, kind_id):
        command = fields.Command.create
        plain = (
            "name",
            "family_name",
            "given_name",
            "addl_name",
            "birthdate",
            "gender",
            "address",
            "email",
            "registration_date",
            "civil_status",
            "occupation",
            "birth_place",
        )
        vals = {
            "is_registrant": True,
            "is_group": self.target_type == "group",
            "company_id": self.company_id.id,
            **{name: data[name] for name in plain if data.get(name)},
            "reg_ids": [command({"id_type": item["type"], "value": item["value"]}) for item in data.get("ids", [])],
            "phone_number_ids": [command({"phone_no": number}) for number in data.get("phones", [])],
            "bank_ids": [
                command({"account_type": kind, "acc_number": number}) for kind, number in data.get("accounts", [])
            ],
        }
        if area_id:
            vals["area_id"] = area_id
        if kind_id:
            vals["kind"] = kind_id
        if "income" in data:
            vals["income"] = float(data["income"])
        if data.get("info"):
            vals["additional_g2p_info"] = data["info"]
        return vals

    def _refuse(self, line_id, error):
        if isinstance(error, psycopg2.Error):
            model = next((m for m in self.env.values() if m._table == error.diag.table_name), self)
            reason = model._sql_error_to_message(error)
        else:
            reason = str(error)
        self.env.cr.execute(
            "UPDATE g2p_registrant_import_line SET state = 'refused', reason = %s WHERE id = %s", [reason, line_id]
        )

    def _count(self, state):
        """Bring the counts in line with the rows; they add up to the rows of the file."""
        self.env.flush_all()
        self.env.cr.execute(
            """
            UPDATE g2p_registrant_import
            SET state = %s, total_count = counted.total, ok_count = counted.ok, refused_count = counted.refused,
                imported_count = counted.imported
            FROM (
                SELECT
                    count(*) AS total,
                    count(*) FILTER (WHERE state = 'ok') AS ok,
                    count(*) FILTER (WHERE state = 'refused') AS refused,
                    count(*) FILTER (WHERE state = 'imported') AS imported
                FROM g2p_registrant_import_line
                WHERE import_id = %s
            ) counted
            WHERE g2p_registrant_import.id = %s
            """,
            [state, self.id, self.id],
        )
        self.invalidate_recordset()

    # -- refused rows as a file

    def _refused_csv(self):
        """Row number, column, reason, then the cells as they were; no cell can run as a formula."""
        self.ensure_one()
        lines = self.env["g2p.registrant.import.line"].search(
            [("import_id", "=", self.id), ("state", "=", "refused")], order="row_number"
        )
        output = io.StringIO(newline="")
        writer = csv.writer(output)
        writer.writerow(["row number", "column", "reason", *map(import_file.neutral, self.header or [])])
        for line in lines:
            cells = [line.row_number, line.column_name or "", line.reason or "", *(line.raw or [])]
            writer.writerow([import_file.neutral(cell) for cell in cells])
        return output.getvalue()

    @api.autovacuum
    def _gc_rows(self):
        """Forget the rows and files of old imports; what was imported stands in the registry, the counts stay."""
        self.env.cr.execute(
            """
            DELETE FROM g2p_registrant_import_line line
            USING g2p_registrant_import import
            WHERE line.import_id = import.id
                AND import.write_date < now() AT TIME ZONE 'UTC' - make_interval(days => %s)
            """,
            [KEEP_ROWS_DAYS],
        )

    def _reasons(self):
        """The reasons of `import_file`, spelled out so that they can be translated."""
        return [
            self.env._("is empty"),
            self.env._("is empty: a registrant needs a name"),
            self.env._("has more cells than the first row"),
            self.env._("is not text in the chosen encoding"),
            self.env._("is too long: %(length)s characters, at most %(limit)s are taken"),
            self.env._("starts like a spreadsheet formula: %(value)s"),
            self.env._("is not an e-mail address: %(value)s"),
            self.env._("is not a number: %(value)s"),
            self.env._("is negative: %(value)s"),
            self.env._("is not a date in the form %(form)s: %(value)s"),
            self.env._("is in the future: %(value)s"),
            self.env._("is before 1900: %(value)s"),
            self.env._("is no gender of the registry: %(value)s"),
            self.env._("does not match the pattern of %(type)s: %(value)s"),
            self.env._("The file is not an XLSX workbook."),
            self.env._("The file is UTF-16, not UTF-8. Choose its encoding."),
            self.env._("The file can't be read in this encoding. Choose another one."),
            self.env._("The first row is not text in this encoding. Choose another one."),
        ]
