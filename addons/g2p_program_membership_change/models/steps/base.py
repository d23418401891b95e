from odoo import api, models
from odoo.tools import SQL

from odoo.addons.g2p_registry_base.tools import standing

# Steps that decide on members, and those that take them into cycles, come before or after a change. Approving, paying and a
# change meet in the rows they move.
MOVING = (
    "g2p.program:import_eligible",
    "g2p.program:enroll",
    "g2p.program:verify",
    "g2p.program:deduplicate",
    "g2p.program:auto_enrol",
    "g2p.cycle:copy",
    "g2p.cycle:verify",
    "g2p.cycle:prepare",
    "g2p.cycle:submit",
    "g2p.cycle:withdraw",
)


class MembershipChangeStep(models.AbstractModel):
    """A step of a change of members: they move, and each line says what became of its member."""

    _name = "g2p.membership.change.step"
    _inherit = "g2p.bulk.step"
    _description = "Step of a Change of Members"

    _target = "g2p.membership.change"
    _moves = ("g2p.program_membership", "g2p.membership.change.line", "g2p.cycle.membership", "g2p.entitlement")
    #: who cancels a change settles that the others stay as they are
    _given_up = True

    @api.model
    def _lines(self, change, condition):
        return "g2p.membership.change.line", SQL("t.change_id = %s AND %s", change.id, condition)

    def _out_of_reach(self, change, operation, low, high):
        """Over `t`: the user who made the change may not see the member (any more)."""
        # The hooks run as superuser; what may be reached is the user's own question.
        members = self.env["g2p.program_membership"].with_user(operation.user_id).with_context(active_test=False)
        domain = [("program_id", "=", change.program_id.id), ("partner_id", ">", low), ("partner_id", "<=", high)]
        return SQL("t.id NOT IN %s", members._search(domain).subselect())

    def _disabled(self):
        """Over `t`: the registrant is disabled or archived."""
        return SQL(
            """
            EXISTS (
                SELECT FROM res_partner AS registrant
                 WHERE registrant.id = t.partner_id AND %s
            )
            """,
            standing.gone("registrant"),
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
