from odoo import models
from odoo.tools import SQL

from ..payment_reconciliation_line import OUTCOMES


class PaymentReconciliationApplyStep(models.AbstractModel):
    """Payments become final as the matched lines of a payer's file say; what contradicts our records is listed."""

    _name = "g2p.payment.reconciliation.step.apply"
    _inherit = "g2p.bulk.step"
    _description = "Application of a Payer's File"

    _target = "g2p.payment.reconciliation"
    _step = "reconcile"
    _place = 30
    _from_states = ("checked",)
    _moves = ("g2p.payment.reconciliation.line", "g2p.payment", "g2p.entitlement")
    _relies_on = ("match", "g2p.cycle:prepare_payments", "g2p.cycle:send", "g2p.cycle:reconcile")

    def _label(self):
        return self.env._("Reconcile payments")

    def _outcomes(self):
        _ = self.env._
        return {
            "paid": (_("Paid"), "done"),
            "failed": (_("Marked as failed"), "done"),
            "contradiction": (_("Contradicts what is recorded"), "failed"),
            "not_due": (_("Entitlement not approved any more"), "failed"),
            "blocked": (_("Never left, and held back"), "failed"),
            "not_sent": (_("Never left"), "failed"),
        }

    def _rows(self, record, operation, outcome):
        if outcome in ("paid", "failed"):
            payment = "g2p.payment"
            return payment, SQL("t.status = %s AND %s", outcome, operation._moved_rows(payment, "reconciled"))
        if outcome in dict(OUTCOMES):
            return "g2p.payment.reconciliation.line", operation._noted_rows(outcome)
        return super()._rows(record, operation, outcome)

    def _before(self, record, operation):
        record.with_user(operation.user_id)._check_sees_payments()

    def _source(self, record, operation):
        return SQL(
            """
            SELECT row_number AS key FROM g2p_payment_reconciliation_line
             WHERE reconciliation_id = %s AND outcome = 'matched'
            """,
            record.id,
        )

    def _chunk(self, record, operation, low, high):
        matched = self._matched_lines(record, low, high)
        unsent_payment = self.env["g2p.payment"]._never_left_sql()
        # Matching leaves them out; a file may have been matched when it did not.
        [[unsent]] = self.env.execute_query(
            SQL(
                """
                SELECT COUNT(*) FROM g2p_payment_reconciliation_line AS line
                  JOIN g2p_payment AS payment ON payment.id = line.payment_id AND %s
                 WHERE %s
                """,
                unsent_payment,
                matched,
            )
        )
        marked = self.env["g2p.payment"]._finalize(
            SQL(
                """
                SELECT line.payment_id, line.status, line.reason, line.date, line.bank_reference
                  FROM g2p_payment_reconciliation_line AS line
                  JOIN g2p_payment AS payment ON payment.id = line.payment_id AND NOT %s
                 WHERE %s
                """,
                unsent_payment,
                matched,
            ),
            f"operation-{operation.id}",
            operation,
            # The payer's own file says so, and stays.
            confirmed=True,
        )
        self._mark_unapplied(matched, operation)
        return marked._asdict() | {"not_sent": unsent}

    def _finish(self, record, operation):
        self.env["g2p.fund.hold"]._settle(f"operation-{operation.id}", reference=record.name, operation=operation)
        cycles = self.env["g2p.cycle"].browse(
            cycle_id
            for [cycle_id] in self.env.execute_query(
                SQL(
                    """
                    SELECT DISTINCT payment.cycle_id FROM g2p_payment_reconciliation_line AS line
                      JOIN g2p_payment AS payment ON payment.id = line.payment_id
                     WHERE line.reconciliation_id = %s AND line.outcome = 'matched'
                    """,
                    record.id,
                )
            )
        )
        self.env["g2p.payment.batch"]._refresh_statistics_where(SQL("batch.cycle_id = ANY(%s)", cycles.ids))
        cycles._refresh_counters()
        cycles._set_distributed_if_complete()
        record._refresh_counters()
        if operation.state == "done":
            contradictions = self.env["g2p.payment.contradiction"]
            contradictions._record(self._contradicting(record), record.name, operation, origin=("line_id",))
            record._transition("applied")

    # Sets of lines

    def _matched_lines(self, record, low, high):
        """Over `line`: what is to be applied, of one range of rows."""
        return SQL(
            """
            line.reconciliation_id = %s AND line.row_number > %s AND line.row_number <= %s AND line.outcome = 'matched'
            """,
            record.id,
            low,
            high,
        )

    def _mark_unapplied(self, matched, operation):
        """What was matched and could not be applied: since the file was read the entitlement ended, something holds it
        back, or somebody else recorded the contrary; or it never left."""
        self.env.cr.execute(
            SQL(
                """
                WITH unapplied AS (
                    UPDATE g2p_payment_reconciliation_line AS line
                       SET outcome = CASE WHEN payment.status IS NOT NULL THEN 'contradiction'
                                          WHEN %s THEN 'not_sent'
                                          WHEN t.state IN ('approved', 'trans2FSP') THEN 'blocked' ELSE 'not_due' END
                      FROM g2p_payment AS payment
                      JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                     WHERE payment.id = line.payment_id AND payment.status IS DISTINCT FROM line.status AND %s
                 RETURNING line.outcome, line.id
                )
                %s
                """,
                self.env["g2p.payment"]._never_left_sql(),
                matched,
                operation._note_sql(SQL("SELECT outcome, id FROM unapplied")),
            )
        )
        self.env["g2p.payment.reconciliation.line"].invalidate_model(["outcome"], flush=False)

    def _contradicting(self, record):
        """What the file says against our records, as contradictions are told."""
        return SQL(
            """
            SELECT line.payment_id, line.status, line.amount, line.bank_reference, line.date, line.reason,
                   line.row_number AS place, CASE WHEN line.outcome <> 'contradiction' THEN line.outcome END AS kind,
                   line.id AS line_id
              FROM g2p_payment_reconciliation_line AS line
             WHERE line.reconciliation_id = %s
               AND (line.outcome = 'contradiction' OR line.outcome IN ('not_due', 'blocked') AND line.status = 'paid')
            """,
            record.id,
        )
