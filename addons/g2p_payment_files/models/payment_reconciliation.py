import base64
import io

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL
from odoo.tools.misc import formatLang

from odoo.addons.g2p_bulk.tools import roles, table_file
from odoo.addons.g2p_bulk.tools.question import question
from odoo.addons.g2p_programs.tools.constants import GROUP_FINANCE
from odoo.addons.g2p_registry_base.models.area_file import PeopleFile

from ..tools import csv_text
from .payment_reconciliation_line import OUTCOMES

# {column of the payer's file: the field in which somebody says which it is}
COLUMN_CHOICES = {
    column: f"{column}_column" for column in ("reference", "status", "amount", "date", "bank_reference", "reason")
}
# What somebody brings: the file, and how it is read.
READ_WITH = ("file", "cycle_id", "encoding", "decimal_mark", *COLUMN_CHOICES.values())
BROUGHT = ("filename", *READ_WITH)
COUNTS = tuple(f"{outcome}_count" for outcome, _label in OUTCOMES)
# What was read and not matched yet. No model: nobody but the steps reads or writes it, and it is empty in between.
STAGED = """
CREATE TABLE IF NOT EXISTS g2p_payment_reconciliation_staged (
    reconciliation_id integer NOT NULL,
    row_number integer NOT NULL,
    reference varchar,
    status varchar,
    amount numeric,
    date timestamp,
    bank_reference varchar,
    reason varchar,
    error varchar,
    repeated varchar,
    amount_decimal numeric,
    doubt varchar,
    PRIMARY KEY (reconciliation_id, row_number)
);
ALTER TABLE g2p_payment_reconciliation_staged ADD COLUMN IF NOT EXISTS amount_decimal numeric;
ALTER TABLE g2p_payment_reconciliation_staged ADD COLUMN IF NOT EXISTS doubt varchar;
"""


