from odoo import models
from odoo.tools import SQL

from odoo.addons.g2p_programs.tools import blocks

from ..payment_reconciliation_line import DONE, OUTCOMES, SKIPPED


class PaymentReconciliationMatchStep(models.AbstractModel):
    """Lines of a payer's file find their payments, and what would come of them; no payment is touched."""

    _name = "g2p.payment.reconciliation.step.match"
    _inherit = "g2p.bulk.step"
    _description = "Matching of a Payer's File"

    _target = "g2p.payment.reconciliation"
    _step = "match"
    _place = 20
    _from_states = ("draft", "checked")
    _moves = ("g2p.payment.reconciliation.line",)

    def _label(self):
        return self.env._("Match the lines")

    def _outcomes(self):
        labels = dict(self.env["g2p.payment.reconciliation.line"]._fields["outcome"]._description_selection(self.env))
        kinds = dict.fromkeys(DONE, "done") | dict.fromkeys(SKIPPED, "skipped")
        return {outcome: (labels[outcome], kinds.get(outcome, "failed")) for outcome, _label in OUTCOMES}

    def _failed_words(self, number, count):
        return self.env._("1 line not matched") if number == 1 else self.env._("%s lines not matched", count)

    def _rows(self, record, operation, outcome):
        """A line that was matched may be found not due, or blocked, when it is applied."""
        line = "g2p.payment.reconciliation.line"
        found_later = SQL(
            """
            t.id IN (
                SELECT noted.res_id FROM g2p_bulk_row AS noted
                  JOIN g2p_bulk_operation AS applied ON applied.id = noted.operation_id
                 WHERE applied.res_model = %s AND applied.res_id = %s AND applied.step = 'reconcile'
            )
            """,
            record._name,
            record.id,
        )
        if outcome == "matched":
            return line, SQL("t.reconciliation_id = %s AND (t.outcome = 'matched' OR %s)", record.id, found_later)
        if outcome in dict(OUTCOMES):
            return line, SQL("t.reconciliation_id = %s AND t.outcome = %s AND NOT %s", record.id, outcome, found_later)
        return super()._rows(record, operation, outcome)

    def _source(self, record, operation):
        return SQL(
            "SELECT row_number AS key FROM g2p_payment_reconciliation_staged WHERE reconciliation_id = %s", record.id
        )

    def _chunk(self, record, operation, low, high):
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
                                WHEN taken.status = 'paid' AND %(too_early)s THEN 'too_early'
                                WHEN taken.status = 'paid' AND payment.due_state NOT IN ('approved', 'trans2FSP')
                                THEN 'not_due'
                                WHEN taken.status = 'paid' AND payment.block IS NOT NULL THEN 'blocked'
                                WHEN payment.is_unsent THEN 'not_sent'
                                ELSE 'matched' END,
                           CASE WHEN taken.error IS NOT NULL THEN taken.error
                                WHEN payment.id IS NOT NULL AND NOT %(cycle)s THEN %(elsewhere)s
                                WHEN taken.repeated = 'contradicting' THEN %(contradicting)s END
                      FROM taken
                      LEFT JOIN LATERAL (
                            -- LIMIT keeps this a look-up by name for each line: as a join it reads all payments for
                            -- each chunk.
                            SELECT payment.id, payment.cycle_id, payment.status, payment.amount_issued,
                                   payment.bank_reference, payment.issuance_date, t.state AS due_state,
                                   %(unsent)s AS is_unsent,
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
                id=record.id,
                low=low,
                high=high,
                block=self.env["g2p.payment"]._block_sql(blocks.PAY),
                unsent=self.env["g2p.payment"]._never_left_sql(),
                too_early=self.env["g2p.payment"]._before_issued_sql(SQL("taken.date")),
                elsewhere=self.env._("Belongs to another cycle"),
                contradicting=self.env._("The lines with this reference contradict each other"),
                company=record.company_id.id,
                areas=self._payments_of_areas(record),
                cycle=SQL("payment.cycle_id = %s", record.cycle_id.id) if record.cycle_id else SQL("TRUE"),
            )
        )
        counts = dict(self.env.cr.fetchall())
        self.env["g2p.payment.reconciliation.line"].invalidate_model(flush=False)
        return counts

    def _finish(self, record, operation):
        if operation.state == "done":
            record._refresh_counters()
            record._transition("checked")

    def _payments_of_areas(self, record):
        """Over `payment`: the payments of people whom the user who made the record may see: nobody else brings its file, or has it
        read. Others are not in the file's reach, and nothing says that they exist."""
        # sudo: the user's own areas
        user = record.create_uid.sudo()
        if not user.g2p_area_ids:
            return SQL("TRUE")
        return SQL(
            "EXISTS (SELECT FROM res_partner AS person WHERE person.id = payment.partner_id AND person.area_id = ANY(%s))",
            user.g2p_allowed_area_ids.ids,
        )
