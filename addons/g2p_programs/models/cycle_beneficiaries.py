"""Who is in a cycle: the steps *Copy beneficiaries* and *Verify eligibility*."""

from odoo import api, fields, models
from odoo.tools import SQL

from .constants import GROUP_MANAGER, GROUP_VALIDATOR


class Cycle(models.Model):
    _inherit = "g2p.cycle"

    def _bulk_steps(self):
        return {
            **super()._bulk_steps(),
            "copy": self.env._("Copy beneficiaries from program"),
            "verify": self.env._("Verify eligibility"),
        }

    def _bulk_outcomes(self):
        _ = self.env._
        return {
            **super()._bulk_outcomes(),
            "copied": (_("Copied"), "done"),
            "enrolled": (_("Eligible"), "done"),
            "already": (_("Still eligible"), "done"),
            "not_eligible": (_("Not eligible"), "skipped"),
            "unknown": (_("Data missing"), "skipped"),
        }

    def _bulk_tables(self, step):
        return [*super()._bulk_tables(step), *(["g2p_cycle_membership"] if step in ("copy", "verify") else [])]

    @api.model
    def _bulk_relies_on(self):
        members = ("import_eligible", "enroll", "verify", "deduplicate", "auto_enrol")
        changes = ("g2p.membership.change:apply", "g2p.membership.change:reverse")
        return {
            **super()._bulk_relies_on(),
            "copy": (*(f"g2p.program:{step}" for step in members), *changes),
            "verify": ("copy", "g2p.program:load_list", *changes),
        }

    @api.model
    def _bulk_from_states(self):
        return {**super()._bulk_from_states(), "copy": ("draft",), "verify": ("draft",)}

    def _bulk_rows(self, operation, outcome):
        model = "g2p.cycle.membership"
        mine = SQL("t.cycle_id = %s AND %s", self.id, operation._in_chunks_with(outcome, SQL("t.partner_id")))
        enrolled, unknown = operation._moved_rows(model, "enrolled"), operation._noted_rows("unknown")
        rows = {
            ("copy", "copied"): operation._moved_rows(model),
            ("verify", "enrolled"): enrolled,
            ("verify", "already"): SQL("%s AND t.state = 'enrolled' AND NOT %s AND NOT %s", mine, enrolled, unknown),
            ("verify", "not_eligible"): SQL("%s AND t.state = 'not_eligible' AND NOT %s", mine, unknown),
            ("verify", "unknown"): unknown,
        }
        if condition := rows.get((operation.step, outcome)):
            return model, condition
        return super()._bulk_rows(operation, outcome)

    def copy_beneficiaries_from_program(self):
        """Button: every enrolled member of the program who is not in the cycle yet enters it."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
        self._require_state("draft")
        self.program_id._check_active()
        return self._bulk_start("copy")._notification()

    def _bulk_source_copy(self, operation):
        manager = self.program_id.get_manager(self.program_id.MANAGER_PROGRAM)
        return SQL(
            """
            SELECT member.registrant_id AS key
              FROM (%(members)s) AS member
             WHERE NOT EXISTS (
                    SELECT FROM g2p_cycle_membership AS known
                     WHERE known.cycle_id = %(cycle)s AND known.partner_id = member.registrant_id
                   )
            """,
            members=manager._next_cycle_members(self),
            cycle=self.id,
        )

    def _bulk_chunk_copy(self, operation, low, high):
        manager = self.program_id.get_manager(self.program_id.MANAGER_PROGRAM)
        self.env.cr.execute(
            SQL(
                """
                WITH inserted AS (
                    INSERT INTO g2p_cycle_membership
                           (partner_id, cycle_id, enrollment_date, state, create_uid, write_uid, create_date, write_date)
                    SELECT member.registrant_id, %(cycle)s, %(today)s, 'enrolled', %(uid)s, %(uid)s, %(now)s, %(now)s
                      FROM (%(members)s) AS member
                     WHERE EXISTS (SELECT FROM g2p_cycle WHERE id = %(cycle)s AND state = 'draft')
                     ORDER BY member.registrant_id
                        ON CONFLICT DO NOTHING
                 RETURNING id
                ), logged AS (
                    INSERT INTO g2p_state_history
                           (res_model, res_id, from_state, to_state, reason, user_id, operation_id, date)
                    SELECT 'g2p.cycle.membership', id, NULL, 'enrolled', NULL, %(uid)s, %(operation)s, %(now)s
                      FROM inserted
                )
                SELECT COUNT(*) FROM inserted
                """,
                members=manager._next_cycle_members(self, low, high),
                cycle=self.id,
                today=fields.Date.context_today(self),
                uid=operation.user_id.id,
                operation=operation.id,
                now=self.env.cr.now(),
            )
        )
        [count] = self.env.cr.fetchone()
        self.env["g2p.cycle.membership"].invalidate_model()
        return {"copied": count}

    def _bulk_finish_copy(self, operation):
        self._refresh_counters()

    def check_eligibility(self):
        """Button: decide again who of this cycle is eligible. Nobody outside this cycle is touched.

        Members who are not eligible any more lose their draft and pending entitlements of this cycle.
        """
        self.ensure_one()
        self._check_can(GROUP_VALIDATOR)
        self._require_state("draft")
        self.program_id._check_active()
        return self._bulk_start("verify")._notification()

    def _bulk_source_verify(self, operation):
        return SQL(
            """
            SELECT partner_id AS key FROM g2p_cycle_membership
             WHERE cycle_id = %s AND state IN ('draft', 'enrolled', 'not_eligible')
            """,
            self.id,
        )

    def _bulk_chunk_verify(self, operation, low, high):
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
            cycle=self.id,
            range=self.program_id._range_sql("membership", low, high),
        )
        verdicts = self.program_id._eligibility_verdicts(SQL("SELECT * FROM candidates"), low, high)
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
                ), logged AS (
                    INSERT INTO g2p_state_history
                           (res_model, res_id, from_state, to_state, reason, user_id, operation_id, date)
                    SELECT 'g2p.cycle.membership', id, from_state, to_state, reason, %(uid)s, %(operation)s, %(now)s
                      FROM moved WHERE from_state <> to_state
                ), noted AS (%(noted)s)
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
                operation=operation.id,
                now=self.env.cr.now(),
            )
        )
        enrolled, already, not_eligible, unknown = self.env.cr.fetchone()
        self.env["g2p.cycle.membership"].invalidate_model()
        if not_eligible:
            self._cancel_of_not_eligible(low, high, operation)
        return {"enrolled": enrolled, "already": already, "not_eligible": not_eligible, "unknown": unknown}

    def _cancel_of_not_eligible(self, low, high, operation):
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
                cycle=self.id,
                low=low,
                high=high,
            ),
            "cancelled",
            reason=self.env._("Not eligible any more"),
            operation=operation,
        )

    def _bulk_finish_verify(self, operation):
        self._refresh_counters()
