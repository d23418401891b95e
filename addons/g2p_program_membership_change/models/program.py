from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.tools import SQL

from .kinds import CHANGES, LEFT_STATES, OPEN_CYCLES, PLACES_IN, UNPAID_STATES

RELYING_ON_CHANGES = (
    "enroll",
    "verify",
    "deduplicate",
    "create_new_cycle",
    "end_program",
    "edit_members",
    "merge_members",
)


class Program(models.Model):
    """What a change of members means in its cycles, and what the calendar does to members."""

    _inherit = "g2p.program"

    _proof_of_life = models.Constraint(
        "CHECK (proof_of_life_months >= 0)", "The months between proofs of life can't be negative."
    )

    proof_of_life_months = fields.Integer(
        "Proof of life every (months)",
        tracking=True,
        help="Enrolled members of whom no proof of life was recorded for so many months, nor since they were enrolled, are "
        "paused. 0: nobody is asked for it.",
    )

    # What comes before what

    def _bulk_related(self, model):
        if model == "g2p.membership.change":
            return SQL("SELECT id FROM g2p_membership_change WHERE program_id = %s", self.id)
        return super()._bulk_related(model)

    @api.model
    def _bulk_relies_on(self):
        """What decides on members, what rests on who is one, and the end of the program come before or after a change."""
        relied = super()._bulk_relies_on()
        return relied | {name: (*relied[name], *CHANGES) for name in RELYING_ON_CHANGES}

    # What follows in the cycles that are not over: places, entitlements and payments

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
                    %(fail)s
                )
                %(history)s
                """,
                members=members,
                cycles=cycles.ids,
                unpaid=list(UNPAID_STATES),
                left=list(LEFT_STATES),
                uid=self.env.uid,
                now=self.env.cr.now(),
                fail=payment._fail_sql(
                    "member",
                    SQL(
                        "payment.cycle_id = ANY(%s) AND payment.partner_id = member.partner_id AND member.state = 'paused'",
                        cycles.ids,
                    ),
                    note or self.env._("The beneficiary is paused"),
                ),
                history=payment._failed_history_sql(operation),
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

    # Proof of life

    def _overdue_sql(self, today):
        """Over `t`, a member of this program: their proof of life is overdue."""
        if not self.proof_of_life_months:
            return SQL("FALSE")
        return SQL("%s < %s", self.env["g2p.program_membership"]._last_proof_sql("t"), self._last_accepted_proof(today))

    def _last_accepted_proof(self, today):
        return today - relativedelta(months=self.proof_of_life_months)

    def _pause_overdue(self):
        """Pause the enrolled members whose proof of life is overdue, and leave a note and an activity with the count."""
        self.ensure_one()
        if self.env["g2p.membership.change"]._has_to_wait(self):
            return
        today = fields.Date.context_today(self)
        change = self.env["g2p.membership.change"]._plan(
            self,
            SQL(
                "SELECT t.id, t.partner_id FROM g2p_program_membership AS t WHERE t.program_id = %s AND t.state = 'enrolled' AND %s",
                self.id,
                self._overdue_sql(today),
            ),
            kind="pause",
            date=today,
            reason_id=self.env.ref("g2p_program_membership_change.change_reason_proof_of_life").id,
        )
        if not change:
            return
        change._bulk_start("apply")
        summary = self.env._("Members were paused: proof of life overdue")
        text = self.env._(
            "%(count)s members of %(program)s were paused: no proof of life for %(months)s months. Record it for those who "
            "are reached, then resume them.",
            count=change.done_count or change.members_count,
            program=self.name,
            months=self.proof_of_life_months,
        )
        self.message_post(body=text)
        if not self.activity_ids.filtered(lambda activity: activity.summary == summary):
            self.activity_schedule(
                "mail.mail_activity_data_warning",
                summary=summary,
                note=text,
                user_id=self.create_uid.id or self.env.uid,
            )
