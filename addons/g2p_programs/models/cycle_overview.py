"""What the cycle's form shows: the pipeline, the next action, and the question before each step."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools.misc import formatLang

from odoo.addons.g2p_bulk.tools.question import question

from ..tools.roles import for_role
from .constants import FUND_READERS, GROUP_FINANCE, GROUP_MANAGER

# The step of the pipeline that each next action belongs to
NEXT_ACTIONS = {
    "copy": 1,
    "prepare": 2,
    "submit": 3,
    "approve": 3,
    "validate": 3,
    "deposit": 3,
    "prepare_payments": 4,
    "send": 4,
    "reconcile": 5,
    "distribute": 5,
    "end": 6,
}
# Whose button the next action is; who approves depends on the cycle
ACTION_ROLES = {
    **dict.fromkeys(("copy", "prepare", "submit", "prepare_payments", "send", "distribute", "end"), GROUP_MANAGER),
    "deposit": GROUP_FINANCE,
    "reconcile": GROUP_FINANCE,
}
# Where a cycle stands that has something to resume or to repair, or is over
STATE_STEPS = {"draft": 2, "to_approve": 3, "approved": 4, "distributed": 6, "ended": 6, "cancelled": 6}
# What the form may ask about, and the button's method that runs when the answer is yes
CONFIRMED_STEPS = {
    "copy": "copy_beneficiaries_from_program",
    "verify": "check_eligibility",
    "prepare": "prepare_entitlement",
    "submit": "to_approve",
    "approve": "approve",
    "reset": "reset_draft",
    "validate": "validate_entitlement",
    "prepare_payments": "prepare_payment",
    "send": "send_payment",
    "distribute": "mark_distributed",
    "end": "mark_ended",
    "cancel": "mark_cancelled",
    "repair": "action_repair",
}
# Those that approve something, and what they rely on
APPROVAL_STEPS = {"approve": "approve", "validate": "approve_entitlements"}


class Cycle(models.Model):
    _inherit = "g2p.cycle"

    can_manage = fields.Boolean(compute="_compute_can_manage")
    can_validate = fields.Boolean(compute="_compute_can_validate")
    next_action = fields.Char(compute="_compute_next_action")
    batches_count = fields.Integer(compute="_compute_batches_count")
    pipeline = fields.Json(compute="_compute_pipeline")
    amount_in_words = fields.Char(compute="_compute_amount_in_words")
    fund_available = fields.Monetary("Available in the fund", compute="_compute_fund", groups=FUND_READERS)
    fund_short = fields.Monetary("Short in the fund", compute="_compute_fund", groups=FUND_READERS)

    @api.depends_context("uid")
    def _compute_can_manage(self):
        allowed = self.env.user.has_group(GROUP_MANAGER)
        for cycle in self:
            cycle.can_manage = allowed

    @api.depends("state", "pending_count", "prepared_by", "approved_by")
    @api.depends_context("uid")
    def _compute_can_validate(self):
        """Whether the user may approve entitlements that wait, as the step itself will check."""
        for cycle in self:
            cycle.can_validate = (
                cycle.state == "approved" and cycle.pending_count > 0 and not cycle._validation_refusal()
            )

    @api.depends_context("uid")
    def _compute_next_action(self):
        for cycle in self:
            cycle.next_action = cycle._next_action()

    def _next_action(self):
        """The step that brings the cycle on; a key of `NEXT_ACTIONS`, or False when the cycle is over. First comes what is
        unfinished: `resume`, or `repair` when the set is not where the state says."""
        self.ensure_one()
        if self._open_operations():
            return "resume"
        if self.needs_repair:
            return "repair"
        if self.state == "draft":
            if not self.members_count:
                return "copy"
            return "submit" if self.entitlements_count and not self.unprepared_count else "prepare"
        if self.state == "approved":
            if self.pending_count > self.left_out_count:
                return "deposit" if self._fund_reaches_nobody() else "validate"
            for count, step in (
                (self.unpaid_count, "prepare_payments"),
                (self.unsent_count, "send"),
                (self.sent_count, "reconcile"),
                (self.pending_count, "validate"),
                (self.exceptions_count, "prepare_payments"),
            ):
                if count:
                    return step
            return "distribute"
        return {"to_approve": "approve", "distributed": "end"}.get(self.state, False)

    def _fund_reaches_nobody(self):
        """Whether the fund can't pay one of those who wait, as far as the user may know. Under the policy of priority
        whoever comes first may fit, so only an empty fund is certain."""
        if not self._has_field_access(self._fields["fund_short"], "read") or not self.fund_short:
            return False
        # sudo: the manager's settings are the program's rule, whatever its user may see
        return self.fund_available <= 0 or self.sudo()._entitlement_manager().shortage_policy != "priority"

    def action_deposit(self):
        """Button: a deposit for what the fund is short of, to be posted."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Deposit for %s", self.program_id.name),
            "res_model": "g2p.program.fund",
            "view_mode": "form",
            "views": [(False, "form")],
            "context": {
                "default_program_id": self.program_id.id,
                "default_currency_id": self.currency_id.id,
                "default_amount": self.fund_short,
            },
        }

    def _next_step(self):
        """One sentence on the next action, for who reads it: whoever may approve is asked to, and who can't do it is told
        whose button it is."""
        text = self._next_step_text()
        role = ACTION_ROLES.get(self._next_action())
        return for_role(self.env, text, role) if role else text

    def _next_step_text(self):
        _ = self.env._
        if operations := self._open_operations():
            return operations[-1]._why_wait()
        if self.needs_repair:
            return _("Beneficiaries and entitlements are not where the state of the cycle says: press Repair.")
        if self.state == "draft" and self.entitlements_count and self.unprepared_count:
            return _(
                "%s beneficiaries have neither an entitlement nor a reason why there is none: press Prepare entitlements.",
                self._number(self.unprepared_count),
            )
        if self.can_approve:
            return _("Look at the beneficiaries and the amounts, then approve the cycle or send it back.")
        if self._next_action() == "deposit" or (
            self.can_validate
            and self.pending_count > self.left_out_count
            and self._has_field_access(self._fields["fund_short"], "read")
            and self.fund_short
        ):
            return _(
                "The fund is short by %s: post a deposit, then approve the entitlements.", self._money(self.fund_short)
            )
        if self.can_validate and self.pending_count > self.left_out_count:
            return _("Approve the entitlements: their money is reserved in the fund.")
        sentences = {
            "submit": _("Send the cycle for approval."),
            "validate": _(
                "The fund did not reach everybody: post a deposit and approve the entitlements that were left out."
            )
            if self.left_out_count
            else _("Somebody of the validation group, not who prepared them, approves the entitlements."),
            "prepare_payments": _("Prepare the payments of the approved entitlements.")
            if self.unpaid_count or not self.exceptions_count
            else _(
                "Settle what holds the others back, each with its reason, then prepare their payments; or reject them."
            ),
            "send": _("Send the payments."),
            "reconcile": _("Payments are on their way: reconcile them with the payer's file, or mark them by hand."),
            "distribute": _("Every payment is final: mark the cycle as distributed."),
        }
        return sentences.get(self._next_action()) or super()._next_step()

    def _compute_batches_count(self):
        counts = {}
        if self.env["g2p.payment.batch"].has_access("read"):
            counts = dict(
                self.env["g2p.payment.batch"]._read_group([("cycle_id", "in", self.ids)], ["cycle_id"], ["__count"])
            )
        for cycle in self:
            cycle.batches_count = counts.get(cycle, 0)

    @api.depends_context("uid")
    def _compute_pipeline(self):
        for cycle in self:
            cycle.pipeline = cycle._pipeline()

    def _pipeline(self):
        """[{number, label, state, count, amount, note, action}] of the five steps, in words for the screen."""
        self.ensure_one()
        _ = self.env._
        current = NEXT_ACTIONS.get(self._next_action()) or STATE_STEPS[self.state]

        def number(value):
            return formatLang(self.env, value, digits=0)

        def money(value):
            return formatLang(self.env, value, currency_obj=self.currency_id) if value else ""

        def note(text, value):
            return text % number(value) if value else ""

        steps = [
            (
                _("Beneficiaries"),
                self.members_count,
                "",
                note(_("%s not eligible"), self.not_eligible_count),
                "action_view_members",
            ),
            (_("Entitlements"), self.entitlements_count, money(self.total_amount), "", "action_view_entitlements"),
            (
                _("Approval"),
                self.approved_count,
                money(self.approved_amount),
                note(_("%s left out"), self.left_out_count)
                or (self.state != "draft" and note(_("%s waiting"), self.pending_count))
                or "",
                "action_view_approved",
            ),
            (
                _("Payments"),
                self.payments_count,
                money(self.payments_amount),
                note(_("%s held back"), self.exceptions_count),
                "action_view_held_back"
                if self.exceptions_count and not self.payments_count
                else "action_view_payments",
            ),
            (
                _("Reconciled"),
                self.paid_count,
                money(self.paid_amount),
                note(_("%s failed"), self.failed_count),
                "action_view_reconciled",
            ),
        ]
        return [
            {
                "number": position,
                "label": label,
                "state": "stopped"
                if self.state == "cancelled"
                else "done"
                if position < current
                else "now"
                if position == current
                else "todo",
                "count": number(count),
                "amount": amount,
                "note": remark,
                "warning": bool(remark) and (position != 3 or bool(self.left_out_count)),
                "action": action,
            }
            for position, (label, count, amount, remark, action) in enumerate(steps, 1)
        ]

    @api.depends("total_amount", "currency_id")
    def _compute_amount_in_words(self):
        for cycle in self:
            amount = cycle.total_amount
            cycle.amount_in_words = cycle.currency_id.amount_to_text(amount) if amount else False

    @api.depends("pending_amount", "state")
    def _compute_fund(self):
        accounts = self.env["g2p.fund.account"].search([("program_id", "in", self.program_id.ids)])
        available = {(account.program_id, account.currency_id): account.available for account in accounts}
        for cycle in self:
            cycle.fund_available = available.get((cycle.program_id, cycle.currency_id), 0)
            short = cycle.currency_id.round(cycle.pending_amount - cycle.fund_available)
            cycle.fund_short = max(short, 0) if cycle.state in ("to_approve", "approved") else 0

    # The question before a step

    def action_confirm(self):
        """Button: ask, with counts and amounts, whether to run the step that the context names as `cycle_step`."""
        self.ensure_one()
        self.check_access("read")
        step = self.env.context.get("cycle_step")
        if step not in CONFIRMED_STEPS:
            raise UserError(self.env._("There is no such step of a cycle."))
        seen = {}
        if step in APPROVAL_STEPS:
            # What the question says is what is approved: all of it is there, and the answer names what was asked about
            if refusal := self._bulk_refusal(APPROVAL_STEPS[step]):
                raise UserError(refusal)
            self._check_submission()
            seen = {"context": {"submission": self.submission}}
        title, message = self._confirmation(step)
        return question(self, CONFIRMED_STEPS[step], title, message, **seen)

    def _confirmation(self, step):
        """(title, what will happen) in words."""
        _ = self.env._
        waiting, amount = self.pending_count, self.pending_amount
        held_back = {}
        if step == "prepare_payments":
            waiting, held_back = self._payments_forecast()
        elif step == "send":
            waiting, amount = self._count_and_sum("g2p.payment", "amount_issued", ("issued",))
        elif step in ("submit", "cancel"):
            waiting, amount = self.entitlements_count, self.total_amount
        values = {
            "cycle": self.name,
            "program": self.program_id.name,
            "members": self._number(self.members_count),
            "enrolled": self._number(self.program_id.eligible_beneficiaries_count),
            "count": self._number(waiting),
            "amount": self._money(amount),
        }
        texts = {
            "copy": (
                _("Copy beneficiaries"),
                _(
                    "%(program)s has %(enrolled)s enrolled members. Those who are not in %(cycle)s yet are copied into it. "
                    "While the cycle is a draft you can remove them again."
                ),
            ),
            "verify": (
                _("Verify eligibility"),
                _(
                    "The conditions are checked again for the beneficiaries of %(cycle)s (%(members)s are eligible now). "
                    "Who does not meet them any more becomes not eligible and loses the draft entitlement of this cycle. "
                    "Running it again after a change turns it back."
                ),
            ),
            "prepare": (
                _("Prepare entitlements"),
                _(
                    "What is due to each of %(members)s beneficiaries is computed. Who has an entitlement in this cycle "
                    "already keeps it. Nothing is promised or paid yet; drafts can be deleted."
                ),
            ),
            "submit": (
                _("Send for approval"),
                _(
                    "%(count)s entitlements of %(amount)s go to approval. Somebody else than you has to approve them. "
                    "“Reset to draft” takes the cycle back."
                ),
            ),
            "approve": (
                _("Approve cycle"),
                _(
                    "%(cycle)s is approved with %(members)s beneficiaries. Its %(count)s entitlements of %(amount)s are "
                    "approved in the next step, and nothing is paid before."
                ),
            ),
            "reset": (
                _("Reset to draft"),
                _("%(cycle)s goes back to who prepared it, and its %(count)s entitlements become drafts again."),
            ),
            "validate": (
                _("Approve entitlements"),
                _(
                    "Approve %(count)s entitlements of %(amount)s. The money is reserved for them in the fund; rejecting or "
                    "cancelling an entitlement releases it."
                ),
            ),
            "prepare_payments": (
                _("Prepare payments"),
                _(
                    "A payment is made for each of %(count)s approved entitlements that has none, and put in a batch. "
                    "Nothing is sent yet."
                )
                if waiting
                else _("No payment can be made now."),
            ),
            "send": (
                _("Send payments"),
                _("Send %(count)s payments of %(amount)s to who pays them out. What is sent can't be taken back."),
            ),
            "distribute": (
                _("Mark as distributed"),
                _("%(cycle)s is marked as distributed: every payment is paid or has failed for good."),
            ),
            "end": (_("End cycle"), _("%(cycle)s is closed. It stays readable, and nothing in it changes any more.")),
            "cancel": (
                _("Cancel cycle"),
                _(
                    "%(cycle)s and its entitlements are cancelled, and the money reserved for them is released. "
                    "A cancelled cycle can't be opened again."
                ),
            ),
        }
        if step == "repair":
            return _("Repair"), self._repair_text() or _("%s adds up: there is nothing to repair.", self.name)
        title, text = texts[step]
        if held_back:
            text += " " + _(
                "%(count)s more are held back and get none: %(reasons)s. Settle that, then prepare payments again.",
                count=self._number(sum(held_back.values())),
                reasons="; ".join(f"{reason} ({self._number(count)})" for reason, count in held_back.items()),
            ).replace("%", "%%")
        if step == "copy" and (duplicates := self.program_id._waiting_duplicates_text()):
            text += " " + duplicates.replace("%", "%%")
        if step == "approve" and self.auto_approve_entitlements:
            text = _(
                "%(cycle)s and its %(count)s entitlements of %(amount)s are approved. The money is reserved for them."
            )
        if step in ("approve", "validate") and self._has_field_access(self._fields["fund_available"], "read"):
            text += " " + _("The fund has %s left.", self._money(self.fund_available))
            if self.fund_short:
                text += " " + _("That is %s too little for all of them.", self._money(self.fund_short))
                manager = self.program_id.get_manager(self.program_id.MANAGER_ENTITLEMENT)
                if manager.shortage_policy == "priority":
                    text += " " + _("They are approved in order of priority, as far as the money goes.")
                else:
                    text += " " + _("The program approves all or nothing, so nothing will be approved.")
        return title, text % values

    def _count_and_sum(self, model, field, states):
        [(count, total)] = self.env[model]._read_group(
            [("cycle_id", "=", self.id), ("state", "in", states)], [], ["__count", f"{field}:sum"]
        )
        return count, total or 0

    def _number(self, value):
        return formatLang(self.env, value, digits=0)

    def _money(self, value):
        return formatLang(self.env, value, currency_obj=self.currency_id)

    # Links

    def _open_list(self, model, name, context=None, domain=None):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": model,
            "view_mode": "list,form",
            "views": [(False, "list"), (False, "form")],
            "domain": [("cycle_id", "=", self.id), *(domain or [])],
            "context": {"default_cycle_id": self.id, **(context or {})},
        }

    def action_view_members(self):
        """Stat button: the beneficiaries of the cycle."""
        return self._open_list("g2p.cycle.membership", self.env._("Beneficiaries of %s", self.display_name))

    def action_view_entitlements(self):
        """Stat button: the entitlements of the cycle."""
        return self._open_list("g2p.entitlement", self.env._("Entitlements of %s", self.display_name))

    def action_view_left_out(self):
        """Stat button: what the last approval did not reach; the context key `left_out_reason` narrows it."""
        reason = self.env.context.get("left_out_reason")
        return self._open_list(
            "g2p.entitlement",
            self.env._("Left out of %s", self.display_name),
            {"show_left_out": True},
            [("left_out_reason", "=", reason) if reason else ("left_out_reason", "!=", False)],
        )

    def action_view_held_back(self):
        """Stat button: approved, and held back when payments were prepared or sent: the list that somebody works through."""
        return self._open_list(
            "g2p.entitlement",
            self.env._("Held back in %s", self.display_name),
            {"show_left_out": True, "group_by": "left_out_reason"},
            [("left_out_reason", "!=", False), ("state", "=", "approved")],
        )

    def action_view_payments(self):
        """Stat button: the payments of the cycle."""
        return self._open_list("g2p.payment", self.env._("Payments of %s", self.display_name))

    def action_view_batches(self):
        """Stat button: the batches of the cycle."""
        return self._open_list("g2p.payment.batch", self.env._("Batches of %s", self.display_name))

    def action_view_approved(self):
        """Link: the entitlements that were approved, whatever became of them."""
        return self._open_list(
            "g2p.entitlement", self.env._("Approved in %s", self.display_name), domain=[("date_approved", "!=", False)]
        )

    def action_view_reconciled(self):
        """Link: the payments that are final."""
        return self._open_list(
            "g2p.payment", self.env._("Final payments of %s", self.display_name), domain=[("status", "!=", False)]
        )
