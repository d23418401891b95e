from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .constants import DEDUPLICATION_CANDIDATES, GROUP_VALIDATOR


class ProgramMembershipDuplicate(models.Model):
    """A set of members that a deduplication manager holds for one and the same. One stays, the others are marked."""

    _name = "g2p.program.membership.duplicate"
    _description = "Set of duplicates"
    _inherit = ["g2p.state.mixin"]
    _order = "id desc"

    _protected_fields = ("state", "program_id", "beneficiary_ids", "survivor_id", "reason", "deduplication_manager_id")

    _program_state = models.Index("(program_id, state)")

    program_id = fields.Many2one("g2p.program", required=True, ondelete="cascade", readonly=True)
    company_id = fields.Many2one(related="program_id.company_id")
    beneficiary_ids = fields.Many2many(
        "g2p.program_membership",
        "g2p_program_membership_duplicate_rel",
        "duplicate_id",
        "membership_id",
        string="Members",
        readonly=True,
    )
    members_count = fields.Integer(readonly=True)
    survivor_id = fields.Many2one(
        "g2p.program_membership",
        "Kept member",
        readonly=True,
        index="btree_not_null",
        help="The member who stays. Chosen: enrolled before paused before draft, then the earliest enrolment.",
    )
    state = fields.Selection(
        [("duplicate", "Duplicate"), ("not_duplicate", "Not duplicate")],
        default="duplicate",
        required=True,
        readonly=True,
    )
    deduplication_manager_id = fields.Integer("Manager", readonly=True)
    deduplication_manager_model = fields.Char("Manager type", readonly=True)
    reason = fields.Char(readonly=True)
    evidence = fields.Char(readonly=True, help="What they share: names of people, types of documents.")
    comment = fields.Text()

    def _compute_display_name(self):
        for duplicate in self:
            duplicate.display_name = self.env._(
                "%(reason)s (%(count)s members)", reason=duplicate.reason or "", count=duplicate.members_count
            )

    # Decisions

    def action_not_duplicate(self):
        """Button: these are different people. Members that no other open set holds go back to draft; the decision is
        remembered until a new member joins the set."""
        self._check_decision("duplicate")
        self._transition("not_duplicate")
        self.env.flush_all()
        for program in self.program_id:
            self.env["g2p.program_membership"]._transition_where(
                SQL(
                    """
                    t.program_id = %s AND t.state = 'duplicated'
                    AND t.id IN (SELECT membership_id FROM g2p_program_membership_duplicate_rel WHERE duplicate_id = ANY(%s))
                    AND NOT EXISTS (
                        SELECT FROM g2p_program_membership_duplicate_rel AS link
                          JOIN g2p_program_membership_duplicate AS other ON other.id = link.duplicate_id
                         WHERE link.membership_id = t.id AND other.state = 'duplicate' AND other.survivor_id <> t.id
                    )
                    """,
                    program.id,
                    self.ids,
                ),
                "draft",
                reason=self.env._("Not a duplicate"),
                assign={"reason": SQL("NULL")},
            )
            program._refresh_counters()
        return True

    def action_duplicate(self):
        """Button: they are duplicates after all; the next *Deduplicate* marks them."""
        self._check_decision("not_duplicate")
        self._transition("duplicate")
        return True

    def _check_decision(self, state):
        self.program_id._check_can(GROUP_VALIDATOR)
        self.check_access("write")
        if any(duplicate.state != state for duplicate in self):
            raise UserError(self.env._("That was decided already: reload the page."))

    # Set operations

    def _find_clusters(self, program):
        """Write the sets of duplicates of a program: connected components of the members that share a key.

        Members that were found together before keep their record, its comment and its decision, until a member joins
        who was not in the set.
        """
        members = SQL("deduplication_member")
        self.env.flush_all()
        execute = self.env.cr.execute
        execute("DROP TABLE IF EXISTS deduplication_member, deduplication_edge, deduplication_label")
        execute(
            SQL(
                """
                CREATE TEMPORARY TABLE deduplication_member ON COMMIT DROP AS
                SELECT partner_id AS registrant_id, id AS membership_id
                  FROM g2p_program_membership
                 WHERE program_id = %s AND state = ANY(%s)
                """,
                program.id,
                list(DEDUPLICATION_CANDIDATES),
            )
        )
        execute("ANALYZE deduplication_member")
        managers = program.get_managers(program.MANAGER_DEDUPLICATION)
        # Each manager's keys that more than one member has, with its number so that keys of two managers never meet.
        edges = SQL(" UNION ALL ").join(
            SQL(
                """
                (SELECT %(number)s AS manager, key, registrant_id, evidence
                   FROM (
                         SELECT keyed.*, MIN(registrant_id) OVER same_key <> MAX(registrant_id) OVER same_key AS shared
                           FROM (%(keys)s) AS keyed
                          WHERE key <> ''
                         WINDOW same_key AS (PARTITION BY key)
                        ) AS counted
                  WHERE shared)
                """,
                number=number,
                keys=manager._collision_keys(members),
            )
            for number, manager in enumerate(managers)
        )
        execute(
            SQL(
                """
                CREATE TEMPORARY TABLE deduplication_edge ON COMMIT DROP AS
                SELECT edge.manager, edge.manager || ':' || edge.key AS key, member.membership_id,
                       MIN(edge.evidence) AS evidence
                  FROM (%s) AS edge
                  JOIN deduplication_member AS member USING (registrant_id)
                 GROUP BY 1, 2, 3
                """,
                edges,
            )
        )
        execute("CREATE INDEX ON deduplication_edge (key)")
        execute("CREATE INDEX ON deduplication_edge (membership_id)")
        execute("ANALYZE deduplication_edge")
        # Connected components: every member takes the smallest label among those it shares a key with, until none moves.
        execute(
            """
            CREATE TEMPORARY TABLE deduplication_label ON COMMIT DROP AS
            SELECT DISTINCT membership_id, membership_id AS label FROM deduplication_edge
            """
        )
        execute("CREATE UNIQUE INDEX ON deduplication_label (membership_id)")
        moved = 1
        while moved:
            execute(
                """
                WITH lowest AS (
                    SELECT edge.key, MIN(label.label) AS label
                      FROM deduplication_edge AS edge JOIN deduplication_label AS label USING (membership_id)
                     GROUP BY edge.key
                ), reached AS (
                    SELECT edge.membership_id, MIN(lowest.label) AS label
                      FROM deduplication_edge AS edge JOIN lowest USING (key)
                     GROUP BY edge.membership_id
                )
                UPDATE deduplication_label AS label
                   SET label = reached.label
                  FROM reached
                 WHERE reached.membership_id = label.membership_id AND reached.label < label.label
                """
            )
            moved = self.env.cr.rowcount
        self._write_clusters(program, managers)

    def _write_clusters(self, program, managers):
        """Turn the labels into records: new sets are inserted, open sets that grew take their new members in."""
        now = self.env.cr.now()
        names = SQL(", ").join(
            SQL("(%s, %s, %s, %s)", number, manager._name, manager.id, manager._reason())
            for number, manager in enumerate(managers)
        )
        # A set is known when a record of the program holds all of its members.
        self.env.cr.execute(
            SQL(
                """
                WITH manager (number, model, id, reason) AS (VALUES %(names)s),
                cluster AS (
                    SELECT label.label, COUNT(*) AS members,
                           (ARRAY_AGG(label.membership_id ORDER BY
                               CASE membership.state WHEN 'enrolled' THEN 0 WHEN 'paused' THEN 1 WHEN 'draft' THEN 2 ELSE 3 END,
                               membership.enrollment_date NULLS LAST, membership.id))[1] AS survivor_id
                      FROM deduplication_label AS label
                      JOIN g2p_program_membership AS membership ON membership.id = label.membership_id
                     GROUP BY label.label
                ), known AS (
                    SELECT label.label, link.duplicate_id, COUNT(*) AS shared, record.state,
                           BOOL_OR(label.membership_id = record.survivor_id) AS survivor_stays
                      FROM deduplication_label AS label
                      JOIN g2p_program_membership_duplicate_rel AS link ON link.membership_id = label.membership_id
                      JOIN g2p_program_membership_duplicate AS record ON record.id = link.duplicate_id
                     WHERE record.program_id = %(program)s
                     GROUP BY label.label, link.duplicate_id, record.state
                ), wanted AS (
                    SELECT cluster.*,
                           (SELECT known.duplicate_id FROM known
                             WHERE known.label = cluster.label AND known.state = 'duplicate'
                             ORDER BY known.shared DESC, known.duplicate_id LIMIT 1) AS open_id
                      FROM cluster
                     WHERE NOT EXISTS (
                            SELECT FROM known
                             WHERE known.label = cluster.label AND known.shared = cluster.members
                               AND (known.state = 'not_duplicate' OR known.survivor_stays)
                           )
                ), described AS (
                    SELECT label.label,
                           STRING_AGG(DISTINCT manager.reason, ', ') AS reason,
                           LEFT(STRING_AGG(DISTINCT edge.evidence, ', '), 300) AS evidence,
                           (ARRAY_AGG(manager.model ORDER BY manager.number))[1] AS model,
                           (ARRAY_AGG(manager.id ORDER BY manager.number))[1] AS manager_id
                      FROM deduplication_label AS label
                      JOIN deduplication_edge AS edge USING (membership_id)
                      JOIN manager ON manager.number = edge.manager
                     GROUP BY label.label
                ), grown AS (
                    UPDATE g2p_program_membership_duplicate AS record
                       SET members_count = wanted.members, survivor_id = wanted.survivor_id,
                           reason = described.reason, evidence = described.evidence,
                           write_uid = %(uid)s, write_date = %(now)s
                      FROM wanted JOIN described USING (label)
                     WHERE record.id = wanted.open_id
                 RETURNING record.id, wanted.label
                ), made AS (
                    INSERT INTO g2p_program_membership_duplicate
                           (program_id, state, members_count, survivor_id, reason, evidence,
                            deduplication_manager_model, deduplication_manager_id,
                            create_uid, write_uid, create_date, write_date)
                    SELECT %(program)s, 'duplicate', wanted.members, wanted.survivor_id, described.reason,
                           described.evidence, described.model, described.manager_id,
                           %(uid)s, %(uid)s, %(now)s, %(now)s
                      FROM wanted JOIN described USING (label)
                     WHERE wanted.open_id IS NULL
                 RETURNING id, survivor_id
                ), target AS (
                    SELECT grown.id, grown.label FROM grown
                     UNION ALL
                    SELECT made.id, wanted.label
                      FROM made JOIN wanted ON wanted.survivor_id = made.survivor_id AND wanted.open_id IS NULL
                )
                INSERT INTO g2p_program_membership_duplicate_rel (duplicate_id, membership_id)
                SELECT target.id, label.membership_id
                  FROM target JOIN deduplication_label AS label USING (label)
                    ON CONFLICT DO NOTHING
                """,
                names=names,
                program=program.id,
                uid=self.env.uid,
                now=now,
            )
        )
        self.invalidate_model()

    def _mark_members(self, program, operation, low, high):
        """Members in (low, high] that an open set holds and who are not its survivor become duplicated; one who was
        marked and is the survivor now, because the former one left, goes back to draft.

        :return: {"duplicated": n, "kept": n, "unique": n}
        """
        now = self.env.cr.now()
        self.env.cr.execute(
            SQL(
                """
                WITH held AS MATERIALIZED (
                    SELECT membership.id, membership.state,
                           -- A link to a set that was decided not to be one finds no record here.
                           COALESCE(BOOL_OR(record.survivor_id <> membership.id), FALSE) AS loses,
                           MIN(record.reason) FILTER (WHERE record.survivor_id <> membership.id) AS reason,
                           BOOL_OR(record.id IS NOT NULL) AS known
                      FROM g2p_program_membership AS membership
                      LEFT JOIN g2p_program_membership_duplicate_rel AS link ON link.membership_id = membership.id
                      LEFT JOIN g2p_program_membership_duplicate AS record
                             ON record.id = link.duplicate_id AND record.state = 'duplicate'
                     WHERE membership.program_id = %(program)s
                       AND membership.state = ANY(%(states)s)
                       AND %(range)s
                     GROUP BY membership.id
                ), moved AS (
                    UPDATE g2p_program_membership AS membership
                       SET state = CASE WHEN held.loses THEN 'duplicated' ELSE 'draft' END,
                           reason = held.reason, write_uid = %(uid)s, write_date = %(now)s
                      FROM held
                     WHERE membership.id = held.id AND held.known AND held.loses <> (held.state = 'duplicated')
                 RETURNING membership.id, held.state AS from_state, membership.state AS to_state, held.reason
                ), logged AS (
                    INSERT INTO g2p_state_history
                           (res_model, res_id, from_state, to_state, reason, user_id, operation_id, date)
                    SELECT 'g2p.program_membership', id, from_state, to_state, reason, %(uid)s, %(operation)s, %(now)s
                      FROM moved
                )
                SELECT COUNT(*) FILTER (WHERE known AND loses),
                       COUNT(*) FILTER (WHERE known AND NOT loses),
                       COUNT(*) FILTER (WHERE NOT known)
                  FROM held
                """,
                program=program.id,
                states=list(DEDUPLICATION_CANDIDATES),
                range=program._range_sql("membership", low, high),
                uid=operation.user_id.id,
                operation=operation.id,
                now=now,
            )
        )
        duplicated, kept, unique = self.env.cr.fetchone()
        self.env["g2p.program_membership"].invalidate_model()
        return {"duplicated": duplicated, "kept": kept, "unique": unique}
