"""Changes in the life of members: paused, resumed, left, graduated, came back, seen alive."""

import logging

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL
from odoo.tools.misc import format_date, formatLang

from odoo.addons.g2p_approval.tools import digest
from odoo.addons.g2p_bulk.models.evidence import OPEN
from odoo.addons.g2p_bulk.tools import roles
from odoo.addons.g2p_programs.tools.constants import GROUP_MANAGER, GROUP_VALIDATOR

from .kinds import KIND_LABELS, KINDS, METHODS, OPEN_CYCLES, PLACES_IN

_logger = logging.getLogger(__name__)

# Kinds of approval
READMIT, REVERSE = "membership_readmit", "membership_reverse"
# A job that has to wait for a step looks again after so long.
WAIT_AND_LOOK_AGAIN = relativedelta(minutes=15)


class MembershipChange(models.Model):
    """What was done, or is planned, to members of one program: which change, why, from when, by whom, to how many.

    Its lines are the members, fixed when it was confirmed. It is made by the wizard, and moved by its steps only. To a
    re-admission, and to a reversal, somebody else agrees.
    """

    _name = "g2p.membership.change"
    _description = "Change of members"
    _inherit = ["g2p.state.mixin", "g2p.bulk.mixin", "g2p.evidence.mixin", "g2p.approval.mixin"]
    _order = "id desc"

    _approval_presses = ("action_reverse", "action_ask_reverse")
    _approval_done_states = ("reversed",)
    _rec_names_search = ["program_id"]
    _protected_fields = (
        "kind",
        "program_id",
        "state",
        "reason_id",
        "date",
        "until",
        "method",
        "remark",
        "effects",
        "attachment_ids",
        "user_id",
        "members_count",
        "line_ids",
        "operation_id",
        "reverse_operation_id",
        "reversed_by",
        "note",
    )

    _until = models.Constraint("CHECK (until > date)", "A pause ends after it begins.")
    _planned_idx = models.Index("(date) WHERE state = 'planned'")

    kind = fields.Selection(KIND_LABELS, required=True, readonly=True)
    program_id = fields.Many2one("g2p.program", required=True, readonly=True, index=True, ondelete="restrict")
    company_id = fields.Many2one(related="program_id.company_id")
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("planned", "Planned"),
            ("done", "Done"),
            ("cancelled", "Cancelled"),
            ("reversed", "Reversed"),
        ],
        required=True,
        readonly=True,
        default="draft",
        copy=False,
    )
    reason_id = fields.Many2one("g2p.membership.change.reason", "Reason", readonly=True, ondelete="restrict")
    date = fields.Date("From", required=True, readonly=True, help="From when on the change holds.")
    until = fields.Date("Paused until", readonly=True, help="On this day the members are resumed by themselves.")
    method = fields.Selection(METHODS, "How", readonly=True, help="How the proof of life was given.")
    remark = fields.Text(readonly=True)
    effects = fields.Html("Said before", readonly=True, help="What the person who confirmed the change had read.")
    attachment_ids = fields.Many2many("ir.attachment", string="Documents", readonly=True, copy=False)
    user_id = fields.Many2one("res.users", "Made by", required=True, readonly=True, ondelete="restrict")
    members_count = fields.Integer("Members", readonly=True)
    line_ids = fields.One2many("g2p.membership.change.line", "change_id", "Members changed", readonly=True)
    operation_id = fields.Many2one("g2p.bulk.operation", "Operation", readonly=True, copy=False, ondelete="restrict")
    reverse_operation_id = fields.Many2one(
        "g2p.bulk.operation", "Reversal", readonly=True, copy=False, ondelete="restrict"
    )
    reversed_by = fields.Many2one("res.users", readonly=True, copy=False, ondelete="restrict")
    note = fields.Char("What became of it", readonly=True, copy=False)
    done_count = fields.Integer("Changed", compute="_compute_counts")
    skipped_count = fields.Integer("Left as they were", compute="_compute_counts")
    reversed_count = fields.Integer("Reversed", compute="_compute_counts")
    can_cancel = fields.Boolean(compute="_compute_buttons")
    can_reverse = fields.Boolean(compute="_compute_buttons")
    can_ask_reverse = fields.Boolean(compute="_compute_buttons")

    @api.depends("kind", "program_id.name", "date")
    def _compute_display_name(self):
        labels = dict(self._fields["kind"]._description_selection(self.env))
        for change in self:
            change.display_name = " · ".join(
                filter(
                    None, (labels.get(change.kind), change.program_id.name, format_date(self.env, change.date) or "")
                )
            )

    def _compute_counts(self):
        counts = {
            (change, outcome): count
            for change, outcome, count in self.env["g2p.membership.change.line"]._read_group(
                [("change_id", "in", self.ids)], ["change_id", "outcome"], ["__count"]
            )
        }
        for change in self:
            change.done_count = counts.get((change, "done"), 0)
            change.skipped_count = counts.get((change, "skipped"), 0)
            change.reversed_count = counts.get((change, "reversed"), 0)

    @api.depends("state", "operation_id", "user_id")
    @api.depends_context("uid")
    def _compute_buttons(self):
        for change in self:
            change.can_cancel = change.state == "planned" and not change._cancel_refusal()
            change.can_reverse = change.state == "done" and not change._reverse_refusal()
            change.can_ask_reverse = change.state == "done" and not change._ask_reverse_refusal()

    # Buttons

    def action_cancel(self):
        """Button: a planned change is not carried out."""
        self.ensure_one()
        self.check_access("write")
        if refusal := self._cancel_refusal():
            raise AccessError(refusal)
        self._bulk_check("action_cancel")
        if self._locked() != ("planned", None):
            raise UserError(self.env._("%s is not waiting any more: reload the page.", self.display_name))
        self._transition("cancelled")
        self._approval_drop(self.env._("The plan was cancelled."))
        return True

    def _cancel_refusal(self):
        """Why the user may not cancel this plan, in words; False when they may."""
        user = self.env.user
        if roles.may(self.env, GROUP_MANAGER) or (user == self.user_id and user.has_group(GROUP_VALIDATOR)):
            return False
        return self.env._("Who planned the change, or a program manager, may cancel it.")

    def action_reverse(self):
        """Button: members who are still where this change brought them go back to where they came from."""
        self.ensure_one()
        self.check_access("write")
        if refusal := self._reverse_refusal():
            raise AccessError(refusal)
        self._require_state("done")
        self._approval_check_decider(REVERSE)
        return self._approval_submit(REVERSE) or self._last_operation("reverse")._notification()

    def action_ask_reverse(self):
        """Button of who made the change: ask somebody else to reverse it."""
        self.ensure_one()
        self.check_access("write")
        if refusal := self._ask_reverse_refusal():
            raise AccessError(refusal)
        self._require_state("done")
        return self._approval_submit(REVERSE)

    def _reverse_refusal(self):
        """Why the user may not reverse this change, in words; False when they may."""
        if self.kind == "verify":
            return self.env._("A proof of life is not reversed: record the right one.")
        if self.env.su:
            return False
        if not self.env.user.has_group(GROUP_MANAGER):
            return self.env._("Only a program manager may reverse a change.")
        if self.user_id == self.env.user and (self._approval_asks(REVERSE) or self._approval_open(REVERSE)):
            return self.env._("You made this change, so somebody else has to reverse it.")
        return False

    def _ask_reverse_refusal(self):
        """Why the user may not ask others to reverse this change, in words; False when they may."""
        if self.kind == "verify":
            return self.env._("A proof of life is not reversed: record the right one.")
        if self.user_id != self.env.user or not self.env.user.has_group(GROUP_VALIDATOR):
            return self.env._("Who made the change asks for its reversal; a program manager who didn't reverses it.")
        if self._approval_open(REVERSE):
            return self.env._("Somebody asked for this reversal already.")
        if not self._approval_asks(REVERSE):
            return self.env._("Nobody else has to agree: a program manager reverses it.")
        return False

    def _last_operation(self, step):
        # sudo: the operation that the user has started just now, by agreeing
        operations = self.env["g2p.bulk.operation"].sudo()
        return operations.search(
            [("res_model", "=", self._name), ("res_id", "=", self.id), ("step", "=", step)], limit=1
        )

    def action_open_members(self):
        """Stat button: the members of this change."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.display_name,
            "res_model": "g2p.membership.change.line",
            "view_mode": "list",
            "domain": [("change_id", "=", self.id)],
        }

    # Approval

    def _approval_asks(self, kind):
        """Where a department does with one person for all, it does with one here too."""
        return self.env["g2p.cycle"]._maker_checker() and super()._approval_asks(kind)

    def _approval_scope(self):
        return self.program_id

    def _approval_name(self, kind):
        labels = dict(self._fields["kind"]._description_selection(self.env))
        values = {
            "what": labels[self.kind],
            "count": formatLang(self.env, self.members_count, digits=0),
            "program": self.program_id.name,
        }
        if self.members_count == 1:
            return (
                self.env._("Reverse: %(what)s of 1 member, %(program)s", **values)
                if kind == REVERSE
                else self.env._("%(what)s: 1 member, %(program)s", **values)
            )
        if kind == REVERSE:
            return self.env._("Reverse: %(what)s of %(count)s members, %(program)s", **values)
        return self.env._("%(what)s: %(count)s members, %(program)s", **values)

    def _approval_authors(self, kind):
        return (self.user_id | self.create_uid).sudo(False)

    def _approval_digest(self, kind):
        """Of the members, as they were fixed, and of what the change says."""
        self.env.flush_all()
        rows = SQL(
            """
            SELECT id, concat_ws('|', membership_id, outcome, COALESCE(from_state, '-'))
              FROM g2p_membership_change_line
             WHERE change_id = %s
            """,
            self.id,
        )
        [[members, count]] = self.env.execute_query(digest.of_rows(rows))
        said = [self.kind, self.program_id.id, self.date, self.reason_id.id, self.remark]
        return digest.of_values([self._name, self.id, kind, members, count, *said])

    def _approval_figures(self, kind):
        _ = self.env._
        counts = [{"label": _("Members"), "value": self.members_count}]
        if kind == REVERSE:
            counts = [
                {"label": _("Changed"), "value": self.done_count},
                {"label": _("Left as they were"), "value": self.skipped_count},
            ]
        return [
            *counts,
            {"label": _("Reason"), "value": self._reason_text()},
            {"label": _("From"), "value": format_date(self.env, self.date)},
        ]

    def _approval_check(self, kind):
        self._require_state("done" if kind == REVERSE else "planned")
        if self.kind == ("resume" if kind == REVERSE else "readmit"):
            self.program_id._check_active()

    def _approval_check_decider(self, kind):
        """Nobody agrees to what they may not see: the record rules of the user narrow the lines."""
        if self.env["g2p.membership.change.line"].search_count([("change_id", "=", self.id)]) == self.members_count:
            return
        if kind == REVERSE:
            raise AccessError(
                self.env._("Some of these members are beyond your areas: somebody else has to reverse it.")
            )
        raise AccessError(self.env._("Some of these members are beyond your areas: somebody else has to agree."))

    def _approval_granted(self, request):
        kind = request.kind_code or REVERSE
        self._approval_check(kind)
        if kind == READMIT and self.date > fields.Date.context_today(self):
            # On its day the daily job carries it out, exactly as agreed.
            return False
        # The operation commits when it starts: what was agreed to is over with it, or neither is.
        if request:
            request._end("done")
        if kind == REVERSE:
            self._bulk_start("reverse")
        else:
            # As who made it, if they still may: whom they may not see stays out.
            maker = self.with_user(self.user_id)
            maker._check_may_start()
            # sudo: what the maker may was asked just above; others have agreed
            maker.sudo()._bulk_start("apply")
        return False

    def _approval_refused(self, request):
        if request.kind_code == READMIT and self.state == "planned":
            self.note = self.env._("Not carried out: %s", request.name)
            self._transition("cancelled", request.decision_ids[-1:].remark or self.note)

    # What the wizard and the daily job make

    @api.model
    def _plan(self, program, members, **values):
        """A change of some members of a program, in draft, with a line for each.

        :param SQL members: memberships of this program, columns `id` and `partner_id`. :return: the change; empty when there is no member.
        """
        # sudo: the caller has checked role and access; nobody writes changes directly
        change = self.sudo().create({"program_id": program.id, "user_id": self.env.uid, **values})
        change.flush_recordset()
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_membership_change_line (change_id, membership_id, partner_id, outcome)
                SELECT %s, member.id, member.partner_id, 'pending'
                  FROM (%s) AS member (id, partner_id)
                 ORDER BY member.partner_id
                """,
                change.id,
                members,
            )
        )
        change.members_count = self.env.cr.rowcount
        if not change.members_count:
            # Nobody was in it: it is no evidence of anything.
            change.with_context(**OPEN).unlink()
            return self.browse()
        change.invalidate_recordset(["line_ids"])
        return change.with_env(self.env)

    def _ask_readmission(self):
        """It waits, as a plan, until somebody else agrees.

        :return: the client action that says for whom
        """
        # sudo: who plans it was checked by the caller
        self.sudo()._transition("planned")
        return self._approval_submit(READMIT)

    def _locked(self):
        """(state, operation), under a lock on the row until the end of the transaction."""
        self.flush_recordset()
        self.env.cr.execute(
            SQL("SELECT state, operation_id FROM g2p_membership_change WHERE id = %s FOR UPDATE", self.id)
        )
        row = self.env.cr.fetchone()
        self.invalidate_recordset(["state", "operation_id"])
        return row

    # What comes before what

    def _bulk_company(self):
        return self.program_id.company_id

    def _bulk_parents(self):
        return [*super()._bulk_parents(), self.program_id]

    def _bulk_related(self, model):
        if model == "g2p.cycle":
            return SQL("SELECT id FROM g2p_cycle WHERE program_id = %s", self.program_id.id)
        return super()._bulk_related(model)

    @api.model
    def _bulk_relies_on(self):
        return {**super()._bulk_relies_on(), "action_cancel": ()}

    @api.model
    def _bulk_acts(self):
        return (*super()._bulk_acts(), "apply", "reverse")

    def _reason_text(self):
        """What history, members, entitlements and payments say. Remarks stay with the change: they may be personal."""
        labels = dict(self._fields["kind"]._description_selection(self.env))
        return self.reason_id.name or labels[self.kind]

    def _range_sql(self, low, high):
        return self.program_id._range_sql("line", low, high)

    # What follows in cycles, entitlements and payments

    def _followers(self, low, high):
        """Members whom this change moved, in (low, high], for `_follow_members`."""
        return SQL(
            """
            SELECT membership.partner_id, membership.state, membership.reason
              FROM g2p_membership_change_line AS line
              JOIN g2p_program_membership AS membership ON membership.id = line.membership_id
             WHERE line.change_id = %s AND %s AND line.outcome IN ('done', 'reversed')
            """,
            self.id,
            self._range_sql(low, high),
        )

    def _follow(self, operation, low=None, high=None):
        if self.kind not in ("verify", "readmit") or operation.step == "reverse":
            self.program_id._follow_members(
                self._followers(low, high), self.program_id._open_cycles(), operation, self._reason_text()
            )

    def _restore_drafts(self, operation, low, high):
        """Members who are back take up their places again in cycles that are still drafts, as they were. Entitlements that
        were cancelled stay so: *Prepare entitlements* makes new ones."""
        cycles = self.program_id._open_cycles(("draft",))
        if self.kind not in ("exit", "graduate") or not cycles:
            return
        place = self.env["g2p.cycle.membership"]
        self.env.cr.execute(
            SQL(
                """
                WITH moved AS (
                    UPDATE g2p_cycle_membership AS place
                       SET state = history.from_state, reason = NULL, write_uid = %(uid)s, write_date = %(now)s
                      FROM g2p_membership_change_line AS line
                      JOIN g2p_cycle_membership AS known
                        ON known.cycle_id = ANY(%(cycles)s) AND known.partner_id = line.partner_id
                      JOIN g2p_state_history AS history
                        ON history.res_model = 'g2p.cycle.membership' AND history.res_id = known.id
                       AND history.operation_id = %(applied)s AND history.to_state = known.state
                     WHERE place.id = known.id
                       AND line.change_id = %(change)s AND %(range)s AND line.outcome = 'reversed'
                 RETURNING place.id, history.to_state AS from_state, place.state AS to_state
                )
                %(history)s
                """,
                uid=self.env.uid,
                now=self.env.cr.now(),
                cycles=cycles.ids,
                applied=self.operation_id.id,
                change=self.id,
                range=self._range_sql(low, high),
                history=place._history_sql(
                    SQL(
                        "SELECT id, from_state, to_state, %s FROM moved",
                        self.env._("Reversed: %s", self._reason_text()),
                    ),
                    operation,
                ),
            )
        )
        place.invalidate_model(flush=False)

    def _finish_change(self, operation, outcome):
        """Look again at what came into the cycles meanwhile, release the money, and count."""
        self._follow(operation)
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT cycle.id
                  FROM g2p_cycle AS cycle
                 WHERE cycle.program_id = %s AND cycle.state = ANY(%s)
                   AND EXISTS (
                        SELECT FROM g2p_cycle_membership AS place
                          JOIN g2p_membership_change_line AS line
                            ON line.partner_id = place.partner_id AND line.change_id = %s AND line.outcome = %s
                         WHERE place.cycle_id = cycle.id
                       )
                """,
                self.program_id.id,
                list(OPEN_CYCLES),
                self.id,
                outcome,
            )
        )
        cycles = self.env["g2p.cycle"].browse(cycle_id for [cycle_id] in rows)
        if cycles and self.kind != "verify":
            cycles._finish_leaving(operation)
        self.program_id._refresh_counters()

    @api.model
    def _effects(self, kind, members):
        """What a change would do, counted in one statement.

        :param Kind kind: what is going to be done. :param SQL members: memberships, columns `partner_id`, `program_id` and `state`.
        :return: [(what, state, held, currency id, count, amount)]; what is member, place, entitlement or payment.
        """
        self.env.flush_all()
        return self.env.execute_query(
            SQL(
                """
                WITH member AS MATERIALIZED (
                    SELECT chosen.* FROM (%(members)s) AS chosen (partner_id, program_id, state)
                ), moving AS MATERIALIZED (
                    SELECT member.partner_id, cycle.id AS cycle_id, cycle.state = ANY(%(places_in)s) AS has_places
                      FROM member
                      JOIN g2p_cycle AS cycle ON cycle.program_id = member.program_id AND cycle.state = ANY(%(open)s)
                     WHERE member.state = ANY(%(from_states)s)
                )
                SELECT 'member', member.state, FALSE, NULL::integer, COUNT(*), NULL::text
                  FROM member
                 GROUP BY member.state
                 UNION ALL
                SELECT 'place', place.state, FALSE, NULL, COUNT(*), NULL
                  FROM moving
                  JOIN g2p_cycle_membership AS place
                    ON place.cycle_id = moving.cycle_id AND place.partner_id = moving.partner_id
                 WHERE moving.has_places
                 GROUP BY place.state
                 UNION ALL
                SELECT 'entitlement', t.state, t.on_hold IS TRUE, t.currency_id, COUNT(*),
                       SUM(CASE WHEN %(charged)s THEN t.initial_amount ELSE 0 END)::text
                  FROM moving
                  JOIN g2p_entitlement AS t ON t.cycle_id = moving.cycle_id AND t.partner_id = moving.partner_id
                 GROUP BY t.state, t.on_hold IS TRUE, t.currency_id
                 UNION ALL
                SELECT 'payment', payment.state, FALSE, payment.currency_id, COUNT(*), SUM(payment.amount_issued)::text
                  FROM moving
                  JOIN g2p_payment AS payment
                    ON payment.cycle_id = moving.cycle_id AND payment.partner_id = moving.partner_id
                 WHERE payment.status IS NULL
                 GROUP BY payment.state, payment.currency_id
                """,
                charged=self.env["g2p.entitlement"]._charged_sql(),
                members=members,
                places_in=list(PLACES_IN),
                open=list(OPEN_CYCLES),
                from_states=list(kind.from_states),
            )
        )

    # Planned ones, by the schedule

    @api.model
    def _cron_daily(self):
        """Changes planned for today or before, pauses that are over, proof of life that is overdue: in this order."""
        today = fields.Date.context_today(self)
        for change in self.search(
            [("state", "=", "planned"), ("date", "<=", today), ("operation_id", "=", False)], order="date, id"
        ):
            if change._approval_open(READMIT).state != "waiting" and not self._has_to_wait(change.program_id):
                change._start_planned()
        self._resume_paused(today)
        programs = self.env["g2p.program"].search([("state", "=", "active"), ("proof_of_life_months", ">", 0)])
        for program in programs:
            program._pause_overdue()

    @api.model
    def _has_to_wait(self, program):
        """Whether a step is moving the members of a program at the moment; then the daily job looks again soon."""
        refusal = self.new({"program_id": program.id})._bulk_refusal("apply")
        if refusal:
            _logger.info("Changes of members of program %s wait: %s", program.id, refusal)
            self.env.ref("g2p_program_membership_change.cron_membership_changes")._trigger(
                fields.Datetime.now() + WAIT_AND_LOOK_AGAIN
            )
        return bool(refusal)

    def _start_planned(self):
        """Carry out a plan as who made it. When they no longer may, it is cancelled, which says so."""
        user = self.user_id
        change = self.with_user(user).with_context(allowed_company_ids=self.company_id.ids)
        try:
            if not user.active:
                raise AccessError(self.env._("%s is no user any more.", user.name))
            change._check_may_start()
            if change._approval_open(READMIT):
                change._approval_use(READMIT)
            change._bulk_start("apply")
        except UserError as refusal:
            _logger.info("Planned change %s was not carried out: %s", self.id, refusal)
            self.note = self.env._("Not carried out: %s", refusal)
            self._transition("cancelled", self.note)
            self._approval_drop(self.note)
            self.program_id.activity_schedule(
                "mail.mail_activity_data_warning",
                summary=self.env._("A planned change was not carried out"),
                note=f"{self.display_name}: {refusal}",
                user_id=self.program_id.create_uid.id or self.env.uid,
            )

    def _check_may_start(self):
        """Role, access and program, as on the day when the change was planned."""
        kind = KINDS[self.kind]
        self.program_id._check_can(kind.group)
        self.check_access("write")
        self.env["g2p.program_membership"].check_access("write")
        if kind.comes_back:
            self.program_id._check_active()

    @api.model
    def _resume_paused(self, today):
        """Resume the members whose pause was until today or before, in each active program. Who is disabled, or has to
        give proof of life first, stays paused."""
        rows = self.env.execute_query(
            SQL("SELECT DISTINCT program_id FROM g2p_program_membership WHERE paused_until <= %s", today)
        )
        reason = self.env.ref("g2p_program_membership_change.change_reason_pause_over")
        programs = self.env["g2p.program"].browse(program_id for [program_id] in rows)
        for program in programs.filtered(lambda program: program.state == "active" and program.active):
            if self._has_to_wait(program):
                continue
            change = self._plan(
                program,
                SQL(
                    """
                    SELECT t.id, t.partner_id
                      FROM g2p_program_membership AS t
                     WHERE t.program_id = %s AND t.state = 'paused' AND t.paused_until <= %s
                       AND NOT (%s) AND NOT %s
                    """,
                    program.id,
                    today,
                    program._overdue_sql(today),
                    self.env["g2p.membership.change.step"]._disabled(),
                ),
                kind="resume",
                date=today,
                reason_id=reason.id,
            )
            if change:
                change._bulk_start("apply")
