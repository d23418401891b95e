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
        _ = self.env._
        (count, amount), stopped = self._forecast(cycle)
        told = {"count": cycle._number(count), "amount": cycle._money(amount)}
        if count == 1:
            text = _("Send 1 payment of %(amount)s to who pays it out. What is sent can't be taken back.", **told)
        elif count:
            text = _(
                "Send %(count)s payments of %(amount)s to who pays them out. What is sent can't be taken back.", **told
            )
        else:
            text = _("No payment can be sent now.")
        number = sum(stopped.values())
        if number:
            told = {
                "count": cycle._number(number),
                "reasons": "; ".join(f"{reason} ({cycle._number(some)})" for reason, some in stopped.items()),
            }
            more = (
                _("1 more is stopped before sending: %(reasons)s.", **told)
                if number == 1
                else _("%(count)s more are stopped before sending: %(reasons)s.", **told)
            )
            text += f" {more} " + _("Settle that, then prepare payments again.")
        return text

    def _next(self, cycle):
        return cycle.state == "approved" and cycle.unsent_count and 30

    def _next_words(self, cycle):
        return self.env._("Send the payments.")

    def _outcomes(self):
        _ = self.env._
        return {
            "sent": (_("Sent"), "done"),
            "not_due": (_("Entitlement not approved any more"), "skipped"),
            **self._block_outcomes(),
        }

    def _skipped_words(self, number, count):
        return self.env._("%s stopped before sending", count)

    def _rows(self, cycle, operation, outcome):
        # The reason was written in the language of who sent them.
        payment = self.env["g2p.payment"].with_context(lang=operation.user_id.lang)
        words = {code: block.words for code, block in payment.env["g2p.entitlement"]._blocks().items()}
        words["not_due"] = payment._ended_text()
        if outcome in words:
            return "g2p.payment", SQL(
                """
                (%(moved)s AND t.status_reason = %(words)s
                 OR t.id IN (
                    SELECT payment.id
                      FROM g2p_payment AS payment
                      JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                     WHERE payment.cycle_id = %(cycle)s AND payment.state = 'issued' AND payment.status IS NULL
                       AND %(stop)s = %(outcome)s
                ))
                """,
                moved=operation._moved_rows("g2p.payment", "stopped"),
                words=words[outcome],
                cycle=cycle.id,
                stop=self._stop_sql(),
                outcome=outcome,
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
                        SELECT %(stop)s AS reason
                          FROM g2p_payment AS payment
                          JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                         WHERE payment.id IN (%(payments)s)
                       ) AS left_behind
                 GROUP BY left_behind.reason
                """,
                stop=self._stop_sql(),
                payments=self._unsent_payments(cycle, low, high),
            )
        )
        return {**counts, **{reason: count for reason, count in rows if reason}}

    def _finish(self, cycle, operation):
        cycle._finish_payments(operation, blocks.SEND)

    def _stop_sql(self):
        """Over `payment` and its entitlement `t`: the code of what stops it before it is sent, or NULL."""
        return SQL(
            "CASE WHEN t.state <> 'approved' THEN 'not_due' ELSE %s END",
            self.env["g2p.payment"]._block_sql(blocks.SEND),
        )

    def _forecast(self, cycle):
        """((payments, amount) that would leave now, {why not, in words: how many payments are stopped})."""
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT judged.code, COUNT(*), SUM(judged.amount_issued)
                  FROM (
                        SELECT %(stop)s AS code, payment.amount_issued
                          FROM g2p_payment AS payment
                          JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                         WHERE payment.cycle_id = %(cycle)s AND payment.state = 'issued' AND payment.status IS NULL
                       ) AS judged
                 GROUP BY judged.code
                 ORDER BY COUNT(*) DESC, judged.code
                """,
                stop=self._stop_sql(),
                cycle=cycle.id,
            )
        )
        counts = {code: (count, amount) for code, count, amount in rows}
        sent = counts.pop(None, (0, 0))
        words = self._outcomes()
        return sent, {words[code][0]: count for code, (count, _amount) in counts.items()}

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
