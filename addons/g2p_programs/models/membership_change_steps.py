"""How changes of members are carried out and reversed: one step of the bulk engine each."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .membership_change import KINDS


class MembershipChange(models.Model):
    _inherit = "g2p.membership.change"

    def _bulk_company(self):
        return self.program_id.company_id

    def _bulk_steps(self):
        return {
            **super()._bulk_steps(),
            "apply": self.env._("Change members"),
            "reverse": self.env._("Reverse a change of members"),
        }

    @api.model
    def _bulk_outcomes(self):
        _ = self.env._
        states = dict(self.env["g2p.program_membership"]._fields["state"]._description_selection(self.env))
        return {
            **super()._bulk_outcomes(),
            "paused": (_("Paused"), "done"),
            "resumed": (_("Resumed"), "done"),
            "exited": (_("Exited"), "done"),
            "graduated": (_("Graduated"), "done"),
            "readmitted": (_("Re-admitted as drafts"), "done"),
            "verified": (_("Proof of life recorded"), "done"),
            "reversed": (_("Back where they came from"), "done"),
            "already": (_("There already"), "skipped"),
            **{
                f"left_{state}": (_("Left as they are, in state %s", label), "skipped")
                for state, label in states.items()
            },
            "disabled": (_("Disabled or archived"), "skipped"),
            "overdue": (_("Proof of life is overdue, record it first"), "skipped"),
            "changed_since": (_("Changed since"), "skipped"),
            "no_access": (_("Beyond the areas of who made the change"), "skipped"),
        }

    def _bulk_tables(self, step):
        return [
            *super()._bulk_tables(step),
            "g2p_program_membership",
            "g2p_membership_change_line",
            "g2p_cycle_membership",
            "g2p_entitlement",
        ]

    def _bulk_parents(self):
        return [*super()._bulk_parents(), self.program_id]

    def _bulk_related(self, model):
        if model == "g2p.cycle":
            return SQL("SELECT id FROM g2p_cycle WHERE program_id = %s", self.program_id.id)
        return super()._bulk_related(model)

    @api.model
    def _bulk_relies_on(self):
        """Steps that decide on members, and those that take them into cycles, come before or after. Approving, paying
        and a change meet in the rows they move."""
        moving = (
            *(f"g2p.program:{step}" for step in ("import_eligible", "enroll", "verify", "deduplicate", "auto_enrol")),
            *(f"g2p.cycle:{step}" for step in ("copy", "verify", "prepare", "submit", "withdraw")),
        )
        return {
            **super()._bulk_relies_on(),
            "apply": moving,
            "reverse": ("apply", *moving),
            "action_cancel": (),
        }

    @api.model
    def _bulk_acts(self):
        return (*super()._bulk_acts(), "apply", "reverse")

    @api.model
    def _bulk_from_states(self):
        return {**super()._bulk_from_states(), "apply": ("draft", "planned"), "reverse": ("done",)}

    @api.model
    def _bulk_given_up(self):
        """Who cancels a change settles that the others stay as they are."""
        return (*super()._bulk_given_up(), "apply", "reverse")

    def _bulk_rows(self, operation, outcome):
        """The lines of the change say what became of each member."""
        model = "g2p.membership.change.line"
        if outcome in super()._bulk_outcomes():
            return super()._bulk_rows(operation, outcome)
        if operation.step == "apply":
            if outcome == KINDS[self.kind].outcome:
                return model, SQL("t.change_id = %s AND t.outcome IN ('done', 'reversed')", self.id)
            return model, SQL("t.change_id = %s AND t.outcome = 'skipped' AND t.skipped = %s", self.id, outcome)
        if outcome == "reversed":
            return model, SQL("t.change_id = %s AND t.outcome = 'reversed'", self.id)
        return model, SQL("t.change_id = %s AND t.outcome = 'done' AND t.skipped = %s", self.id, outcome)

    def _reason_text(self):
        """What history, members, entitlements and payments say. Remarks stay with the change: they may be personal."""
        labels = dict(self._fields["kind"]._description_selection(self.env))
        return self.reason_id.name or labels[self.kind]

    def _out_of_reach(self, operation, low, high):
        """Over `t`: the user who made the change may not see the member (any more)."""
        # The hooks run as superuser; what may be reached is the user's own question.
        members = self.env["g2p.program_membership"].with_user(operation.user_id).with_context(active_test=False)
        domain = [("program_id", "=", self.program_id.id), ("partner_id", ">", low), ("partner_id", "<=", high)]
        return SQL("t.id NOT IN %s", members._search(domain).subselect())

    def _disabled(self):
        """Over `t`: the registrant is disabled or archived."""
        return SQL(
            """
            EXISTS (
                SELECT FROM res_partner AS registrant
                 WHERE registrant.id = t.partner_id AND (registrant.disabled IS NOT NULL OR NOT registrant.active)
            )
            """
        )

    def _range_sql(self, low, high):
        return self.program_id._range_sql("line", low, high)

    # Carry out

    def _bulk_before_apply(self, operation):
        if self._locked() not in (("draft", None), ("planned", None)):
            raise UserError(self.env._("%s is not waiting any more: reload the page.", self.display_name))
        self.operation_id = operation

    def _bulk_source_apply(self, operation):
        return SQL("SELECT partner_id AS key FROM g2p_membership_change_line WHERE change_id = %s", self.id)

    def _bulk_chunk_apply(self, operation, low, high):
        kind = KINDS[self.kind]
        disabled = self._disabled() if kind.comes_back else SQL("FALSE")
        overdue = (
            self.program_id._overdue_sql(fields.Date.context_today(self)) if self.kind == "resume" else SQL("FALSE")
        )
        counts = self._move(
            SQL(
                """
                SELECT line.id AS line_id, t.id, t.state AS old_state, t.reason AS old_reason,
                       t.exit_date AS old_exit_date, t.paused_until AS old_paused_until, t.change_id AS old_change_id,
                       CASE WHEN %(out_of_reach)s THEN 'no_access'
                            WHEN t.state = %(to_state)s THEN 'already'
                            WHEN t.state <> ALL(%(from_states)s) THEN 'left_' || t.state
                            WHEN %(disabled)s THEN 'disabled'
                            WHEN %(overdue)s THEN 'overdue' END AS verdict
                  FROM g2p_membership_change_line AS line
                  JOIN g2p_program_membership AS t ON t.id = line.membership_id
                 WHERE line.change_id = %(change)s AND %(range)s AND line.outcome = 'pending'
                 ORDER BY t.partner_id
                   FOR NO KEY UPDATE OF t
                """,
                out_of_reach=self._out_of_reach(operation, low, high),
                to_state=kind.to_state,
                from_states=list(kind.from_states),
                disabled=disabled,
                overdue=overdue,
                change=self.id,
                range=self._range_sql(low, high),
            ),
            self._assignments(),
            SQL(
                """
                outcome = CASE WHEN member.verdict IS NULL THEN 'done' ELSE 'skipped' END, skipped = member.verdict,
                from_state = member.old_state, from_reason = member.old_reason, from_exit_date = member.old_exit_date,
                from_paused_until = member.old_paused_until, from_change_id = member.old_change_id
                """
            ),
            self._reason_text(),
            operation,
        )
        self._follow(operation, low, high)
        counts[kind.outcome] = counts.pop(None, 0)
        return counts

    def _assignments(self):
        """What becomes of the columns of a member `t`."""
        if self.kind == "verify":
            return SQL(
                """
                last_verified_date = GREATEST(t.last_verified_date, %(date)s),
                last_verified_method = CASE WHEN t.last_verified_date > %(date)s THEN t.last_verified_method ELSE %(method)s END,
                last_verified_by = CASE WHEN t.last_verified_date > %(date)s THEN t.last_verified_by ELSE %(user)s END
                """,
                date=self.date,
                method=self.method,
                user=self.user_id.id,
            )
        leaves = self.kind in ("exit", "graduate")
        today = fields.Date.context_today(self)
        left_on = self.env.cr.now() if self.date >= today else fields.Datetime.to_datetime(self.date)
        return SQL(
            "state = %s, reason = %s, exit_date = %s, paused_until = %s, change_id = %s",
            KINDS[self.kind].to_state,
            None if KINDS[self.kind].comes_back else self._reason_text(),
            left_on if leaves else None,
            self.until or None,
            self.id,
        )

    def _move(self, members, assignments, line_assignments, reason, operation):
        """Lock the members, move those without a verdict, write history and lines: one statement.

        :param SQL members: columns `line_id`, `id`, `old_state`, `verdict` and what the assignments use, locked.
        :return: {verdict: members}; None stands for those who moved.
        """
        membership = self.env["g2p.program_membership"]
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH member AS MATERIALIZED (
                    %(members)s
                ), moved AS (
                    UPDATE g2p_program_membership AS t
                       SET %(assignments)s, write_uid = %(uid)s, write_date = %(now)s
                      FROM member
                     WHERE t.id = member.id AND member.verdict IS NULL
                 RETURNING t.id, member.old_state, t.state
                ), logged AS (
                    %(history)s
                ), noted AS (
                    UPDATE g2p_membership_change_line AS line
                       SET %(line_assignments)s
                      FROM member
                     WHERE line.id = member.line_id
                )
                SELECT verdict, COUNT(*) FROM member GROUP BY verdict
                """,
                members=members,
                assignments=assignments,
                uid=self.env.uid,
                now=self.env.cr.now(),
                history=membership._history_sql(
                    SQL("SELECT id, old_state, state, %s::varchar FROM moved WHERE old_state <> state", reason),
                    operation,
                ),
                line_assignments=line_assignments,
            )
        )
        counts = dict(self.env.cr.fetchall())
        membership.invalidate_model(flush=False)
        self.env["g2p.membership.change.line"].invalidate_model(flush=False)
        return counts

    def _bulk_finish_apply(self, operation):
        self._finish_change(operation, "done")
        if operation.state == "failed":
            return
        self.invalidate_recordset()
        operation.invalidate_recordset()
        state = "done" if self.done_count or operation.state == "done" else "cancelled"
        self.note = operation._counts_in_words()
        self._transition(state)

    # Reverse

    def _bulk_before_reverse(self, operation):
        if self._locked()[0] != "done":
            raise UserError(self.env._("%s is not done, or was reversed already.", self.display_name))
        self.write({"reverse_operation_id": operation.id, "reversed_by": operation.user_id.id})

    def _bulk_source_reverse(self, operation):
        return SQL(
            "SELECT partner_id AS key FROM g2p_membership_change_line WHERE change_id = %s AND outcome = 'done'",
            self.id,
        )

    def _bulk_chunk_reverse(self, operation, low, high):
        counts = self._move(
            SQL(
                """
                SELECT line.id AS line_id, t.id, t.state AS old_state, line.from_state, line.from_reason,
                       line.from_exit_date, line.from_paused_until, line.from_change_id,
                       CASE WHEN t.state <> %(to_state)s OR t.change_id IS DISTINCT FROM line.change_id
                            THEN 'changed_since'
                            WHEN line.from_state = 'enrolled' AND %(disabled)s THEN 'disabled' END AS verdict
                  FROM g2p_membership_change_line AS line
                  JOIN g2p_program_membership AS t ON t.id = line.membership_id
                 WHERE line.change_id = %(change)s AND %(range)s AND line.outcome = 'done'
                 ORDER BY t.partner_id
                   FOR NO KEY UPDATE OF t
                """,
                to_state=KINDS[self.kind].to_state,
                disabled=self._disabled(),
                change=self.id,
                range=self._range_sql(low, high),
            ),
            SQL(
                """
                state = member.from_state, reason = member.from_reason, exit_date = member.from_exit_date,
                paused_until = member.from_paused_until, change_id = member.from_change_id
                """
            ),
            SQL(
                """
                outcome = CASE WHEN member.verdict IS NULL THEN 'reversed' ELSE line.outcome END,
                skipped = member.verdict
                """
            ),
            self.env._("Reversed: %s", self._reason_text()),
            operation,
        )
        self._restore_drafts(operation, low, high)
        self._follow(operation, low, high)
        counts["reversed"] = counts.pop(None, 0)
        return counts

    def _bulk_finish_reverse(self, operation):
        self._finish_change(operation, "reversed")
        self.invalidate_recordset()
        if operation.state != "failed" and self.reversed_count:
            self._transition("reversed")
