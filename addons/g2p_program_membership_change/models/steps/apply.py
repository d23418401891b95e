from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..kinds import KINDS
from .base import MOVING


class Apply(models.AbstractModel):
    """Members are paused, resumed, leave, come back, or have shown that they live."""

    _name = "g2p.membership.change.step.apply"
    _inherit = "g2p.membership.change.step"
    _description = "Change members"

    _step = "apply"
    _place = 10
    _from_states = ("draft", "planned")
    _relies_on = MOVING

    def _label(self):
        return self.env._("Change members")

    def _outcomes(self):
        _ = self.env._
        states = dict(self.env["g2p.program_membership"]._fields["state"]._description_selection(self.env))
        return {
            "paused": (_("Paused"), "done"),
            "resumed": (_("Resumed"), "done"),
            "exited": (_("Exited"), "done"),
            "graduated": (_("Graduated"), "done"),
            "readmitted": (_("Re-admitted as drafts"), "done"),
            "verified": (_("Proof of life recorded"), "done"),
            "already": (_("There already"), "skipped"),
            **{
                f"left_{state}": (_("Left as they are, in state %s", label), "skipped")
                for state, label in states.items()
            },
            "disabled": (_("Disabled or archived"), "skipped"),
            "overdue": (_("Proof of life is overdue, record it first"), "skipped"),
            "no_access": (_("Beyond the areas of who made the change"), "skipped"),
        }

    def _rows(self, change, operation, outcome):
        if outcome == KINDS[change.kind].outcome:
            return self._lines(change, SQL("t.outcome IN ('done', 'reversed')"))
        if outcome in self._outcomes():
            return self._lines(change, SQL("t.outcome = 'skipped' AND t.skipped = %s", outcome))
        return super()._rows(change, operation, outcome)

    def _before(self, change, operation):
        if change._locked() not in (("draft", None), ("planned", None)):
            raise UserError(self.env._("%s is not waiting any more: reload the page.", change.display_name))
        change.operation_id = operation

    def _source(self, change, operation):
        return SQL("SELECT partner_id AS key FROM g2p_membership_change_line WHERE change_id = %s", change.id)

    def _chunk(self, change, operation, low, high):
        kind = KINDS[change.kind]
        disabled = self._disabled() if kind.comes_back else SQL("FALSE")
        overdue = (
            change.program_id._overdue_sql(fields.Date.context_today(change))
            if change.kind == "resume"
            else SQL("FALSE")
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
                out_of_reach=self._out_of_reach(change, operation, low, high),
                to_state=kind.to_state,
                from_states=list(kind.from_states),
                disabled=disabled,
                overdue=overdue,
                change=change.id,
                range=change._range_sql(low, high),
            ),
            self._assignments(change),
            SQL(
                """
                outcome = CASE WHEN member.verdict IS NULL THEN 'done' ELSE 'skipped' END, skipped = member.verdict,
                from_state = member.old_state, from_reason = member.old_reason, from_exit_date = member.old_exit_date,
                from_paused_until = member.old_paused_until, from_change_id = member.old_change_id
                """
            ),
            change._reason_text(),
            operation,
        )
        change._follow(operation, low, high)
        counts[kind.outcome] = counts.pop(None, 0)
        return counts

    def _finish(self, change, operation):
        change._finish_change(operation, "done")
        if operation.state == "failed":
            return
        change.invalidate_recordset()
        operation.invalidate_recordset()
        state = "done" if change.done_count or operation.state == "done" else "cancelled"
        change.note = operation._counts_in_words()
        change._transition(state)

    def _assignments(self, change):
        """What becomes of the columns of a member `t`."""
        if change.kind == "verify":
            return SQL(
                """
                last_verified_date = GREATEST(t.last_verified_date, %(date)s),
                last_verified_method = CASE WHEN t.last_verified_date > %(date)s THEN t.last_verified_method ELSE %(method)s END,
                last_verified_by = CASE WHEN t.last_verified_date > %(date)s THEN t.last_verified_by ELSE %(user)s END
                """,
                date=change.date,
                method=change.method,
                user=change.user_id.id,
            )
        leaves = change.kind in ("exit", "graduate")
        today = fields.Date.context_today(change)
        left_on = self.env.cr.now() if change.date >= today else fields.Datetime.to_datetime(change.date)
        return SQL(
            "state = %s, reason = %s, exit_date = %s, paused_until = %s, change_id = %s",
            KINDS[change.kind].to_state,
            None if KINDS[change.kind].comes_back else change._reason_text(),
            left_on if leaves else None,
            change.until or None,
            change.id,
        )
