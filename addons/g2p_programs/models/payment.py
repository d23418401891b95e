import uuid
from typing import NamedTuple

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL

from odoo.addons.base.models.res_bank import sanitize_account_number

from ..tools import blocks

# A payment that left, and its reference, are never taken away: not by a person, and not by a mistake in a statement.
KEPT = """
CREATE OR REPLACE FUNCTION g2p_payment_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% %: what left, and its reference, stay for ever', TG_TABLE_NAME, OLD.id
        USING ERRCODE = 'insufficient_privilege', TABLE = TG_TABLE_NAME, CONSTRAINT = 'g2p_payment_kept';
END
$$;
CREATE OR REPLACE TRIGGER g2p_payment_kept BEFORE DELETE ON g2p_payment FOR EACH ROW
    WHEN (OLD.state <> 'issued' OR OLD.status IS NOT NULL) EXECUTE FUNCTION g2p_payment_kept();
CREATE OR REPLACE TRIGGER g2p_payment_reference_kept BEFORE UPDATE OF name, entitlement_id, amount_issued ON g2p_payment
    FOR EACH ROW
    WHEN ((OLD.name, OLD.entitlement_id, OLD.amount_issued) IS DISTINCT FROM (NEW.name, NEW.entitlement_id, NEW.amount_issued))
    EXECUTE FUNCTION g2p_payment_kept();
CREATE OR REPLACE TRIGGER g2p_payment_batch_kept BEFORE DELETE ON g2p_payment_batch FOR EACH ROW
    WHEN (OLD.batch_has_started) EXECUTE FUNCTION g2p_payment_kept();
"""
# Nobody pays what was not issued yet; a payer's day may be behind ours. A trigger, so that what is on record of before stays.
NOT_BEFORE_ISSUED = """
CREATE OR REPLACE FUNCTION g2p_payment_not_issued() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'payment %: paid on a day before it was issued', NEW.id
        USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'g2p_payment_not_issued';
END
$$;
CREATE OR REPLACE TRIGGER g2p_payment_not_issued BEFORE INSERT OR UPDATE OF payment_datetime ON g2p_payment FOR EACH ROW
    WHEN (NEW.payment_datetime < date_trunc('day', NEW.issuance_date) - interval '1 day')
    EXECUTE FUNCTION g2p_payment_not_issued();
"""


class Marked(NamedTuple):
    """What came of payments that were said to be paid or failed."""

    paid: int
    failed: int
    not_due: int  # said to be paid, but the entitlement ended
    blocked: int  # said to be paid, but it never left, and something stands in the way of paying it
    left: int  # said to have failed by one person alone, but it left, and the payer may pay it


