"""What stands in the way of a merge: live entitlements and enrolments of both, and what can't be merged at all."""

from odoo.tools import SQL

from odoo.addons.g2p_programs.models.entitlement import DEAD_STATES

OPEN_CYCLES = ("draft", "to_approve", "approved")
PAID = "rdpd2ben"


class Obstacles:
    """Of one merge, each a sentence that says what to do.

    :param merge: a record of g2p.registrant.merge; the sentences are for a user who may see neither of the rows
    """

    def __init__(self, merge):
        self.env = merge.env
        self.survivor, self.merged = merge.survivor_id, merge.merged_id

    def first(self):
        """Why these two can't be merged, or False."""
        self.env.flush_all()
        for partner in self.survivor | self.merged:
            if partner.merged_into_id:
                return self.env._(
                    "%(name)s was merged into %(other)s: merge with that one.",
                    name=partner.name,
                    other=partner.merged_into_id.name,
                )
            if partner.disabled or not partner.active:
                return self.env._(
                    "%s is disabled or archived: enable them first, or leave both as they are.", partner.name
                )
        if self.merged.with_context(active_test=False).user_ids:
            return self.env._("%s has a login: let the one with the login stay.", self.merged.name)
        return self._entitlement() or self._enrolment() or self._place()

    def _entitlement(self):
        row = self.env.execute_query(
            SQL(
                """
                SELECT cycle.name
                  FROM g2p_entitlement AS one
                  JOIN g2p_entitlement AS other ON other.cycle_id = one.cycle_id
                  JOIN g2p_cycle AS cycle ON cycle.id = one.cycle_id
                 WHERE one.partner_id = %(survivor)s AND other.partner_id = %(merged)s
                   AND one.state <> ALL(%(dead)s) AND other.state <> ALL(%(dead)s)
                   AND NOT (one.state = %(paid)s AND other.state = %(paid)s)
                 ORDER BY cycle.id
                 LIMIT 1
                """,
                survivor=self.survivor.id,
                merged=self.merged.id,
                dead=list(DEAD_STATES),
                paid=PAID,
            )
        )
        return row and self.env._(
            "Both have an entitlement in %(cycle)s that is not over. Cancel or reject the one of %(merged)s, or wait until "
            "both are paid; then merge.",
            cycle=row[0][0],
            merged=self.merged.name,
        )

    def _enrolment(self):
        row = self.env.execute_query(
            SQL(
                """
                SELECT program.name, one.state
                  FROM g2p_program_membership AS one
                  JOIN g2p_program_membership AS other ON other.program_id = one.program_id
                  JOIN g2p_program AS program ON program.id = one.program_id
                 WHERE one.partner_id = %(survivor)s AND other.partner_id = %(merged)s AND other.state = 'enrolled'
                   AND (one.state <> ALL(%(takes)s) AND one.state <> 'enrolled'
                        OR one.state = 'enrolled' AND EXISTS (
                            SELECT FROM g2p_cycle AS cycle
                             WHERE cycle.program_id = program.id AND cycle.state = ANY(%(open)s)))
                 ORDER BY program.id
                 LIMIT 1
                """,
                survivor=self.survivor.id,
                merged=self.merged.id,
                takes=["draft", "paused", "not_eligible", "duplicated"],
                open=list(OPEN_CYCLES),
            )
        )
        if not row:
            return False
        [(program, state)] = row
        if state == "enrolled":
            return self.env._(
                "Both are enrolled in %(program)s, which has a cycle under way. Deduplicate the program and keep "
                "%(survivor)s, or finish the cycle; then merge.",
                program=program,
                survivor=self.survivor.name,
            )
        return self.env._(
            "%(survivor)s has left %(program)s, in which %(merged)s is enrolled: let %(merged)s stay, or end that "
            "enrolment first.",
            program=program,
            survivor=self.survivor.name,
            merged=self.merged.name,
        )

    def _place(self):
        """The survivor takes over an enrolment, but keeps a place in a cycle under way that is paused or closed: whoever
        goes on for both would be left out of that cycle."""
        row = self.env.execute_query(
            SQL(
                """
                SELECT cycle.name, place.state
                  FROM g2p_program_membership AS one
                  JOIN g2p_program_membership AS other ON other.program_id = one.program_id
                  JOIN g2p_cycle AS cycle ON cycle.program_id = one.program_id AND cycle.state = ANY(%(open)s)
                  JOIN g2p_cycle_membership AS place
                    ON place.cycle_id = cycle.id AND place.partner_id = one.partner_id
                 WHERE one.partner_id = %(survivor)s AND other.partner_id = %(merged)s
                   AND one.state <> 'enrolled' AND other.state = 'enrolled'
                   AND place.state NOT IN ('draft', 'enrolled')
                 ORDER BY cycle.id
                 LIMIT 1
                """,
                survivor=self.survivor.id,
                merged=self.merged.id,
                open=list(OPEN_CYCLES),
            )
        )
        if not row:
            return False
        [(cycle, state)] = row
        states = dict(self.env["g2p.cycle.membership"]._fields["state"]._description_selection(self.env))
        return self.env._(
            "%(survivor)s has a place in %(cycle)s, which is under way, in state %(state)s, while %(merged)s is enrolled: let "
            "%(merged)s stay, or finish the cycle; then merge.",
            survivor=self.survivor.name,
            cycle=cycle,
            state=states[state].lower(),
            merged=self.merged.name,
        )
