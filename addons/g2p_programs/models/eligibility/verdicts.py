"""Who is eligible for a program: its managers' answers combined, and the verdicts on its members."""

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

ELIGIBLE = "eligible"
NOT_ELIGIBLE = "not_eligible"
UNKNOWN = "unknown"


class EligibilityVerdicts(models.AbstractModel):
    """The part of a program that decides who is eligible."""

    _name = "g2p.program.verdicts"
    _description = "Verdicts on Eligibility"

    eligibility_mode = fields.Selection(
        [("all", "All managers must agree"), ("any", "Any manager is enough")],
        "Eligibility mode",
        required=True,
        default="all",
        help="How several eligibility managers are combined.",
    )
    auto_exit = fields.Boolean(
        "Exit who loses eligibility",
        help="Enrolled members whom “Verify eligibility” finds not eligible any more leave the program for good, "
        "instead of being marked as not eligible.",
    )

    def _eligibility_managers(self):
        self.ensure_one()
        managers = self.get_managers(self.MANAGER_ELIGIBILITY)
        if not managers:
            raise UserError(self.env._("%s has no eligibility manager: add one on the Managers tab.", self.name))
        return managers

    def _eligible_registrants(self, low=None, high=None):
        """The managers' sets, intersected or united as `eligibility_mode` says.

        :return SQL: one column `registrant_id`, each registrant once.
        """
        combine = SQL(" UNION ") if self.eligibility_mode == "any" else SQL(" INTERSECT ")
        return combine.join(
            SQL("(%s)", manager._eligible_registrants(low, high)) for manager in self._eligibility_managers()
        )

    def _unknown_registrants(self, low=None, high=None):
        """Of whom nobody can tell: nobody decides against them (all) or for them (any), and data is missing.

        :return SQL: one column `registrant_id`, each registrant once.
        """
        managers = self._eligibility_managers()
        possible = [
            SQL("(%s UNION ALL %s)", manager._eligible_registrants(low, high), manager._unknown_registrants(low, high))
            for manager in managers
        ]
        combine = SQL(" UNION ") if self.eligibility_mode == "any" else SQL(" INTERSECT ")
        return SQL("(%s) EXCEPT (%s)", combine.join(possible), self._eligible_registrants(low, high))

    def _eligibility_verdicts(self, candidates, low, high, by_condition=False):
        """The verdict on each candidate, and the first reason for it.

        :param SQL candidates: columns `id`, `partner_id`, `state`.
        :param by_condition: say of who is not eligible which condition they don't meet first: a question more for each.
        :return SQL: the columns of `candidates`, `verdict` (eligible, not_eligible, unknown) and `reason`: NULL for who
            is eligible, otherwise a sentence.
        """
        managers = self._eligibility_managers()
        # Each set is asked as a hashed subquery: unlike a join, its cost does not hang on the planner's guess of how many
        # rows a set has, which is wrong just after a bulk load. OFFSET 0 keeps the planner from asking a set again at
        # each place where its answer is used, and the set of unknown data is asked only for who is not eligible.
        known, decided = [], []
        for number, manager in enumerate(managers):
            yes, possible = SQL.identifier(f"yes_{number}"), SQL.identifier(f"possible_{number}")
            known.append(
                SQL(
                    "candidate.partner_id IN (SELECT registrant_id FROM (%s) AS eligible) AS %s",
                    manager._eligible_registrants(low, high),
                    yes,
                )
            )
            decided.append(
                SQL(
                    "CASE WHEN %s THEN TRUE ELSE partner_id IN (SELECT registrant_id FROM (%s) AS unknown) END AS %s",
                    yes,
                    manager._unknown_registrants(low, high),
                    possible,
                )
            )
        if by_condition:
            refusals = [manager._first_refusal(SQL("answered.partner_id"), low, high) for manager in managers]
        else:
            refusals = [SQL("%s", manager._reason_detail()) for manager in managers]
        verdict, reason = self._combined_verdict(managers, refusals)
        return SQL(
            """
            SELECT answered.*,
                   CASE WHEN NOT reachable THEN %(no)s %(verdict)s END AS verdict,
                   CASE WHEN NOT reachable THEN %(not_reachable)s %(reason)s END AS reason
              FROM (
                    SELECT asked.*, %(decided)s
                      FROM (
                            SELECT candidate.*,
                                   candidate.partner_id IN (SELECT registrant_id FROM (%(base)s) AS base) AS reachable,
                                   %(known)s
                              FROM (%(candidates)s) AS candidate
                            OFFSET 0
                           ) AS asked
                    OFFSET 0
                   ) AS answered
            """,
            base=self._base_registrants(low, high),
            no=NOT_ELIGIBLE,
            not_reachable=self._not_reachable_detail(),
            known=SQL(", ").join(known),
            decided=SQL(", ").join(decided),
            verdict=verdict,
            reason=reason,
            candidates=candidates,
        )

    def _combined_verdict(self, managers, refusals):
        """The branches of two CASEs over the columns yes_… and possible_…: the verdict, and the reason.

        :param refusals: for each manager, in SQL, why somebody is not eligible
        """
        yes = [SQL.identifier(f"yes_{number}") for number in range(len(managers))]
        possible = [SQL.identifier(f"possible_{number}") for number in range(len(managers))]
        missing = [
            SQL("WHEN %s AND NOT %s THEN %s", maybe, sure, manager._unknown_detail())
            for sure, maybe, manager in zip(yes, possible, managers, strict=True)
        ]
        if self.eligibility_mode == "any" and len(managers) > 1:
            every_reason = self._none_of_detail(managers)
            return (
                SQL(
                    "WHEN %s THEN %s WHEN %s THEN %s ELSE %s",
                    SQL(" OR ").join(yes),
                    ELIGIBLE,
                    SQL(" OR ").join(possible),
                    UNKNOWN,
                    NOT_ELIGIBLE,
                ),
                SQL("WHEN %s THEN NULL %s ELSE %s", SQL(" OR ").join(yes), SQL(" ").join(missing), every_reason),
            )
        refused = [
            SQL("WHEN NOT %s THEN %s", maybe, refusal) for maybe, refusal in zip(possible, refusals, strict=True)
        ]
        return (
            SQL(
                "WHEN %s THEN %s WHEN %s THEN %s ELSE %s",
                SQL(" AND ").join(yes),
                ELIGIBLE,
                SQL(" AND ").join(possible),
                UNKNOWN,
                NOT_ELIGIBLE,
            ),
            SQL("%s %s", SQL(" ").join(refused), SQL(" ").join(missing)),
        )

    def _none_of_detail(self, managers):
        return self.env._("Meets none of: %s", "; ".join(manager._reason_detail() for manager in managers))

    def _not_reachable_detail(self):
        return self.env._("Is disabled, archived, or not of the program's target type or company")

    def _members_sql(self, members):
        """The given memberships as candidates: columns `id`, `partner_id`, `state`."""
        return SQL(
            "SELECT id, partner_id, state FROM g2p_program_membership WHERE program_id = %s AND id = ANY(%s)",
            self.id,
            members.ids,
        )

    def _read_verdicts(self, verdicts):
        """{membership id: (verdict, reason or None)}"""
        return {
            membership_id: (verdict, reason)
            for membership_id, verdict, reason in self.env.execute_query(
                SQL("SELECT id, verdict, reason FROM (%s) AS verdict", verdicts)
            )
        }

    def _apply_eligibility(self, low, high, states, operation=None, members=None, exits=False):
        """Decide for the members in (low, high] that are in one of the states.

        Who is eligible becomes enrolled, who is not becomes not eligible. When data is missing, an enrolled member stays
        enrolled, and everybody else is a draft member again; the verdict and the reason say so.

        :param members: decide for these memberships only.
        :param exits: enrolled members who lost their eligibility leave the program, instead of being not eligible.
        :return: {"enrolled": newly, "already": still, "not_eligible": count, "unknown": count, "exited": count}
        """
        candidates = SQL(
            """
            SELECT membership.id, membership.partner_id, membership.state,
                   membership.reason AS known_reason, membership.eligibility_verdict AS known_verdict
              FROM g2p_program_membership AS membership
             WHERE membership.program_id = %(program)s
               AND membership.state = ANY(%(states)s)
               AND %(range)s
               AND %(members)s
               FOR NO KEY UPDATE
            """,
            program=self.id,
            states=list(states),
            range=self._range_sql("membership", low, high),
            members=SQL("membership.id = ANY(%s)", members.ids) if members is not None else SQL("TRUE"),
        )
        now = self.env.cr.now()
        self.env.cr.execute(
            SQL(
                """
                WITH candidates AS MATERIALIZED (%(candidates)s),
                     judged AS MATERIALIZED (
                    SELECT decided.*,
                           CASE WHEN verdict = 'eligible' THEN 'enrolled'
                                WHEN verdict = 'not_eligible' AND state = 'enrolled' AND %(exits)s THEN 'exited'
                                WHEN verdict = 'not_eligible' THEN 'not_eligible'
                                WHEN state = 'enrolled' THEN 'enrolled'
                                ELSE 'draft' END AS target
                      FROM (%(verdicts)s) AS decided
                ), verdict AS MATERIALIZED (
                    -- "moves" is a word and not a truth value: the planner takes it for rare, and does not read the whole
                    -- table to find the few that move.
                    SELECT judged.*,
                           CASE WHEN target = state
                                     AND (reason, verdict) IS NOT DISTINCT FROM (known_reason, known_verdict)
                                THEN 'stays' ELSE 'moves' END AS change
                      FROM judged
                ), moved AS (
                    UPDATE g2p_program_membership AS membership
                       SET state = verdict.target,
                           reason = verdict.reason,
                           eligibility_verdict = verdict.verdict,
                           enrollment_date = CASE WHEN verdict.target = 'enrolled' AND verdict.state <> 'enrolled'
                                                  THEN %(now)s ELSE membership.enrollment_date END,
                           exit_date = CASE WHEN verdict.target = 'exited' THEN %(now)s ELSE membership.exit_date END,
                           write_uid = %(uid)s,
                           write_date = %(now)s
                      FROM verdict
                     WHERE membership.id = verdict.id AND verdict.change = 'moves'
                 RETURNING membership.id, verdict.state AS from_state, membership.state AS to_state, verdict.reason
                ), logged AS (%(history)s)
                SELECT COUNT(*) FILTER (WHERE verdict = 'eligible' AND state <> 'enrolled'),
                       COUNT(*) FILTER (WHERE verdict = 'eligible' AND state = 'enrolled'),
                       COUNT(*) FILTER (WHERE target = 'not_eligible'),
                       COUNT(*) FILTER (WHERE verdict = 'unknown'),
                       COUNT(*) FILTER (WHERE target = 'exited')
                  FROM verdict
                """,
                candidates=candidates,
                verdicts=self._eligibility_verdicts(SQL("SELECT * FROM candidates"), low, high),
                exits=exits,
                now=now,
                uid=operation.user_id.id if operation else self.env.uid,
                history=self.env["g2p.program_membership"]._history_sql(
                    SQL("SELECT id, from_state, to_state, reason FROM moved WHERE from_state <> to_state"), operation
                ),
            )
        )
        names = ("enrolled", "already", "not_eligible", "unknown", "exited")
        counts = dict(zip(names, self.env.cr.fetchone(), strict=True))
        self.env["g2p.program_membership"].invalidate_model()
        return counts