class PaymentReconciliation(models.Model):
    """A payer's file of what came of payments: read, matched by reference, looked at, applied."""

    _name = "g2p.payment.reconciliation"
    _description = "Payment reconciliation"
    _inherit = ["g2p.state.mixin", "g2p.bulk.mixin", "g2p.area.file.mixin", "g2p.evidence.mixin"]
    _order = "id desc"

    _protected_fields = ("state", "checksum", "lines_count", "matched_amount", *COUNTS)

    name = fields.Char(compute="_compute_name", store=True)
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, default=lambda self: self.env.company, index=True
    )
    cycle_id = fields.Many2one(
        "g2p.cycle",
        help="Only payments of this cycle are matched. Empty: of any cycle of the company.",
        ondelete="restrict",
    )
    file = PeopleFile("CSV or XLSX file", copy=False)
    filename = fields.Char(copy=False)
    encoding = fields.Selection(
        [table_file.AUTO, *table_file.ENCODINGS], required=True, default="auto", help=table_file.ENCODING_HELP
    )
    decimal_mark = fields.Selection(
        [(".", "Point, as in 1234.56"), (",", "Comma, as in 1234,56")],
        string="Decimal mark",
        help="Empty: found from the amounts.",
    )
    reference_column = fields.Char("Column of the payment reference", help="Empty: found by its name.")
    status_column = fields.Char("Column of the status", help="Empty: found by its name.")
    amount_column = fields.Char("Column of the amount", help="Empty: found by its name.")
    date_column = fields.Char("Column of the date", help="Empty: found by its name.")
    bank_reference_column = fields.Char("Column of the bank reference", help="Empty: found by its name.")
    reason_column = fields.Char("Column of the reason", help="Empty: found by its name.")
    checksum = fields.Char("Fingerprint", readonly=True, copy=False, index=True, help=table_file.FINGERPRINT_HELP)
    same_file_id = fields.Many2one(
        "g2p.payment.reconciliation", "Same file as", compute="_compute_same_file_id", help="Read before."
    )
    state = fields.Selection(
        [("draft", "Upload"), ("checked", "Checked"), ("applied", "Applied")],
        required=True,
        readonly=True,
        default="draft",
        copy=False,
    )
    line_ids = fields.One2many("g2p.payment.reconciliation.line", "reconciliation_id", string="Lines")
    lines_count = fields.Integer("Number of lines", readonly=True, copy=False)

    # Counters, kept by the steps
    matched_count = fields.Integer("Matched", readonly=True, copy=False)
    unmatched_count = fields.Integer("No payment", readonly=True, copy=False)
    amount_mismatch_count = fields.Integer("Another amount", readonly=True, copy=False)
    too_early_count = fields.Integer(
        "Paid before it was issued",
        readonly=True,
        copy=False,
        help="The file gives a day on which it can't have been paid.",
    )
    duplicate_count = fields.Integer("Twice in the file", readonly=True, copy=False)
    already_final_count = fields.Integer("Final already", readonly=True, copy=False)
    not_due_count = fields.Integer(
        "Not due", readonly=True, copy=False, help="The entitlement is not approved any more."
    )
    contradiction_count = fields.Integer(
        "Contradicts what is recorded",
        readonly=True,
        copy=False,
        help="Paid after it had failed here, failed after it was recorded as paid, or paid under another reference.",
    )
    blocked_count = fields.Integer(
        "Held back", readonly=True, copy=False, help="Said to be paid, but it never left, and something blocks it."
    )
    not_sent_count = fields.Integer(
        "Never left",
        readonly=True,
        copy=False,
        help="The payment is prepared and was not sent, so no payer can have told what came of it.",
    )
    bad_count = fields.Integer("Can't be read", readonly=True, copy=False)
    currency_id = fields.Many2one("res.currency", compute="_compute_currency_id")
    matched_amount = fields.Monetary("Amount paid, matched", readonly=True, copy=False)

    outcome_file = fields.Binary("Outcome (CSV)", compute="_compute_outcome_file")
    outcome_filename = fields.Char(compute="_compute_outcome_filename")

    @api.depends("cycle_id", "company_id")
    def _compute_currency_id(self):
        """Of the cycle; without one, that of all of the company's programs, where they have the same."""
        for record in self:
            # sudo: in which currencies the company's programs pay is no secret; nothing else of them is told
            programs = record.sudo().env["g2p.program"]
            domain = [("company_id", "=", record.company_id.id)]
            found = [currency for [currency] in programs._read_group(domain, ["currency_id"])]
            record.currency_id = record.cycle_id.currency_id or (found[0] if len(found) == 1 else False)

    @api.depends("filename", "cycle_id.display_name")
    def _compute_name(self):
        for record in self:
            record.name = record.filename or self.env._("Reconciliation")

    @api.depends("checksum")
    def _compute_same_file_id(self):
        for record in self:
            record.same_file_id = bool(record.checksum) and self.search(
                [
                    ("checksum", "=", record.checksum),
                    ("id", "!=", record.id),
                    ("company_id", "=", record.company_id.id),
                ],
                order="id",
                limit=1,
            )

    @api.depends("filename")
    def _compute_outcome_filename(self):
        for record in self:
            record.outcome_filename = f"outcome-{record.filename or record.id}"

    @api.depends("state", "line_ids.outcome")
    def _compute_outcome_file(self):
        for record in self:
            content = "".join(record._outcome_lines()) if record.state != "draft" else ""
            record.outcome_file = base64.b64encode(content.encode()) if content else False

    # CRUD

    def write(self, vals):
        if "company_id" in vals and any(record.company_id.id != vals["company_id"] for record in self):
            raise UserError(self.env._("A reconciliation stays in its company: upload the file as a new one."))
        if vals.keys() & set(BROUGHT):
            self.check_access("write")
            if any(record.state == "applied" for record in self):
                raise UserError(self.env._("This file was applied: upload another one as a new reconciliation."))
            for record in self:
                record._check_is_mine()
                record._check_idle()
        if vals.keys() & set(READ_WITH) and not self.env.su and any(record.state != "draft" for record in self):
            self._check_can()
            self.sudo().write({"state": "draft"})  # sudo: the role was checked; another file has to be read again
        return super().write(vals)

    def init(self):
        result = super().init()
        self.env.cr.execute(STAGED)
        # Reconciliations of before the counters were kept.
        self.env.cr.execute(
            "SELECT id FROM g2p_payment_reconciliation"
            " WHERE state <> 'draft' AND (matched_count IS NULL OR not_sent_count IS NULL)"
        )
        if earlier := self.browse(reconciliation_id for [reconciliation_id] in self.env.cr.fetchall()):
            earlier._refresh_counters()
        return result

    def unlink(self):
        self.env.cr.execute(
            SQL("DELETE FROM g2p_payment_reconciliation_staged WHERE reconciliation_id = ANY(%s)", self.ids)
        )
        return super().unlink()

    def _evidence_locked(self):
        return self.filtered(lambda record: record.state == "applied")

    @api.ondelete(at_uninstall=False)
    def _unlink_except_applied(self):
        if any(record.state == "applied" for record in self):
            raise UserError(self.env._("A reconciliation that was applied is evidence: it stays."))

    # What its steps belong to

    def _bulk_parents(self):
        return [*super()._bulk_parents(), *self.cycle_id.program_id, *self.cycle_id]

    # Buttons

    def action_check(self):
        """Button: read the file and match its lines. No payment is touched."""
        self.ensure_one()
        self._check_can()
        self._check_is_mine()
        if self.state == "applied":
            raise UserError(self.env._("This file was applied already."))
        if not self._attachment():
            raise UserError(self.env._("Choose a CSV or XLSX file first."))
        self._check_idle()
        return self._bulk_step("read")._start_on(self)._notification()

    def action_confirm_apply(self):
        """Button: say how many payments become paid and failed, and ask."""
        self.ensure_one()
        self._check_can()
        self._check_sees_payments()
        _ = self.env._

        def number(value):
            return formatLang(self.env, value, digits=0)

        matched = dict(
            self.env["g2p.payment.reconciliation.line"]._read_group(
                [("reconciliation_id", "=", self.id), ("outcome", "=", "matched")], ["status"], ["__count"]
            )
        )
        parts = [
            _(
                "%(count)s payments of %(amount)s become final as paid, and %(failed)s as failed, as the file says.",
                count=number(matched.get("paid", 0)),
                amount=formatLang(self.env, self.matched_amount, currency_obj=self.currency_id or None),
                failed=number(matched.get("failed", 0)),
            )
        ]
        if self.contradiction_count:
            parts.append(
                _(
                    "%s lines contradict our records and change no payment: they are put on the list of contradictions, and "
                    "finance is told.",
                    number(self.contradiction_count),
                )
            )
        others = self.lines_count - self.matched_count - self.contradiction_count
        if others > 0:
            parts.append(
                _("%s other lines change nothing; they stay in the list, each with its reason.", number(others))
            )
        return question(self, "action_apply", _("Apply the file"), " ".join(parts), _("Apply"))

    def action_apply(self):
        """Button: make the matched payments final. Lines that don't match change nothing."""
        self.ensure_one()
        self._check_can()
        if self.state != "checked":
            raise UserError(self.env._("Read the file first."))
        return self._bulk_start("reconcile")._notification()

    def action_download(self):
        """Button: the lines with their outcome, as CSV."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_url",
            "url": f"/g2p_programs/reconciliation/{self.id}/outcome.csv",
            "target": "self",
        }

    def action_view_lines(self):
        """Stat button: the lines; the context key `outcome` narrows them."""
        self.ensure_one()
        outcome = self.env.context.get("outcome")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Lines of %s", self.name),
            "res_model": "g2p.payment.reconciliation.line",
            "view_mode": "list",
            "domain": [("reconciliation_id", "=", self.id), *([("outcome", "=", outcome)] if outcome else [])],
        }

    def _check_can(self):
        roles.check(self.env, GROUP_FINANCE)
        self.check_access("write")

    def _check_is_mine(self):
        """The areas of who made the record say which payments its file reaches: nobody else puts a file into it, or has it read."""
        # sudo: who made it, and their name, of a record that the user may write
        owner = self.sudo().create_uid
        if not self.env.su and owner != self.env.user:
            raise AccessError(
                self.env._(
                    "This reconciliation is %s's, who alone may change it and have its file read: upload the file as a "
                    "reconciliation of your own.",
                    owner.name,
                )
            )

    def _check_sees_payments(self):
        """Nobody says what came of payments that they may not see."""
        lines = self.env["g2p.payment.reconciliation.line"]
        domain = [("reconciliation_id", "=", self.id), ("payment_id", "!=", False)]
        # sudo: only how many are hidden is told
        if hidden := lines.sudo().search_count(domain) - lines.search_count(domain):
            raise UserError(
                self.env._(
                    "%s lines of this file are about payments outside the areas you work in: ask somebody who sees all of "
                    "them to apply it.",
                    hidden,
                )
            )

    def _check_idle(self):
        """The file is neither read nor applied at the moment."""
        # sudo: whether something runs on a record that the user may write; only its name and start are told
        if running := self.sudo().running_operation_id:
            running._refuse_twin()

    def _attachment(self):
        # sudo: the attachment of a record whose access was checked
        return (
            self.env["ir.attachment"]
            .sudo()
            .search([("res_model", "=", self._name), ("res_id", "=", self.id), ("res_field", "=", "file")], limit=1)
        )

    def _open_file(self):
        """The file as a binary stream; it is never wholly in memory where attachments are files."""
        attachment = self._attachment()
        if not attachment:
            raise UserError(self.env._("Choose a CSV or XLSX file first."))
        if attachment.store_fname:
            return open(attachment._full_path(attachment.store_fname), "rb")
        return io.BytesIO(attachment.raw or b"")

    # Counters

    def _refresh_counters(self):
        """Count the lines of these reconciliations again."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_payment_reconciliation AS record
                   SET %(counts)s, matched_amount = counted.amount
                  FROM (
                        SELECT this.id, %(counted)s,
                               COALESCE(SUM(line.amount)
                                        FILTER (WHERE line.outcome = 'matched' AND line.status = 'paid'), 0) AS amount
                          FROM g2p_payment_reconciliation AS this
                          LEFT JOIN g2p_payment_reconciliation_line AS line ON line.reconciliation_id = this.id
                         WHERE this.id = ANY(%(ids)s)
                         GROUP BY this.id
                       ) AS counted
                 WHERE record.id = counted.id
                """,
                counts=SQL(", ").join(
                    SQL("%s = counted.%s", SQL.identifier(name), SQL.identifier(name)) for name in COUNTS
                ),
                counted=SQL(", ").join(
                    SQL("COUNT(*) FILTER (WHERE line.outcome = %s) AS %s", outcome, SQL.identifier(name))
                    for (outcome, _label), name in zip(OUTCOMES, COUNTS, strict=True)
                ),
                ids=self.ids,
            )
        )
        self.invalidate_recordset()

    # The outcome as a file

    def _check_can_download(self):
        """The lines are of whoever may read the record; which of them is for the rules to say."""
        self.check_access("read")
        self.env["g2p.payment.reconciliation.line"].check_access("read")

    def _outcome_lines(self):
        """Yield the text of a CSV file: the lines that the user may see, with their outcome. Text that a spreadsheet
        would run is neutralised."""
        self.ensure_one()
        line = self.env["g2p.payment.reconciliation.line"]
        labels = line._fields["outcome"]._description_selection(self.env)
        label = SQL(
            "CASE line.outcome %s END", SQL(" ").join(SQL("WHEN %s THEN %s", value, text) for value, text in labels)
        )
        text, number = csv_text.cell, csv_text.number
        return csv_text.stream(
            self.env,
            ["row", "payment reference", "status", "amount", "date", "bank reference", "reason", "outcome", "note"],
            SQL(
                """
                SELECT %s FROM g2p_payment_reconciliation_line AS line WHERE line.id IN %s ORDER BY line.row_number
                """,
                csv_text.row(
                    [
                        number(SQL("line.row_number")),
                        text(SQL("line.reference")),
                        text(SQL("line.status")),
                        number(SQL("line.amount")),
                        number(SQL("line.date")),
                        text(SQL("line.bank_reference")),
                        text(SQL("line.reason")),
                        text(label),
                        text(SQL("line.note")),
                    ]
                ),
                line._search([("reconciliation_id", "=", self.id)]).subselect(),
            ),
        )

    def _export_count(self):
        return self.lines_count

    def _outcome_filename(self):
        return self.outcome_filename
