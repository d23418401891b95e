"""The money a cycle promises: preparing, approving and cancelling its entitlements."""

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from odoo.addons.g2p_bulk.models.bulk_operation import OPEN_STATES

from ..tools import blocks
from .constants import GROUP_MANAGER
from .entitlement import DEAD_STATES
from .money import decimal

MAX_SELECTION = 1000


class Cycle(models.Model):
    _inherit = "g2p.cycle"

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

    def init(self):
        result = super().init()
        # Cycles of before these were counted.
        self.env.cr.execute("SELECT id FROM g2p_cycle WHERE unprepared_count IS NULL")
        if earlier := self.browse(cycle_id for [cycle_id] in self.env.cr.fetchall()):
            earlier._refresh_counters()
        return result

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

    def _open_operations(self):
        """What runs on the cycle, or waits to be resumed."""
        # sudo: whether there is any, and its name, is told to whoever may read the cycle
        operations = self.env["g2p.bulk.operation"].sudo()
        return operations._unfinished([(self._name, self.ids, None, OPEN_STATES)]) if self.ids else operations

    @api.depends("total_amount")
    @api.depends_context("lang")
    def _compute_total_amount_in_words(self):
        for cycle in self:
            cycle.total_amount_in_words = cycle.currency_id.amount_to_text(cycle.total_amount)

    @api.depends("state", "pending_count")
    def _compute_show_approve_entitlements_button(self):
        for cycle in self:
            cycle.show_approve_entitlements_button = cycle.state == "approved" and bool(cycle.pending_count)

    # Guards

    def _validation_refusal(self):
        """Why the user may not approve the entitlements of this cycle, in words; False when they may."""
        self.ensure_one()
        if self._is_own_work():
            return self.env._(
                "You prepared this cycle, or set amounts in it, so somebody else has to approve its entitlements."
            )
        if self.auto_approve_entitlements and self.approved_by == self.env.user:
            # Approving the cycle approved its entitlements too: the approver answers for both.
            return False
        # sudo: the manager's settings are the program's rule, whatever its user may see
        manager = self.sudo().program_id.get_manager(self.program_id.MANAGER_ENTITLEMENT)
        return manager._approval_refusal()

    def _check_can_approve_entitlements(self):
        self.ensure_one()
        self.check_access("write")
        if not self.env.su and (refusal := self._validation_refusal()):
            raise AccessError(refusal)
        self._require_state("approved")
        self.program_id._check_not_paused(only_held=True)

    # Buttons

    def prepare_entitlement(self):
        """Button: draft entitlements for the enrolled beneficiaries who have none. Doing it again changes nothing."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
        self._require_state("draft")
        self.program_id._check_active()
        return self._bulk_start("prepare")._notification()

    def validate_entitlement(self):
        """Button: approve the entitlements that wait, as far as the fund and the shortage policy allow."""
        self.ensure_one()
        self._check_can_approve_entitlements()
        self._bulk_gate()
        self._check_submission()
        return self._bulk_start("approve_entitlements")._notification()

    def _approve_selection(self, entitlements):
        """Approve some entitlements of this cycle: the same step, narrowed."""
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
        return self._bulk_start("approve_entitlements", {"entitlement_ids": entitlements.ids})._notification()

    # Steps

    def _bulk_steps(self):
        _ = self.env._
        return {
            **super()._bulk_steps(),
            "prepare": _("Prepare entitlements"),
            "submit": _("Send entitlements for approval"),
            "withdraw": _("Take entitlements back to draft"),
            "approve_entitlements": _("Approve entitlements"),
            "cancel_entitlements": _("Cancel entitlements"),
            "expire": _("Expire entitlements"),
            "repair": _("Repair the cycle"),
        }

    def _bulk_outcomes(self):
        _ = self.env._
        return {
            **super()._bulk_outcomes(),
            "prepared": (_("Prepared"), "done"),
            "submitted": (_("Sent for approval"), "done"),
            "withdrawn": (_("Back in draft"), "done"),
            "approved": (_("Approved"), "done"),
            "cancelled": (_("Cancelled"), "done"),
            "expired": (_("Expired"), "done"),
            "named": (_("Without an entitlement, the reason is noted"), "done"),
            "already_prepared": (_("Prepared already"), "skipped"),
            "no_amount": (_("Nothing is due"), "skipped"),
            "data_missing": (_("Data missing: nobody can tell the amount"), "skipped"),
            "fee_too_high": (_("Fee higher than the amount"), "failed"),
            "fund_shortage": (_("Left out, the fund is short"), "failed"),
            "own_preparation": (_("Prepared by the approver themself"), "skipped"),
            **{code: (block.words, "skipped") for code, block in self.env["g2p.entitlement"]._blocks().items()},
        }

    def _bulk_tables(self, step):
        moves = ("prepare", "submit", "withdraw", "approve_entitlements", "cancel_entitlements", "expire", "repair")
        return [*super()._bulk_tables(step), *(["g2p_entitlement"] if step in moves else [])]

    @api.model
    def _bulk_relies_on(self):
        members = ("copy", "verify", "g2p.membership.change:apply", "g2p.membership.change:reverse")
        return {
            **super()._bulk_relies_on(),
            "prepare": members,
            "submit": (*members, "prepare", "withdraw"),
            "withdraw": (),
            "approve_entitlements": (*members, "prepare", "submit"),
            "cancel_entitlements": (),
            "expire": (),
            "repair": (),
        }

    @api.model
    def _bulk_from_states(self):
        return {
            **super()._bulk_from_states(),
            "prepare": ("draft",),
            "submit": ("to_approve",),
            "withdraw": ("draft",),
            "approve_entitlements": ("approved",),
            "cancel_entitlements": ("cancelled",),
        }

    @api.model
    def _bulk_completed_by(self):
        """Who goes back to draft, or has the set repaired, needs nothing of the step before any more."""
        return {
            **super()._bulk_completed_by(),
            "prepare": ("repair", "cancel_entitlements"),
            "submit": ("withdraw", "repair", "cancel_entitlements"),
            "withdraw": ("submit", "repair", "cancel_entitlements"),
            "approve_entitlements": ("cancel_entitlements",),
            "cancel_entitlements": ("repair",),
            **dict.fromkeys(("copy", "verify"), ("cancel_entitlements",)),
        }

    def _bulk_rows(self, operation, outcome):
        """Entitlements, and beneficiaries where there is none: those who moved by the history, the others by the reason that
        they carry since."""
        model, place, step = "g2p.entitlement", "g2p.cycle.membership", operation.step
        moved = operation._moved_rows
        in_chunk = operation._in_chunks_with(outcome, SQL("t.partner_id"))
        mine = SQL("t.cycle_id = %s AND %s", self.id, in_chunk)
        if step == "prepare":
            made = SQL(
                "SELECT t.partner_id FROM g2p_entitlement AS t WHERE t.cycle_id = %s AND %s", self.id, moved(model)
            )
            due = SQL(
                """
                SELECT known.partner_id FROM g2p_entitlement AS known
                 WHERE known.cycle_id = %s AND known.state <> 'cancelled'
                """,
                self.id,
            )
            reasons = self._entitlement_manager()._reasons_of_none()
            if outcome == "prepared":
                return place, SQL("t.cycle_id = %s AND t.partner_id IN (%s)", self.id, made)
            if outcome == "already_prepared":
                return place, SQL(
                    "%s AND t.state = 'enrolled' AND t.partner_id IN (%s) AND t.partner_id NOT IN (%s)", mine, due, made
                )
            if outcome in reasons:
                return place, SQL("%s AND t.state = 'enrolled' AND starts_with(t.reason, %s)", mine, reasons[outcome])
        if step == "approve_entitlements":
            waiting = SQL("%s AND t.state = 'pending_validation'", mine)
            others = self._others_preparation(operation)
            if outcome == "approved":
                return model, moved(model, "approved")
            if outcome == "own_preparation":
                return model, SQL("%s AND NOT (%s)", waiting, others)
            if outcome in self._left_out_codes():
                return model, SQL("%s AND %s AND t.left_out_reason = %s", waiting, others, outcome)
        if step == "repair" and outcome == "named":
            return place, SQL("%s AND t.reason = %s", mine, self._never_looked_at_text())
        states = {
            "submitted": "pending_validation",
            "withdrawn": "draft",
            "cancelled": "cancelled",
            "expired": "expired",
        }
        if outcome in states:
            return model, moved(model, states[outcome])
        return super()._bulk_rows(operation, outcome)

    def _left_out_codes(self):
        return self.env["g2p.entitlement"]._fields["left_out_reason"].get_values(self.env)

    def _never_looked_at_text(self):
        return self.env._("Never looked at before the cycle was approved")

    def _entitlement_keys(self, condition):
        """The registrants of this cycle's entitlements `t` that meet a condition: column `key`."""
        return SQL(
            "SELECT t.partner_id AS key FROM g2p_entitlement AS t WHERE t.cycle_id = %s AND %s", self.id, condition
        )

    def _entitlement_range(self, low, high):
        """This cycle's entitlements `t` of one range of registrants, as a condition."""
        return SQL("t.cycle_id = %s AND t.partner_id > %s AND t.partner_id <= %s", self.id, low, high)

    def _cycle_is(self, state):
        """Whether this cycle is still in the state that a step is for: one that is resumed later moves nothing."""
        return SQL("EXISTS (SELECT FROM g2p_cycle AS still WHERE still.id = %s AND still.state = %s)", self.id, state)

    # Does the set add up

    def _never_looked_at(self):
        """Over `membership`, of any cycle: enrolled, with neither an entitlement nor a reason why there is none."""
        return SQL(
            """
            membership.state = 'enrolled' AND membership.reason IS NULL
            AND NOT EXISTS (
                SELECT FROM g2p_entitlement AS known
                 WHERE known.cycle_id = membership.cycle_id AND known.partner_id = membership.partner_id
                   AND known.state <> 'cancelled'
            )
            """
        )

    def _set_figures(self):
        """What of this cycle is where: {what: count}, from the tables."""
        [[drafts, pending, undecided, approved, unprepared]] = self.env.execute_query(
            SQL(
                """
                SELECT COUNT(*) FILTER (WHERE t.state = 'draft'),
                       COUNT(*) FILTER (WHERE t.state = 'pending_validation'),
                       COUNT(*) FILTER (WHERE t.state = 'pending_validation' AND t.left_out_reason IS NULL),
                       COUNT(*) FILTER (WHERE t.state = 'approved'),
                       (SELECT COUNT(*) FROM g2p_cycle_membership AS membership
                         WHERE membership.cycle_id = %(cycle)s AND %(never)s)
                  FROM g2p_entitlement AS t
                 WHERE t.cycle_id = %(cycle)s
                """,
                cycle=self.id,
                never=self._never_looked_at(),
            )
        )
        return {
            "drafts": drafts,
            "pending": pending,
            "undecided": undecided,
            "approved": approved,
            "unprepared": unprepared,
        }

    def _bulk_shortfall(self, step, name):
        _ = self.env._
        if step not in ("prepare", "submit", "withdraw", "approve_entitlements"):
            return super()._bulk_shortfall(step, name)
        figures = {what: self._number(count) if count else 0 for what, count in self._set_figures().items()}
        if step == "prepare" and figures["unprepared"]:
            if name in ("to_approve", "submit"):
                return _(
                    "%(count)s beneficiaries of %(cycle)s have neither an entitlement nor a reason why there is none: "
                    "press Prepare entitlements, then go on.",
                    count=figures["unprepared"],
                    cycle=self.display_name,
                )
            return _(
                "%(count)s beneficiaries of %(cycle)s were never looked at: they have neither an entitlement nor a reason "
                "why there is none. Press Repair first, which says what it does.",
                count=figures["unprepared"],
                cycle=self.display_name,
            )
        if step == "submit" and figures["drafts"] and self.state != "draft":
            return _(
                "%(count)s entitlements of %(cycle)s are still drafts, so nobody was asked to approve them. "
                "Press Repair first, which says what it does.",
                count=figures["drafts"],
                cycle=self.display_name,
            )
        if step == "withdraw" and figures["pending"] and self.state == "draft":
            return _(
                "%(count)s entitlements of %(cycle)s, which is a draft, wait for approval still. "
                "Press Repair first, which says what it does.",
                count=figures["pending"],
                cycle=self.display_name,
            )
        if step == "approve_entitlements" and figures["undecided"] and name in ("mark_distributed", "mark_ended"):
            return _(
                "%(count)s entitlements of %(cycle)s wait for approval, and nobody has decided on them: approve or reject "
                "them first.",
                count=figures["undecided"],
                cycle=self.display_name,
            )
        return super()._bulk_shortfall(step, name)

    # Repair: the set goes where the state of the cycle says it is, and what can't has its reason

    def action_repair(self):
        """Button: bring beneficiaries and entitlements to where the state of the cycle says they are."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
        if not self._repair_text():
            raise UserError(self.env._("%s adds up: there is nothing to repair.", self.display_name))
        return self._bulk_start("repair")._notification()

    def _repair_text(self):
        """What *Repair* would do, with figures; empty when there is nothing to do."""
        _ = self.env._
        figures = self._set_figures()
        told = {what: self._number(count) for what, count in figures.items()}
        told["cycle"] = self.name
        parts = []
        if self.state == "draft" and figures["pending"]:
            parts.append(_("%(pending)s entitlements that wait for approval become drafts, as the cycle is one."))
        elif self.state == "to_approve" and figures["unprepared"]:
            parts.append(
                _(
                    "%(unprepared)s beneficiaries were never looked at, so %(cycle)s goes back to draft, with its "
                    "%(pending)s entitlements that wait. Then press Prepare entitlements, and send it for approval again."
                )
            )
        elif self.state in ("to_approve", "approved") and figures["drafts"]:
            parts.append(_("%(drafts)s entitlements that are still drafts are sent for approval, as the cycle was."))
        elif self.state == "distributed" and (figures["drafts"] or figures["undecided"]):
            parts.append(
                _(
                    "%(drafts)s drafts and %(undecided)s entitlements that nobody has decided on are open, so %(cycle)s goes "
                    "back to approved, and the drafts are sent for approval."
                )
            )
        elif self.state == "ended" and (figures["drafts"] or figures["undecided"]):
            parts.append(
                _(
                    "%(cycle)s is over: %(drafts)s drafts and %(undecided)s entitlements that nobody has decided on are "
                    "cancelled, with that as the reason. Pay these people in another cycle."
                )
            )
        elif self.state == "cancelled" and (figures["drafts"] or figures["pending"] or figures["approved"]):
            parts.append(
                _(
                    "%(cycle)s is cancelled: its %(drafts)s drafts, %(pending)s entitlements that wait and %(approved)s that "
                    "are approved and not being paid are cancelled too, and their money is released."
                )
            )
        if self.state in ("approved", "distributed", "ended") and figures["unprepared"]:
            parts.append(
                _(
                    "%(unprepared)s beneficiaries were never looked at before %(cycle)s was approved. Nothing can be "
                    "promised to them in it any more: that is noted as their reason, and they stay in the list of who is "
                    "left out. Pay them in another cycle."
                )
            )
        return " ".join(part % told for part in parts)

    def _bulk_before_repair(self, operation):
        """The state that can hold the set: a cycle that was left too early goes back."""
        figures = self._set_figures()
        reason = self.env._("Repair: the set was not complete")
        if self.state == "to_approve" and figures["unprepared"]:
            self._transition("draft", reason)
        elif self.state == "distributed" and (figures["drafts"] or figures["undecided"]):
            self._transition("approved", reason)
        self.invalidate_recordset(["state"])
        operation.params = {"state": self.state}

    def _repaired_states(self, operation):
        """(states of entitlements that are not where the cycle is, the state they come to)."""
        return {
            "draft": (("pending_validation",), "draft"),
            "to_approve": (("draft",), "pending_validation"),
            "approved": (("draft",), "pending_validation"),
            "ended": (("draft", "pending_validation"), "cancelled"),
            "cancelled": (("draft", "pending_validation", "approved"), "cancelled"),
        }.get(operation.params["state"], ((), None))

    def _named(self, operation):
        """Over `membership`: nothing can be promised to them in this cycle any more."""
        over = operation.params["state"] in ("approved", "distributed", "ended")
        return SQL("membership.cycle_id = %s AND %s AND %s", self.id, over, self._never_looked_at())

    def _bulk_source_repair(self, operation):
        states, _to_state = self._repaired_states(operation)
        return SQL(
            "%s UNION ALL SELECT membership.partner_id FROM g2p_cycle_membership AS membership WHERE %s",
            self._entitlement_keys(SQL("t.state = ANY(%s)", list(states))),
            self._named(operation),
        )

    def _bulk_chunk_repair(self, operation, low, high):
        entitlement = self.env["g2p.entitlement"]
        states, to_state = self._repaired_states(operation)
        wrong = SQL("%s AND %s", self._entitlement_range(low, high), self._cycle_is(operation.params["state"]))
        counts = {}
        if to_state == "cancelled":
            counts["cancelled"] = entitlement._leave_where(
                wrong,
                states,
                to_state,
                self._hold_key(operation),
                reason=self.env._("Repair: the cycle was over"),
                operation=operation,
            )
        elif to_state:
            outcome = "withdrawn" if to_state == "draft" else "submitted"
            counts[outcome] = entitlement._transition_where(
                wrong,
                to_state,
                self.env._("Repair"),
                operation=operation,
                from_state=states[0],
                assign={"left_out_reason": SQL("NULL")},
            )
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_cycle_membership AS membership
                   SET reason = %s, write_uid = %s, write_date = %s
                 WHERE %s AND membership.partner_id > %s AND membership.partner_id <= %s
                """,
                self._never_looked_at_text(),
                self.env.uid,
                self.env.cr.now(),
                self._named(operation),
                low,
                high,
            )
        )
        counts["named"] = self.env.cr.rowcount
        self.env["g2p.cycle.membership"].invalidate_model(flush=False)
        return counts

    def _bulk_finish_repair(self, operation):
        self.env["g2p.fund.hold"]._settle(self._hold_key(operation), reference=operation.name, operation=operation)
        self._refresh_counters()

    # Prepare

    def _bulk_before_prepare(self, operation):
        # The first stays; everybody who prepared is an author.
        self.prepared_by = self.prepared_by or operation.user_id
        self.env["g2p.cycle.author"]._add(self, operation.user_id, "prepared")
        self._entitlement_manager()._check_ready()

    def _bulk_source_prepare(self, operation):
        return SQL(
            "SELECT partner_id AS key FROM g2p_cycle_membership WHERE cycle_id = %s AND state = 'enrolled'", self.id
        )

    def _bulk_chunk_prepare(self, operation, low, high):
        return self._entitlement_manager()._prepare_chunk(self, low, high, operation)

    def _bulk_finish_prepare(self, operation):
        self._refresh_counters()

    def _entitlement_manager(self):
        return self.program_id.get_manager(self.program_id.MANAGER_ENTITLEMENT)

    # Submit, and back

    def _bulk_source_submit(self, operation):
        return self._entitlement_keys(SQL("t.state = 'draft'"))

    def _bulk_chunk_submit(self, operation, low, high):
        moved = self.env["g2p.entitlement"]._transition_where(
            SQL("%s AND %s", self._entitlement_range(low, high), self._cycle_is("to_approve")),
            "pending_validation",
            operation=operation,
            from_state="draft",
        )
        return {"submitted": moved}

    def _bulk_finish_submit(self, operation):
        self._refresh_counters()

    def _bulk_source_withdraw(self, operation):
        return self._entitlement_keys(SQL("t.state = 'pending_validation'"))

    def _bulk_chunk_withdraw(self, operation, low, high):
        moved = self.env["g2p.entitlement"]._transition_where(
            SQL("%s AND %s", self._entitlement_range(low, high), self._cycle_is("draft")),
            "draft",
            operation=operation,
            from_state="pending_validation",
            assign={"left_out_reason": SQL("NULL")},
        )
        return {"withdrawn": moved}

    def _bulk_finish_withdraw(self, operation):
        self._refresh_counters()

    # Approve: money first, then the entitlements it is for

    def _waiting_entitlements(self, operation):
        """Over `t`: what this operation is to approve, whatever the fund says."""
        selection = (operation.params or {}).get("entitlement_ids")
        return SQL(
            "t.cycle_id = %s AND t.state = 'pending_validation' AND t.currency_id = %s AND %s AND %s",
            self.id,
            self.currency_id.id,
            self._cycle_is("approved"),
            SQL("t.id = ANY(%s)", selection) if selection is not None else SQL("TRUE"),
        )

    def _others_preparation(self, operation):
        """Over `t`: neither prepared by the approver, nor is the amount theirs."""
        if not self._maker_checker():
            return SQL("TRUE")
        approver = operation.user_id.id
        return SQL("t.create_uid IS DISTINCT FROM %s AND t.amount_set_by IS DISTINCT FROM %s", approver, approver)

    def _hold_key(self, operation):
        return f"operation-{operation.id}"

    def _bulk_before_approve_entitlements(self, operation):
        """Reserve the money for what is going to be approved, under the lock of the account.

        `all`: everything that waits, or nothing (raises). `priority`: the longest run of entitlements, in the manager's
        order, that the available money covers; the others are marked as left out. So is, under both, what is blocked.
        """
        self._require_state("approved")
        manager = self._entitlement_manager()
        account = self.env["g2p.fund.account"]._of(self.program_id, self.currency_id)
        available = account._lock()
        waiting = SQL("%s AND %s", self._waiting_entitlements(operation), self._others_preparation(operation))
        # A new attempt: who was left out before is tried again, unless something stands in the way.
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_entitlement AS t SET left_out_reason = %(block)s
                 WHERE t.left_out_reason IS DISTINCT FROM %(block)s AND %(waiting)s
                """,
                block=self.env["g2p.entitlement"]._block_sql(blocks.APPROVE),
                waiting=waiting,
            )
        )
        waiting = SQL("t.left_out_reason IS NULL AND %s", waiting)
        [[total]] = self.env.execute_query(
            SQL(
                "SELECT SUM(t.initial_amount)::text FROM g2p_entitlement AS t WHERE t.is_cash_entitlement AND %s",
                waiting,
            )
        )
        needed = decimal(total)
        if manager.shortage_policy == "priority" and needed > available:
            needed -= self._leave_out(waiting, manager._priority_sql(), available)
        self.env["g2p.entitlement"].invalidate_model(flush=False)
        if needed:
            account._reserve(needed, reference=operation.name, cycle=self, operation=operation)
            self.env["g2p.fund.hold"]._add(self._hold_key(operation), account, "release", needed, self)

    def _leave_out(self, waiting, order, available):
        """Mark what comes after the money has run out. Returns the amount of it, exactly."""
        self.env.cr.execute(
            SQL(
                """
                WITH ranked AS (
                    SELECT t.id, SUM(t.initial_amount) OVER (ORDER BY %(order)s ROWS UNBOUNDED PRECEDING) AS running
                      FROM g2p_entitlement AS t
                     WHERE t.is_cash_entitlement AND %(waiting)s
                ), left_out AS (
                    UPDATE g2p_entitlement AS t
                       SET left_out_reason = 'fund_shortage'
                      FROM ranked
                     WHERE t.id = ranked.id AND ranked.running > %(available)s
                 RETURNING t.initial_amount
                )
                SELECT SUM(initial_amount)::text FROM left_out
                """,
                order=order,
                waiting=waiting,
                available=available,
            )
        )
        [amount] = self.env.cr.fetchone()
        return decimal(amount)

    def _bulk_source_approve_entitlements(self, operation):
        return SQL(
            "SELECT t.partner_id AS key FROM g2p_entitlement AS t WHERE %s", self._waiting_entitlements(operation)
        )

    def _bulk_chunk_approve_entitlements(self, operation, low, high):
        entitlement = self.env["g2p.entitlement"]
        waiting = SQL("%s AND %s", self._waiting_entitlements(operation), self._entitlement_range(low, high))
        others = self._others_preparation(operation)
        approved = entitlement._approve_where(
            SQL(
                "%s AND %s AND t.left_out_reason IS NULL AND NOT %s",
                waiting,
                others,
                entitlement._blocked_sql(blocks.APPROVE),
            ),
            self._hold_key(operation),
            self.env["g2p.fund.account"]._of(self.program_id, self.currency_id),
            operation,
        )
        counts = dict(
            self.env.execute_query(
                SQL(
                    """
                    SELECT left_behind.reason, COUNT(*)
                      FROM (
                            SELECT CASE WHEN NOT (%(others)s) THEN 'own_preparation'
                                        ELSE COALESCE(%(block)s, t.left_out_reason) END AS reason
                              FROM g2p_entitlement AS t
                             WHERE %(waiting)s
                           ) AS left_behind
                     GROUP BY left_behind.reason
                    """,
                    others=others,
                    block=entitlement._block_sql(blocks.APPROVE),
                    waiting=waiting,
                )
            )
        )
        return {"approved": approved, **{reason: count for reason, count in counts.items() if reason}}

    def _bulk_finish_approve_entitlements(self, operation):
        self.env["g2p.fund.hold"]._settle(self._hold_key(operation), reference=operation.name, operation=operation)
        self._refresh_counters()

    # Cancel and expire

    def _bulk_source_cancel_entitlements(self, operation):
        return self._entitlement_keys(SQL("t.state IN ('draft', 'pending_validation', 'approved')"))

    def _bulk_chunk_cancel_entitlements(self, operation, low, high):
        cancelled = self.env["g2p.entitlement"]._leave_where(
            SQL("%s AND %s", self._entitlement_range(low, high), self._cycle_is("cancelled")),
            ("draft", "pending_validation", "approved"),
            "cancelled",
            self._hold_key(operation),
            reason=self.env._("The cycle was cancelled"),
            operation=operation,
        )
        return {"cancelled": cancelled}

    def _bulk_finish_cancel_entitlements(self, operation):
        self._finish_leaving(operation)

    def _expired(self):
        """Over `t`: past the validity, and nobody is paying it."""
        return SQL(
            """
            t.valid_until < %s
            AND NOT EXISTS (
                SELECT FROM g2p_payment AS live
                 WHERE live.entitlement_id = t.id AND live.status IS DISTINCT FROM 'failed'
            )
            """,
            fields.Date.context_today(self),
        )

    def _bulk_source_expire(self, operation):
        return self._entitlement_keys(SQL("t.state = 'approved' AND %s", self._expired()))

    def _bulk_chunk_expire(self, operation, low, high):
        expired = self.env["g2p.entitlement"]._leave_where(
            SQL("%s AND %s", self._entitlement_range(low, high), self._expired()),
            ("approved",),
            "expired",
            self._hold_key(operation),
            reason=self.env._("Not paid within its validity"),
            operation=operation,
        )
        return {"expired": expired}

    def _bulk_finish_expire(self, operation):
        self._finish_leaving(operation)

    def _finish_leaving(self, operation):
        # Payments that were prepared while the entitlements ended, by who did not see it.
        self.env["g2p.payment"]._fail_blocked(SQL("payment.cycle_id = ANY(%s)", self.ids), blocks.APPROVE, operation)
        self.env["g2p.fund.hold"]._settle(self._hold_key(operation), reference=operation.name, operation=operation)
        self.env["g2p.payment.batch"]._refresh_statistics_where(SQL("batch.cycle_id = ANY(%s)", self.ids))
        self._refresh_counters()
        self._set_distributed_if_complete()

    # Counters

    def _refresh_counters(self):
        """Count the entitlements of these cycles again; what ended without payment doesn't count."""
        result = super()._refresh_counters()
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_cycle AS cycle
                   SET entitlements_count = counted.live, total_amount = counted.amount,
                       drafts_count = counted.drafts,
                       unprepared_count = (
                        SELECT COUNT(*) FROM g2p_cycle_membership AS membership
                         WHERE membership.cycle_id = cycle.id AND %(never)s
                       ),
                       pending_count = counted.pending, pending_amount = counted.pending_amount,
                       approved_count = counted.approved, approved_amount = counted.approved_amount,
                       left_out_count = counted.left_out, left_out_amount = counted.left_out_amount
                  FROM (
                        SELECT this.id, COUNT(t.id) AS live, COALESCE(SUM(t.initial_amount), 0) AS amount,
                               COUNT(*) FILTER (WHERE t.state = 'draft') AS drafts,
                               COUNT(*) FILTER (WHERE t.state IN ('draft', 'pending_validation')) AS pending,
                               COALESCE(SUM(t.initial_amount)
                                        FILTER (WHERE t.state IN ('draft', 'pending_validation')), 0) AS pending_amount,
                               COUNT(*) FILTER (WHERE t.state IN ('approved', 'trans2FSP', 'rdpd2ben')) AS approved,
                               COALESCE(SUM(t.initial_amount)
                                        FILTER (WHERE t.state IN ('approved', 'trans2FSP', 'rdpd2ben')), 0)
                               AS approved_amount,
                               COUNT(*) FILTER (WHERE t.left_out_reason IS NOT NULL AND t.state <> 'approved') AS left_out,
                               COALESCE(SUM(t.initial_amount)
                                        FILTER (WHERE t.left_out_reason IS NOT NULL AND t.state <> 'approved'), 0)
                               AS left_out_amount
                          FROM g2p_cycle AS this
                          LEFT JOIN g2p_entitlement AS t ON t.cycle_id = this.id AND t.state <> ALL(%(dead)s)
                         WHERE this.id = ANY(%(cycles)s)
                         GROUP BY this.id
                       ) AS counted
                 WHERE cycle.id = counted.id
                """,
                never=self._never_looked_at(),
                dead=list(DEAD_STATES),
                cycles=self.ids,
            )
        )
        self.invalidate_recordset()
        return result
