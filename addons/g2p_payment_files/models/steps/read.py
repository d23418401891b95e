from odoo import models
from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import decimal_text, table_file
from odoo.addons.g2p_bulk.tools.table_file import copy_text

from ...tools.payer_file import PayerFile
from ..payment_reconciliation import COLUMN_CHOICES

# Of a row of the file, in the order of the staging table
COLUMNS = ("row", "reference", "status", "amount", "date", "bank_reference", "reason", "error", "decimal", "doubt")


class PaymentReconciliationReadStep(models.AbstractModel):
    """Stages the rows of a payer's file; they are matched when it is read."""

    _name = "g2p.payment.reconciliation.step.read"
    _inherit = "g2p.bulk.step.read"
    _description = "Reading of a Payer's File"

    _target = "g2p.payment.reconciliation"
    _step = "read"
    _place = 10
    _from_states = ("draft", "checked")
    _moves = ("g2p.payment.reconciliation.line",)
    _follows = "match"

    def _rows(self, record, operation, outcome):
        """What was read became lines when it was matched."""
        if outcome == "read":
            return "g2p.payment.reconciliation.line", SQL("t.reconciliation_id = %s", record.id)
        return super()._rows(record, operation, outcome)

    def _open(self, record, operation):
        return record._open_file()

    def _file_name(self, record, operation):
        return record.filename or ""

    def _stage(self, record, operation, table, report):
        """Put the rows of the file into the staging table, once; memory does not grow with the file."""
        execute = self.env.cr.execute
        execute(SQL("DELETE FROM g2p_payment_reconciliation_line WHERE reconciliation_id = %s", record.id))
        execute(SQL("DELETE FROM g2p_payment_reconciliation_staged WHERE reconciliation_id = %s", record.id))
        chosen = {column: record[name] for column, name in COLUMN_CHOICES.items()}
        payer_file = PayerFile(self.env, table, record.encoding, chosen)
        count = table_file.copy_rows(
            self.env,
            """
            COPY g2p_payment_reconciliation_staged
                 (reconciliation_id, row_number, reference, status, amount, date, bank_reference, reason, error,
                  amount_decimal, doubt)
            FROM STDIN
            """,
            self._reported(self._staged_rows(record, payer_file), report),
        )
        self._settle_amounts(record, payer_file.amounts)
        if count >= 1_000:
            execute("ANALYZE g2p_payment_reconciliation_staged")
        self._mark_repeated(record)
        record.write({"checksum": table.sha256(), "lines_count": count, "state": "draft"})
        return count

    def _staged_rows(self, record, rows):
        """Lines of COPY's text format."""
        for row in rows:
            yield f"{record.id}\t" + "\t".join([copy_text(row[column]) for column in COLUMNS]) + "\n"

    def _settle_amounts(self, record, amounts):
        """What may be two numbers is told by the decimal mark: the chosen one, or the one that other amounts prove.

        :param decimal_text.Column amounts: what the amounts of the file say
        """
        if not amounts.sample:
            return
        mark = record.decimal_mark or amounts.mark
        if not mark and self._decimal_places(record) >= 3:
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
                record.id,
                mark or decimal_text.WHOLE,
            )
        )

    def _decimal_places(self, record):
        """The most decimals that a payment of this company may have."""
        # sudo: a number of the configuration
        programs = self.env["g2p.program"].sudo().search([("company_id", "=", record.company_id.id)])
        currencies = record.company_id.currency_id | programs.currency_id
        return max(currencies.mapped("decimal_places"), default=2)

    def _mark_repeated(self, record):
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
                id=record.id,
            )
        )
