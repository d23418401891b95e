from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ....tools import blocks


class PreparePayments(models.AbstractModel):
    """A payment for each approved entitlement that has none, or only failed ones. Again changes nothing."""

    _name = "g2p.cycle.step.prepare_payments"
    _inherit = "g2p.cycle.step.money"
    _description = "Prepare payments"

    _step = "prepare_payments"
    _place = 70
    _from_states = ("approved",)
    _moves = ("g2p.payment", "g2p.payment.batch", "g2p.entitlement")
    _relies_on = ("submit", "approve_entitlements")

    _button = "prepare_payment"
    _groups = "g2p_programs.g2p_program_manager"
    _visible = "state == 'approved' and (unpaid_count or exceptions_count)"
    _stage = 4

    def _label(self):
        return self.env._("Prepare payments")

    def _help(self):
        return self.env._("A payment for each approved entitlement")

    def _question(self, cycle):
        _ = self.env._
        payments, held_back = self._forecast(cycle)
        later = cycle._payable_later()
        if payments == 1:
            text = _(
                "A payment is made for the one approved entitlement that has none, and put in a batch. Nothing is sent yet."
            )
        elif payments:
            text = _(
                "A payment is made for each of %(count)s approved entitlements that has none, and put in a batch. "
                "Nothing is sent yet.",
                count=cycle._number(payments),
            )
        elif later:
            text = _("Nothing can be paid before %s.", later)
        else:
            text = _("No payment can be made now.")
        count = sum(held_back.values())
        if count:
            told = {
                "count": cycle._number(count),
                "reasons": "; ".join(f"{reason} ({cycle._number(number)})" for reason, number in held_back.items()),
            }
            if payments:
                more = (
                    _("1 more is held back and gets none: %(reasons)s.", **told)
                    if count == 1
                    else _("%(count)s more are held back and get none: %(reasons)s.", **told)
                )
            else:
                more = (
                    _("1 is held back: %(reasons)s.", **told)
                    if count == 1
                    else _("%(count)s are held back: %(reasons)s.", **told)
                )
            text += f" {more} " + (
                _("Prepare payments then.")
                if later and not payments
                else _("Settle that, then prepare payments again.")
            )
        return text

    def _check_cycle(self, cycle):
        if (day := cycle._payable_later()) and not cycle.exceptions_count:
            raise UserError(self.env._("Nothing can be paid before %s: prepare payments then.", day))

    def _next(self, cycle):
        """What is held back is tried again last."""
        due = cycle.unpaid_count and not cycle._payable_later()
        return cycle.state == "approved" and ((due and 20) or (cycle.exceptions_count and 60))

    def _next_words(self, cycle):
        if (cycle.unpaid_count and not cycle._payable_later()) or not cycle.exceptions_count:
            return self.env._("Prepare the payments of the approved entitlements.")
        return self.env._(
            "Settle what holds the others back, each with its reason, then prepare their payments; or reject them."
        )

    def _outcomes(self):
        _ = self.env._
        return {
            "prepared": (_("Prepared"), "done"),
            "desk": (_("Prepared for the cash desk"), "done"),
            "not_in_validity": (_("Outside their validity"), "skipped"),
            **self._block_outcomes(),
        }

    def _rows(self, cycle, operation, outcome):
        """Payments that were made, and entitlements without, with what stands in the way."""
        payment, entitlement = "g2p.payment", "g2p.entitlement"
        unpaid = SQL("%s AND %s", self._mine(cycle, operation, outcome), cycle._payable())
        if outcome in ("prepared", "desk"):
            # A manager that pays at the desk by itself counts all of them as prepared.
            by_hand = SQL("(t.payout = 'desk' AND NOT %s)", cycle._payment_manager()._is_cash_desk)
            return payment, SQL(
                "%s AND %s %s",
                operation._moved_rows(payment, "issued"),
                SQL() if outcome == "desk" else SQL("NOT"),
                by_hand,
            )
        if outcome == "not_in_validity":
            today = fields.Date.context_today(cycle, operation.create_date)
            return entitlement, SQL(
                "%s AND t.left_out_reason IS NULL AND (t.valid_from > %s OR t.valid_until < %s)", unpaid, today, today
            )
        if outcome in self._left_out_codes():
            return entitlement, SQL("%s AND t.left_out_reason = %s", unpaid, outcome)
        return super()._rows(cycle, operation, outcome)

    def _source(self, cycle, operation):
        return self._entitlement_keys(cycle, cycle._payable())

    def _chunk(self, cycle, operation, low, high):
        counts = cycle._payment_manager()._prepare_chunk(cycle, low, high, operation)
        today = fields.Date.context_today(cycle)
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
                range=self._entitlement_range(cycle, low, high),
                payable=cycle._payable(),
            )
        )
        self.env["g2p.entitlement"].invalidate_model(["left_out_reason"], flush=False)
        return {**counts, **{reason: count for reason, count in rows if reason}}

    def _finish(self, cycle, operation):
        # Who ends an entitlement and this step both write the cycle's counters: one of them sees what the other did.
        if self.env["g2p.payment"]._fail_blocked(
            SQL("payment.cycle_id = ANY(%s)", cycle.ids), blocks.APPROVE, operation
        ):
            self.env["g2p.payment.batch"]._refresh_statistics_where(SQL("batch.cycle_id = ANY(%s)", cycle.ids))
        cycle._refresh_counters()

    def _forecast(self, cycle):
        """(how many payments the step would make now, {why not, in words: how many entitlements are held back})."""
        today = fields.Date.context_today(cycle)
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
                    cycle=cycle.id,
                    payable=cycle._payable(),
                )
            )
        )
        words = {code: block.words for code, block in entitlement._blocks().items()}
        words["not_in_validity"] = self.env._("Outside their validity")
        return rows.pop(None, 0), {words[code]: count for code, count in rows.items()}
