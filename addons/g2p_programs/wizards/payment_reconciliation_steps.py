"""The steps of a reconciliation after its file was staged: its lines are matched, *Apply* makes payments final."""

import io

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import decimal_text, table_file
from odoo.addons.g2p_bulk.tools.table_file import copy_text

from ..tools import blocks
from .payment_reconciliation import COLUMN_CHOICES, COUNTS
from .payment_reconciliation_line import OUTCOMES
from .reconciliation_file import PayerFile

# What was read and not matched yet. No model: nobody but these steps reads or writes it, and it is empty in between.
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
COLUMNS = ("row", "reference", "status", "amount", "date", "bank_reference", "reason", "error", "decimal", "doubt")


class PaymentReconciliation(models.Model):
    # the record with its buttons, and the sets it moves, are two files
    _inherit = "g2p.payment.reconciliation"  # pylint: disable=consider-merging-classes-inherited

    def init(self):
        result = super().init()
        self.env.cr.execute(STAGED)
        # Reconciliations of before the counters were kept.
        self.env.cr.execute(
            "SELECT id FROM g2p_payment_reconciliation WHERE state <> 'draft' AND matched_count IS NULL"
        )
        if earlier := self.browse(reconciliation_id for [reconciliation_id] in self.env.cr.fetchall()):
            earlier._refresh_counters()
        return result

    def _bulk_steps(self):
        _ = self.env._
        return {**super()._bulk_steps(), "match": _("Match the lines"), "reconcile": _("Reconcile payments")}

    def _bulk_outcomes(self):
        _ = self.env._
        return {
            **super()._bulk_outcomes(),
            "matched": (_("Matched"), "done"),
            "already_final": (_("Final already"), "skipped"),
            "duplicate": (_("Twice in the file"), "skipped"),
            "unmatched": (_("No payment has this reference"), "failed"),
            "amount_mismatch": (_("Another amount"), "failed"),
            "bad": (_("Can't be read"), "failed"),
            "paid": (_("Paid"), "done"),
            "failed": (_("Marked as failed"), "done"),
            "contradiction": (_("Contradicts what is recorded"), "failed"),
            "not_due": (_("Entitlement not approved any more"), "failed"),
            "blocked": (_("Never left, and held back"), "failed"),
        }

    def _bulk_parents(self):
        return [*super()._bulk_parents(), *self.cycle_id.program_id, *self.cycle_id]

    @api.model
    def _bulk_relies_on(self):
        return {
            **super()._bulk_relies_on(),
            "match": (),
            "reconcile": ("match", "g2p.cycle:prepare_payments", "g2p.cycle:send", "g2p.cycle:reconcile"),
        }

    @api.model
    def _bulk_from_states(self):
        return {**super()._bulk_from_states(), "match": ("draft", "checked"), "reconcile": ("checked",)}

    def _bulk_rows(self, operation, outcome):
        """The lines of the file, and the payments that they made final."""
        line, payment = "g2p.payment.reconciliation.line", "g2p.payment"
        if operation.step == "match" and outcome in dict(OUTCOMES):
            # A line that was matched may be found not due, or blocked, when it is applied.
            found_later = SQL(
                """
                t.id IN (
                    SELECT noted.res_id FROM g2p_bulk_row AS noted
                      JOIN g2p_bulk_operation AS applied ON applied.id = noted.operation_id
                     WHERE applied.res_model = %s AND applied.res_id = %s AND applied.step = 'reconcile'
                )
                """,
                self._name,
                self.id,
            )
            if outcome == "matched":
                return line, SQL("t.reconciliation_id = %s AND (t.outcome = 'matched' OR %s)", self.id, found_later)
            return line, SQL("t.reconciliation_id = %s AND t.outcome = %s AND NOT %s", self.id, outcome, found_later)
        if operation.step == "reconcile":
            if outcome in ("paid", "failed"):
                return payment, SQL("t.status = %s AND %s", outcome, operation._moved_rows(payment, "reconciled"))
            if outcome in dict(OUTCOMES):
                return line, operation._noted_rows(outcome)
        return super()._bulk_rows(operation, outcome)

    def _bulk_tables(self, step):
        tables = ["g2p_payment_reconciliation_line"]
        if step == "reconcile":
            tables += ["g2p_payment", "g2p_entitlement"]
        return [*super()._bulk_tables(step), *tables]

    # Read: from the file to staged rows

    def _stage(self, table, counted=iter):
        """Put the rows of the file into the staging table, once; memory does not grow with the file. How many there are.

        :param table_file.Table table: the file
        :param counted: a function that gives the rows it is given, and tells somebody how many they were
        """
        execute = self.env.cr.execute
        execute(SQL("DELETE FROM g2p_payment_reconciliation_line WHERE reconciliation_id = %s", self.id))
        execute(SQL("DELETE FROM g2p_payment_reconciliation_staged WHERE reconciliation_id = %s", self.id))
        chosen = {column: self[name] for column, name in COLUMN_CHOICES.items()}
        payer_file = PayerFile(self.env, table, self.encoding, chosen)
        count = table_file.copy_rows(
            self.env,
            """
            COPY g2p_payment_reconciliation_staged
                 (reconciliation_id, row_number, reference, status, amount, date, bank_reference, reason, error,
                  amount_decimal, doubt)
            FROM STDIN
            """,
            counted(self._staged_rows(payer_file)),
        )
        self._settle_amounts(payer_file.amounts)
        if count >= 1_000:
            execute("ANALYZE g2p_payment_reconciliation_staged")
        self._mark_repeated()
        self.write({"checksum": table.sha256(), "lines_count": count, "state": "draft"})
        return count

    def _open_file(self):
        """The file as a binary stream; it is never wholly in memory where attachments are files."""
        attachment = self._attachment()
        if not attachment:
            raise UserError(self.env._("Choose a CSV or XLSX file first."))
        if attachment.store_fname:
            return open(attachment._full_path(attachment.store_fname), "rb")
        return io.BytesIO(attachment.raw or b"")

    def _staged_rows(self, rows):
        """Lines of COPY's text format."""
        for row in rows:
            yield f"{self.id}\t" + "\t".join([copy_text(row[column]) for column in COLUMNS]) + "\n"

    def _settle_amounts(self, amounts):
        """What may be two numbers is told by the decimal mark: the chosen one, or the one that other amounts prove.

        :param decimal_text.Column amounts: what the amounts of the file say
        """
        if not amounts.sample:
            return
        mark = self.decimal_mark or amounts.mark
        if not mark and self._decimal_places() >= 3:
            raise UserError(
                self.env._(
                    "“%(value)s” may be two amounts, and no other amount of the file tells which. Choose the decimal mark.",
                    value=amounts.sample[:50],
                )
            )
        # without a mark these are whole: no money of these currencies has three decimals
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_payment_reconciliation_staged SET amount = amount_decimal
                 WHERE reconciliation_id = %s AND doubt = %s
                """,
                self.id,
                mark or decimal_text.WHOLE,
            )
        )

    def _decimal_places(self):
        """The most decimals that a payment of this company may have."""
        # sudo: a number of the configuration
        programs = self.env["g2p.program"].sudo().search([("company_id", "=", self.company_id.id)])
        currencies = self.company_id.currency_id | programs.currency_id
        return max(currencies.mapped("decimal_places"), default=2)

    def _mark_repeated(self):
        """References that stand on several lines: the first counts, unless the lines contradict each other."""
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_payment_reconciliation_staged AS staged
                   SET repeated = CASE WHEN twice.contradicting THEN 'contradicting'
                                       WHEN twice.first_row <> staged.row_number THEN 'again' END
                  FROM (
                        SELECT reference, MIN(row_number) AS first_row,
                               MIN(status) <> MAX(status) OR MIN(amount) <> MAX(amount) AS contradicting
                          FROM g2p_payment_reconciliation_staged
                         WHERE reconciliation_id = %(id)s AND error IS NULL
                         GROUP BY reference
                        HAVING COUNT(*) > 1
                       ) AS twice
                 WHERE staged.reconciliation_id = %(id)s AND staged.error IS NULL AND staged.reference = twice.reference
                """,
                id=self.id,
            )
        )

    # Read: from staged rows to lines with their payment and their outcome

    def _bulk_source_match(self, operation):
        return SQL(
            "SELECT row_number AS key FROM g2p_payment_reconciliation_staged WHERE reconciliation_id = %s", self.id
        )

    def _bulk_chunk_match(self, operation, low, high):
        """Move staged rows to the lines, each with its payment and its outcome, in one statement."""
        self.env.cr.execute(
            SQL(
                """
                WITH taken AS MATERIALIZED (
                    DELETE FROM g2p_payment_reconciliation_staged
                     WHERE reconciliation_id = %(id)s AND row_number > %(low)s AND row_number <= %(high)s
                 RETURNING *
                ), inserted AS (
                    INSERT INTO g2p_payment_reconciliation_line
                           (reconciliation_id, row_number, reference, status, amount, date, bank_reference, reason,
                            payment_id, outcome, note)
                    SELECT %(id)s, taken.row_number, taken.reference, taken.status, taken.amount, taken.date,
                           taken.bank_reference, taken.reason, CASE WHEN %(cycle)s THEN payment.id END,
                           CASE WHEN taken.error IS NOT NULL THEN 'bad'
                                WHEN payment.id IS NULL OR NOT %(cycle)s THEN 'unmatched'
                                WHEN taken.repeated IS NOT NULL THEN 'duplicate'
                                WHEN payment.status = taken.status
                                 AND (taken.status = 'failed'
                                      OR COALESCE(taken.amount, payment.amount_issued) = payment.amount_issued
                                     AND COALESCE(taken.bank_reference, payment.bank_reference, '')
                                         = COALESCE(payment.bank_reference, taken.bank_reference, ''))
                                THEN 'already_final'
                                WHEN payment.status IS NOT NULL THEN 'contradiction'
                                WHEN taken.status = 'paid' AND taken.amount <> payment.amount_issued THEN 'amount_mismatch'
                                WHEN taken.status = 'paid' AND payment.due_state NOT IN ('approved', 'trans2FSP')
                                THEN 'not_due'
                                WHEN taken.status = 'paid' AND payment.block IS NOT NULL THEN 'blocked'
                                ELSE 'matched' END,
                           CASE WHEN taken.error IS NOT NULL THEN taken.error
                                WHEN payment.id IS NOT NULL AND NOT %(cycle)s THEN %(elsewhere)s
                                WHEN taken.repeated = 'contradicting' THEN %(contradicting)s END
                      FROM taken
                      LEFT JOIN LATERAL (
                            -- LIMIT keeps this a look-up by name for each line: as a join it reads all payments for
                            -- each chunk.
                            SELECT payment.id, payment.cycle_id, payment.status, payment.amount_issued,
                                   payment.bank_reference, t.state AS due_state,
                                   CASE WHEN payment.state = 'issued' OR payment.payout = 'desk' THEN %(block)s END AS block
                              FROM g2p_payment AS payment
                              JOIN g2p_program AS program
                                ON program.id = payment.program_id AND program.company_id = %(company)s
                              JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                             WHERE payment.name = taken.reference AND %(areas)s
                             LIMIT 1
                           ) AS payment ON TRUE
                     ORDER BY taken.row_number
                 RETURNING outcome
                )
                SELECT outcome, COUNT(*) FROM inserted GROUP BY outcome
                """,
                id=self.id,
                low=low,
                high=high,
                block=self.env["g2p.payment"]._block_sql(blocks.PAY),
                elsewhere=self.env._("Belongs to another cycle"),
                contradicting=self.env._("The lines with this reference contradict each other"),
                company=self.company_id.id,
                areas=self._payments_of_areas(),
                cycle=SQL("payment.cycle_id = %s", self.cycle_id.id) if self.cycle_id else SQL("TRUE"),
            )
        )
        counts = dict(self.env.cr.fetchall())
        self.env["g2p.payment.reconciliation.line"].invalidate_model(flush=False)
        return counts

    def _payments_of_areas(self):
        """Over `payment`: the payments of people whom the user who brought the file may see. Others are not in the file's reach, and
        nothing says that they exist."""
        # sudo: the user's own areas
        user = self.create_uid.sudo()
        if not user.g2p_area_ids:
            return SQL("TRUE")
        return SQL(
            "EXISTS (SELECT FROM res_partner AS person WHERE person.id = payment.partner_id AND person.area_id = ANY(%s))",
            user.g2p_allowed_area_ids.ids,
        )

    def _bulk_finish_match(self, operation):
        if operation.state == "done":
            self._refresh_counters()
            self._transition("checked")

    # Apply

    def _matched_lines(self, low, high):
        """Over `line`: what is to be applied, of one range of rows."""
        return SQL(
            """
            line.reconciliation_id = %s AND line.row_number > %s AND line.row_number <= %s AND line.outcome = 'matched'
            """,
            self.id,
            low,
            high,
        )

    def _bulk_source_reconcile(self, operation):
        return SQL(
            """
            SELECT row_number AS key FROM g2p_payment_reconciliation_line
             WHERE reconciliation_id = %s AND outcome = 'matched'
            """,
            self.id,
        )

    def _bulk_chunk_reconcile(self, operation, low, high):
        matched = self._matched_lines(low, high)
        marked = self.env["g2p.payment"]._finalize(
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
            # The payer's own file says so, and stays.
            confirmed=True,
        )
        self._mark_unapplied(matched, operation)
        return marked._asdict()

    def _mark_unapplied(self, matched, operation):
        """What was matched and could not be applied: since the file was read the entitlement ended, something holds it
        back, or somebody else recorded the contrary."""
        self.env.cr.execute(
            SQL(
                """
                WITH unapplied AS (
                    UPDATE g2p_payment_reconciliation_line AS line
                       SET outcome = CASE WHEN payment.status IS NOT NULL THEN 'contradiction'
                                          WHEN t.state IN ('approved', 'trans2FSP') THEN 'blocked' ELSE 'not_due' END
                      FROM g2p_payment AS payment
                      JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                     WHERE payment.id = line.payment_id AND payment.status IS DISTINCT FROM line.status AND %s
                 RETURNING line.outcome, line.id
                )
                %s
                """,
                matched,
                operation._note_sql(SQL("SELECT outcome, id FROM unapplied")),
            )
        )
        self.env["g2p.payment.reconciliation.line"].invalidate_model(["outcome"], flush=False)

    def _bulk_finish_reconcile(self, operation):
        self.env["g2p.fund.hold"]._settle(f"operation-{operation.id}", reference=self.name, operation=operation)
        cycles = self.env["g2p.cycle"].browse(
            cycle_id
            for [cycle_id] in self.env.execute_query(
                SQL(
                    """
                    SELECT DISTINCT payment.cycle_id FROM g2p_payment_reconciliation_line AS line
                      JOIN g2p_payment AS payment ON payment.id = line.payment_id
                     WHERE line.reconciliation_id = %s AND line.outcome = 'matched'
                    """,
                    self.id,
                )
            )
        )
        self.env["g2p.payment.batch"]._refresh_statistics_where(SQL("batch.cycle_id = ANY(%s)", cycles.ids))
        cycles._refresh_counters()
        cycles._set_distributed_if_complete()
        self._refresh_counters()
        if operation.state == "done":
            self.env["g2p.payment.contradiction"]._record(self, operation)
            self._transition("applied")

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
