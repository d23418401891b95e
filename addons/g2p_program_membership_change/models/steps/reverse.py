from odoo import models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..kinds import KINDS
from .base import MOVING


class Reverse(models.AbstractModel):
    """Members go back where a change took them from, unless something has changed since."""

    _name = "g2p.membership.change.step.reverse"
    _inherit = "g2p.membership.change.step"
    _description = "Reverse a change of members"

    _step = "reverse"
    _place = 20
    _from_states = ("done",)
    _relies_on = ("apply", *MOVING)

    def _label(self):
        return self.env._("Reverse a change of members")

    def _outcomes(self):
        _ = self.env._
        return {
            "reversed": (_("Back where they came from"), "done"),
            "changed_since": (_("Changed since"), "skipped"),
            "disabled": (_("Disabled or archived"), "skipped"),
        }

    def _rows(self, change, operation, outcome):
        if outcome == "reversed":
            return self._lines(change, SQL("t.outcome = 'reversed'"))
        if outcome in self._outcomes():
            return self._lines(change, SQL("t.outcome = 'done' AND t.skipped = %s", outcome))
        return super()._rows(change, operation, outcome)

    def _before(self, change, operation):
        if change._locked()[0] != "done":
            raise UserError(self.env._("%s is not done, or was reversed already.", change.display_name))
        change.write({"reverse_operation_id": operation.id, "reversed_by": operation.user_id.id})

    def _source(self, change, operation):
        return SQL(
            "SELECT partner_id AS key FROM g2p_membership_change_line WHERE change_id = %s AND outcome = 'done'",
            change.id,
        )

    def _chunk(self, change, operation, low, high):
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
                to_state=KINDS[change.kind].to_state,
                disabled=self._disabled(),
                change=change.id,
                range=change._range_sql(low, high),
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
            self.env._("Reversed: %s", change._reason_text()),
            operation,
        )
        change._restore_drafts(operation, low, high)
        change._follow(operation, low, high)
        counts["reversed"] = counts.pop(None, 0)
        return counts

    def _finish(self, change, operation):
        change._finish_change(operation, "reversed")
        change.invalidate_recordset()
        if operation.state != "failed" and change.reversed_count:
            change._transition("reversed")
