"""What the change of a member means in the cycles that are not over: their places, entitlements and payments."""

from odoo import api, models
from odoo.tools import SQL

# Cycles that are not over. In a distributed one only an entitlement whose payment failed can still be open.
OPEN_CYCLES = ("draft", "to_approve", "approved", "distributed")
PLACES_IN = ("draft", "to_approve", "approved")
UNPAID_STATES = ("draft", "pending_validation", "approved")
LEFT_STATES = ("exited", "graduated")


class Program(models.Model):
    _inherit = "g2p.program"

    def _open_cycles(self, states=OPEN_CYCLES):
        # sudo: a member's change reaches every cycle, whoever makes it; cycles are few
        return self.env["g2p.cycle"].sudo().search([("program_id", "in", self.ids), ("state", "in", states)])

    def _follow_members(self, members, cycles, operation, note=None):
        """Make cycles agree with the states of members. Doing it again changes nothing.

        Who is paused keeps their place, paused; their unpaid entitlements are held, and payments that have not left
        fail. Who is enrolled again takes the place up, and what was held is let go. Who left gives up the place; unpaid
        entitlements are cancelled, and the money reserved for them is held under the operation's key, to be released.
        What was sent to the payer stays; if it comes back unpaid, it is not paid again.

        :param SQL members: columns `partner_id`, `state` and `reason` of members of this program.
        :param cycles: those of `_open_cycles()` to look at.
        """
        self.ensure_one()
        if not cycles:
            return
        self.env.flush_all()
        self._follow_places(members, cycles.filtered(lambda cycle: cycle.state in PLACES_IN), operation, note)
        self._follow_holds(members, cycles, operation, note)
        self.env["g2p.entitlement"]._leave_where(
            SQL(
                """
                t.cycle_id = ANY(%s)
                -- In a CASE it stays a hashed subquery, whatever the planner believes of tables that have just been filled.
                AND CASE WHEN t.partner_id IN (
                        SELECT member.partner_id FROM (%s) AS member WHERE member.state = ANY(%s)
                    ) THEN TRUE END
                """,
                cycles.ids,
                members,
                list(LEFT_STATES),
            ),
            UNPAID_STATES,
            "cancelled",
            cycles._hold_key(operation),
            reason=note or self.env._("Left the program"),
            operation=operation,
        )

    def _follow_places(self, members, cycles, operation, note):
        """Cycle memberships paused, taken up again, or left."""
        place = self.env["g2p.cycle.membership"]
        self.env.cr.execute(
            SQL(
                """
                WITH member AS MATERIALIZED (
                    %(members)s
                ), wanted AS (
                    SELECT place.id, place.state AS from_state, member.state AS to_state, member.reason
                      FROM member
                      JOIN g2p_cycle_membership AS place
                        ON place.cycle_id = ANY(%(cycles)s) AND place.partner_id = member.partner_id
                     WHERE CASE WHEN member.state = 'enrolled' THEN place.state = 'paused'
                                WHEN member.state = 'paused' THEN place.state IN ('draft', 'enrolled')
                                WHEN member.state = ANY(%(left)s)
                                THEN place.state IN ('draft', 'enrolled', 'paused', 'not_eligible') END
                     ORDER BY place.partner_id
                       FOR NO KEY UPDATE OF place
                ), moved AS (
                    UPDATE g2p_cycle_membership AS place
                       SET state = wanted.to_state, write_uid = %(uid)s, write_date = %(now)s,
                           reason = CASE WHEN wanted.to_state <> 'enrolled' THEN wanted.reason
                                         -- Back too late to be promised anything: that is the reason.
                                         WHEN EXISTS (
                                            SELECT FROM g2p_cycle AS cycle
                                             WHERE cycle.id = place.cycle_id AND cycle.state <> 'draft'
                                         ) AND NOT EXISTS (
                                            SELECT FROM g2p_entitlement AS t
                                             WHERE t.cycle_id = place.cycle_id AND t.partner_id = place.partner_id
                                               AND t.state <> 'cancelled'
                                         ) THEN %(too_late)s END
                      FROM wanted
                     WHERE place.id = wanted.id
                 RETURNING place.id, wanted.from_state, place.state AS to_state, wanted.reason
                )
                %(history)s
                """,
                members=members,
                cycles=cycles.ids,
                left=list(LEFT_STATES),
                too_late=self.env._("Paused when the entitlements were prepared"),
                uid=self.env.uid,
                now=self.env.cr.now(),
                history=place._history_sql(
                    SQL("SELECT id, from_state, to_state, COALESCE(reason, %s) FROM moved", note), operation
                ),
            )
        )
        place.invalidate_model(flush=False)

    def _follow_holds(self, members, cycles, operation, note):
        """Unpaid entitlements held, or let go. Of who left, only what is on its way can be held: it must not be paid a
        second time."""
        payment = self.env["g2p.payment"]
        self.env.cr.execute(
            SQL(
                """
                WITH member AS MATERIALIZED (
                    %(members)s
                ), held AS (
                    UPDATE g2p_entitlement AS t
                       SET on_hold = member.state <> 'enrolled',
                           left_out_reason = CASE WHEN t.left_out_reason <> 'paused' THEN t.left_out_reason END,
                           write_uid = %(uid)s, write_date = %(now)s
                      FROM member
                     WHERE t.cycle_id = ANY(%(cycles)s) AND t.partner_id = member.partner_id
                       AND CASE WHEN member.state = 'enrolled' THEN t.on_hold
                                WHEN member.state = 'paused'
                                THEN t.on_hold IS NOT TRUE AND (t.state = ANY(%(unpaid)s) OR t.state = 'trans2FSP')
                                WHEN member.state = ANY(%(left)s)
                                THEN t.on_hold IS NOT TRUE AND t.state = 'trans2FSP' END
                ), failed AS (
                    UPDATE g2p_payment AS payment
                       SET state = 'reconciled', status = 'failed', status_is_final = TRUE, status_datetime = %(now)s,
                           status_reason = %(reason)s, write_uid = %(uid)s, write_date = %(now)s
                      FROM member
                     WHERE payment.cycle_id = ANY(%(cycles)s) AND payment.partner_id = member.partner_id
                       AND payment.state = 'issued' AND payment.status IS NULL
                       AND member.state = 'paused'
                 RETURNING payment.id
                )
                %(history)s
                """,
                members=members,
                cycles=cycles.ids,
                unpaid=list(UNPAID_STATES),
                left=list(LEFT_STATES),
                uid=self.env.uid,
                now=self.env.cr.now(),
                reason=note or self.env._("The beneficiary is paused"),
                history=payment._history_sql(
                    SQL("SELECT id, 'issued', 'reconciled', %s::varchar FROM failed", note), operation
                ),
            )
        )
        payment._forget()

    def _members_in(self, states):
        """Members of this program in some states, for `_follow_members`."""
        return SQL(
            """
            SELECT membership.partner_id, membership.state, membership.reason
              FROM g2p_program_membership AS membership
             WHERE membership.program_id = %s AND membership.state = ANY(%s)
            """,
            self.id,
            list(states),
        )


