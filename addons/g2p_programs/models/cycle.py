from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from .constants import GROUP_ADMIN, GROUP_MANAGER, GROUP_VALIDATOR


class Cycle(models.Model):
    """One round of a program: who is in it, what they are due, and what was paid."""

    _name = "g2p.cycle"
    _description = "Cycle"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "g2p.state.mixin",
        "g2p.bulk.mixin",
        "g2p.counters.mixin",
        "g2p.change.mixin",
    ]
    _order = "sequence desc, id desc"
    _check_company_auto = True
    _changes_on = "program_id"

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
    approved_by = fields.Many2one("res.users", readonly=True, copy=False, tracking=True)
    approved_date = fields.Datetime(readonly=True, copy=False)
    approver_group_id = fields.Many2one("res.groups", compute="_compute_approver_group_id")
    author_ids = fields.One2many("g2p.cycle.author", "cycle_id", string="Authors", readonly=True)
    can_approve = fields.Boolean(compute="_compute_can_approve")

    cycle_membership_ids = fields.One2many("g2p.cycle.membership", "cycle_id", string="Beneficiaries")
    members_count = fields.Integer("Beneficiaries enrolled", readonly=True, copy=False)
    not_eligible_count = fields.Integer("Beneficiaries not eligible", readonly=True, copy=False)
    next_step = fields.Char(compute="_compute_next_step")

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

    @api.depends("state", "approver_group_id", "author_ids")
    @api.depends_context("uid")
    def _compute_can_approve(self):
        for cycle in self:
            cycle.can_approve = cycle.state == "to_approve" and not cycle._approval_refusal()

    @api.depends("state", "members_count")
    @api.depends_context("uid")
    def _compute_next_step(self):
        for cycle in self:
            cycle.next_step = cycle._next_step()

    def _next_step(self):
        """One sentence for the person who opens the cycle."""
        _ = self.env._
        if self.state == "draft":
            if not self.members_count:
                return _("Copy the enrolled members of the program into the cycle.")
            return _("Prepare the entitlements, then send the cycle for approval.")
        return {
            "to_approve": _("Somebody of the approver group, not who prepared it, approves the cycle."),
            "approved": _("Approve the entitlements, then prepare and send the payments."),
            "distributed": _("Everything is paid: end the cycle."),
            "ended": _("The cycle is over."),
            "cancelled": _("The cycle was cancelled."),
        }[self.state]

    @api.depends("name", "program_id.name")
    def _compute_display_name(self):
        for cycle in self:
            cycle.display_name = f"{cycle.program_id.name or ''} · {cycle.name or ''}"

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
        if not self.env.su and not self.env.user.has_group(GROUP_ADMIN):
            raise AccessError(
                self.env._(
                    "Whether one approval is enough is set by an administrator, not by who prepares: leave “%s” as the "
                    "cycle manager has it.",
                    self._fields["auto_approve_entitlements"]._description_string(self.env),
                )
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
        if self._is_own_work():
            return self.env._("You prepared this cycle, or set amounts in it, so somebody else has to approve it.")
        return False

    def _check_submission(self):
        """Refuse to approve something else than was seen. What was sent for approval is not edited any more: whoever takes
        it back to edit it has to send it again, which raises its number. Screens hand over the number that they showed;
        scripts that read the cycle and approve it in one go need not.

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

    # Counters

    def _refresh_counters(self):
        """Count the beneficiaries of these cycles again, from the table. Extended by what counts more."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_cycle AS cycle
                   SET members_count = counted.enrolled, not_eligible_count = counted.not_eligible
                  FROM (
                        SELECT this.id,
                               COUNT(*) FILTER (WHERE membership.state = 'enrolled') AS enrolled,
                               COUNT(*) FILTER (WHERE membership.state = 'not_eligible') AS not_eligible
                          FROM g2p_cycle AS this
                          LEFT JOIN g2p_cycle_membership AS membership ON membership.cycle_id = this.id
                         WHERE this.id = ANY(%s)
                         GROUP BY this.id
                       ) AS counted
                 WHERE cycle.id = counted.id
                """,
                self.ids,
            )
        )
        self.invalidate_recordset()

    # What comes before what: these transitions, and the steps in the files of the steps

    def _bulk_parents(self):
        return [*super()._bulk_parents(), self.program_id]

    def _bulk_related(self, model):
        if model == "g2p.membership.change":
            return SQL("SELECT id FROM g2p_membership_change WHERE program_id = %s", self.program_id.id)
        if model == "g2p.payment.reconciliation":
            return SQL(
                """
                SELECT id FROM g2p_payment_reconciliation
                 WHERE cycle_id = %s OR cycle_id IS NULL AND company_id = %s
                """,
                self.id,
                self.company_id.id,
            )
        return super()._bulk_related(model)

    @api.model
    def _bulk_relies_on(self):
        members = ("copy", "verify", "g2p.membership.change:apply", "g2p.membership.change:reverse")
        waiting = ("submit", "withdraw")
        paid = (
            "prepare",
            *waiting,
            "approve_entitlements",
            "prepare_payments",
            "send",
            "reconcile",
            "g2p.payment.reconciliation:reconcile",
        )
        return {
            **super()._bulk_relies_on(),
            "to_approve": (*members, "prepare", "withdraw"),
            "reset_draft": (),
            "approve": (*members, "prepare", *waiting),
            "mark_distributed": paid,
            "mark_ended": paid,
            "mark_cancelled": ("g2p.payment.reconciliation:reconcile",),
            # Acts on single rows that steps move
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

    # Life cycle. The money part of each transition is in cycle_entitlements.py and cycle_payments.py.

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
        # sudo: role, access and state were checked above; `submitted_by` is protected
        self.sudo().write({"submitted_by": self.env.uid, "submission": self.submission + 1})
        self.env["g2p.cycle.author"].sudo()._add(self, self.env.user, "submitted")
        self._transition("to_approve")
        return self._bulk_start("submit")._notification()

    def reset_draft(self):
        """to_approve → draft. Pending entitlements become drafts again."""
        self.ensure_one()
        self._check_can(GROUP_VALIDATOR)
        if not self.env.user.has_group(GROUP_MANAGER) and self._approval_refusal():
            raise AccessError(self.env._("A program manager or an approver may send the cycle back to draft."))
        self._require_state("to_approve")
        self._bulk_check("reset_draft")
        self._transition("draft")
        return self._bulk_start("withdraw")._notification()

    def approve(self):
        """to_approve → approved, by a member of the approver group who did not prepare it. The context key `submission` says
        what they saw."""
        self.ensure_one()
        self.check_access("write")
        refusal = self._approval_refusal()
        if refusal:
            raise AccessError(refusal)
        self._require_state("to_approve")
        self.program_id._check_not_paused(only_held=True)
        self._bulk_check("approve")
        self._check_submission()
        # sudo: the approver was checked just above; the fields are protected
        self.sudo().write({"approved_by": self.env.uid, "approved_date": fields.Datetime.now()})
        self._transition("approved")
        if self.auto_approve_entitlements:
            return self.validate_entitlement()
        return True

    def mark_distributed(self):
        """approved → distributed, once every payment is final; happens by itself when the last one is reconciled."""
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
        """distributed → ended."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
        self._require_state("distributed")
        self._bulk_check("mark_ended")
        self._transition("ended")
        return True

    def mark_cancelled(self):
        """draft, to_approve or approved → cancelled: entitlements that are not paid are cancelled and their money is
        released. Refused while a payment is on its way."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
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
        self._transition("cancelled")
        return self._bulk_start("cancel_entitlements")._notification()
