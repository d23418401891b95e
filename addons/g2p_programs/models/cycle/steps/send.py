from odoo import models
from odoo.tools import SQL

from ....tools import blocks


class Send(models.AbstractModel):
    """Every payment that has not left yet is handed to who pays it out, batch by batch."""

    _name = "g2p.cycle.step.send"
    _inherit = "g2p.cycle.step.money"
    _description = "Send payments"

    _step = "send"
    _place = 80
    _from_states = ("approved",)
    _moves = ("g2p.payment", "g2p.payment.batch", "g2p.entitlement")
    _relies_on = (
        "submit",
        "approve_entitlements",
        "prepare_payments",
    )
    _moved = {"sent": ("g2p.payment", "sent")}

    _button = "send_payment"
    _groups = "g2p_programs.g2p_program_manager"
    _visible = "state == 'approved' and unsent_count"
    _stage = 4

    def _label(self):
        return self.env._("Send payments")

    def _help(self):
        return self.env._("Hand the payments to who pays them out")

    def _question(self, cycle):
        count, amount = cycle._count_and_sum("g2p.payment", "amount_issued", ("issued",))
        return self.env._(
            "Send %(count)s payments of %(amount)s to who pays them out. What is sent can't be taken back.",
            count=cycle._number(count),
            amount=cycle._money(amount),
        )

    def _next(self, cycle):
        return cycle.state == "approved" and cycle.unsent_count and 30

    def _next_words(self, cycle):
        return self.env._("Send the payments.")

    def _outcomes(self):
        _ = self.env._
        return {
            "sent": (_("Sent"), "done"),
            "not_due": (_("Entitlement not approved any more"), "failed"),
            **self._block_outcomes(),
        }

    def _rows(self, cycle, operation, outcome):
        if outcome == "not_due" or outcome in self._left_out_codes():
            return "g2p.payment", SQL(
                """
                t.id IN (
                    SELECT payment.id
                      FROM g2p_payment AS payment
                      JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                     WHERE payment.cycle_id = %s AND payment.state = 'issued' AND payment.status IS NULL
                       AND CASE WHEN t.state <> 'approved' THEN 'not_due' ELSE %s END = %s
                )
                """,
                cycle.id,
                self.env["g2p.payment"]._block_sql(blocks.SEND),
                outcome,
            )
        return super()._rows(cycle, operation, outcome)

    def _source(self, cycle, operation):
        return SQL(
            """
            SELECT COALESCE(batch.first_partner_id, payment.partner_id) AS key
              FROM g2p_payment AS payment
              LEFT JOIN g2p_payment_batch AS batch ON batch.id = payment.batch_id
             WHERE payment.cycle_id = %s AND payment.state = 'issued' AND payment.status IS NULL
            """,
            cycle.id,
        )

    def _chunk(self, cycle, operation, low, high):
        counts = cycle._payment_manager()._send(self._unsent_payments(cycle, low, high), operation)
        rows = self.env.execute_query(
            SQL(
                """
                SELECT left_behind.reason, COUNT(*)
                  FROM (
                        SELECT CASE WHEN t.state <> 'approved' THEN 'not_due' ELSE %(block)s END AS reason
                          FROM g2p_payment AS payment
                          JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                         WHERE payment.id IN (%(payments)s)
                       ) AS left_behind
                 GROUP BY left_behind.reason
                """,
                block=self.env["g2p.payment"]._block_sql(blocks.SEND),
                payments=self._unsent_payments(cycle, low, high),
            )
        )
        return {**counts, **{reason: count for reason, count in rows if reason}}

    def _finish(self, cycle, operation):
        cycle._finish_payments(operation, blocks.SEND)

    def _unsent_payments(self, cycle, low, high):
        """Payments of whole batches that begin in the range, and payments without a batch: one column `id`."""
        return SQL(
            """
            SELECT payment.id
              FROM g2p_payment_batch AS batch
              JOIN g2p_payment AS payment ON payment.batch_id = batch.id
             WHERE batch.cycle_id = %(cycle)s AND batch.first_partner_id > %(low)s AND batch.first_partner_id <= %(high)s
               AND payment.state = 'issued' AND payment.status IS NULL
             UNION ALL
            SELECT payment.id
              FROM g2p_payment AS payment
             WHERE payment.cycle_id = %(cycle)s AND payment.partner_id > %(low)s AND payment.partner_id <= %(high)s
               AND payment.batch_id IS NULL AND payment.state = 'issued' AND payment.status IS NULL
            """,
            cycle=cycle.id,
            low=low,
            high=high,
        )