class CopyStep(models.AbstractModel):
    _inherit = "g2p.cycle.step.copy"

    def _finish(self, cycle, operation):
        cycle._catch_up_with_members(operation)
        return super()._finish(cycle, operation)


class PrepareStep(models.AbstractModel):
    _inherit = "g2p.cycle.step.prepare"

    def _finish(self, cycle, operation):
        cycle._catch_up_with_members(operation)
        return super()._finish(cycle, operation)


class Cycle(models.Model):
    _inherit = "g2p.cycle"

    def _catch_up_with_members(self, operation):
        """Who was paused or left while the step ran, and whose change did not see what the step made.

        The end of the step and the end of the change both write the cycle's counters: one of them sees what the other did.
        """
        members = self.program_id._members_in(("paused", *LEFT_STATES))
        [[some]] = self.env.execute_query(SQL("SELECT EXISTS (%s)", members))
        if not some:
            return
        self.program_id._follow_members(members, self, operation)


class MembershipChange(models.Model):
    _inherit = "g2p.membership.change"

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
                       SUM(CASE WHEN t.is_cash_entitlement THEN t.initial_amount ELSE 0 END)::text
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
                members=members,
                places_in=list(PLACES_IN),
                open=list(OPEN_CYCLES),
                from_states=list(kind.from_states),
            )
        )
