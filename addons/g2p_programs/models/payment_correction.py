"""What left the house, or was recorded as paid, is put right by two people: one asks, another confirms."""

import uuid

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL
from odoo.tools.misc import formatLang

from odoo.addons.g2p_approval.tools import digest
from odoo.addons.g2p_bulk.tools import roles

from ..tools.constants import GROUP_FINANCE, GROUP_MANAGER
from ..tools.money import decimal

MAX_PAYMENTS = 1000
# The kind of approval of what gives nothing back to the fund.
WRITE_OFF = "write_off"
# How long an entitlement that is to be paid again stays valid, where its validity is over by then.
DAYS_TO_PAY_AGAIN = 31


class PaymentCorrection(models.Model):
    """Five kinds: a batch that left is cancelled, because the payer pays nothing of it; payments that left were not paid;
    payments were recorded as paid wrongly; paid money came back; paid money is lost, and written off: the fund gets nothing back.
    References, files and amounts stay on record; nothing is deleted."""

    _name = "g2p.payment.correction"
    _description = "Payment correction"
    _inherit = ["mail.thread", "mail.activity.mixin", "g2p.state.mixin", "g2p.approval.mixin"]
    _order = "id desc"
    _rec_names_search = ["reason", "batch_id"]

    _approval_presses = ("confirm",)
    _protected_fields = ("state", "requested_by", "requested_on", "confirmed_by", "confirmed_on", "moved_count")

    _two_people = models.Constraint(
        "CHECK (state = 'requested' OR state = 'refused' OR confirmed_by IS NOT NULL AND confirmed_by <> requested_by)",
        "Somebody else than who asked confirms a correction.",
    )
    _one_cancellation = models.UniqueIndex(
        "(batch_id) WHERE state = 'requested'", "Somebody asked to cancel this batch already: confirm or refuse that."
    )

    name = fields.Char(compute="_compute_name")
    kind = fields.Selection(
        [
            ("cancel", "Cancel a batch that left"),
            ("failed", "Left, and was not paid"),
            ("wrong", "Recorded as paid wrongly"),
            ("returned", "Paid, and came back"),
            ("lost", "Paid, and lost: write it off"),
        ],
        required=True,
        default="returned",
    )
    batch_id = fields.Many2one("g2p.payment.batch", index="btree_not_null", ondelete="restrict")
    payment_ids = fields.Many2many("g2p.payment", "g2p_payment_correction_rel", "correction_id", "payment_id")
    program_id = fields.Many2one("g2p.program", required=True, readonly=True, ondelete="restrict", index=True)
    company_id = fields.Many2one(related="program_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="program_id.currency_id")
    reason = fields.Text(required=True, help="What happened, and how you know.")
    evidence = fields.Char(
        "Payer's reference",
        required=True,
        help="Letter, message or statement in which the payer says so; of what is lost, the report of it.",
    )
    file_fate = fields.Selection(
        [
            ("stopped", "The payer was told, and confirms that nothing of it is paid"),
            ("not_handed", "The file was never handed over, and is destroyed"),
        ],
        "What became of the file",
    )
    afterwards = fields.Selection(
        [("reissue", "Pay again"), ("cancel", "Cancel the entitlements")],
        required=True,
        default="reissue",
        help="Pay again: the entitlements wait for a new payment, their money reserved. Cancel: their money is available again. "
        "What is written off does not come back: new money is reserved to pay it again, and nothing is available again.",
    )
    state = fields.Selection(
        [("requested", "Waits for confirmation"), ("done", "Done"), ("refused", "Rejected")],
        required=True,
        readonly=True,
        default="requested",
        copy=False,
        index=True,
        tracking=True,
    )
    requested_by = fields.Many2one(
        "res.users", required=True, readonly=True, copy=False, default=lambda self: self.env.uid
    )
    requested_on = fields.Datetime(required=True, readonly=True, copy=False, default=fields.Datetime.now)
    confirmed_by = fields.Many2one("res.users", "Decided by", readonly=True, copy=False)
    confirmed_on = fields.Datetime("Decided on", readonly=True, copy=False)
    payments_count = fields.Integer("Payments", compute="_compute_payments")
    payments_amount = fields.Monetary("Amount", compute="_compute_payments")
    moved_count = fields.Integer("Payments corrected", readonly=True, copy=False)
    can_confirm = fields.Boolean(compute="_compute_can_confirm")

    @api.depends("kind", "batch_id", "payments_count")
    def _compute_name(self):
        labels = dict(self._fields["kind"]._description_selection(self.env))
        for correction in self:
            correction.name = f"{labels.get(correction.kind, '')} · {correction.payments_count}"

    @api.depends("kind", "batch_id", "payment_ids", "state")
    def _compute_payments(self):
        for correction in self:
            domain = (
                [("batch_id", "=", correction.batch_id.id)]
                if correction.kind == "cancel"
                else [("id", "in", correction.payment_ids.ids)]
            )
            if correction.kind == "cancel" and correction.state == "requested":
                domain.append(("status", "=", False))
            [[count, amount]] = self.env["g2p.payment"]._read_group(domain, aggregates=["__count", "amount_issued:sum"])
            correction.payments_count, correction.payments_amount = count, amount

    @api.depends("state", "requested_by")
    @api.depends_context("uid")
    def _compute_can_confirm(self):
        may = self.env.user.has_group(GROUP_FINANCE)
        waiting = {request.res_id: request for request in self._approval_open()} if may else {}
        for correction in self:
            asked = waiting.get(correction._origin.id)
            correction.can_confirm = (
                may
                and correction.state == "requested"
                and correction.requested_by != self.env.user
                and (not asked or asked.can_decide)
            )

    # CRUD

    @api.model
    def default_get(self, fields_list):
        values = super().default_get(fields_list)
        active, ids = self.env.context.get("active_model"), self.env.context.get("active_ids") or []
        if active == "g2p.payment" and ids and "payment_ids" in fields_list and values.get("kind") != "cancel":
            values.setdefault("payment_ids", [fields.Command.set(ids)])
        return values

    @api.model_create_multi
    def create(self, vals_list):
        prepared = []
        for vals in vals_list:
            vals = {**vals}
            source = self.env["g2p.payment.batch"].browse(vals.get("batch_id") or [])
            if vals.get("kind", "returned") != "cancel":
                vals["batch_id"] = False
                payments = self.new({"payment_ids": vals.get("payment_ids") or []}).payment_ids
                source = self.env["g2p.payment"].browse(payments.ids or payments._origin.ids)
            elif self.new({"payment_ids": vals.get("payment_ids") or []}).payment_ids:
                raise UserError(
                    self.env._("A batch is cancelled whole: choose no payments, or ask for a correction of them alone.")
                )
            source.check_access("read")
            if not source or len(source.program_id) != 1:
                raise UserError(self.env._("A correction is about payments of one program: choose them, or a batch."))
            if not (vals.get("reason") or "").strip() or not (vals.get("evidence") or "").strip():
                raise UserError(self.env._("Say what happened, and where the payer says so."))
            prepared.append(vals)
        corrections = super().create(prepared)
        for correction in corrections:
            correction._check_request()
            if correction._approval_asks(correction._approval_kind()):
                correction._approval_submit()
        return corrections

    @api.model
    def _guard_own_values(self, vals_list):
        """The program that the batch or the payments are of; `create` has seen that it is one."""
        given = []
        for vals in vals_list:
            source = self.env["g2p.payment.batch"].browse(vals.get("batch_id") or [])
            if not source:
                payments = self.new({"payment_ids": vals.get("payment_ids") or []}).payment_ids
                source = self.env["g2p.payment"].browse(payments.ids or payments._origin.ids)
            given.append({"program_id": source.program_id.id})
        return given

    def write(self, vals):
        chatter = {*self.env["mail.thread"]._fields, *self.env["mail.activity.mixin"]._fields}
        if not self.env.su and set(vals) - (chatter - set(models.MAGIC_COLUMNS)):
            raise UserError(
                self.env._("What was asked for stays as it is: refuse it, and ask again as it should have been.")
            )
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("A correction is evidence: it stays. One that should not be done is refused."))

    def _check_request(self):
        """Who may ask for it, and whether there is something to correct."""
        self.ensure_one()
        roles.check(self.env, GROUP_FINANCE, *([GROUP_MANAGER] if self.kind in ("cancel", "failed") else []))
        if self.kind == "cancel":
            if not self.batch_id.batch_has_started:
                raise UserError(
                    self.env._("Batch %s has not left: delete it, and prepare payments again.", self.batch_id.reference)
                )
            if not self.file_fate:
                raise UserError(
                    self.env._("Say what became of the file: was the payer told, or was it never handed over?")
                )
            if not self.payments_count:
                raise UserError(
                    self.env._(
                        "Every payment of batch %s is final: there is nothing to cancel.", self.batch_id.reference
                    )
                )
            return
        if len(self.payment_ids) > MAX_PAYMENTS:
            raise UserError(
                self.env._(
                    "%(count)s payments are selected; up to %(most)s can be corrected at a time.",
                    count=len(self.payment_ids),
                    most=MAX_PAYMENTS,
                )
            )
        if self.kind == "failed":
            if not_left := self.payment_ids - self.payment_ids.filtered_domain(self.payment_ids._left_domain()):
                raise UserError(
                    self.env._(
                        "%(count)s of these payments are not on their way to a payer (such as %(name)s): what has not left is "
                        "marked as failed, and what is final is not changed by this.",
                        count=len(not_left),
                        name=not_left[0].display_name,
                    )
                )
        elif not_paid := self.payment_ids.filtered(lambda payment: payment.status != "paid"):
            told = {"count": len(not_paid), "name": not_paid[0].display_name}
            raise UserError(
                self.env._(
                    "%(count)s of these payments are not recorded as paid (such as %(name)s), so there is nothing to write off.",
                    **told,
                )
                if self.kind == "lost"
                else self.env._(
                    "%(count)s of these payments are not recorded as paid (such as %(name)s), so there is nothing to take back.",
                    **told,
                )
            )
        # sudo: a request counts whether or not the user may see all of it; only the refusal is shown
        if self.sudo().search_count(
            [
                ("id", "!=", self.id),
                ("state", "=", "requested"),
                ("kind", "!=", "cancel"),
                ("payment_ids", "in", self.payment_ids.ids),
            ],
            limit=1,
        ):
            raise UserError(
                self.env._("Somebody asked to correct one of these payments already: confirm or refuse that.")
            )

    # Buttons

    def action_open_batch(self):
        """Link."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "g2p.payment.batch",
            "res_id": self.batch_id.id,
            "view_mode": "form",
        }

    def confirm(self):
        """Button: agree to it. By somebody of finance who did not ask for it; it is done when the last who has to agree did, all
        of it or nothing."""
        answers = []
        for correction in self.union():
            correction._check_can_decide()
            if correction.requested_by == self.env.user:
                raise AccessError(self.env._("You asked for this correction, so somebody else has to confirm it."))
            answers.append(correction._approval_submit())
        return next(filter(None, answers), True)

    def refuse(self):
        """Button: it is not done. Whoever asked may take it back so."""
        for correction in self.union():
            own = correction.requested_by == self.env.user
            correction._check_can_decide(own)
            request = correction._approval_open()
            if not request:
                # Asked for by the product itself, or before others had to agree by requests.
                correction._move("refused")
            elif own:
                request.action_withdraw()
            else:
                request._decide("rejected")
        return True

    def _check_can_decide(self, own=False):
        self.ensure_one()
        if not own:
            roles.check(self.env, GROUP_FINANCE)
        self.check_access("write")
        self._require_state("requested")

    # Approval

    def _approval_kind(self):
        return WRITE_OFF if self.kind == "lost" else "payment_correction"

    def _approval_scope(self):
        return self.program_id

    def _approval_name(self, kind):
        return self.env._("Correction: %(what)s, %(program)s", what=self.name, program=self.program_id.name)

    def _approval_authors(self, kind):
        return (self.requested_by | self.create_uid).sudo(False)

    def _approval_amount(self, kind):
        return (self._fund_loses() if kind == WRITE_OFF else decimal(self.payments_amount)), self.currency_id

    def _fund_loses(self):
        """What the fund paid for it, the fee included; exactly."""
        self.env.flush_all()
        [[amount]] = self.env.execute_query(
            SQL(
                "SELECT COALESCE(SUM(t.initial_amount), 0)::text FROM g2p_payment AS payment"
                " JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id WHERE %s",
                self._set_sql(),
            )
        )
        return decimal(amount)

    def _approval_lock(self, kind):
        held = super()._approval_lock(kind)
        self.env.cr.execute(
            SQL("SELECT id FROM g2p_payment AS payment WHERE %s ORDER BY id FOR NO KEY UPDATE", self._set_sql())
        )
        return held

    def _set_sql(self):
        """What it is about, over `payment`: of a batch, what is not final."""
        if self.kind == "cancel":
            return SQL("payment.batch_id = %s AND payment.status IS NULL", self.batch_id.id)
        return SQL("payment.id = ANY(%s)", self.payment_ids.ids)

    def _approval_digest(self, kind):
        self.env.flush_all()
        rows = digest.of_rows(
            SQL(
                "SELECT payment.id, concat_ws('|', payment.state, COALESCE(payment.status, '-'), payment.amount_issued)"
                " FROM g2p_payment AS payment WHERE %s",
                self._set_sql(),
            )
        )
        [[payments, count]] = self.env.execute_query(rows)
        said = [self.kind, self.afterwards, self.file_fate, self.reason, self.evidence]
        return digest.of_values([self._name, self.id, kind, payments, count, *said])

    def _approval_figures(self, kind):
        labels = dict(self._fields["afterwards"]._description_selection(self.env))
        money = {"money": self.currency_id.id}
        lost = []
        if kind == WRITE_OFF:
            loses = str(self._fund_loses())
            lost.append({"label": self.env._("The fund gets nothing back, and loses"), "value": loses, **money})
        return [
            {"label": self.env._("Payments"), "value": self.payments_count},
            {"label": self.env._("Amount"), "value": str(decimal(self.payments_amount)), **money},
            *lost,
            {"label": self.env._("Afterwards"), "value": labels[self.afterwards]},
            {"label": self.env._("Payer's reference"), "value": self.evidence},
            {"label": self.env._("What happened"), "value": self.reason},
        ]

    def _approval_check_decider(self, kind):
        """Nobody confirms what they may not see."""
        domain = (
            [("batch_id", "=", self.batch_id.id)]
            if self.kind == "cancel"
            else [("id", "in", self.sudo().payment_ids.ids)]
        )
        payments = self.env["g2p.payment"]
        # sudo: only how many are hidden is told
        if hidden := payments.sudo().search_count(domain) - payments.search_count(domain):
            raise UserError(
                self.env._(
                    "%s of these payments are outside the areas you work in: ask somebody who sees all of them.", hidden
                )
            )

    def _approval_granted(self, request):
        self._move("done")
        self._apply()

    def _approval_refused(self, request):
        self._move("refused")

    def _move(self, to_state):
        # sudo: who decides was asked by the button and by the request; the fields are protected
        moved = self.sudo()._transition_where(
            SQL("t.id = %s", self.id),
            to_state,
            from_state="requested",
            assign={"confirmed_by": SQL("%s", self.env.uid), "confirmed_on": SQL("%s", self.env.cr.now())},
        )
        if not moved:
            raise UserError(self.env._("Somebody else decided on it meanwhile. Nothing was done."))
        self.modified(["state"])

    # Set operations

    def _apply(self):
        self.ensure_one()
        if self.kind == "cancel":
            self._cancel_batch()
        elif self.kind == "failed":
            self._fail(self.payment_ids.ids)
        else:
            self._reverse()

    def _words(self):
        labels = dict(self._fields["kind"]._description_selection(self.env))
        what = self.env._("Written off") if self.kind == "lost" else labels[self.kind]
        return f"{what}: {self.reason} ({self.evidence})"

    def _cancel_batch(self):
        """Every payment of the batch that is not final fails; its reference stays, and so does its file."""
        payments = SQL("SELECT id FROM g2p_payment WHERE batch_id = %s AND status IS NULL", self.batch_id.id)
        # Held before they move: what they are is needed afterwards.
        open_ids = [payment_id for [payment_id] in self.env.execute_query(payments)]
        if not open_ids:
            raise UserError(
                self.env._("Every payment of batch %s is final meanwhile. Nothing was done.", self.batch_id.reference)
            )
        self.batch_id.write({"cancelled_on": fields.Datetime.now(), "cancelled_by": self.env.uid})
        self._fail(open_ids)
        self.batch_id.message_post(body=self._words())

    def _fail(self, payment_ids):
        """These payments fail, all of them or none; their entitlements wait for another, or end."""
        reason = self._words()
        payment = self.env["g2p.payment"]
        cycles = payment.browse(payment_ids).cycle_id
        marked = payment._finalize_now(SQL("SELECT unnest(%s)", payment_ids), "failed", reason, confirmed=True)
        if marked.failed != len(payment_ids):
            raise UserError(
                self.env._(
                    "%s of these payments are final meanwhile. Nothing was done.", len(payment_ids) - marked.failed
                )
            )
        entitlements = SQL(
            "t.id IN (SELECT failed.entitlement_id FROM g2p_payment AS failed WHERE failed.id = ANY(%s))", payment_ids
        )
        if self.afterwards == "cancel":
            key = str(uuid.uuid4())
            self.env["g2p.entitlement"]._leave_where(entitlements, ("approved",), "cancelled", key, reason=reason)
            self.env["g2p.fund.hold"]._settle(key, reference=self.name)
        else:
            self._keep_valid(entitlements)
        self._finish(cycles, marked.failed)

    def _reverse(self):
        """Payments recorded as paid become failed, their entitlements approved again or cancelled, and their money goes
        back from disbursed to the fund, and is reserved again where it is to be paid again. What is lost does not go back: it is
        written off, and what is reserved is other money that is available."""
        reason = self._words()
        entitlement = self.env["g2p.entitlement"]
        payment = self.env["g2p.payment"]
        to_state = "approved" if self.afterwards == "reissue" else "cancelled"
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH paid AS (
                    SELECT payment.id, payment.entitlement_id
                      FROM g2p_payment AS payment
                      JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id AND t.state = 'rdpd2ben'
                     WHERE payment.id = ANY(%(payments)s) AND payment.status = 'paid'
                       FOR NO KEY UPDATE OF payment, t
                ), undone AS (
                    UPDATE g2p_payment AS payment
                       SET status = 'failed', status_reason = %(reason)s, status_datetime = %(now)s, amount_paid = 0,
                           reversed_on = %(now)s, write_uid = %(uid)s, write_date = %(now)s
                      FROM paid
                     WHERE payment.id = paid.id
                 RETURNING payment.id
                ), logged AS (
                    %(history)s
                ), moved AS (
                    UPDATE g2p_entitlement AS t
                       SET state = %(to_state)s, write_uid = %(uid)s, write_date = %(now)s
                      FROM paid
                     WHERE t.id = paid.entitlement_id
                 RETURNING t.id, t.cycle_id, t.program_id, t.currency_id, t.initial_amount
                ), moved_logged AS (
                    %(entitlement_history)s
                )
                SELECT cycle_id, program_id, currency_id, SUM(initial_amount)::text, COUNT(*)
                  FROM moved GROUP BY cycle_id, program_id, currency_id ORDER BY cycle_id
                """,
                payments=self.payment_ids.ids,
                reason=reason,
                to_state=to_state,
                uid=self.env.uid,
                now=self.env.cr.now(),
                history=payment._history_sql(
                    SQL("SELECT id, 'reconciled', 'reconciled', %s::varchar FROM undone", reason)
                ),
                entitlement_history=entitlement._history_sql(
                    SQL("SELECT id, 'rdpd2ben', %s::varchar, %s::varchar FROM moved", to_state, reason)
                ),
            )
        )
        sums = self.env.cr.fetchall()
        payment._forget()
        count = sum(row[-1] for row in sums)
        if count != len(self.payment_ids):
            raise UserError(
                self.env._(
                    "%s of these payments are not recorded as paid any more. Nothing was done.",
                    len(self.payment_ids) - count,
                )
            )
        if self.kind == "lost" and self.afterwards == "reissue":
            self._check_pays_again(sums)
        for cycle_id, program_id, currency_id, amount, _count in sums:
            cycle = self.env["g2p.cycle"].browse(cycle_id)
            account = self.env["g2p.fund.account"]._of(
                self.env["g2p.program"].browse(program_id), self.env["res.currency"].browse(currency_id)
            )
            move = account._write_off if self.kind == "lost" else account._refund
            move(decimal(amount), reference=self.name, cycle=cycle)
            if self.afterwards == "reissue":
                account._reserve(decimal(amount), reference=self.name, cycle=cycle)
        if self.afterwards == "reissue":
            self._keep_valid(SQL("t.id = ANY(%s)", self.payment_ids.entitlement_id.ids))
        cycles = self.env["g2p.cycle"].browse(row[0] for row in sums)
        self._finish(cycles, count)

    def _check_pays_again(self, sums):
        """What is lost is paid again with other money: enough of it is available, of all that is asked for."""
        needed = {}
        for _cycle, program_id, currency_id, amount, _count in sums:
            needed[program_id, currency_id] = needed.get((program_id, currency_id), 0) + decimal(amount)
        for (program_id, currency_id), amount in sorted(needed.items()):
            program, currency = self.env["g2p.program"].browse(program_id), self.env["res.currency"].browse(currency_id)
            short = amount - self.env["g2p.fund.account"]._of(program, currency)._lock()
            if short > 0:
                raise UserError(
                    self.env._(
                        "The fund of %(program)s is short by %(short)s to pay this again. Post a deposit first; or refuse this, "
                        "and ask to write it off and to cancel the entitlements. Nothing was done.",
                        program=program.name,
                        short=formatLang(self.env, float(short), currency_obj=currency),
                    )
                )

    def _keep_valid(self, where):
        """What is to be paid again stays valid long enough for it."""
        today = fields.Date.context_today(self)
        self.env.cr.execute(
            SQL(
                "UPDATE g2p_entitlement AS t SET valid_until = %(until)s WHERE t.valid_until < %(until)s AND (%(where)s)",
                until=fields.Date.add(today, days=DAYS_TO_PAY_AGAIN),
                where=where,
            )
        )
        self.env["g2p.entitlement"].invalidate_model(["valid_until"], flush=False)

    def _finish(self, cycles, count):
        """Figures; and a cycle that was over is opened again where something in it is to be paid."""
        self.moved_count = count
        self.env["g2p.payment.batch"]._refresh_statistics_where(SQL("batch.cycle_id = ANY(%s)", cycles.ids))
        cycles._refresh_counters()
        if self.afterwards == "reissue":
            over = cycles.filtered(lambda cycle: cycle.state in ("distributed", "ended"))
            over._transition(
                "approved", self.env._("Opened again, because something in it is to be paid again: %s", self._words())
            )
        else:
            cycles._set_distributed_if_complete()
        for cycle in cycles:
            cycle.message_post(
                body=self.env._("%(count)s payments were corrected. %(words)s", count=count, words=self._words())
            )
