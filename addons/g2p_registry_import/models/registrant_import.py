import base64
import io
import os

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tools import SQL
from odoo.tools.misc import formatLang

from odoo.addons.g2p_approval.tools import digest
from odoo.addons.g2p_bulk.tools import roles, table_file
from odoo.addons.g2p_bulk.tools.question import question
from odoo.addons.g2p_registry_base.models.area_file import PeopleFile

from ..tools import households, import_file, results, server_file

KEEP_ROWS_DAYS = 30  # the rows hold personal data: the registry keeps it, the staging table forgets it
SAMPLE_ROWS = 10
KIND = "import"  # of approval: somebody else confirms what is staged
FIRST_ERRORS = 40
FIRST_HOUSEHOLDS = 5
OPTIONS = (
    "file",
    "server_path",
    "mapping_id",
    "target_type",
    "encoding",
    "date_format",
    "decimal_mark",
    "existing_policy",
    "match_id_type_id",
    "known_households",
)
PROTECTED = (
    "state",
    "total_count",
    "ok_count",
    "refused_count",
    "skipped_count",
    "imported_count",
    "updated_count",
    "known_household_count",
    "header",
    "layout",
    "file_hash",
    "submitted_by_id",
    "confirmed_by_id",
)


class RegistrantImport(models.Model):
    """A file of registrants: staged by COPY, checked by statements over the staged rows, and its good rows imported,
    both chunk by chunk. A refused row never holds up the others."""

    _name = "g2p.registrant.import"
    _inherit = ["g2p.bulk.mixin", "g2p.area.file.mixin", "g2p.evidence.mixin", "g2p.approval.mixin"]
    _personal_fields = {"file": "identity", "refused_file": "identity"}
    _description = "Registrant Import"
    _order = "id desc"

    _approval_presses = ("action_submit",)
    _approval_done_states = ("importing", "done", "undone")

    _hash_idx = models.Index("(file_hash) WHERE file_hash IS NOT NULL")

    name = fields.Char(string="File name", required=True)
    file = PeopleFile()
    server_path = fields.Char(
        string="File on the server",
        groups="g2p_registry_base.group_g2p_admin",
        help="For very large files: a path inside the folder that the parameter g2p_registry_base.import_folder names.",
    )
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
        [*table_file.ENCODINGS, table_file.AUTO],
        compute="_compute_options",
        store=True,
        precompute=True,
        readonly=False,
        required=True,
        help=table_file.ENCODING_HELP,
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
    decimal_mark = fields.Selection(
        import_file.DECIMAL_MARKS,
        string="Decimal mark",
        compute="_compute_options",
        store=True,
        precompute=True,
        readonly=False,
        help="Empty: found from the values of each column.",
    )
    existing_policy = fields.Selection(
        [("report", "Refuse the row"), ("skip", "Skip the row"), ("update", "Update the registrant")],
        string="Who is registered already",
        default="report",
        required=True,
        help="A registrant is known by the IDs of the row. What the file leaves empty is never emptied by an update.",
    )
    match_id_type_id = fields.Many2one(
        "g2p.id.type",
        string="Known by",
        ondelete="restrict",
        domain=[("is_unique", "=", True)],
        help="The ID that tells which registrant a row updates.",
    )
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company, readonly=True
    )
    state = fields.Selection(
        [
            ("draft", "New"),
            ("checked", "Checked"),
            ("submitted", "Awaiting confirmation"),
            ("importing", "Being imported"),
            ("done", "Imported"),
            ("undone", "Undone"),
        ],
        default="draft",
        readonly=True,
        copy=False,
    )
    submitted_by_id = fields.Many2one("res.users", string="Submitted by", readonly=True, copy=False)
    confirmed_by_id = fields.Many2one("res.users", string="Confirmed by", readonly=True, copy=False, index=True)
    total_count = fields.Integer(string="Rows", readonly=True, copy=False)
    ok_count = fields.Integer(string="Good", readonly=True, copy=False)
    refused_count = fields.Integer(string="Refused", readonly=True, copy=False)
    skipped_count = fields.Integer(string="Skipped", readonly=True, copy=False)
    imported_count = fields.Integer(string="Created", readonly=True, copy=False)
    updated_count = fields.Integer(string="Updated", readonly=True, copy=False)
    header = fields.Json(readonly=True, copy=False, help="The first row of the file.")
    layout = fields.Json(readonly=True, copy=False, help="What the columns became when the file was checked.")
    file_hash = fields.Char("Fingerprint", readonly=True, copy=False, help=table_file.FINGERPRINT_HELP)
    known_households = fields.Selection(
        [("join", "Their people join it"), ("new", "Make another household")],
        string="Household imported before",
        copy=False,
        help="What becomes of rows with a household number that an earlier import has used. Set by the check: they join where the "
        "file is the download of that import's refused rows, or has the same mapping.",
    )
    known_household_count = fields.Integer(string="Households imported before", readonly=True, copy=False)
    known_households_text = fields.Text(compute="_compute_known_households_text")
    unknown_columns_text = fields.Char(compute="_compute_unknown_columns_text")
    same_file_text = fields.Char(compute="_compute_same_file_text")
    maker_checker = fields.Boolean(compute="_compute_maker_checker")
    may_confirm = fields.Boolean(compute="_compute_maker_checker")
    line_ids = fields.One2many("g2p.registrant.import.line", "import_id", string="Rows of the file")
    refused_line_ids = fields.One2many(
        "g2p.registrant.import.line", "import_id", string="Refused rows", domain=[("state", "=", "refused")]
    )
    first_refused_ids = fields.Many2many(
        "g2p.registrant.import.line", compute="_compute_preview", string="First refused rows"
    )
    sample_line_ids = fields.Many2many("g2p.registrant.import.line", compute="_compute_preview", string="Sample rows")
    refused_file = fields.Binary(compute="_compute_refused_file")

    @api.depends("mapping_id")
    def _compute_options(self):
        for record in self:
            mapping = record.mapping_id
            record.target_type = mapping.target_type or record.target_type or "individual"
            record.encoding = mapping.encoding or record.encoding or "utf-8"
            record.decimal_mark = mapping.decimal_mark or record.decimal_mark
            record.date_format = mapping.date_format or record.date_format or "%Y-%m-%d"

    @api.depends("state")
    def _compute_preview(self):
        """The first rows only, whatever their number."""
        lines = self.env["g2p.registrant.import.line"]
        for record in self:
            mine = [("import_id", "=", record.id)]
            record.first_refused_ids = lines.search(
                [*mine, ("state", "=", "refused")], limit=FIRST_ERRORS, order="row_number"
            )
            record.sample_line_ids = lines.search(
                [*mine, ("state", "in", ("ok", "imported", "updated"))], limit=SAMPLE_ROWS, order="row_number"
            )

    @api.depends("layout", "header", "mapping_id")
    def _compute_unknown_columns_text(self):
        """Columns that nobody asked for: without a mapping, what no name tells is kept as it stands; with one, it is not read."""
        for record in self:
            columns = record.layout or []
            if record.mapping_id:
                read = {column["column"].strip() for column in columns}
                unknown = [name for name in record.header or [] if name and name not in read]
                text = self.env._("These columns are not in the mapping, and are not read: %s")
            else:
                unknown = [column["column"] for column in columns if column["target"] == "info"]
                text = self.env._(
                    "These columns were not understood, and are kept as additional info as they stand: %s"
                )
            record.unknown_columns_text = text % ", ".join(unknown) if unknown else False

    @api.depends("known_household_count", "known_households", "state")
    def _compute_known_households_text(self):
        """The first of them by number and name, as far as the reader may see the households."""
        for record in self:
            record.known_households_text = False
            if not record.known_household_count or record.state not in ("checked", "submitted"):
                continue
            found = self.env.execute_query(
                SQL("%s ORDER BY home.number LIMIT %s", households.known(record), FIRST_HOUSEHOLDS)
            )
            names = {
                group.id: group.display_name
                for group in self.env["res.partner"].search(
                    [("id", "in", [group for _number, group, _sequel in found])]
                )
            }
            said = [
                self.env._("%(number)s was imported before: %(household)s", number=number, household=names[group])
                if group in names
                else self.env._("%s was imported before", number)
                for number, group, _sequel in found
            ]
            if (more := record.known_household_count - len(found)) > 0:
                said.append(self.env._("and %s more", formatLang(self.env, more, digits=0)))
            joins = record.known_households == "join"
            said.append(
                self.env._("Their people join these households.")
                if joins
                else self.env._("Another household is made of each, and each may be paid.")
            )
            record.known_households_text = "\n".join(said)

    @api.depends("file_hash")
    def _compute_same_file_text(self):
        for record in self:
            record.same_file_text = False
            if not record.file_hash:
                continue
            # sudo: that somebody else brought the same file is for the user to know; only name, date and counts are told
            twin = self.sudo().search(
                [
                    ("file_hash", "=", record.file_hash),
                    ("company_id", "=", record.company_id.id),
                    ("id", "!=", record._origin.id),
                    ("state", "in", ("submitted", "importing", "done")),
                ],
                limit=1,
            )
            if twin:
                record.same_file_text = self.env._(
                    "The same file was brought by %(user)s on %(date)s: created %(created)s, updated %(updated)s.",
                    user=twin.create_uid.name,
                    date=fields.Date.to_string(twin.create_date),
                    created=twin.imported_count,
                    updated=twin.updated_count,
                )

    @api.depends("state")
    @api.depends_context("uid")
    def _compute_maker_checker(self):
        for record in self:
            record.maker_checker = record._approval_asks(KIND)
            if record.state == "submitted":
                waiting = record._approval_open(KIND)
                record.may_confirm = waiting.can_decide if waiting else not record._is_mine()
            else:
                record.may_confirm = record.state == "checked" and not record.maker_checker

    def _compute_refused_file(self):
        for record in self:
            record.refused_file = base64.b64encode("".join(record._result_file("refused")).encode())

    @api.constrains("existing_policy", "match_id_type_id")
    def _check_match_id_type(self):
        for record in self:
            if record.existing_policy == "update" and not record.match_id_type_id.is_unique:
                raise ValidationError(self.env._("Say which unique ID tells who is to be updated."))

    def _find_known_households(self):
        """Say how many household numbers an earlier import has used, and what becomes of them where nobody has chosen: people
        join the household of the import that this file goes on with. A number that is an ID finds its household by itself."""
        household = self._columns("household")
        count = is_sequel = 0
        if household and not household[0]["id_type"]:
            [[count, is_sequel]] = self.env.execute_query(
                SQL("SELECT count(*), COALESCE(bool_or(is_sequel), FALSE) FROM (%s) known", households.known(self))
            )
        chosen = self.known_households or (("join" if is_sequel else "new") if count else None)
        self.env.cr.execute(
            SQL(
                "UPDATE g2p_registrant_import SET known_household_count = %s, known_households = %s WHERE id = %s",
                count,
                chosen,
                self.id,
            )
        )
        self.invalidate_recordset(["known_household_count", "known_households"])

    # -- what a user may write

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._refuse_protected(vals)
            if vals.get("server_path") and not vals.get("name"):
                vals["name"] = os.path.basename(vals["server_path"])
        return super().create(vals_list)

    def write(self, vals):
        self._refuse_protected(vals)
        if vals.keys() & {"name", *OPTIONS} and self._evidence_locked():
            self.check_access("write")
            raise UserError(self.env._("This file was imported already. Upload the corrected rows as a new import."))
        if not vals.keys() & set(OPTIONS):
            return super().write(vals)
        for record in self:
            record._check_is_mine()
        if vals.keys() & {"file", "server_path", "mapping_id"}:
            vals = {"known_households": False, **vals}  # chosen for another file
        result = super().write(vals)
        self._approval_drop(self.env._("It was changed after it was asked for."), "void")
        # sudo: a file or option that changed is to be checked again, whatever its state was
        super(RegistrantImport, self.sudo()).write({"state": "draft", "submitted_by_id": False})
        return result

    def _evidence_locked(self):
        return self.filtered(lambda record: record.state in ("importing", "done", "undone"))

    @api.ondelete(at_uninstall=False)
    def _unlink_except_history(self):
        if any(record.state in ("importing", "done", "undone") for record in self):
            raise UserError(self.env._("What was imported stays in the history."))

    def _refuse_protected(self, vals):
        if not self.env.su and any(vals.get(name) or (self and name in vals) for name in PROTECTED):
            raise AccessError(self.env._("The state and the counts of an import are set by its buttons."))

    def _is_mine(self):
        """Whether the user brought the file, or handed it over."""
        return self.env.user in self.create_uid | self.submitted_by_id

    def _check_is_mine(self):
        if not self.env.su and self.create_uid != self.env.user:
            raise AccessError(self.env._("Only %s, who brought the file, may change it.", self.create_uid.sudo().name))

    # -- buttons

    def action_check(self):
        """Stage the file's rows and check them. Nothing is registered yet."""
        self._check_may_import()
        self._check_is_mine()
        self.mapping_id.check_access("read")
        # sudo: role and ownership were checked above; rows and counts are written by the import only
        record = self.sudo()
        if record._lock_state() not in ("draft", "checked"):
            raise UserError(self.env._("This file was imported already. Upload the corrected rows as a new import."))
        if record.running_operation_id.state in ("pending", "running"):
            record.running_operation_id._refuse_twin()
        return self._bulk_step("read")._start_on(self)._notification()

    def action_submit(self):
        """Hand the checked file to another user for confirmation."""
        self._check_may_import()
        self._check_is_mine()
        self._bulk_check("action_submit")
        if not self.env.su and not self._approval_asks(KIND):
            raise UserError(self.env._("No confirmation by another user is asked for: import the file."))
        # sudo: role and ownership were checked above
        if self.sudo()._lock_state() != "checked":
            raise UserError(self.env._("Check the file first."))
        self.sudo().write({"state": "submitted", "submitted_by_id": self.env.uid})
        # Superuser's code hands over a file too; whoever confirms it then asks for it in the name of who brought it.
        return True if self.env.su else self._approval_submit() or True

    def action_confirm_import(self):
        """Button: say how many rows come in and how many stay out, and ask."""
        self._check_may_import()
        _ = self.env._

        def number(value):
            return formatLang(self.env, value, digits=0)

        parts = [
            _("%(good)s of %(rows)s rows are registered.", good=number(self.ok_count), rows=number(self.total_count))
        ]
        if self.refused_count == 1:
            parts.append(_("1 refused row is left out: download it, correct it and import it as a new file."))
        elif self.refused_count:
            parts.append(
                _(
                    "%s refused rows are left out: download them, correct them and import them as a new file.",
                    number(self.refused_count),
                )
            )
        if self.skipped_count == 1:
            parts.append(_("1 row is skipped, as its people are registered already."))
        elif self.skipped_count:
            parts.append(_("%s rows are skipped, as their people are registered already.", number(self.skipped_count)))
        if self.known_household_count:
            known = (
                _(
                    "Household numbers imported before: %s. Their people join these households.",
                    number(self.known_household_count),
                )
                if self.known_households == "join"
                else _(
                    "Household numbers imported before: %s. Another household is made of each, and each may be paid.",
                    number(self.known_household_count),
                )
            )
            parts.append(known)
        return question(self, "action_import", _("Import good rows"), " ".join(parts), **self._approval_seen())

    def action_import(self):
        """Register the good rows; rows that turn out bad on the way are refused one by one. Of a file that awaits confirmation,
        this is the confirmation."""
        self._check_may_import()
        if self.state == "checked" and self._approval_asks(KIND):
            raise UserError(self.env._("Submit the file first: another user confirms the import."))
        if self.state != "submitted":
            return self._bulk_start("import")._notification()
        self._bulk_check("import")
        if self._is_mine() and (self._approval_asks(KIND) or self._approval_open(KIND)):
            raise AccessError(self.env._("Another user than the one who brought the file confirms the import."))
        return self._approval_submit() or self._import_operation()._notification()

    def action_undo(self):
        """Remove the registrants that came with this file, as long as nothing depends on them."""
        self._check_may_import()
        if self.env.user not in (self.create_uid | self.confirmed_by_id):
            refusal = self.env._("Only who did the import, or an administrator, may undo it.")
            roles.check(self.env, "g2p_registry_base.group_g2p_admin", refusal=refusal)
        return self._bulk_start("undo")._notification()

    def action_download_refused(self):
        return self._download("refused_file")

    def action_download_result(self):
        return self._download("result")

    def _download(self, kind):
        self.ensure_one()
        return {
            "type": "ir.actions.act_url",
            "url": f"/g2p_registry_base/import/{self.id}/{kind}.csv",
            "target": "self",
        }

    def action_view_registrants(self):
        self.ensure_one()
        kind = self.target_type
        action = self.env["ir.actions.act_window"]._for_xml_id(f"g2p_registry_base.g2p_{kind}_action")
        return {**action, "domain": [("import_line_ids.import_id", "=", self.id)]}

    def action_view_rows(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Rows of %s", self.name),
            "res_model": "g2p.registrant.import.line",
            "view_mode": "list",
            "domain": [("import_id", "=", self.id)],
            "context": {"create": False},
        }

    def _check_may_import(self):
        self.ensure_one()
        refusal = self.env._("Only a registrar may import registrants.")
        roles.check(self.env, "g2p_registry_base.group_g2p_registrar", refusal=refusal)
        self.check_access("write")

    @api.model
    def _maker_checker(self):
        # sudo: one parameter, read by name
        return self.env["ir.config_parameter"].sudo().get_param("g2p_registry_base.import_maker_checker") == "True"

    # -- approval

    def _approval_asks(self, kind):
        """Where the setting asks for somebody else, and the company does not do without."""
        return self._maker_checker() and super()._approval_asks(kind)

    def _approval_kind(self):
        return KIND

    def _approval_name(self, kind):
        return self.env._(
            "Import of %(rows)s rows: %(file)s", rows=formatLang(self.env, self.ok_count, digits=0), file=self.name
        )

    def _approval_authors(self, kind):
        return (self.create_uid | self.submitted_by_id).sudo(False)

    def _approval_digest(self, kind):
        """Of each staged row, and of how it is imported."""
        self.env.flush_all()
        rows = SQL(
            """
            SELECT row_number, concat_ws('|', state, unit, COALESCE(partner_id, 0), data::text)
              FROM g2p_registrant_import_line
             WHERE import_id = %s
            """,
            self.id,
        )
        [[staged, count]] = self.env.execute_query(digest.of_rows(rows))
        options = [self[name].id if self._fields[name].relational else self[name] for name in OPTIONS if name != "file"]
        return digest.of_values([self._name, self.id, kind, staged, count, self.file_hash, self.layout, *options])

    def _approval_figures(self, kind):
        def said(name):
            return dict(self._fields[name]._description_selection(self.env))[self[name]]

        return [
            {"label": self.env._("Rows"), "value": self.total_count},
            {"label": self.env._("Good"), "value": self.ok_count},
            {"label": self.env._("Refused"), "value": self.refused_count},
            {"label": self.env._("Skipped"), "value": self.skipped_count},
            {"label": self.env._("Imports"), "value": said("target_type")},
            {"label": self.env._("Who is registered already"), "value": said("existing_policy")},
            *(
                [
                    {"label": self.env._("Households imported before"), "value": self.known_household_count},
                    {"label": self.env._("Household imported before"), "value": said("known_households")},
                ]
                if self.known_household_count
                else []
            ),
        ]

    def _approval_check(self, kind):
        if self.state != "submitted":
            raise UserError(self.env._("Submit the file first: another user confirms the import."))

    def _approval_check_decider(self, kind):
        """Nobody confirms rows that they may not see."""
        lines = self.env["g2p.registrant.import.line"]
        own = [("import_id", "=", self.id)]
        # sudo: only how many are hidden is told
        if hidden := lines.sudo().search_count(own) - lines.search_count(own):
            raise UserError(
                self.env._("%s of these rows are outside the areas you work in: ask somebody who sees all.", hidden)
            )

    def _approval_granted(self, request):
        # The operation commits when it starts: what was agreed to is over with it, or neither is.
        if request:
            request._end("done")
        self._bulk_start("import", {"agreed": True})
        return False

    def _approval_refused(self, request):
        """Who brought the file may correct it, or hand it over again; what has changed is checked again."""
        if self.state == "submitted":
            self.write({"state": "draft" if request.state == "void" else "checked", "submitted_by_id": False})

    def _import_operation(self):
        # sudo: the operation that this user has just started by agreeing
        return (
            self.env["g2p.bulk.operation"]
            .sudo()
            .search([("res_model", "=", self._name), ("res_id", "=", self.id), ("step", "=", "import")], limit=1)
        )

    def _lock_state(self):
        """The state, under a lock on the row until the end of the transaction."""
        self.flush_recordset()
        self.env.cr.execute("SELECT state FROM g2p_registrant_import WHERE id = %s FOR UPDATE", [self.id])
        self.invalidate_recordset(["state"])
        return self.env.cr.fetchone()[0]

    # -- what the steps ask

    def _columns(self, *targets):
        """The columns of the layout that become one of these."""
        return [column for column in self.layout or [] if column["target"] in targets]

    def _label(self, target):
        """How messages name the column: as the mapping does, else as the registry does."""
        column = self._columns(target) if self.mapping_id else []
        labels = dict(self.env["g2p.registrant.import.mapping.line"]._fields["target"].selection)
        return column[0]["column"] if column else labels[target]

    def _areas(self):
        """The areas that who brought the file is limited to."""
        # sudo: the user's own areas
        return self.create_uid.sudo().g2p_area_ids

    def _allowed_area_ids(self):
        # sudo: the user's own areas
        return self.create_uid.sudo().g2p_allowed_area_ids.ids

    # -- the file

    def _open_file(self):
        """The file as a binary stream; it is never wholly in memory."""
        # sudo: the path is read for who may import; only administrators may set it
        if path := self.sudo().server_path:
            return self._open_server_file(path)
        # sudo: the attachment of a record whose access was checked
        attachment = (
            self.env["ir.attachment"]
            .sudo()
            .search([("res_model", "=", self._name), ("res_id", "=", self.id), ("res_field", "=", "file")], limit=1)
        )
        if attachment.store_fname:
            return open(attachment._full_path(attachment.store_fname), "rb")
        return io.BytesIO(attachment.raw or b"")

    def _open_server_file(self, path):
        # sudo: one parameter, read by name
        folder = self.env["ir.config_parameter"].sudo().get_param("g2p_registry_base.import_folder")
        if not folder or not os.path.isabs(folder):
            raise UserError(
                self.env._(
                    "Files of the server are not enabled: an administrator names their folder under Settings, PBMS."
                )
            )
        try:
            return server_file.open_inside(folder, path)
        except server_file.OutsideError as error:
            raise UserError(self.env._("The file is not inside the folder for imports.")) from error
        except (OSError, ValueError) as error:
            raise UserError(self.env._("There is no such file in the folder for imports.")) from error

    def _file_name(self):
        """The name that says what kind of file it is."""
        # sudo: the path is read for who may import; only administrators may set it
        path = self.sudo().server_path
        return os.path.basename(path) if path else self.name

    # -- what the engine asks

    @api.model
    def _bulk_relies_on(self):
        return {**super()._bulk_relies_on(), "action_submit": ("check",)}

    def _bulk_notification(self, operation):
        action = super()._bulk_notification(operation)
        if (operation.counts or {}).get("refused") and action["params"]["type"] == "success":
            action["params"]["type"] = "warning"
        action["params"]["next"] = {"type": "ir.actions.client", "tag": "soft_reload"}
        return action

    def _count(self, state=None):
        """Bring the counts in line with the rows; they add up to the rows of the file."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_registrant_import
                SET state = COALESCE(%s, state), total_count = counted.total, ok_count = counted.ok,
                    refused_count = counted.refused, skipped_count = counted.skipped,
                    imported_count = counted.imported, updated_count = counted.updated,
                    write_date = now() AT TIME ZONE 'UTC'
                FROM (
                    SELECT
                        count(*) AS total,
                        count(*) FILTER (WHERE state = 'ok') AS ok,
                        count(*) FILTER (WHERE state = 'refused') AS refused,
                        count(*) FILTER (WHERE state = 'skipped') AS skipped,
                        count(*) FILTER (WHERE state = 'imported') AS imported,
                        count(*) FILTER (WHERE state = 'updated') AS updated
                    FROM g2p_registrant_import_line
                    WHERE import_id = %s
                ) counted
                WHERE g2p_registrant_import.id = %s
                """,
                state,
                self.id,
                self.id,
            )
        )
        self.invalidate_recordset()
        self.env["g2p.registrant.import.line"].invalidate_model(flush=False)

    # -- results as a file

    def _result_file(self, kind):
        """The lines of a CSV file of the rows that the user may read; with `kind` refused, of the refused rows only."""
        self.ensure_one()
        return results.lines(self, only_refused=kind == "refused")

    @api.autovacuum
    def _gc_rows(self):
        """Forget the rows and files of old imports; what was imported stands in the registry, the counts stay."""
        old = fields.Datetime.subtract(fields.Datetime.now(), days=KEEP_ROWS_DAYS)
        waiting = self.search([("state", "=", "submitted"), ("write_date", "<", old)])
        self.env.cr.execute(
            """
            DELETE FROM g2p_registrant_import_line line
            USING g2p_registrant_import import
            WHERE line.import_id = import.id AND import.state <> 'importing'
                AND import.write_date < now() AT TIME ZONE 'UTC' - make_interval(days => %s)
            """,
            [KEEP_ROWS_DAYS],
        )
        waiting._approval_drop(self.env._("Its rows were forgotten after %s days.", KEEP_ROWS_DAYS), "void")
