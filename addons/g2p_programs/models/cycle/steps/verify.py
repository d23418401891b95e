from odoo import models
from odoo.tools import SQL

from ....tools.constants import GROUP_VALIDATOR


class Verify(models.AbstractModel):
    """Decides again who of the cycle is eligible. Nobody outside the cycle is touched.

    Members who are not eligible any more lose their draft and pending entitlements of it.
    """

    _name = "g2p.cycle.step.verify"
    _inherit = "g2p.cycle.step"
    _description = "Verify eligibility"

    _step = "verify"
    _place = 20
    _role = GROUP_VALIDATOR
    _from_states = ("draft",)
    _moves = ("g2p.cycle.membership",)
    _relies_on = (
        "copy",
        "g2p.program:load_list",
    )
    _completed_by = ("cancel_entitlements",)

    _button = "check_eligibility"
    _groups = "g2p_programs.g2p_program_validator"
    _visible = "state == 'draft' and members_count"
    _stage = 1

    def _label(self):
        return self.env._("Verify eligibility")

    def _help(self):
        return self.env._("Check again who of this cycle meets the conditions")

    def _question(self, cycle):
        return self.env._(
            "The conditions are checked again for the beneficiaries of %(cycle)s (%(members)s are eligible now). "
            "Who does not meet them any more becomes not eligible and loses the draft entitlement of this cycle. "
            "Running it again after a change turns it back.",
            **cycle._told(),
        )

    def _outcomes(self):
        _ = self.env._
        return {
            "enrolled": (_("Eligible"), "done"),
            "already": (_("Still eligible"), "done"),
            "not_eligible": (_("Not eligible"), "skipped"),
            "unknown": (_("Data missing"), "skipped"),
        }

    def _rows(self, cycle, operation, outcome):
        model = "g2p.cycle.membership"
        mine = self._mine(cycle, operation, outcome)
        enrolled, unknown = operation._moved_rows(model, "enrolled"), operation._noted_rows("unknown")
        rows = {
            "enrolled": enrolled,
            "already": SQL("%s AND t.state = 'enrolled' AND NOT %s AND NOT %s", mine, enrolled, unknown),
            "not_eligible": SQL("%s AND t.state = 'not_eligible' AND NOT %s", mine, unknown),
            "unknown": unknown,
        }
        return (model, rows[outcome]) if outcome in rows else super()._rows(cycle, operation, outcome)

    def _source(self, cycle, operation):
        return SQL(
            """
            SELECT partner_id AS key FROM g2p_cycle_membership
             WHERE cycle_id = %s AND state IN ('draft', 'enrolled', 'not_eligible')
            """,
            cycle.id,
        )

    def _chunk(self, cycle, operation, low, high):
        candidates = SQL(
            """
            SELECT membership.id, membership.partner_id, membership.state, membership.reason AS known_reason
              FROM g2p_cycle_membership AS membership
             WHERE membership.cycle_id = %(cycle)s
               AND membership.state IN ('draft', 'enrolled', 'not_eligible')
               AND %(range)s
               AND EXISTS (SELECT FROM g2p_cycle WHERE id = %(cycle)s AND state = 'draft')
               FOR NO KEY UPDATE
            """,
            cycle=cycle.id,
            range=cycle.program_id._range_sql("membership", low, high),
        )
        verdicts = cycle.program_id._eligibility_verdicts(SQL("SELECT * FROM candidates"), low, high)
        self.env.cr.execute(
            SQL(
                """
                WITH candidates AS MATERIALIZED (%(candidates)s),
                     judged AS MATERIALIZED (%(verdicts)s),
                     verdict AS MATERIALIZED (
                    -- "moves" is a word and not a truth value: the planner takes it for rare, and does not read the whole
                    -- table to find the few that move.
                    SELECT judged.*,
                           CASE WHEN judged.verdict = 'unknown' THEN 'stays'
                                WHEN judged.state = CASE WHEN judged.reason IS NULL THEN 'enrolled' ELSE 'not_eligible' END
                                     AND judged.reason IS NOT DISTINCT FROM judged.known_reason
                                THEN 'stays' ELSE 'moves' END AS change
                      FROM judged
                ), moved AS (
                    UPDATE g2p_cycle_membership AS membership
                       SET state = CASE WHEN verdict.reason IS NULL THEN 'enrolled' ELSE 'not_eligible' END,
                           reason = verdict.reason, write_uid = %(uid)s, write_date = %(now)s
                      FROM verdict
                     WHERE membership.id = verdict.id AND verdict.change = 'moves'
                 RETURNING membership.id, verdict.state AS from_state, membership.state AS to_state, verdict.reason
                ), logged AS (%(history)s), noted AS (%(noted)s)
                SELECT COUNT(*) FILTER (WHERE verdict = 'eligible' AND state <> 'enrolled'),
                       COUNT(*) FILTER (WHERE verdict = 'eligible' AND state = 'enrolled'),
                       COUNT(*) FILTER (WHERE verdict = 'not_eligible'),
                       COUNT(*) FILTER (WHERE verdict = 'unknown')
                  FROM verdict
                """,
                candidates=candidates,
                verdicts=verdicts,
                noted=operation._note_sql(SQL("SELECT verdict, id FROM verdict WHERE verdict = 'unknown'")),
                uid=operation.user_id.id,
                now=self.env.cr.now(),
                history=self.env["g2p.cycle.membership"]._history_sql(
                    SQL("SELECT id, from_state, to_state, reason FROM moved WHERE from_state <> to_state"), operation
                ),
            )
        )
        enrolled, already, not_eligible, unknown = self.env.cr.fetchone()
        self.env["g2p.cycle.membership"].invalidate_model()
        if not_eligible:
            self._cancel_of_not_eligible(cycle, low, high, operation)
        return {"enrolled": enrolled, "already": already, "not_eligible": not_eligible, "unknown": unknown}

    def _cancel_of_not_eligible(self, cycle, low, high, operation):
        """Members who are not eligible any more lose their draft and pending entitlements."""
        self.env["g2p.entitlement"]._transition_where(
            SQL(
                """
                t.cycle_id = %(cycle)s AND t.state IN ('draft', 'pending_validation')
                AND t.partner_id > %(low)s AND t.partner_id <= %(high)s
                AND EXISTS (SELECT FROM g2p_cycle WHERE id = %(cycle)s AND state = 'draft')
                AND EXISTS (
                    SELECT FROM g2p_cycle_membership AS membership
                     WHERE membership.cycle_id = t.cycle_id AND membership.partner_id = t.partner_id
                       AND membership.state = 'not_eligible'
                )
                """,
                cycle=cycle.id,
                low=low,
                high=high,
            ),
            "cancelled",
            reason=self.env._("Not eligible any more"),
            operation=operation,
        )
