import base64
import csv
import hashlib
import io
import tempfile

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from ..models.fund import FINANCE
from .reconciliation_file import parse_file

OUTCOMES = [
    ("matched", "Matched"),
    ("unmatched", "No payment has this reference"),
    ("amount_mismatch", "Another amount"),
    ("duplicate", "Twice in the file"),
    ("already_final", "Final already"),
    ("not_due", "Entitlement not approved any more"),
    ("bad", "Can't be read"),
]


class PaymentReconciliation(models.Model):
    """A payer's file of what came of payments: read, matched by reference, looked at, applied."""

    _name = "g2p.payment.reconciliation"
    _description = "Payment reconciliation"
    _inherit = ["g2p.state.mixin", "g2p.bulk.mixin"]
    _order = "id desc"

    _protected_fields = ("state", "checksum", "lines_count")

    name = fields.Char(compute="_compute_name", store=True)
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, default=lambda self: self.env.company, index=True
    )
    cycle_id = fields.Many2one(
        "g2p.cycle",
        help="Only payments of this cycle are matched. Empty: of any cycle of the company.",
        ondelete="restrict",
    )
    file = fields.Binary("CSV file", attachment=True, copy=False)
    filename = fields.Char(copy=False)
    checksum = fields.Char("SHA-256", readonly=True, copy=False, index=True)
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
    matched_count = fields.Integer("Matched", compute="_compute_counts")
    unmatched_count = fields.Integer("No payment", compute="_compute_counts")
    amount_mismatch_count = fields.Integer("Another amount", compute="_compute_counts")
    duplicate_count = fields.Integer("Twice in the file", compute="_compute_counts")
    already_final_count = fields.Integer("Final already", compute="_compute_counts")
    not_due_count = fields.Integer(
        "Not due", compute="_compute_counts", help="The entitlement is not approved any more."
    )
    bad_count = fields.Integer("Can't be read", compute="_compute_counts")
    matched_amount = fields.Float("Amount paid, matched", compute="_compute_counts", digits=(16, 2))
    outcome_file = fields.Binary("Outcome (CSV)", compute="_compute_outcome_file")
    outcome_filename = fields.Char(compute="_compute_outcome_filename")

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

    @api.depends("line_ids.outcome", "state")
    def _compute_counts(self):
        counts, amounts = {}, {}
        for record, outcome, count in self.env["g2p.payment.reconciliation.line"]._read_group(
            [("reconciliation_id", "in", self.ids)], ["reconciliation_id", "outcome"], ["__count"]
        ):
            counts[record, outcome] = count
        for record, amount in self.env["g2p.payment.reconciliation.line"]._read_group(
            [("reconciliation_id", "in", self.ids), ("outcome", "=", "matched"), ("status", "=", "paid")],
            ["reconciliation_id"],
            ["amount:sum"],
        ):
            amounts[record] = amount
        for record in self:
            record.matched_amount = amounts.get(record, 0)
            for outcome, _label in OUTCOMES:
                record[f"{outcome}_count"] = counts.get((record, outcome), 0)

    @api.depends("filename")
    def _compute_outcome_filename(self):
        for record in self:
            record.outcome_filename = f"outcome-{record.filename or record.id}"

    @api.depends("state", "line_ids.outcome")
    def _compute_outcome_file(self):
        for record in self:
            record.outcome_file = base64.b64encode(record._outcome_csv()) if record.state != "draft" else False

    # CRUD

    def write(self, vals):
        if "company_id" in vals and any(record.company_id.id != vals["company_id"] for record in self):
            raise UserError(self.env._("A reconciliation stays in its company: upload the file as a new one."))
        if {"file", "cycle_id"} & set(vals) and any(record.state == "applied" for record in self):
            raise UserError(self.env._("This file was applied: upload another one as a new reconciliation."))
        if "file" in vals and not self.env.su and any(record.state != "draft" for record in self):
            self._check_can()
            self.sudo().write({"state": "draft"})  # sudo: the role was checked; another file has to be read again
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_applied(self):
        if any(record.state == "applied" for record in self):
            raise UserError(self.env._("A reconciliation that was applied is evidence: it stays."))

    # Buttons

    def action_check(self):
        """Button: read the file and match its lines. No payment is touched."""
        self.ensure_one()
        self._check_can()
        if self.state == "applied":
            raise UserError(self.env._("This file was applied already."))
        if not self.file:
            raise UserError(self.env._("Choose a CSV file first."))
        content = base64.b64decode(self.with_context(bin_size=False).file)
        # sudo: the role was checked above; lines are written by reading a file only
        record = self.sudo()
        record.line_ids.unlink()
        count = record._store_lines(parse_file(self.env, content))
        record._analyze_lines(count)
        record._match_lines()
        record._analyze_lines(count)
        record.write({"checksum": hashlib.sha256(content).hexdigest(), "lines_count": count})
        record._transition("checked")
        return True

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
            "url": f"/web/content/{self._name}/{self.id}/outcome_file/{self.outcome_filename}?download=true",
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
        if not self.env.su and not self.env.user.has_group(FINANCE):
            raise AccessError(
                self.env._("Only members of the role “%s” may do this.", self.env.ref(FINANCE).sudo().display_name)
            )
        self.check_access("write")

    # Lines

    def _analyze_lines(self, count):
        """Matching and applying must not be planned on what the table looked like before this file."""
        if count >= 1_000:
            self.env.cr.execute("ANALYZE g2p_payment_reconciliation_line")

    def _store_lines(self, rows):
        """COPY parsed rows into the lines. Returns their number."""
        count = 0
        with tempfile.SpooledTemporaryFile(max_size=32 * 2**20, mode="w+", encoding="utf-8", newline="") as buffer:
            writer = csv.writer(buffer)
            for row in rows:
                count += 1
                writer.writerow(
                    [
                        self.id,
                        row["row"],
                        row["reference"],
                        row["status"],
                        row["amount"],
                        row["date"],
                        row["bank_reference"],
                        row["reason"],
                        "bad" if row["error"] else None,
                        row["error"],
                    ]
                )
            buffer.seek(0)
            self.env.flush_all()
            self.env.cr.copy_expert(
                """
                COPY g2p_payment_reconciliation_line
                     (reconciliation_id, row_number, reference, status, amount, date, bank_reference, reason, outcome, note)
                FROM STDIN WITH (FORMAT csv)
                """,
                buffer,
            )
        return count

    def _match_lines(self):
        """Give each line its payment and its outcome, in one statement."""
        self.env.cr.execute(
            SQL(
                """
                WITH candidate AS (
                    SELECT line.id, payment.id AS payment_id, payment.partner_id,
                           CASE WHEN line.outcome = 'bad' THEN 'bad'
                                WHEN payment.id IS NULL THEN 'unmatched'
                                WHEN repeated.times > 1
                                     AND (repeated.first_id <> line.id OR repeated.contradicting) THEN 'duplicate'
                                WHEN payment.status IS NOT NULL THEN 'already_final'
                                WHEN line.status = 'paid' AND line.amount <> payment.amount_issued THEN 'amount_mismatch'
                                WHEN line.status = 'paid' AND due.state NOT IN ('approved', 'trans2FSP') THEN 'not_due'
                                ELSE 'matched' END AS outcome,
                           CASE WHEN line.outcome = 'bad' THEN line.note
                                WHEN elsewhere.id IS NOT NULL AND payment.id IS NULL THEN %(elsewhere)s
                                WHEN repeated.contradicting THEN %(contradicting)s END AS note
                      FROM g2p_payment_reconciliation_line AS line
                      LEFT JOIN g2p_payment AS elsewhere ON elsewhere.name = line.reference
                       AND elsewhere.program_id IN (SELECT id FROM g2p_program WHERE company_id = %(company)s)
                      LEFT JOIN g2p_payment AS payment ON payment.id = elsewhere.id AND %(cycle)s
                      LEFT JOIN g2p_entitlement AS due ON due.id = payment.entitlement_id
                      LEFT JOIN (
                            SELECT reference, COUNT(*) AS times, MIN(id) AS first_id,
                                   MIN(status) <> MAX(status) OR MIN(amount) <> MAX(amount) AS contradicting
                              FROM g2p_payment_reconciliation_line
                             WHERE reconciliation_id = %(id)s AND outcome IS NULL
                             GROUP BY reference
                           ) AS repeated ON repeated.reference = line.reference AND line.outcome IS NULL
                     WHERE line.reconciliation_id = %(id)s
                )
                UPDATE g2p_payment_reconciliation_line AS line
                   SET payment_id = candidate.payment_id, partner_id = candidate.partner_id,
                       outcome = candidate.outcome, note = candidate.note
                  FROM candidate
                 WHERE line.id = candidate.id
                """,
                elsewhere=self.env._("Belongs to another cycle"),
                contradicting=self.env._("The lines with this reference contradict each other"),
                company=self.company_id.id,
                cycle=SQL("payment.cycle_id = %s", self.cycle_id.id) if self.cycle_id else SQL("TRUE"),
                id=self.id,
            )
        )
        self.env["g2p.payment.reconciliation.line"].invalidate_model(flush=False)

    def _outcome_csv(self):
        """The lines that the user may see, with their outcome. Text that a spreadsheet would run is neutralised."""
        line = self.env["g2p.payment.reconciliation.line"]
        labels = dict(line._fields["outcome"]._description_selection(self.env))
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                SELECT row_number, reference, status, amount::text, date, bank_reference, reason, outcome, note
                  FROM g2p_payment_reconciliation_line
                 WHERE id IN %s
                 ORDER BY row_number
                """,
                line._search([("reconciliation_id", "=", self.id)]).subselect(),
            )
        )
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        writer.writerow(
            ["row", "payment reference", "status", "amount", "date", "bank reference", "reason", "outcome", "note"]
        )
        for row in self.env.cr.fetchall():
            writer.writerow(
                [
                    neutral(labels.get(value, value)) if column == 7 else neutral(value)
                    for column, value in enumerate(row)
                ]
            )
        return buffer.getvalue().encode("utf-8-sig")

    # The step

    def _bulk_steps(self):
        return {**super()._bulk_steps(), "reconcile": self.env._("Reconcile payments")}

    def _bulk_outcomes(self):
        _ = self.env._
        return {
            **super()._bulk_outcomes(),
            "paid": (_("Paid"), "done"),
            "failed": (_("Marked as failed"), "done"),
            "not_due": (_("Entitlement not approved any more"), "failed"),
        }

    def _bulk_source_reconcile(self, operation):
        return SQL(
            """
            SELECT partner_id AS key FROM g2p_payment_reconciliation_line
             WHERE reconciliation_id = %s AND outcome = 'matched'
            """,
            self.id,
        )

    def _bulk_chunk_reconcile(self, operation, low, high):
        matched = SQL(
            """
            line.reconciliation_id = %s AND line.partner_id > %s AND line.partner_id <= %s AND line.outcome = 'matched'
            """,
            self.id,
            low,
            high,
        )
        paid, failed, not_due = self.env["g2p.payment"]._finalize(
            SQL(
                """
                SELECT line.payment_id, line.status, line.reason, line.date, line.bank_reference
                  FROM g2p_payment_reconciliation_line AS line
                 WHERE %s
                """,
                matched,
            ),
            f"operation-{operation.id}",
            operation,
        )
        # What is open still has lost its entitlement since the file was read.
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_payment_reconciliation_line AS line
                   SET outcome = 'not_due'
                  FROM g2p_payment AS payment
                 WHERE payment.id = line.payment_id AND payment.status IS NULL AND %s
                """,
                matched,
            )
        )
        self.env["g2p.payment.reconciliation.line"].invalidate_model(["outcome"], flush=False)
        return {"paid": paid, "failed": failed, "not_due": not_due}

    def _bulk_finish_reconcile(self, operation):
        self.env["g2p.fund.hold"]._settle(f"operation-{operation.id}", reference=self.name, operation=operation)
        payments = SQL(
            """
            SELECT payment.%s FROM g2p_payment_reconciliation_line AS line
              JOIN g2p_payment AS payment ON payment.id = line.payment_id
             WHERE line.reconciliation_id = %s AND line.outcome = 'matched'
            """,
            SQL.identifier("cycle_id"),
            self.id,
        )
        cycles = self.env["g2p.cycle"].browse(
            cycle_id
            for [cycle_id] in self.env.execute_query(SQL("SELECT DISTINCT cycle_id FROM (%s) AS touched", payments))
        )
        self.env["g2p.payment.batch"]._refresh_statistics_where(SQL("batch.cycle_id = ANY(%s)", cycles.ids))
        cycles._refresh_counters()
        cycles._set_distributed_if_complete()
        if operation.state == "done":
            self._transition("applied")