class Payment(models.Model):
    """One attempt to pay one entitlement. At most one attempt of an entitlement is alive: the database says so."""

    _name = "g2p.payment"
    _personal_fields = {"account_number": "account", "account_id": "account"}
    _description = "Payment"
    _inherit = ["g2p.state.mixin", "g2p.search.mixin"]
    _order = "id desc"
    _search_references = ("name", "bank_reference")

    # Payments are made and moved by the steps only.
    _protected_fields = (
        "state",
        "status",
        "status_is_final",
        "status_datetime",
        "amount_issued",
        "amount_paid",
        "payment_fee",
        "payout",
        "account_id",
        "account_number",
        "account_holder",
        "bank_name",
        "beneficiary_name",
        "collector_name",
        "alternate_name",
        "payment_datetime",
        "reversed_on",
        "bank_reference",
        "name",
        "attempt",
    )

    _one_live = models.UniqueIndex(
        "(entitlement_id) WHERE status IS DISTINCT FROM 'failed'",
        "The entitlement has a payment already that has not failed.",
    )
    _cycle_partner_idx = models.Index("(cycle_id, partner_id)")
    _cycle_latest = models.Index("(cycle_id, id)")
    _open_latest = models.Index("(state, id) WHERE state <> 'reconciled'")
    _final_latest = models.Index("(status, id) WHERE status IS NOT NULL")
    _no_batch_idx = models.Index("(id) WHERE batch_id IS NULL")
    _paid_on_idx = models.Index("USING brin (payment_datetime) WITH (autosummarize = on)")
    _name_uniq = models.Constraint("UNIQUE (name)", "This reference belongs to another payment.")
    # A bank asks about its own number.
    _bank_reference_idx = models.Index("(bank_reference) WHERE bank_reference IS NOT NULL")
    _amounts = models.Constraint(
        "CHECK (amount_issued >= 0 AND amount_paid >= 0 AND payment_fee >= 0)", "A payment can't be negative."
    )

    # A payer's day may be ahead of ours
    _paid_before_it_was_recorded = models.Constraint(
        "CHECK (payment_datetime <= status_datetime + interval '2 days')", "A payment is not made in the future."
    )

    # Identity
    name = fields.Char("Reference", required=True, readonly=True, copy=False, default=lambda self: str(uuid.uuid4()))
    attempt = fields.Integer(
        readonly=True, default=1, aggregator=None, help="How many times this entitlement was tried."
    )

    # Relations
    entitlement_id = fields.Many2one("g2p.entitlement", required=True, readonly=True, index=True, ondelete="restrict")
    cycle_id = fields.Many2one("g2p.cycle", required=True, readonly=True, ondelete="restrict")
    program_id = fields.Many2one("g2p.program", required=True, readonly=True, ondelete="restrict")
    company_id = fields.Many2one(related="program_id.company_id")
    partner_id = fields.Many2one(
        "res.partner", "Beneficiary", required=True, readonly=True, index=True, ondelete="restrict"
    )
    area_id = fields.Many2one(related="partner_id.area_id")
    batch_id = fields.Many2one(
        "g2p.payment.batch", readonly=True, index="btree_not_null", ondelete="restrict", copy=False
    )
    account_id = fields.Many2one(
        "res.partner.bank", readonly=True, index="btree_not_null", ondelete="restrict", copy=False
    )
    # As it was when the payment was prepared: this is paid, whatever becomes of the registrant
    payout = fields.Selection(
        [("account", "To an account"), ("desk", "At the cash desk")], "How it is paid", readonly=True, copy=False
    )
    account_number = fields.Char(
        readonly=True, copy=False, help="As it was when the payment was prepared: this is paid."
    )
    account_holder = fields.Char(readonly=True, copy=False, help="As it was when the payment was prepared.")
    bank_name = fields.Char("Bank or provider", readonly=True, copy=False)
    beneficiary_name = fields.Char("Beneficiary as prepared", readonly=True, copy=False)
    recorded_by_id = fields.Many2one("res.users", "Recorded by", compute="_compute_recorded")
    recorded_on = fields.Datetime("Recorded on", compute="_compute_recorded")
    collector_name = fields.Char(
        "Collected by", readonly=True, copy=False, help="Principal recipient of the household, else its head."
    )
    alternate_name = fields.Char("Or by", readonly=True, copy=False, help="Alternate recipient of the household.")

    # State
    state = fields.Selection(
        [
            ("issued", "Issued"),
            ("sent", "Sent"),
            ("reconciled", "Reconciled"),
            # It failed, and no payer ever knew of it.
            ("stopped", "Stopped before sending"),
        ],
        required=True,
        readonly=True,
        default="issued",
        copy=False,
    )
    status = fields.Selection([("paid", "Paid"), ("failed", "Failed")], readonly=True, copy=False)
    status_is_final = fields.Boolean("Final", readonly=True, copy=False)
    status_datetime = fields.Datetime("Status of", readonly=True, copy=False)
    status_reason = fields.Char("Reason", readonly=True, copy=False)
    issuance_date = fields.Datetime("Issued on", readonly=True, copy=False)
    payment_datetime = fields.Datetime("Paid on", readonly=True, copy=False)
    bank_reference = fields.Char(readonly=True, copy=False)
    reversed_on = fields.Datetime(
        readonly=True, copy=False, help="It was recorded as paid until then: two people took that back."
    )
    correction_ids = fields.Many2many(
        "g2p.payment.correction", "g2p_payment_correction_rel", "payment_id", "correction_id", string="Corrections"
    )
    contradiction_ids = fields.One2many("g2p.payment.contradiction", "payment_id", string="Contradictions")
    account_changed = fields.Boolean(related="entitlement_id.account_changed")
    collector_changed = fields.Boolean(related="entitlement_id.collector_changed")

    # Money
    currency_id = fields.Many2one("res.currency", required=True, readonly=True, ondelete="restrict")
    amount_issued = fields.Monetary(
        "Amount", required=True, readonly=True, help="The entitlement less the transfer fee."
    )
    amount_paid = fields.Monetary(readonly=True, default=0, copy=False)
    payment_fee = fields.Monetary("Fee", readonly=True, default=0)

    @api.depends("state", "status")
    @api.depends_context("uid", "allowed_company_ids")
    def _compute_recorded(self):
        """Who said last what became of it, and when, for who may read its history."""
        history = self.env["g2p.state.history"]
        said = {}
        if history.has_access("read"):
            domain = [("res_model", "=", self._name), ("res_id", "in", self.ids), ("to_state", "=", "reconciled")]
            said = {row.res_id: row for row in history.search(domain, order="id")}
        for payment in self:
            row = said.get(payment.id) if payment.status else None
            payment.recorded_by_id, payment.recorded_on = row and row.user_id, row and row.date

    @api.depends("partner_id.name", "name")
    def _compute_display_name(self):
        for payment in self:
            payment.display_name = f"{payment.partner_id.name or ''} · {(payment.name or '')[:8]}"

    @api.model
    def _search_reference_domains(self, number):
        """By the payment's and the bank's reference, and by those of the entitlement, the batch and the account."""
        account = sanitize_account_number(number)
        return [
            *super()._search_reference_domains(number),
            Domain("entitlement_id", "any", Domain.OR(self.env["g2p.entitlement"]._search_reference_domains(number))),
            Domain(
                "batch_id",
                "any",
                [
                    *(["|", ("reference", "=", number)] if number[:1] in ("B", "b") else []),
                    "|",
                    ("name", "=like", f"{number}%"),
                    ("external_batch_ref", "=ilike", f"{number}%"),
                ],
            ),
            Domain("account_id", "any", [("sanitized_acc_number", "=", account)]),
        ]

    # CRUD

    def write(self, vals):
        if {"entitlement_id", "cycle_id", "program_id", "partner_id", "currency_id"} & set(vals):
            raise UserError(self.env._("A payment stays with its entitlement: prepare a new one."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_issued(self):
        kept = self.filtered(lambda payment: payment.state != "issued" or payment.status)
        if kept:
            raise UserError(
                self.env._(
                    "%(count)s of these payments were sent or are final (such as %(name)s). Nothing was deleted.",
                    count=len(kept),
                    name=kept[0].display_name,
                )
            )

    def unlink(self):
        batches, cycles = self.batch_id, self.cycle_id
        cycles._bulk_check("edit_payments")
        result = super().unlink()
        batches._refresh_statistics()
        cycles._refresh_counters()
        return result

    def init(self):
        self.env.cr.execute(KEPT)
        self.env.cr.execute(NOT_BEFORE_ISSUED)

    # Buttons

    def action_correct(self):
        """Button: ask to take back that these payments were paid, or to record that what left was not; somebody else
        confirms it."""
        kind = {"default_kind": "failed"} if self and self == self.filtered_domain(self._left_domain()) else {}
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Ask for a correction"),
            "res_model": "g2p.payment.correction",
            "view_mode": "form",
            "context": {**kind, "default_payment_ids": [fields.Command.set(self.ids)]},
        }

    def action_mark(self):
        """Button: ask whether these payments were paid or failed."""
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Mark as paid or failed"),
            "res_model": "g2p.payment.mark.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_payment_ids": self.ids},
        }

    def action_open_entitlement(self):
        """Stat button."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "g2p.entitlement",
            "res_id": self.entitlement_id.id,
            "view_mode": "form",
        }

    # Sets

    @api.model
    def _send_where(self, payments, operation=None, also=None):
        """Issued → sent, with their entitlements (sent to the payer) and batches (started), in one statement.

        :param SQL payments: one column, ids of payments; those that left already, those whose entitlement is not
            approved (any more), and those that something blocks, stay as they are.
        :param SQL also: a statement that is part of it, over the payments that leave: `sent`, columns `id` and `batch_id`.
        :return: how many left.
        """
        entitlement = self.env["g2p.entitlement"]
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                -- Judged first, filtered afterwards: as a condition the planner takes the block for a rare one, expects a
                -- handful of rows, and compares each payment with the whole set.
                WITH unsent AS MATERIALIZED (
                    SELECT payment.id, payment.entitlement_id, %(block)s AS block
                      FROM g2p_payment AS payment
                      JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id AND t.state = 'approved'
                     WHERE payment.id IN (%(payments)s) AND payment.state = 'issued' AND payment.status IS NULL
                ), moved AS (
                    UPDATE g2p_entitlement AS t
                       SET state = 'trans2FSP', write_uid = %(uid)s, write_date = %(now)s
                      FROM unsent
                     WHERE t.id = unsent.entitlement_id AND t.state = 'approved' AND unsent.block IS NULL
                 RETURNING t.id, unsent.id AS payment_id
                ), moved_logged AS (
                    %(entitlement_history)s
                ), sent AS (
                    UPDATE g2p_payment AS payment
                       SET state = 'sent', write_uid = %(uid)s, write_date = %(now)s
                      FROM moved
                     WHERE payment.id = moved.payment_id
                 RETURNING payment.id, payment.batch_id
                ), logged AS (
                    %(history)s
                ), started AS (
                    UPDATE g2p_payment_batch AS batch
                       SET batch_has_started = TRUE, write_uid = %(uid)s, write_date = %(now)s
                     WHERE batch.id IN (SELECT batch_id FROM sent) AND batch.batch_has_started IS NOT TRUE
                ), also AS (
                    %(also)s
                )
                SELECT COUNT(*) FROM sent
                """,
                payments=payments,
                also=also or SQL("SELECT 1"),
                block=self._block_sql(blocks.SEND),
                uid=self.env.uid,
                now=self.env.cr.now(),
                history=self._history_sql(SQL("SELECT id, 'issued', 'sent', NULL::varchar FROM sent"), operation),
                entitlement_history=entitlement._history_sql(
                    SQL("SELECT id, 'approved', 'trans2FSP', NULL::varchar FROM moved"), operation
                ),
            )
        )
        [count] = self.env.cr.fetchone()
        self._forget()
        return count

    @api.model
    def _block_sql(self, act):
        """Over `payment` and its entitlement `t`: the code of what stops an act, or NULL. At a desk nobody needs an account;
        elsewhere a payment without one goes nowhere."""
        entitlement = self.env["g2p.entitlement"]
        if act == blocks.APPROVE:
            return entitlement._block_sql(act)
        return SQL(
            """
            (CASE WHEN payment.payout = 'desk' OR payment.payout IS NULL AND %s THEN %s
                  ELSE COALESCE(%s, CASE WHEN payment.account_number IS NULL THEN 'no_account' END) END)
            """,
            entitlement._pays_cash_sql(),
            entitlement._block_sql(blocks.DESK),
            entitlement._block_sql(act),
        )

    @api.model
    def _fail_blocked(self, where, act, operation=None):
        """Payments that have not left fail, where their entitlement ended or something stops an act. Their entitlements
        are marked with it. Returns how many.

        :param SQL where: the set, over `payment`.
        """
        block = self._block_sql(act)
        return self._fail_where(
            SQL("(%s) AND (t.state <> 'approved' OR %s IS NOT NULL)", where, block),
            SQL(
                "CASE WHEN t.state <> 'approved' THEN %s ELSE %s END",
                self._ended_text(),
                blocks.words_sql(self.env["g2p.entitlement"]._blocks(), block),
            ),
            operation,
            mark=block,
        )

    def _ended_text(self):
        return self.env._("The entitlement is not approved any more")

    @api.model
    def _fail_where(self, where, reason, operation=None, mark=None):
        """Payments that have not left fail, for a reason. Returns how many.

        :param SQL where: the set, and `reason`: SQL of its words, over `payment` and its entitlement `t`.
        :param SQL mark: why an entitlement that is still approved was left out.
        """
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH failing AS (
                    SELECT payment.id, payment.entitlement_id, %(reason)s AS reason, %(mark)s AS mark
                      FROM g2p_payment AS payment
                      JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                     WHERE %(unsent)s AND (%(where)s)
                       FOR NO KEY UPDATE OF payment, t
                ), failed AS (
                    %(fail)s
                ), marked AS (
                    UPDATE g2p_entitlement AS t
                       SET left_out_reason = failing.mark
                      FROM failing
                     WHERE t.id = failing.entitlement_id AND t.state = 'approved' AND failing.mark IS NOT NULL
                )
                %(history)s
                """,
                unsent=self._unsent_sql(),
                where=where,
                reason=reason,
                mark=mark or SQL("NULL::varchar"),
                fail=self._fail_sql("failing", SQL("payment.id = failing.id"), SQL("failing.reason")),
                history=self._failed_history_sql(operation),
            )
        )
        count = self.env.cr.rowcount
        self._forget()
        return count

    def _unsent_sql(self):
        """Over `payment`: it has not left the house, and nothing came of it yet."""
        return SQL("(payment.state = 'issued' AND payment.status IS NULL)")

    def _fail_sql(self, source, where, reason):
        """UPDATE that fits as the body of a CTE `failed`: payments that have not left fail. RETURNING id, status_reason.

        :param source: name of what the set comes from
        :param SQL where: the set, over `payment` and the source
        :param reason: words, or SQL of them over the same
        """
        return SQL(
            """
            UPDATE g2p_payment AS payment
               SET state = 'stopped', status = 'failed', status_is_final = TRUE, status_datetime = %(now)s,
                   status_reason = %(reason)s, write_uid = %(uid)s, write_date = %(now)s
              FROM %(source)s
             WHERE %(unsent)s AND %(where)s
         RETURNING payment.id, payment.status_reason
            """,
            source=SQL.identifier(source),
            unsent=self._unsent_sql(),
            where=where,
            reason=reason,
            uid=self.env.uid,
            now=self.env.cr.now(),
        )

    def _failed_history_sql(self, operation=None):
        """The history of what `_fail_sql` moved, as the CTE `failed`."""
        return self._history_sql(SQL("SELECT id, 'issued', 'stopped', status_reason FROM failed"), operation)

    @api.model
    def _left_domain(self):
        """Payments that a payer may pay: they left, and nobody knows what came of them. What waits at a desk is in the house."""
        return Domain("state", "=", "sent") & Domain("status", "=", False) & Domain("payout", "!=", "desk")

    def _left_sql(self):
        """The same, over `payment`."""
        return SQL("(payment.state = 'sent' AND payment.status IS NULL AND payment.payout IS DISTINCT FROM 'desk')")

    def _never_left_sql(self):
        """Over `payment`: it goes to a payer, and has not left, so no payer knows of it."""
        return SQL("(payment.state = 'issued' AND payment.status IS NULL AND payment.payout IS DISTINCT FROM 'desk')")

    @api.model
    def _finalize(self, source, key, operation=None, confirmed=False):
        """Payments become final: paid or failed, with their entitlements, in one statement.

        A paid entitlement is redeemed, and its money is held under `key`, to be disbursed by settling it; a failed one
        goes back to approved, keeps its reservation, and can be paid again.

        :param SQL source: columns `payment_id`, `status` (paid, failed), `reason`, `date` (timestamp or NULL: now) and
            `bank_reference`. Payments that are final already stay as they are, and so are those said to be paid for
            which no money is reserved (their entitlement ended), or which have not left and are blocked. Money that was
            sent, and paid elsewhere, is a fact: it is recorded whatever became of the beneficiary.
        :param confirmed: the payer, or two people, say what came of them. By one person alone, what left does not
            fail: it would be paid again while the payer pays it.
        :return Marked:
        """
        entitlement = self.env["g2p.entitlement"]
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH source AS MATERIALIZED (
                    %(source)s
                ), open AS MATERIALIZED (
                    SELECT payment.id, payment.state, payment.amount_issued, payment.bank_reference AS known_reference,
                           source.status, source.reason, source.date, source.bank_reference,
                           t.id AS entitlement_id, t.state AS entitlement_state,
                           t.state IN ('approved', 'trans2FSP') AS due,
                           source.status = 'paid' AND (payment.state = 'issued' OR payment.payout = 'desk')
                           AND %(block)s IS NOT NULL AS blocked,
                           source.status = 'failed' AND NOT %(confirmed)s AND %(left)s AS is_left,
                           %(never_left)s AS never_left
                      FROM source
                      JOIN g2p_payment AS payment ON payment.id = source.payment_id
                      JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                     WHERE payment.status IS NULL
                       FOR NO KEY UPDATE OF payment, t
                ), final AS (
                    UPDATE g2p_payment AS payment
                       SET state = CASE WHEN open.status = 'failed' AND open.never_left THEN 'stopped' ELSE 'reconciled' END,
                           status = open.status, status_is_final = TRUE, status_datetime = %(now)s,
                           status_reason = open.reason,
                           payment_datetime = CASE open.status WHEN 'paid' THEN COALESCE(open.date, %(now)s) END,
                           amount_paid = CASE open.status WHEN 'paid' THEN open.amount_issued ELSE 0 END,
                           bank_reference = COALESCE(open.bank_reference, open.known_reference),
                           write_uid = %(uid)s, write_date = %(now)s
                      FROM open
                     WHERE payment.id = open.id AND NOT open.is_left
                       AND (open.due AND NOT open.blocked OR open.status = 'failed')
                 RETURNING payment.id, payment.status, payment.status_reason, payment.state, open.state AS from_state,
                           open.entitlement_id, open.entitlement_state, open.due
                ), logged AS (
                    %(history)s
                ), reserved AS (
                    SELECT entitlement_id AS id, entitlement_state AS state, status_reason,
                           CASE status WHEN 'paid' THEN 'rdpd2ben' ELSE 'approved' END AS to_state
                      FROM final
                     WHERE due
                ), moved AS (
                    UPDATE g2p_entitlement AS t
                       SET state = reserved.to_state, write_uid = %(uid)s, write_date = %(now)s
                      FROM reserved
                     WHERE t.id = reserved.id AND t.state <> reserved.to_state
                 RETURNING t.id, reserved.state AS from_state, t.state AS to_state, reserved.status_reason AS reason,
                           t.program_id, t.currency_id, t.cycle_id, t.initial_amount
                ), moved_logged AS (
                    %(entitlement_history)s
                ), held AS (
                    %(held)s
                )
                SELECT COUNT(*) FILTER (WHERE status = 'paid'), COUNT(*) FILTER (WHERE status = 'failed'),
                       (SELECT COUNT(*) FROM open WHERE status = 'paid' AND NOT due),
                       (SELECT COUNT(*) FROM open WHERE due AND blocked),
                       (SELECT COUNT(*) FROM open WHERE is_left)
                  FROM final
                """,
                source=source,
                block=self._block_sql(blocks.PAY),
                confirmed=confirmed,
                left=self._left_sql(),
                never_left=self._never_left_sql(),
                uid=self.env.uid,
                now=self.env.cr.now(),
                history=self._history_sql(SQL("SELECT id, from_state, state, status_reason FROM final"), operation),
                entitlement_history=entitlement._history_sql(
                    SQL("SELECT id, from_state, to_state, reason FROM moved"), operation
                ),
                held=self.env["g2p.fund.hold"]._insert_sql(
                    SQL(
                        """
                        SELECT account.id, %s, 'disburse', SUM(moved.initial_amount), moved.cycle_id
                          FROM moved
                          JOIN g2p_fund_account AS account
                            ON account.program_id = moved.program_id AND account.currency_id = moved.currency_id
                         WHERE moved.to_state = 'rdpd2ben'
                         GROUP BY account.id, moved.cycle_id
                        """,
                        key,
                    )
                ),
            )
        )
        marked = Marked(*self.env.cr.fetchone())
        self._forget()
        return marked

    @api.model
    def _finalize_now(self, payments, status, reason=None, date=None, bank_reference=None, confirmed=False):
        """Mark a set of payments, disburse, and refresh the figures of its batches and cycles: all in one transaction.

        :param SQL payments: one column, ids of payments. `confirmed`: as for :meth:`_finalize`. :return Marked:
        """
        key = str(uuid.uuid4())
        self.env.flush_all()
        touched = self.env.execute_query(
            SQL("SELECT DISTINCT cycle_id, batch_id FROM g2p_payment WHERE id IN (%s) AND status IS NULL", payments)
        )
        self.env["g2p.cycle"].browse(sorted({cycle for cycle, _batch in touched}))._bulk_check("mark")
        marked = self._finalize(
            SQL(
                """
                SELECT payment.id AS payment_id, %(status)s::varchar AS status, %(reason)s::varchar AS reason,
                       %(date)s::timestamp AS date, %(bank_reference)s::varchar AS bank_reference
                  FROM g2p_payment AS payment
                 WHERE payment.id IN (%(payments)s)
                """,
                status=status,
                reason=reason or None,
                date=date or None,
                bank_reference=bank_reference or None,
                payments=payments,
            ),
            key,
            confirmed=confirmed,
        )
        self.env["g2p.fund.hold"]._settle(key, reference=bank_reference or reason)
        self.env["g2p.payment.batch"].browse({batch for _cycle, batch in touched if batch})._refresh_statistics()
        cycles = self.env["g2p.cycle"].browse({cycle for cycle, _batch in touched})
        cycles._refresh_counters()
        cycles._set_distributed_if_complete()
        return marked

    @api.model
    def _mark_now(self, payments, status, reason=None, date=None, bank_reference=None, confirmed=False):
        """As :meth:`_finalize_now`, with what came of it in words. :return: (Marked, [sentence])"""
        blocked = self._blocked_text(payments) if status == "paid" else False
        marked = self._finalize_now(payments, status, reason, date, bank_reference, confirmed)
        count = marked.paid + marked.failed
        messages = [
            self.env._("1 payment was marked.") if count == 1 else self.env._("%s payments were marked.", count)
        ]
        if marked.blocked == 1:
            messages.append(self.env._("1 was not, because something holds it back: %s.", blocked))
        elif marked.blocked:
            messages.append(
                self.env._(
                    "%(count)s were not, because something holds them back: %(reasons)s.",
                    count=marked.blocked,
                    reasons=blocked,
                )
            )
        if marked.not_due == 1:
            messages.append(
                self.env._(
                    "1 was not: its entitlement is not approved any more. Mark it as failed, or ask for a correction."
                )
            )
        elif marked.not_due:
            messages.append(
                self.env._(
                    "%s were not: their entitlements are not approved any more. Mark these as failed, or ask for a correction.",
                    marked.not_due,
                )
            )
        return marked, messages

    @api.model
    def _check_paid_on(self, payments, date):
        """Refuse a day that a person gives on which these open payments can't have been paid: one to come, or one before
        a payment was issued.

        :param SQL payments: one column, ids of payments.
        """
        if date > fields.Datetime.now():
            raise UserError(self.env._("Paid on is in the future: give the day on which the money was paid."))
        self.env.flush_all()
        [[count]] = self.env.execute_query(
            SQL(
                "SELECT COUNT(*) FROM g2p_payment WHERE id IN (%s) AND status IS NULL AND issuance_date::date > %s::date",
                payments,
                date,
            )
        )
        if count:
            raise UserError(
                self.env._(
                    "%(count)s of these payments were issued after %(day)s, so they can't have been paid then: give the day on "
                    "which the money was paid.",
                    count=count,
                    day=fields.Date.to_string(date),
                )
            )

    @api.model
    def _before_issued_sql(self, date):
        """Over `payment`: a payer can't have paid it then, for it was issued later. The database refuses it.

        :param SQL date: a timestamp
        """
        return SQL("(%s < date_trunc('day', payment.issuance_date) - interval '1 day')", date)

    @api.model
    def _blocked_text(self, payments):
        """Which of a set of open payments can't be recorded as paid, and why, in words; False when all can.

        :param SQL payments: one column, ids of payments.
        """
        known = self.env["g2p.entitlement"]._blocks()
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT open.code, COUNT(*)
                  FROM (
                        SELECT %(block)s AS code
                          FROM g2p_payment AS payment
                          JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                         WHERE payment.id IN (%(payments)s) AND payment.status IS NULL
                           AND (payment.state = 'issued' OR payment.payout = 'desk')
                       ) AS open
                 GROUP BY open.code
                """,
                block=self._block_sql(blocks.PAY),
                payments=payments,
            )
        )
        return "; ".join(f"{known[code].words} ({count})" for code, count in rows if code) or False

    def _forget(self):
        for model in ("g2p.payment", "g2p.entitlement", "g2p.payment.batch"):
            self.env[model].invalidate_model(flush=False)
