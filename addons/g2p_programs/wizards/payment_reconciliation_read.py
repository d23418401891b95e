from odoo import models
from odoo.tools import SQL


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
        return record._stage(table, lambda rows: self._reported(rows, report))