class PaymentReconciliationLine(models.Model):
    """One line of a payer's file, and what became of it."""

    _name = "g2p.payment.reconciliation.line"
    _description = "Line of a payment reconciliation"
    _order = "reconciliation_id desc, row_number"
    _rec_name = "reference"
    _log_access = False

    _reconciliation_idx = models.Index("(reconciliation_id, partner_id)")

    reconciliation_id = fields.Many2one("g2p.payment.reconciliation", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one(related="reconciliation_id.company_id")
    row_number = fields.Integer("Row", readonly=True, aggregator=None)
    reference = fields.Char("Payment reference", readonly=True)
    status = fields.Selection([("paid", "Paid"), ("failed", "Failed")], readonly=True)
    amount = fields.Float(digits=(16, 4), readonly=True)
    date = fields.Datetime(readonly=True)
    bank_reference = fields.Char(readonly=True)
    reason = fields.Char(readonly=True)
    payment_id = fields.Many2one("g2p.payment", readonly=True, ondelete="set null", index="btree_not_null")
    partner_id = fields.Many2one("res.partner", "Beneficiary", readonly=True, ondelete="set null")
    outcome = fields.Selection(OUTCOMES, readonly=True)
    note = fields.Char(readonly=True)


def neutral(value):
    """A cell that no spreadsheet runs as a formula.

    >>> neutral("=1+1"), neutral("ref 1"), neutral(None), neutral(3)
    ("'=1+1", 'ref 1', '', 3)
    """
    if value is None or value is False:
        return ""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
