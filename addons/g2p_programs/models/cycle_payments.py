"""The money a cycle pays: preparing, sending and reconciling its payments."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..tools import blocks
from .constants import GROUP_MANAGER
from .fund import FINANCE


class Cycle(models.Model):
    _inherit = "g2p.cycle"

    payment_batch_ids = fields.One2many("g2p.payment.batch", "cycle_id", string="Payment batches")
    payment_ids = fields.One2many("g2p.payment", "cycle_id", string="Payments")
    payments_count = fields.Integer(
        "Number of payments", readonly=True, copy=False, help="Without failed ones that were tried again."
    )
    payments_amount = fields.Monetary("Amount of the payments", readonly=True, copy=False)
    sent_count = fields.Integer("Payments sent, not final", readonly=True, copy=False)
    sent_amount = fields.Monetary("Amount sent, not final", readonly=True, copy=False)
    unsent_count = fields.Integer("Payments not sent yet", readonly=True, copy=False)
    paid_count = fields.Integer("Payments paid", readonly=True, copy=False)
    paid_amount = fields.Monetary("Amount paid", readonly=True, copy=False)
    fee_amount = fields.Monetary("Fees of paid payments", readonly=True, copy=False)
    failed_count = fields.Integer(
        "Payments failed", readonly=True, copy=False, help="Attempts, also of those paid later."
    )
    failed_amount = fields.Monetary("Amount failed", readonly=True, copy=False)
    unpaid_count = fields.Integer(
        "Approved, without a payment", readonly=True, copy=False, help="Prepare payments makes a payment for these."
    )
    exceptions_count = fields.Integer(
        "Approved, held back",
        readonly=True,
        copy=False,
        help="Something stood in the way when payments were prepared or sent. The list says what; prepare again afterwards.",
    )

    contradictions_count = fields.Integer("Contradictions to settle", compute="_compute_contradictions_count")

    def _compute_contradictions_count(self):
        counts = {}
        if self.env["g2p.payment.contradiction"].has_access("read"):
            counts = dict(
                self.env["g2p.payment.contradiction"]._read_group(
                    [("cycle_id", "in", self.ids), ("state", "=", "open")], ["cycle_id"], ["__count"]
                )
            )
        for cycle in self:
            cycle.contradictions_count = counts.get(cycle, 0)

    # Buttons

    def prepare_payment(self):
        """Button: a payment for each approved entitlement that has none, or only failed ones. Again changes nothing."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
        self._require_state("approved")
        self.program_id._check_not_paused(only_held=True)
        return self._bulk_start("prepare_payments")._notification()

    def send_payment(self):
        """Button: send every payment that has not left yet."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
        self._require_state("approved")
        self.program_id._check_not_paused(only_held=True)
        return self._bulk_start("send")._notification()

    def action_mark_payments(self):
        """Button: ask whether the payments that are not final were paid or failed."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Mark as paid or failed"),
            "res_model": "g2p.payment.mark.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_cycle_id": self.id},
        }

    def action_reconcile(self):
        """Button: reconcile with a file of the payer."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Reconcile payments"),
            "res_model": "g2p.payment.reconciliation",
            "view_mode": "form",
            "context": {"default_cycle_id": self.id},
        }

    def _mark_payments(self, status, reason=None, date=None, bank_reference=None):
        """Mark every payment of the cycle that is not final. The role is checked here."""
        self.ensure_one()
        self._check_can(FINANCE)
        self._require_state("approved")
        self._check_sees_payments()
        return self._bulk_start(
            "reconcile",
            {
                "status": status,
                "reason": reason or None,
                "date": fields.Datetime.to_string(date) if date else None,
                "bank_reference": bank_reference or None,
            },
        )._notification()

    def _check_sees_payments(self):
        """Nobody says what came of payments that they may not see."""
        domain = [("cycle_id", "=", self.id), ("status", "=", False)]
        payments = self.env["g2p.payment"]
        # sudo: only how many are hidden is told
        if hidden := payments.sudo().search_count(domain) - payments.search_count(domain):
            raise UserError(
                self.env._(
                    "%s of these payments are outside the areas you work in: mark those that you see, in the list of "
                    "payments, or ask somebody who sees all of them.",
                    hidden,
                )
            )

    def action_view_contradictions(self):
        """Stat button: what payers said against our records."""
        return self._open_list("g2p.payment.contradiction", self.env._("Contradictions of %s", self.display_name))

    def mark_ended(self):
        """A cycle about which a payer contradicts us is not closed before a person found out what happened."""
        # sudo: a contradiction counts whether or not the user may see it; only the refusal is shown
        contradictions = self.env["g2p.payment.contradiction"].sudo()
        if count := contradictions.search_count([("cycle_id", "in", self.ids), ("state", "=", "open")]):
            raise UserError(
                self.env._(
                    "%s answers of payers contradict our records: finance settles them first (Payments → Contradictions).",
                    count,
                )
            )
        return super().mark_ended()

    # Steps

    def _bulk_steps(self):
        _ = self.env._
        return {
            **super()._bulk_steps(),
            "prepare_payments": _("Prepare payments"),
            "send": _("Send payments"),
            "reconcile": _("Mark payments"),
        }

    def _bulk_outcomes(self):
        _ = self.env._
        return {
            **super()._bulk_outcomes(),
            "desk": (_("Prepared for the cash desk"), "done"),
            "blocked": (_("Never left, and held back"), "failed"),
            "not_in_validity": (_("Outside their validity"), "skipped"),
            "not_due": (_("Entitlement not approved any more"), "failed"),
            "sent": (_("Sent"), "done"),
            "paid": (_("Paid"), "done"),
            "failed": (_("Marked as failed"), "done"),
        }

    def _bulk_tables(self, step):
        moves = ("prepare_payments", "send", "reconcile")
        tables = ["g2p_payment", "g2p_payment_batch", "g2p_entitlement"] if step in moves else []
        return [*super()._bulk_tables(step), *tables]

    @api.model
    def _bulk_relies_on(self):
        before = ("submit", "approve_entitlements", "g2p.membership.change:apply", "g2p.membership.change:reverse")
        return {
            **super()._bulk_relies_on(),
            "prepare_payments": before,
            "send": (*before, "prepare_payments"),
            "reconcile": ("prepare_payments", "send"),
        }

    @api.model
    def _bulk_harmless(self):
        """A change of members and these steps meet in the entitlements and payments, row by row."""
        changes = ("g2p.membership.change:apply", "g2p.membership.change:reverse")
        names = ("to_approve", "approve", "approve_entitlements", "prepare_payments", "send")
        return {**super()._bulk_harmless(), **dict.fromkeys(names, changes)}

    @api.model
    def _bulk_from_states(self):
        return {
            **super()._bulk_from_states(),
            "prepare_payments": ("approved",),
            "send": ("approved",),
            "reconcile": ("approved", "distributed"),
        }

    def _bulk_rows(self, operation, outcome):
        """Payments that were made or moved, and entitlements or payments that were not, with what stands in the way."""
        payment, entitlement, step = "g2p.payment", "g2p.entitlement", operation.step
        mine = SQL("t.cycle_id = %s AND %s", self.id, operation._in_chunks_with(outcome, SQL("t.partner_id")))
        codes = self._left_out_codes()
        if step == "prepare_payments":
            unpaid = SQL("%s AND %s", mine, self._payable())
            today = fields.Date.context_today(self, operation.create_date)
            if outcome in ("prepared", "desk"):
                # A manager that pays at the desk by itself counts all of them as prepared.
                by_hand = SQL("(t.payout = 'desk' AND NOT %s)", self._payment_manager()._is_cash_desk)
                return payment, SQL(
                    "%s AND %s %s",
                    operation._moved_rows(payment, "issued"),
                    SQL() if outcome == "desk" else SQL("NOT"),
                    by_hand,
                )
            if outcome == "not_in_validity":
                return entitlement, SQL(
                    "%s AND t.left_out_reason IS NULL AND (t.valid_from > %s OR t.valid_until < %s)",
                    unpaid,
                    today,
                    today,
                )
            if outcome in codes:
                return entitlement, SQL("%s AND t.left_out_reason = %s", unpaid, outcome)
        if step == "send":
            if outcome == "sent":
                return payment, operation._moved_rows(payment, "sent")
            if outcome == "not_due" or outcome in codes:
                return payment, SQL(
                    """
                    t.id IN (
                        SELECT payment.id
                          FROM g2p_payment AS payment
                          JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                         WHERE payment.cycle_id = %s AND payment.state = 'issued' AND payment.status IS NULL
                           AND CASE WHEN t.state <> 'approved' THEN 'not_due' ELSE %s END = %s
                    )
                    """,
                    self.id,
                    self.env["g2p.payment"]._block_sql(blocks.SEND),
                    outcome,
                )
        if step == "reconcile":
            if outcome in ("paid", "failed"):
                return payment, SQL("t.status = %s AND %s", outcome, operation._moved_rows(payment, "reconciled"))
            if outcome in ("not_due", "blocked"):
                return payment, SQL(
                    """
                    %s AND t.status IS NULL AND %s (
                        SELECT due.state IN ('approved', 'trans2FSP')
                          FROM g2p_entitlement AS due WHERE due.id = t.entitlement_id
                    )
                    """,
                    mine,
                    SQL("NOT") if outcome == "not_due" else SQL(),
                )
        return super()._bulk_rows(operation, outcome)

    # Prepare payments

    def _payable(self):
        """Over `t`: approved cash without a payment, or with failed ones only."""
        return SQL(
            """
            t.state = 'approved' AND t.is_cash_entitlement
            AND NOT EXISTS (
                SELECT FROM g2p_payment AS live
                 WHERE live.entitlement_id = t.id AND live.status IS DISTINCT FROM 'failed'
            )
            """
        )

    def _payments_forecast(self):
        """(how many payments the step would make now, {why not, in words: how many entitlements are held back})."""
        today = fields.Date.context_today(self)
        entitlement = self.env["g2p.entitlement"]
        self.env.flush_all()
        rows = dict(
            self.env.execute_query(
                SQL(
                    """
                    SELECT judged.code, COUNT(*)
                      FROM (
                            SELECT COALESCE(
                                       %(block)s,
                                       CASE WHEN t.valid_from > %(today)s OR t.valid_until < %(today)s
                                            THEN 'not_in_validity' END
                                   ) AS code
                              FROM g2p_entitlement AS t
                             WHERE t.cycle_id = %(cycle)s AND %(payable)s
                           ) AS judged
                     GROUP BY judged.code
                     ORDER BY COUNT(*) DESC, judged.code
                    """,
                    block=entitlement._block_sql(blocks.PREPARE),
                    today=today,
                    cycle=self.id,
                    payable=self._payable(),
                )
            )
        )
        words = {code: block.words for code, block in entitlement._blocks().items()}
        words["not_in_validity"] = self.env._("Outside their validity")
        return rows.pop(None, 0), {words[code]: count for code, count in rows.items()}

    def _bulk_source_prepare_payments(self, operation):
        return self._entitlement_keys(self._payable())

    def _bulk_chunk_prepare_payments(self, operation, low, high):
        counts = self._payment_manager()._prepare_chunk(self, low, high, operation)
        today = fields.Date.context_today(self)
        rows = self.env.execute_query(
            SQL(
                """
                WITH judged AS MATERIALIZED (
                    SELECT t.id, payable.yes AS payable, CASE WHEN payable.yes THEN %(block)s END AS code,
                           t.valid_from > %(today)s OR t.valid_until < %(today)s AS outside
                      FROM g2p_entitlement AS t
                     CROSS JOIN LATERAL (SELECT %(payable)s AS yes) AS payable
                     WHERE %(range)s AND t.state = 'approved' AND (payable.yes OR t.left_out_reason IS NOT NULL)
                ), marked AS (
                    UPDATE g2p_entitlement AS t
                       SET left_out_reason = judged.code
                      FROM judged
                     WHERE t.id = judged.id AND t.left_out_reason IS DISTINCT FROM judged.code
                )
                SELECT COALESCE(code, CASE WHEN outside THEN 'not_in_validity' END) AS reason, COUNT(*)
                  FROM judged WHERE payable GROUP BY reason
                """,
                block=self.env["g2p.entitlement"]._block_sql(blocks.PREPARE),
                today=today,
                range=self._entitlement_range(low, high),
                payable=self._payable(),
            )
        )
        self.env["g2p.entitlement"].invalidate_model(["left_out_reason"], flush=False)
        return {**counts, **{reason: count for reason, count in rows if reason}}

    def _bulk_finish_prepare_payments(self, operation):
        # Who ends an entitlement and this step both write the cycle's counters: one of them sees what the other did.
        if self.env["g2p.payment"]._fail_blocked(
            SQL("payment.cycle_id = ANY(%s)", self.ids), blocks.APPROVE, operation
        ):
            self.env["g2p.payment.batch"]._refresh_statistics_where(SQL("batch.cycle_id = ANY(%s)", self.ids))
        self._refresh_counters()

    def _payment_manager(self):
        return self.program_id.get_manager(self.program_id.MANAGER_PAYMENT)

    # Send

    def _bulk_source_send(self, operation):
        return SQL(
            """
            SELECT COALESCE(batch.first_partner_id, payment.partner_id) AS key
              FROM g2p_payment AS payment
              LEFT JOIN g2p_payment_batch AS batch ON batch.id = payment.batch_id
             WHERE payment.cycle_id = %s AND payment.state = 'issued' AND payment.status IS NULL
            """,
            self.id,
        )

    def _unsent_payments(self, low, high):
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
            cycle=self.id,
            low=low,
            high=high,
        )

    def _bulk_chunk_send(self, operation, low, high):
        counts = self._payment_manager()._send(self._unsent_payments(low, high), operation)
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
                payments=self._unsent_payments(low, high),
            )
        )
        return {**counts, **{reason: count for reason, count in rows if reason}}

    def _bulk_finish_send(self, operation):
        self._finish_payments(operation, blocks.SEND)

    # Mark all

    def _bulk_source_reconcile(self, operation):
        return SQL("SELECT partner_id AS key FROM g2p_payment WHERE cycle_id = %s AND status IS NULL", self.id)

    def _bulk_chunk_reconcile(self, operation, low, high):
        params = operation.params
        marked = self.env["g2p.payment"]._finalize(
            SQL(
                """
                SELECT payment.id AS payment_id, %(status)s::varchar AS status, %(reason)s::varchar AS reason,
                       %(date)s::timestamp AS date, %(bank_reference)s::varchar AS bank_reference
                  FROM g2p_payment AS payment
                 WHERE payment.cycle_id = %(cycle)s AND payment.partner_id > %(low)s AND payment.partner_id <= %(high)s
                   AND payment.status IS NULL
                """,
                cycle=self.id,
                low=low,
                high=high,
                status=params["status"],
                reason=params["reason"],
                date=params["date"],
                bank_reference=params["bank_reference"],
            ),
            self._hold_key(operation),
            operation,
        )
        return marked._asdict()

    def _bulk_finish_reconcile(self, operation):
        self._finish_payments(operation)

    def _finish_payments(self, operation, act=blocks.APPROVE):
        """After payments moved: disburse, count again, and close the cycle when everything is paid."""
        self.env["g2p.fund.hold"]._settle(self._hold_key(operation), reference=operation.name, operation=operation)
        self.env["g2p.payment"]._fail_blocked(SQL("payment.cycle_id = ANY(%s)", self.ids), act, operation)
        self.env["g2p.payment.batch"]._refresh_statistics_where(SQL("batch.cycle_id = ANY(%s)", self.ids))
        self._refresh_counters()
        self._set_distributed_if_complete()

    # Completion

    def _set_distributed_if_complete(self):
        """approved → distributed when something was paid and nothing is left to pay: every payment is final, and no
        entitlement waits for approval, for a payment or for another attempt."""
        self.env.flush_all()
        complete = self.env.execute_query(
            SQL(
                """
                SELECT cycle.id
                  FROM g2p_cycle AS cycle
                 WHERE cycle.id = ANY(%s) AND cycle.state = 'approved'
                   AND EXISTS (
                        SELECT FROM g2p_payment AS payment WHERE payment.cycle_id = cycle.id AND payment.status = 'paid'
                       )
                   AND NOT EXISTS (
                        SELECT FROM g2p_payment AS payment WHERE payment.cycle_id = cycle.id AND payment.status IS NULL
                       )
                   AND NOT EXISTS (
                        SELECT FROM g2p_entitlement AS t
                         WHERE t.cycle_id = cycle.id
                           AND t.state IN ('draft', 'pending_validation', 'approved', 'trans2FSP')
                       )
                """,
                self.ids,
            )
        )
        cycles = self.browse(cycle_id for [cycle_id] in complete)
        if cycles:
            cycles._transition("distributed", self.env._("Everything is paid"))

    def _open_payments_text(self):
        """Why the cycle can't be called distributed yet, in words; False when nothing is open.

        Entitlements whose payments all failed don't stand in the way: a person decides that they are not tried again.
        """
        self.ensure_one()
        [[open_payments]] = self.env.execute_query(
            SQL("SELECT COUNT(*) FROM g2p_payment WHERE cycle_id = %s AND status IS NULL", self.id)
        )
        if open_payments:
            return self.env._(
                "%(count)s payments of %(cycle)s are not final: reconcile them first.",
                count=open_payments,
                cycle=self.display_name,
            )
        known = self.env["g2p.entitlement"]._blocks()
        rows = dict(
            self.env.execute_query(
                SQL(
                    """
                    SELECT untried.code, COUNT(*)
                      FROM (
                            SELECT %(block)s AS code
                              FROM g2p_entitlement AS t
                             WHERE t.cycle_id = %(cycle)s AND t.state = 'approved' AND t.is_cash_entitlement
                               AND NOT EXISTS (SELECT FROM g2p_payment AS tried WHERE tried.entitlement_id = t.id)
                           ) AS untried
                     GROUP BY untried.code
                    """,
                    cycle=self.id,
                    block=self.env["g2p.entitlement"]._block_sql(blocks.PREPARE),
                )
            )
        )
        never_tried = rows.pop(None, 0)
        if rows:
            return self.env._(
                "%(count)s approved entitlements of %(cycle)s are held back: %(reasons)s. "
                "Clear what holds them and prepare payments again, or reject them.",
                count=sum(rows.values()),
                cycle=self.display_name,
                reasons="; ".join(f"{known[code].words} ({count})" for code, count in rows.items()),
            )
        if never_tried:
            return self.env._(
                "%(count)s approved entitlements of %(cycle)s have no payment: prepare payments first.",
                count=never_tried,
                cycle=self.display_name,
            )
        return False

    # Counters

    def _refresh_counters(self):
        """Count the payments of these cycles again."""
        result = super()._refresh_counters()
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_cycle AS cycle
                   SET payments_count = counted.live, payments_amount = counted.live_amount,
                       sent_count = counted.sent, sent_amount = counted.sent_amount, unsent_count = counted.unsent,
                       paid_count = counted.paid, paid_amount = counted.paid_amount, fee_amount = counted.fee_amount,
                       failed_count = counted.failed, failed_amount = counted.failed_amount,
                       exceptions_count = due.held_back, unpaid_count = due.unpaid
                  FROM (
                        SELECT this.id,
                               COUNT(payment.id) FILTER (WHERE payment.status IS DISTINCT FROM 'failed') AS live,
                               COALESCE(SUM(payment.amount_issued)
                                        FILTER (WHERE payment.status IS DISTINCT FROM 'failed'), 0) AS live_amount,
                               COUNT(*) FILTER (WHERE payment.state = 'sent' AND payment.status IS NULL) AS sent,
                               COALESCE(SUM(payment.amount_issued)
                                        FILTER (WHERE payment.state = 'sent' AND payment.status IS NULL), 0) AS sent_amount,
                               COUNT(*) FILTER (WHERE payment.state = 'issued' AND payment.status IS NULL) AS unsent,
                               COUNT(*) FILTER (WHERE payment.status = 'paid') AS paid,
                               COALESCE(SUM(payment.amount_paid) FILTER (WHERE payment.status = 'paid'), 0) AS paid_amount,
                               COALESCE(SUM(payment.payment_fee) FILTER (WHERE payment.status = 'paid'), 0) AS fee_amount,
                               COUNT(*) FILTER (WHERE payment.status = 'failed') AS failed,
                               COALESCE(SUM(payment.amount_issued) FILTER (WHERE payment.status = 'failed'), 0)
                               AS failed_amount
                          FROM g2p_cycle AS this
                          LEFT JOIN g2p_payment AS payment ON payment.cycle_id = this.id
                         WHERE this.id = ANY(%(cycles)s)
                         GROUP BY this.id
                       ) AS counted
                  JOIN (
                        SELECT this.id, COUNT(t.id) FILTER (WHERE t.left_out_reason IS NOT NULL) AS held_back,
                               COUNT(t.id) FILTER (WHERE t.left_out_reason IS NULL AND NOT %(blocked)s) AS unpaid
                          FROM g2p_cycle AS this
                          LEFT JOIN g2p_entitlement AS t ON t.cycle_id = this.id AND %(payable)s
                         WHERE this.id = ANY(%(cycles)s)
                         GROUP BY this.id
                       ) AS due ON due.id = counted.id
                 WHERE cycle.id = counted.id
                """,
                payable=self._payable(),
                # What needs a look into other tables for each account is left to the step, which marks what it held back.
                blocked=self.env["g2p.entitlement"]._blocked_sql(blocks.APPROVE),
                cycles=self.ids,
            )
        )
        self.invalidate_recordset()
        return result
