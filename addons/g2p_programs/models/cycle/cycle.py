from typing import NamedTuple

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL
from odoo.tools.misc import format_date, formatLang

from odoo.addons.g2p_bulk.tools import roles

from ...tools import blocks
from ...tools.constants import FUND_READERS, GROUP_ADMIN, GROUP_FINANCE, GROUP_MANAGER, GROUP_VALIDATOR
from . import agreed, figures
from .agreed import CYCLE, ENTITLEMENTS

# So many entitlements can be approved by selecting them
MAX_SELECTION = 1000
# Entitlements that money, or something else, is promised or given for
DECIDED_STATES = ("approved", "trans2FSP", "rdpd2ben")
# Where a cycle stands in the pipeline that has something to resume or to repair, or is over
STATE_STAGES = {"draft": 2, "to_approve": 3, "approved": 4, "distributed": 6, "ended": 6, "cancelled": 6}


class Box(NamedTuple):
    """One part of the pipeline, as the form shows it."""

    label: str
    count: int
    amount: float
    remark: str
    is_warning: bool
    action: str
    remark_action: str = ""


class Cycle(models.Model):
    """One round of a program: who is in it, what they are due, and what was paid."""

    _name = "g2p.cycle"
    _description = "Cycle"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "g2p.state.mixin",
        "g2p.bulk.pipeline",
        "g2p.counters.mixin",
        "g2p.change.mixin",
        "g2p.approval.mixin",
    ]
    _order = "sequence desc, id desc"
    _approval_done_states = ("approved", "distributed", "ended", "cancelled")
    _check_company_auto = True
    _changes_on = "program_id"
    _step_key = "cycle_step"

    _fixed_fields = ("program_id",)
    _protected_fields = (
        "state",
        "company_id",
        "approved_by",
        "approved_date",
        "prepared_by",
        "submitted_by",
        "submission",
        # Counters: what an approver reads is what the database holds.
        "members_count",
        "not_eligible_count",
        "entitlements_count",
        "total_amount",
        "pending_count",
        "pending_amount",
        "approved_count",
        "approved_amount",
        "drafts_count",
        "unprepared_count",
        "left_out_count",
        "left_out_amount",
        "payments_count",
        "payments_amount",
        "sent_count",
        "sent_amount",
        "unsent_count",
        "paid_count",
        "paid_amount",
        "fee_amount",
        "failed_count",
        "failed_amount",
        "unpaid_count",
        "exceptions_count",
    )

    _name_program_uniq = models.Constraint(
        "UNIQUE (name, program_id)", "The program has a cycle of this name already: choose another name."
    )
    _sequence_program_uniq = models.Constraint(
        "UNIQUE (program_id, sequence)", "The program has a cycle of this number already: reload the page."
    )
    _dates = models.Constraint("CHECK (end_date >= start_date)", "A cycle can't end before it starts.")

    name = fields.Char(required=True, tracking=True)
    program_id = fields.Many2one("g2p.program", required=True, index=True, ondelete="restrict")
    company_id = fields.Many2one(related="program_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="program_id.currency_id")
    target_type = fields.Selection(related="program_id.target_type")
    sequence = fields.Integer(required=True, readonly=True, default=1)
    start_date = fields.Date(required=True, default=fields.Date.context_today)
    end_date = fields.Date(required=True)
    full_period_days = fields.Integer(
        "Days of a full period",
        copy=False,
        help="Of a cycle that is short on purpose: amounts are multiplied by its days and divided by these. 0: in full.",
    )
    part_of_period = fields.Char("Pays", compute="_compute_part_of_period")
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("to_approve", "To approve"),
            ("approved", "Approved"),
            ("distributed", "Distributed"),
            ("ended", "Ended"),
            ("cancelled", "Cancelled"),
        ],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        index=True,
        tracking=True,
    )
    auto_approve_entitlements = fields.Boolean(help="Approving the cycle approves its entitlements too.", copy=False)
    prepared_by = fields.Many2one(
        "res.users", readonly=True, copy=False, help="Who prepared the entitlements. They can't approve."
    )
    submitted_by = fields.Many2one(
        "res.users", readonly=True, copy=False, help="Who asked for approval. They can't approve."
    )
    submission = fields.Integer(
        "Submitted",
        readonly=True,
        copy=False,
        aggregator=None,
        help="How many times it was sent for approval: an approval is of what was sent last.",
    )
    approved_by = fields.Many2one("res.users", readonly=True, copy=False)
    approved_date = fields.Datetime(readonly=True, copy=False)
    approver_group_id = fields.Many2one("res.groups", compute="_compute_approver_group_id")
    author_ids = fields.One2many("g2p.cycle.author", "cycle_id", string="Authors", readonly=True)
    can_approve = fields.Boolean(compute="_compute_can_approve")

    cycle_membership_ids = fields.One2many("g2p.cycle.membership", "cycle_id", string="Beneficiaries")
    members_count = fields.Integer("Beneficiaries enrolled", readonly=True, copy=False)
    not_eligible_count = fields.Integer("Beneficiaries not eligible", readonly=True, copy=False)

    # Entitlements

    entitlement_ids = fields.One2many("g2p.entitlement", "cycle_id", string="Entitlements")
    entitlements_count = fields.Integer("Number of entitlements", readonly=True, copy=False)
    total_amount = fields.Monetary("Amount of the entitlements", readonly=True, copy=False)
    total_amount_in_words = fields.Char(compute="_compute_total_amount_in_words")
    show_approve_entitlements_button = fields.Boolean(
        compute="_compute_show_approve_entitlements_button", help="Whether entitlements wait for approval now."
    )
    pending_count = fields.Integer("Entitlements not approved yet", readonly=True, copy=False)
    pending_amount = fields.Monetary("Amount not approved yet", readonly=True, copy=False)
    approved_count = fields.Integer("Entitlements approved", readonly=True, copy=False)
    approved_amount = fields.Monetary("Amount approved", readonly=True, copy=False)
    left_out_count = fields.Integer(
        "Left out",
        readonly=True,
        copy=False,
        help="Not approved: the fund was short, or something stands in the way.",
    )
    left_out_amount = fields.Monetary("Amount left out", readonly=True, copy=False)
    drafts_count = fields.Integer("Draft entitlements", readonly=True, copy=False)
    unprepared_count = fields.Integer(
        "Beneficiaries never looked at",
        readonly=True,
        copy=False,
        help="Enrolled, with neither an entitlement nor a reason why there is none.",
    )
    needs_repair = fields.Boolean(compute="_compute_needs_repair")

    # Payments

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
        "Payments failed", readonly=True, copy=False, help="Attempts that were sent, also of those paid later."
    )
    failed_amount = fields.Monetary("Amount failed", readonly=True, copy=False)
    unpaid_count = fields.Integer(
        "Approved, without a payment", readonly=True, copy=False, help="Prepare payments makes a payment for these."
    )
    payable_from = fields.Date(
        readonly=True, copy=False, help="The first day on which one of these can be paid, when it was counted last."
    )
    exceptions_count = fields.Integer(
        "Approved, held back",
        readonly=True,
        copy=False,
        help="Something stood in the way when payments were prepared or sent. The list says what; prepare again afterwards.",
    )

    contradictions_count = fields.Integer("Contradictions to settle", compute="_compute_contradictions_count")

    # Screen

    can_manage = fields.Boolean(compute="_compute_can_manage")
    can_validate = fields.Boolean(compute="_compute_can_validate")
    batches_count = fields.Integer(compute="_compute_batches_count")
    pipeline = fields.Json(compute="_compute_pipeline")
    amount_in_words = fields.Char(compute="_compute_amount_in_words")
    fund_available = fields.Monetary("Available in the fund", compute="_compute_fund", groups=FUND_READERS)
    fund_short = fields.Monetary("Short in the fund", compute="_compute_fund", groups=FUND_READERS)

    def init(self):
        result = super().init()
        # Cycles of before these were counted.
        self.env.cr.execute("SELECT id FROM g2p_cycle WHERE unprepared_count IS NULL")
        if earlier := self.browse(cycle_id for [cycle_id] in self.env.cr.fetchall()):
            earlier._refresh_counters()
        return result

    # Computes

    @api.depends("start_date", "end_date", "full_period_days")
    def _compute_part_of_period(self):
        for cycle in self:
            days, full_days = cycle._part_of_period()
            cycle.part_of_period = bool(days) and self.env._(
                "%(days)s of %(full_days)s days of a full period: the amounts in this part",
                days=days,
                full_days=full_days,
            )

    def _part_of_period(self):
        """(days of this cycle, days of the full period) of a cycle that is short on purpose; (0, 0) of any other."""
        self.ensure_one()
        days = (self.end_date - self.start_date).days + 1 if self.start_date and self.end_date else 0
        return (days, self.full_period_days) if 0 < days < self.full_period_days else (0, 0)

    @api.depends("program_id.cycle_managers")
    def _compute_approver_group_id(self):
        for cycle in self:
            managers = cycle.program_id.get_managers(cycle.program_id.MANAGER_CYCLE) if cycle.program_id else []
            cycle.approver_group_id = managers[0].approver_group_id if managers else False

    @api.depends(
        "state", "approver_group_id", "author_ids", "approval_request_ids.state", "approval_request_ids.stage_id"
    )
    @api.depends_context("uid")
    def _compute_can_approve(self):
        for cycle in self:
            cycle.can_approve = cycle.state == "to_approve" and not cycle._approval_refusal()

    @api.depends("name", "program_id.name")
    def _compute_display_name(self):
        for cycle in self:
            cycle.display_name = f"{cycle.program_id.name or ''} · {cycle.name or ''}"

    @api.depends("state", "pending_count", "drafts_count", "left_out_count", "unprepared_count", "approved_count")
    def _compute_needs_repair(self):
        """Whether the set is not where the state says it is, and no step is under way that brings it there."""
        for cycle in self:
            wrong = {
                "draft": cycle.pending_count > cycle.drafts_count,
                "to_approve": cycle.drafts_count or cycle.unprepared_count,
                "approved": cycle.drafts_count or cycle.unprepared_count,
                "distributed": cycle.pending_count > cycle.left_out_count or cycle.unprepared_count,
                "ended": cycle.pending_count > cycle.left_out_count or cycle.unprepared_count,
                "cancelled": cycle.pending_count or cycle.approved_count,
            }.get(cycle.state)
            cycle.needs_repair = bool(wrong and not cycle._open_operations())

    @api.depends("total_amount")
    @api.depends_context("lang")
    def _compute_total_amount_in_words(self):
        for cycle in self:
            cycle.total_amount_in_words = cycle.currency_id.amount_to_text(cycle.total_amount)

    @api.depends("state", "pending_count")
    def _compute_show_approve_entitlements_button(self):
        for cycle in self:
            cycle.show_approve_entitlements_button = cycle.state == "approved" and bool(cycle.pending_count)

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

    def _compute_batches_count(self):
        counts = {}
        if self.env["g2p.payment.batch"].has_access("read"):
            counts = dict(
                self.env["g2p.payment.batch"]._read_group([("cycle_id", "in", self.ids)], ["cycle_id"], ["__count"])
            )
        for cycle in self:
            cycle.batches_count = counts.get(cycle, 0)

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

    # CRUD

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            program = self.env["g2p.program"].browse(vals.get("program_id"))
            if program:
                program._check_active()
        cycles = super().create(vals_list)
        if any(cycle.auto_approve_entitlements != cycle._auto_approval_of_manager() for cycle in cycles):
            self._refuse_auto_approval()
        return cycles

    @api.model
    def _guard_own_values(self, vals_list):
        """The number of each cycle: the next one of its program."""
        program_ids = {vals["program_id"] for vals in vals_list if vals.get("program_id")}
        # sudo: numbers, of programs that may be used
        found = self.sudo()._read_group([("program_id", "in", list(program_ids))], ["program_id"], ["sequence:max"])
        last = {program.id: number for program, number in found}
        given = []
        for vals in vals_list:
            number = last[vals.get("program_id")] = last.get(vals.get("program_id"), 0) + 1
            given.append({"sequence": number})
        return given

    def write(self, vals):
        if not self.env.su and vals:
            # Validators, approvers and finance press buttons on a cycle, for which they have write access; only a
            # program manager edits it.
            self.program_id._check_can(GROUP_MANAGER)
        fixed = {"start_date", "end_date", "full_period_days", "program_id", "name", "auto_approve_entitlements"} & set(
            vals
        )
        if fixed and any(cycle.state != "draft" for cycle in self) and not self.env.su:
            raise UserError(self.env._("Only a draft cycle can be edited: reset it to draft first."))
        if {"start_date", "end_date", "full_period_days"} & set(vals) and not self.env.su:
            short = self.filtered(lambda cycle: cycle.full_period_days or vals.get("full_period_days"))
            # sudo: an entitlement counts whether or not the user may see it; only the refusal is shown
            if self.env["g2p.entitlement"].sudo().search_count([("cycle_id", "in", short.ids)], limit=1):
                raise UserError(
                    self.env._(
                        "%s has entitlements that were computed for its days: delete them before you change how long it is.",
                        short[0].name,
                    )
                )
        if "program_id" in vals and any(cycle.program_id.id != vals["program_id"] for cycle in self):
            raise UserError(self.env._("A cycle stays with its program."))
        wanted = vals.get("auto_approve_entitlements")
        if wanted is not None and any(
            wanted not in (cycle.auto_approve_entitlements, cycle._auto_approval_of_manager()) for cycle in self
        ):
            self._refuse_auto_approval()
        return super().write(vals)

    def _auto_approval_of_manager(self):
        """What an administrator settled for the program's cycles: whether who approves them approves their entitlements."""
        # sudo: the manager's settings are the program's rule, whatever its user may see
        managers = self.sudo().program_id.get_managers(self.program_id.MANAGER_CYCLE)
        return bool(managers and managers[0].auto_approve_entitlements)

    def _refuse_auto_approval(self):
        roles.check(
            self.env,
            GROUP_ADMIN,
            refusal=self.env._(
                "Whether one approval is enough is set by an administrator, not by who prepares: leave “%s” as the "
                "cycle manager has it.",
                self._fields["auto_approve_entitlements"]._description_string(self.env),
            ),
        )

    @api.onchange("start_date")
    def _onchange_start_date(self):
        managers = self.program_id.get_managers(self.program_id.MANAGER_CYCLE) if self.program_id else []
        if managers and self.start_date:
            self.end_date = managers[0]._next_period(fields.Date.subtract(self.start_date, days=1))[1]

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        for cycle in self:
            if cycle.state != "draft":
                raise UserError(self.env._("%s was approved already or waits for it: it can't be deleted.", cycle.name))
            for model, what in (
                ("g2p.entitlement", self.env._("entitlements")),
                ("g2p.cycle.membership", self.env._("beneficiaries")),
            ):
                # sudo: what is in the cycle counts whether or not the user may see it; only the refusal is shown
                if self.env[model].sudo().search_count([("cycle_id", "=", cycle.id)], limit=1):
                    raise UserError(
                        self.env._(
                            "%(cycle)s has %(what)s: remove them before you delete it.", cycle=cycle.name, what=what
                        )
                    )

    # Guards

    def _check_can(self, group):
        self.program_id._check_can(group)
        self.check_access("write")

    @api.model
    def _maker_checker(self):
        """Preparer and approver differ, unless a system administrator switched the rule off."""
        # sudo: a parameter that everybody's button obeys; its value is not shown
        return self.env["ir.config_parameter"].sudo().get_param("g2p_programs.maker_checker", "True") != "False"

    def _approval_refusal(self):
        """Why the user may not approve this cycle, in words; False when they may."""
        self.ensure_one()
        if self._has_default_stage(CYCLE) and (refusal := self._group_refusal(CYCLE)):
            return refusal
        if self._is_own_work():
            return self.env._("You prepared this cycle, or set amounts in it, so somebody else has to approve it.")
        return self._stage_refusal(CYCLE)

    def _group_refusal(self, kind):
        """Why the user is not among those who agree where no stages are set, in words; False when they are."""
        if kind == ENTITLEMENTS:
            # sudo: the manager's settings are the program's rule, whatever its user may see
            refusals = (manager._approval_refusal() for manager in self.sudo()._entitlement_managers())
            return next(filter(None, refusals), False)
        group = self.approver_group_id
        if not group:
            return self.env._("No approver group is set in the cycle manager of %s.", self.program_id.name)
        # sudo: who is in the group is asked of all users; only the answer about the user themself is used
        if self.env.user not in group.sudo().all_user_ids:
            return self.env._("Only members of “%s” may approve this cycle.", group.sudo().display_name)
        if not group.sudo()._holds_approval():
            return self.env._(
                "“%s” holds neither the approver's nor finance's right any more: an administrator has to choose another "
                "group.",
                group.sudo().display_name,
            )
        return False

    def _stage_refusal(self, kind):
        """Why the user may not decide in the stage that is open, in words; False when they may. Where nothing was asked for
        yet, whoever decides in one of the stages that are set asks by their press."""
        if not self._approval_asks(kind):
            return False
        if request := self._approval_open(kind):
            return not request._voice() and request._refusal_text()
        stages = self._stages_set(kind)
        # sudo: groups of the user themself
        groups = self.env.user.sudo().all_group_ids.ids
        if not stages or any(
            stage["group_id"] in groups or self.env.uid in stage["user_ids"][0][2] for stage in stages
        ):
            return False
        return self.env._("It is approved in stages: %s.", ", ".join(stage["name"] for stage in stages))

    def _check_submission(self):
        """Refuse to approve something else than was seen. What was sent for approval is not edited any more, and nothing
        joins it (triggers of the entitlement): whoever takes it back to edit it has to send it again, which raises its number.
        Screens hand over the number that they showed; scripts that name none approve what was sent last.

        Asked when the row is locked, see `_bulk_gate`."""
        self.ensure_one()
        seen = self.env.context.get("submission")
        self.invalidate_recordset(["submission"])
        if seen is not None and seen != self.submission:
            raise UserError(
                self.env._(
                    "%s was taken back and sent for approval again since you opened it: look at it again. Nothing was approved.",
                    self.name,
                )
            )

    def _is_own_work(self):
        """Whether the user had a hand in this cycle, where maker and checker must differ: prepared or submitted it, created
        an entitlement of it or set an amount, at any time."""
        self.ensure_one()
        # sudo: asked about the user themself only
        return self._maker_checker() and self.env["g2p.cycle.author"].sudo()._has(self, self.env.user)

    def _validation_refusal(self):
        """Why the user may not approve the entitlements of this cycle, in words; False when they may."""
        self.ensure_one()
        if self._is_own_work():
            return self.env._(
                "You prepared this cycle, or set amounts in it, so somebody else has to approve its entitlements."
            )
        if self._answers_for_both():
            return False
        if self._has_default_stage(ENTITLEMENTS) and (refusal := self._group_refusal(ENTITLEMENTS)):
            return refusal
        return self._stage_refusal(ENTITLEMENTS)

    def _answers_for_both(self):
        """Approving the cycle approved its entitlements too, and the user was the last who did."""
        return (
            self.auto_approve_entitlements
            and self.approved_by == self.env.user
            and not self._approval_open(ENTITLEMENTS)
        )

    def _check_can_approve_entitlements(self):
        self.ensure_one()
        self.check_access("write")
        if not self.env.su and (refusal := self._validation_refusal()):
            raise AccessError(refusal)
        self._require_state("approved")
        self.program_id._check_not_paused(only_held=True)

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

    # What comes before what, where it is no step: transitions, and acts on single rows that steps move

    def _bulk_parents(self):
        return [*super()._bulk_parents(), self.program_id]

    @api.model
    def _bulk_relies_on(self):
        return {
            **super()._bulk_relies_on(),
            "to_approve": ("copy", "verify", "prepare", "withdraw"),
            "reset_draft": (),
            "mark_cancelled": (),
            "edit_members": (),
            "edit_entitlements": (),
            "reject": (),
            "edit_payments": (),
            "send_batch": ("prepare_payments",),
            "mark": (),
        }

    @api.model
    def _bulk_acts(self):
        acts = ("edit_members", "edit_entitlements", "reject", "edit_payments", "mark")
        return (*super()._bulk_acts(), *acts)

    # Buttons of steps

    def copy_beneficiaries_from_program(self):
        """Button: every enrolled member of the program who is not in the cycle yet enters it."""
        return self._press("copy")

    def check_eligibility(self):
        """Button: decide again who of this cycle is eligible. Nobody outside this cycle is touched."""
        return self._press("verify")

    def prepare_entitlement(self):
        """Button: draft entitlements for the enrolled beneficiaries who have none. Doing it again changes nothing."""
        return self._press("prepare")

    def validate_entitlement(self):
        """Button: approve the entitlements that wait, as far as the fund and the shortage policy allow. In a stage that is
        not the last one, the user agrees to them by it."""
        self.ensure_one()
        self.check_access("write")
        self._approval_hold(ENTITLEMENTS)
        self._bulk_step("approve_entitlements")._check_may(self)
        return self._agree(ENTITLEMENTS) or self._bulk_start("approve_entitlements")._notification()

    def _approve_selection(self, entitlements):
        """Approve some entitlements of this cycle: the same step, narrowed."""
        self.check_access("write")
        self._approval_hold(ENTITLEMENTS)
        self._check_can_approve_entitlements()
        self._bulk_gate()
        self._check_submission()
        entitlements.check_access("read")
        if len(entitlements) > MAX_SELECTION:
            raise UserError(
                self.env._(
                    "%(count)s entitlements are selected; up to %(most)s can be approved at a time this way. "
                    "Use Approve entitlements on the cycle for all of them.",
                    count=len(entitlements),
                    most=MAX_SELECTION,
                )
            )
        if any(entitlement.state != "pending_validation" for entitlement in entitlements):
            raise UserError(self.env._("Only entitlements that wait for approval can be approved."))
        if self._approval_asks(ENTITLEMENTS) and not self._has_default_stage(ENTITLEMENTS):
            raise UserError(
                self.env._(
                    "The entitlements of %s are agreed to together, in stages: press Approve entitlements on the cycle.",
                    self.name,
                )
            )
        # The rest is asked for when these have moved.
        self._approval_drop(self.env._("Some of these entitlements were approved by themselves."))
        return self._bulk_start("approve_entitlements", {"entitlement_ids": entitlements.ids})._notification()

    def prepare_payment(self):
        """Button: a payment for each approved entitlement that has none, or only failed ones. Again changes nothing."""
        return self._press("prepare_payments")

    def send_payment(self):
        """Button: send every payment that has not left yet."""
        return self._press("send")

    def action_repair(self):
        """Button: bring beneficiaries and entitlements to where the state of the cycle says they are."""
        return self._press("repair")

    def _mark_payments(self, status, reason=None, date=None, bank_reference=None, confirmed=None):
        """Mark every payment of the cycle that is not final. The role is checked here."""
        self._check_can_mark()
        return self._bulk_start(
            "reconcile",
            {
                "status": status,
                "reason": reason or None,
                "date": fields.Datetime.to_string(date) if date else None,
                "bank_reference": bank_reference or None,
                # Scheduled work and the product itself; a person alone says of nothing that left that it failed.
                "confirmed": self.env.su if confirmed is None else confirmed,
            },
        )._notification()

    def _check_can_mark(self):
        self.ensure_one()
        self._check_can(GROUP_FINANCE)
        self._require_state("approved")
        self._check_sees_payments()

    # Life cycle

    def to_approve(self):
        """draft → to_approve. The entitlements wait for approval from here on."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
        self._require_state("draft")
        self.program_id._check_active()
        # sudo: an entitlement counts whether or not the user may see it; only the refusal is shown
        if (
            not self.env["g2p.entitlement"]
            .sudo()
            .search_count([("cycle_id", "=", self.id), ("state", "in", ("draft", "pending_validation"))], limit=1)
        ):
            raise UserError(self.env._("%s has no entitlements yet: prepare them first.", self.name))
        self._bulk_check("to_approve")
        self._note_submission()
        self._transition("to_approve")
        self._ask_approval(CYCLE)
        if not self._has_default_stage(CYCLE):
            self._approval_open(CYCLE)._check_somebody_can()
        return self._bulk_start("submit")._notification()

    def _note_submission(self):
        """Another set waits for approval from here on: who sent it, and its number."""
        # sudo: role, access and state were checked by who asks; `submitted_by` is protected
        self.sudo().write({"submitted_by": self.env.uid, "submission": self.submission + 1})
        self.env["g2p.cycle.author"].sudo()._add(self, self.env.user, "submitted")

    def reset_draft(self):
        """to_approve → draft. Pending entitlements become drafts again."""
        self.ensure_one()
        self._check_can(GROUP_VALIDATOR)
        self._approval_hold()
        if self._approval_refusal():
            refusal = self.env._("A program manager or an approver may send the cycle back to draft.")
            roles.check(self.env, GROUP_MANAGER, refusal=refusal)
        self._require_state("to_approve")
        self._bulk_check("reset_draft")
        self._transition("draft")
        self._approval_drop(self.env._("%s reset the cycle to draft.", self.env.user.name))
        return self._bulk_start("withdraw")._notification()

    def approve(self):
        """to_approve → approved, by a member of the approver group who did not prepare it; where stages are set, when the last
        of those who have to agree did so by it. The context key `submission` says what they saw."""
        self.ensure_one()
        self.check_access("write")
        self._approval_hold(CYCLE)
        refusal = self._approval_refusal()
        if refusal:
            raise AccessError(refusal)
        self._require_state("to_approve")
        self._bulk_gate()
        self._check_submission()
        if waits := self._agree(CYCLE):
            return waits
        return self.validate_entitlement() if self.auto_approve_entitlements else True

    def mark_distributed(self):
        """approved → distributed, once every payment is final and all else is settled; happens by itself with the last one."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
        self._require_state("approved")
        self._bulk_check("mark_distributed")
        open_payments = self._open_payments_text()
        if open_payments:
            raise UserError(open_payments)
        self._transition("distributed")
        return True

    def mark_ended(self):
        """distributed → ended. A cycle about which a payer contradicts us is not closed before a person found out what
        happened."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
        self._require_state("distributed")
        # sudo: a contradiction counts whether or not the user may see it; only the refusal is shown
        contradictions = self.env["g2p.payment.contradiction"].sudo()
        if count := contradictions.search_count([("cycle_id", "in", self.ids), ("state", "=", "open")]):
            raise UserError(
                self.env._(
                    "%s answers of payers contradict our records: finance settles them first (Payments → Contradictions).",
                    count,
                )
            )
        self._bulk_check("mark_ended")
        self._transition("ended")
        return True

    def mark_cancelled(self):
        """draft, to_approve or approved → cancelled: entitlements that are not paid are cancelled and their money is
        released. Refused while a payment is on its way."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
        self._approval_hold()
        self._require_state("draft", "to_approve", "approved")
        self._bulk_check("mark_cancelled")
        # sudo: a payment counts whether or not the user may see it; only the refusal is shown
        payments = self.env["g2p.payment"].sudo()
        if payments.search_count([("cycle_id", "=", self.id), ("state", "=", "sent"), ("status", "=", False)], limit=1):
            raise UserError(self.env._("Payments of %s are on their way: reconcile them first.", self.name))
        if payments.search_count([("cycle_id", "=", self.id), ("status", "=", "paid")], limit=1):
            raise UserError(
                self.env._("Payments of %s were made already, so it can't be cancelled any more.", self.name)
            )
        # sudo: as the payments
        if (
            self.env["g2p.entitlement"]
            .sudo()
            .search_count([("cycle_id", "=", self.id), ("state", "=", "rdpd2ben")], limit=1)
        ):
            raise UserError(
                self.env._("Something of %s was handed out already, so it can't be cancelled any more.", self.name)
            )
        self._transition("cancelled")
        self._approval_drop(self.env._("The cycle was cancelled."))
        return self._bulk_start("cancel_entitlements")._notification()

    # Who agrees: one request for the cycle as it was sent, one for its entitlements where they are a step of their own

    def _ask_approval(self, kind, tell=True):
        """What waits is asked for, once; nothing where nobody is asked, where nobody is named yet, or nothing waits.

        :param tell: whether those who can decide get a message
        """
        self.ensure_one()
        waits = self.state == "to_approve" if kind == CYCLE else self.state == "approved" and self._undecided()
        if not waits or self._approval_open(kind):
            return
        if self._has_default_stage(kind) and not (self._maker_checker() and self._default_approvers(kind)):
            return
        asker = self.submitted_by or self.create_uid
        # sudo: role, access and state were checked by who sends it for approval, or moves what waits
        request = self.env["g2p.approval.request"]._ask(self, kind, asker).sudo()
        if tell:
            request._tell()

    def _undecided(self):
        """Whether an entitlement waits of which nobody has said why."""
        self.env.flush_all()
        found = SQL(
            "SELECT FROM g2p_entitlement AS t WHERE %s AND t.left_out_reason IS NULL LIMIT 1", agreed.waiting(self)
        )
        return bool(self.env.execute_query(found))

    def _agree(self, kind):
        """What a button does once it has checked who, when, and what was seen; returns None when all have agreed, else what
        the client shows."""
        before = self._approval_open(kind).sudo()  # sudo: whether somebody has agreed to it
        agreed_to = before.decision_ids
        answer = self._approval_submit(kind)
        if answer and before.state == "void" and not agreed_to:
            # Nobody had agreed to what it was. What is there now is what the button was pressed on: see `_check_submission`.
            answer = self._approval_submit(kind)
        return answer

    def _default_approvers(self, kind):
        """The groups of which somebody agrees where no stages are set: the first one's members who are in all of them."""
        # sudo: settings of the program's managers are rules, whatever the user may see
        cycle = self.sudo()
        if kind == CYCLE:
            return cycle.approver_group_id
        groups = cycle.env["res.groups"]
        for manager in cycle.program_id.get_managers(cycle.program_id.MANAGER_ENTITLEMENT):
            groups |= manager.entitlement_validation_group_id
        return groups

    def _stages_set(self, kind):
        """The stages that an administrator set for this kind, whatever the amount."""
        kinds = self.env["g2p.approval.kind"]
        return self.env["g2p.approval.stage"]._set_for(
            kinds._of(kind), self._approval_company(), self.program_id, None, None
        )

    def _has_default_stage(self, kind):
        """Whether one member of the managers' group is asked: of what waits, else of what would be asked for now."""
        # sudo: stages are rules
        if not (request := self._approval_open(kind).sudo()):
            return not self._stages_set(kind)
        stages = request.stage_ids
        if len(stages) > 1 or stages.needed > 1 or stages.user_ids or stages.may_delegate or stages.escalate_days:
            return False
        return stages.group_id in self._default_approvers(kind)

    def _approval_kind(self):
        return CYCLE if self.state == "to_approve" else ENTITLEMENTS

    def _approval_name(self, kind):
        told = {"cycle": self.display_name, "count": self._number(self.pending_count)}
        if self.pending_count == 1:
            return (
                self.env._("%(cycle)s with 1 entitlement", **told)
                if kind == CYCLE
                else self.env._("1 entitlement of %(cycle)s", **told)
            )
        if kind == CYCLE:
            return self.env._("%(cycle)s with %(count)s entitlements", **told)
        return self.env._("%(count)s entitlements of %(cycle)s", **told)

    def _approval_scope(self):
        return self.program_id

    def _approval_of(self):
        return self.display_name

    def _approval_lock(self, kind):
        self._bulk_gate()
        self.invalidate_recordset()

    def _approval_digest(self, kind):
        return agreed.digest_of(self, kind)

    def _approval_figures(self, kind):
        return agreed.figures_of(self)

    def _approval_figures_now(self, kind, figures):
        return agreed.figures_now(self, figures)

    def _approval_amount(self, kind):
        return agreed.amount_of(self)

    def _approval_authors(self, kind):
        self.env.flush_all()
        rows = self.env.execute_query(SQL("SELECT DISTINCT user_id FROM g2p_cycle_author WHERE cycle_id = %s", self.id))
        return self.env["res.users"].browse(user_id for [user_id] in rows).sudo(False)

    def _approval_asker(self, kind):
        return self.submitted_by or self.create_uid

    def _approval_asks(self, kind):
        if kind == ENTITLEMENTS and self._answers_for_both():
            return False
        if not super()._approval_asks(kind):
            return False
        # Where one person does both, stages that are set are kept to all the same, and what waits goes on as it was asked for.
        return self._maker_checker() or bool(self._approval_open(kind)) or not self._has_default_stage(kind)

    def _approval_stages(self, kind, amount, currency):
        stages = self.env["g2p.approval.stage"]._set_for(
            self.env["g2p.approval.kind"]._of(kind), self._approval_company(), self.program_id, amount, currency
        )
        if stages:
            return stages
        if not (groups := self._default_approvers(kind)):
            raise UserError(self._group_refusal(kind))
        return [{"name": ", ".join(groups.mapped("display_name")), "group_id": groups[0].id}]

    def _approval_check(self, kind):
        self._require_state("to_approve" if kind == CYCLE else "approved")
        self.program_id._check_not_paused(only_held=True)
        self._bulk_check("approve" if kind == CYCLE else "approve_entitlements")

    def _approval_check_decider(self, kind):
        self.check_access("write")
        if self._has_default_stage(kind) and (refusal := self._group_refusal(kind)):
            raise AccessError(refusal)
        self._approval_check(kind)
        domain = [("cycle_id", "=", self.id), ("state", "in", ("draft", "pending_validation"))]
        entitlements = self.env["g2p.entitlement"]
        # sudo: only how many are hidden is told
        if hidden := entitlements.sudo().search_count(domain) - entitlements.search_count(domain):
            raise AccessError(
                self.env._(
                    "%s of these entitlements are outside the areas you work in: ask somebody who sees all of them.",
                    hidden,
                )
            )

    def _approval_granted(self, request):
        if self._approval_kind() == CYCLE:
            self.write({"approved_by": self.env.uid, "approved_date": fields.Datetime.now()})
            self._transition("approved")
            self._message_log(
                body=self.env._("Approved by %s.", self.env.user.name), author_id=self.env.user.partner_id.id
            )
            self.invalidate_recordset()
            if not self.auto_approve_entitlements:
                self._ask_approval(ENTITLEMENTS)

    def _approval_refused(self, request):
        if request.state == "void":
            self._ask_approval(request.kind_code)

    def _approval_follow(self, request):
        cycle = self.with_user(self.env.user)
        if request.state in ("refused", "withdrawn"):
            return cycle._send_back(request)
        if request.state == "done" and request.kind_code == ENTITLEMENTS:
            return cycle._bulk_start("approve_entitlements")._notification()
        if request.state == "done" and cycle.auto_approve_entitlements:
            return cycle.validate_entitlement()
        return None

    def _send_back(self, request):
        """to_approve or approved → draft: what was refused, or taken back, goes to who prepared it."""
        self.invalidate_recordset()
        if self.state not in ("to_approve", "approved"):
            return None
        decided = self.state == "approved" and self.env.execute_query(
            SQL(
                "SELECT FROM g2p_entitlement AS t WHERE t.cycle_id = %s AND t.state = ANY(%s) LIMIT 1",
                self.id,
                list(DECIDED_STATES),
            )
        )
        if decided:
            raise UserError(
                self.env._(
                    "Entitlements of %s are approved already, so it can't go back to draft: reject those that wait, or cancel "
                    "the cycle.",
                    self.name,
                )
            )
        self._bulk_check("reset_draft")
        # sudo: the decision on the request, or who took it back, was checked; the fields are protected
        self.sudo().write({"approved_by": False, "approved_date": False})
        self._transition("draft", request.decision_ids[-1:].remark or self.env._("The request was taken back"))
        return self._bulk_start("withdraw")._notification()

    # What follows from payments and deliveries

    def _set_distributed_if_complete(self):
        """approved → distributed when something was paid or handed out and nothing is left to do: every payment is final, no
        entitlement waits for approval, for a payment or for another attempt, and each other one is settled by its kind."""
        self.env.flush_all()
        complete = self.env.execute_query(
            SQL(
                """
                SELECT cycle.id
                  FROM g2p_cycle AS cycle
                 WHERE cycle.id = ANY(%(cycles)s) AND cycle.state = 'approved'
                   AND NOT EXISTS (
                        SELECT FROM g2p_payment AS payment WHERE payment.cycle_id = cycle.id AND payment.status IS NULL
                       )
                   AND NOT EXISTS (
                        SELECT FROM g2p_entitlement AS t
                         WHERE t.cycle_id = cycle.id
                           AND (t.state IN ('draft', 'pending_validation')
                                OR t.state IN ('approved', 'trans2FSP') AND NOT %(settled)s)
                       )
                   AND EXISTS (
                        SELECT FROM g2p_entitlement AS t WHERE t.cycle_id = cycle.id AND t.state = 'rdpd2ben'
                       )
                """,
                settled=self.env["g2p.entitlement"]._settled_sql(),
                cycles=self.ids,
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
                             WHERE t.cycle_id = %(cycle)s AND t.state = 'approved' AND t.settlement = 'payment'
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
        return self._unsettled_text()

    def _unsettled_text(self):
        """Why the cycle can't be called distributed yet, of what isn't settled by payments; False when nothing is open."""
        entitlement = self.env["g2p.entitlement"]
        rows = self.env.execute_query(
            SQL(
                """
                SELECT t.settlement, COUNT(*)
                  FROM g2p_entitlement AS t
                 WHERE t.cycle_id = %s AND t.state = 'approved' AND t.settlement <> 'payment' AND NOT %s
                 GROUP BY t.settlement
                 ORDER BY t.settlement
                """,
                self.id,
                entitlement._settled_sql(),
            )
        )
        known = entitlement._settlements()
        return rows and self.env._(
            "%(count)s approved entitlements of %(cycle)s are not settled: %(kinds)s. Record what was handed out, or reject them.",
            count=sum(count for _kind, count in rows),
            cycle=self.display_name,
            kinds="; ".join(f"{known[kind].words if kind in known else kind} ({count})" for kind, count in rows),
        )

    # What steps share

    def _entitlement_manager(self):
        """The manager by whose terms money that is short is handed out: the first one that gives money, else the first."""
        managers = self._entitlement_managers()
        return next((manager for manager in managers if manager._charges_fund()), managers[0])

    def _entitlement_managers(self):
        """All that say what is due, a list in order, with one at least. Whoever approves has to be one whom all of them allow."""
        program = self.program_id
        return program.get_managers(program.MANAGER_ENTITLEMENT) or [program.get_manager(program.MANAGER_ENTITLEMENT)]

    def _payment_manager(self):
        return self.program_id.get_manager(self.program_id.MANAGER_PAYMENT)

    def _hold_key(self, operation):
        return f"operation-{operation.id}"

    def _payable(self):
        """Over `t`: approved, to be settled by a payment, without one, or with failed ones only."""
        return SQL(
            """
            t.state = 'approved' AND t.settlement = 'payment'
            AND NOT EXISTS (
                SELECT FROM g2p_payment AS live
                 WHERE live.entitlement_id = t.id AND live.status IS DISTINCT FROM 'failed'
            )
            """
        )

    def _finish_leaving(self, operation):
        # Payments that were prepared while the entitlements ended, by who did not see it.
        self.env["g2p.payment"]._fail_blocked(SQL("payment.cycle_id = ANY(%s)", self.ids), blocks.APPROVE, operation)
        self.env["g2p.fund.hold"]._settle(self._hold_key(operation), reference=operation.name, operation=operation)
        self.env["g2p.payment.batch"]._refresh_statistics_where(SQL("batch.cycle_id = ANY(%s)", self.ids))
        self._refresh_counters()
        self._set_distributed_if_complete()

    def _finish_payments(self, operation, act=blocks.APPROVE):
        """After payments moved: disburse, count again, and close the cycle when everything is paid."""
        self.env["g2p.fund.hold"]._settle(self._hold_key(operation), reference=operation.name, operation=operation)
        self.env["g2p.payment"]._fail_blocked(SQL("payment.cycle_id = ANY(%s)", self.ids), act, operation)
        self.env["g2p.payment.batch"]._refresh_statistics_where(SQL("batch.cycle_id = ANY(%s)", self.ids))
        self._refresh_counters()
        self._set_distributed_if_complete()

    def _refresh_counters(self):
        """Count the beneficiaries, entitlements and payments of these cycles again, from the tables."""
        figures.refresh(self)

    # What the form says

    @api.depends("state", "members_count")
    def _compute_next_step(self):
        return super()._compute_next_step()

    def _payable_later(self):
        """The day from which what is approved can be paid, in words, where none of it can be before; else False."""
        self.ensure_one()
        later = self.unpaid_count and self.payable_from and self.payable_from > fields.Date.context_today(self)
        return later and format_date(self.env, self.payable_from)

    def _next_step(self):
        """What left, and nobody knows what came of it, is not forgotten because something else can be done first."""
        text = super()._next_step()
        if self.state != "approved" or not self.sent_count or self._open_operations():
            return text
        open_payments = self._bulk_step("reconcile")
        following = self._following_step()
        if following is None or following._step == open_payments._step:
            return text
        return f"{text} {open_payments._next_text(self)}"

    def _rest_text(self):
        if self.state == "approved" and (day := self._payable_later()):
            return self.env._("Payable from %s: prepare the payments then.", day)
        return {
            "ended": self.env._("The cycle is over."),
            "cancelled": self.env._("The cycle was cancelled."),
        }.get(self.state, False)

    @api.depends_context("uid")
    def _compute_pipeline(self):
        for cycle in self:
            cycle.pipeline = cycle._pipeline()

    def _pipeline(self):
        """[{number, label, state, count, amount, note, warning, action}] of the parts, in words for the screen."""
        self.ensure_one()
        following = None if self._open_operations() else self._following_step()
        current = following._stage if following is not None and following._stage else STATE_STAGES[self.state]

        def state(position):
            if self.state == "cancelled":
                return "stopped"
            return "done" if position < current else "now" if position == current else "todo"

        return [
            {
                "number": position,
                "label": box.label,
                "state": state(position),
                "count": self._number(box.count),
                "amount": self._money(box.amount) if box.amount else "",
                "note": box.remark,
                "warning": box.is_warning,
                "action": box.action,
                "note_action": box.remark_action if box.remark else "",
            }
            for position, box in enumerate(self._pipeline_boxes(), 1)
        ]

    def _pipeline_boxes(self):
        """[Box], in order."""
        _ = self.env._

        def remark(text, value):
            return text % self._number(value) if value else ""

        not_eligible = remark(_("%s not eligible"), self.not_eligible_count)
        left_out = remark(_("%s left out"), self.left_out_count)
        waiting = remark(_("%s waiting"), self.pending_count) if self.state != "draft" else ""
        held_back = remark(_("%s held back"), self.exceptions_count)
        failed = remark(_("%s failed"), self.failed_count)
        return [
            Box(_("Beneficiaries"), self.members_count, 0, not_eligible, bool(not_eligible), "action_view_members"),
            Box(_("Entitlements"), self.entitlements_count, self.total_amount, "", False, "action_view_entitlements"),
            Box(
                _("Approval"),
                self.approved_count,
                self.approved_amount,
                left_out or waiting,
                bool(left_out),
                "action_view_approved",
                "action_view_left_out" if left_out else "",
            ),
            Box(
                _("Payments"),
                self.payments_count,
                self.payments_amount,
                held_back,
                bool(held_back),
                "action_view_payments",
                "action_view_held_back",
            ),
            Box(
                _("Reconciled"),
                self.paid_count,
                self.paid_amount,
                failed,
                bool(failed),
                "action_view_reconciled",
                "action_view_failed",
            ),
        ]

    def _told(self):
        """What questions and sentences tell of the cycle, in words."""
        return {
            "cycle": self.name,
            "program": self.program_id.name,
            "members": self._number(self.members_count),
            "enrolled": self._number(self.program_id.eligible_beneficiaries_count),
            "count": self._number(self.pending_count),
            "amount": self._money(self.pending_amount),
            "entitlements": self._number(self.entitlements_count),
            "total": self._money(self.total_amount),
        }

    def _seen(self, step):
        """Before a question about an approval: all of it is there, and the answer names what was asked about."""
        if refusal := self._bulk_refusal(step):
            raise UserError(refusal)
        self._check_submission()
        return {"submission": self.submission}

    def _others_text(self, kind):
        """What a question says of who has to agree besides the user; begins with a space, empty where nobody has."""
        # sudo: who has to agree is told to whoever may agree too
        request = self._approval_open(kind).sudo()
        if not request or self._has_default_stage(kind):
            return ""
        others = request.stage_ids.filtered(lambda stage: stage.state == "later").mapped("name")
        if request.stage_id.needed - len(request.stage_id.decision_ids) > 1:
            others.insert(0, request.stage_id.who)
        return " " + self.env._("It is done when others agreed too: %s.", ", ".join(others)) if others else ""

    def _waits_text(self, kind):
        """Whom it waits for where stages are set; False where one member of the managers' group is asked."""
        # sudo: as `_others_text`
        request = self._approval_open(kind).sudo()
        return bool(request) and not self._has_default_stage(kind) and self.env._("It waits for %s.", request.waits_for)

    def _fund_text(self):
        """How far the money goes, for who may read the fund; begins with a space."""
        if not self._has_field_access(self._fields["fund_available"], "read"):
            return ""
        _ = self.env._
        sentences = [_("The fund has %s left.", self._money(self.fund_available))]
        if self.fund_short:
            sentences.append(_("That is %s too little for all of them.", self._money(self.fund_short)))
            if self._entitlement_manager().shortage_policy == "priority":
                sentences.append(_("They are approved in order of priority, as far as the money goes."))
            else:
                sentences.append(_("The program approves all or nothing, so nothing will be approved."))
        return "".join(f" {sentence}" for sentence in sentences)

    def _short_text(self):
        """What the fund is short of, for who may read it; False when it is not."""
        return (
            self._has_field_access(self._fields["fund_short"], "read")
            and self.fund_short
            and self.env._(
                "The fund is short by %s: post a deposit, then approve the entitlements.", self._money(self.fund_short)
            )
        )

    def _fund_reaches_nobody(self):
        """Whether the fund can't pay one of those who wait, as far as the user may know. Under the policy of priority
        whoever comes first may fit, so only an empty fund is certain."""
        if not self._has_field_access(self._fields["fund_short"], "read") or not self.fund_short:
            return False
        # sudo: the manager's settings are the program's rule, whatever its user may see
        return self.fund_available <= 0 or self.sudo()._entitlement_manager().shortage_policy != "priority"

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

    def action_view_failed(self):
        """Link: the payments that were sent and failed."""
        return self._open_list(
            "g2p.payment",
            self.env._("Failed payments of %s", self.display_name),
            domain=[("status", "=", "failed"), ("state", "!=", "stopped")],
        )

    def action_view_contradictions(self):
        """Stat button: what payers said against our records."""
        return self._open_list("g2p.payment.contradiction", self.env._("Contradictions of %s", self.display_name))

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
