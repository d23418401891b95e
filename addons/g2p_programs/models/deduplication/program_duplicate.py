from odoo import api, fields, models
from odoo.tools import SQL, format_date

from ...tools.constants import DEDUPLICATION_CANDIDATES


class ProgramMembershipDuplicate(models.Model):
    """A set of members that a deduplication manager holds for one and the same. One stays, the others are marked."""

    _name = "g2p.program.membership.duplicate"
    _description = "Set of duplicates"
    _rec_names_search = ["beneficiary_ids"]
    _inherit = ["g2p.duplicate.set"]

    _scope_field = "program_id"
    _members_field = "beneficiary_ids"
    _pair_model = "g2p.program.membership.duplicate.pair"

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
    survivor_id = fields.Many2one(
        "g2p.program_membership",
        "Kept member",
        readonly=True,
        index="btree_not_null",
        help="The member who stays: chosen by the program's rule, or by an officer.",
    )
    pair_ids = fields.One2many(
        "g2p.program.membership.duplicate.pair", "duplicate_id", string="What speaks for it", readonly=True
    )
    deduplication_manager_id = fields.Integer("Manager", readonly=True)
    deduplication_manager_model = fields.Char("Manager type", readonly=True)
    survivor_partner_id = fields.Many2one(related="survivor_id.partner_id", string="Stays")

    # Decisions

    def _check_decision(self, state):
        # Who is marked or freed is not moved by a step at the same time.
        self.program_id._bulk_check("edit_members")
        return super()._check_decision(state)

    def _apply_decision(self, members=None):
        # sudo: members of the set are marked and freed whether or not the officer may see them all
        members = self.sudo().beneficiary_ids if members is None else members
        self.env.flush_all()
        for program in self.program_id:
            ids = members.filtered(lambda member, program=program: member.program_id == program).ids
            self._mark_members(program, SQL("membership.id = ANY(%s)", ids))
            program._refresh_counters()

    # Set operations

    def _find_clusters(self, program):
        """Write the sets of duplicates of a program, see `_find_sets`."""
        managers = program.get_managers(program.MANAGER_DEDUPLICATION)
        members = SQL(
            """
            SELECT partner_id AS registrant_id, id AS member_id
              FROM g2p_program_membership
             WHERE program_id = %s AND state = ANY(%s) AND partner_id NOT IN (%s)
            """,
            program.id,
            list(DEDUPLICATION_CANDIDATES),
            self._gone_registrants(),
        )
        self._find_sets(program, managers, members, program._survivor_order(), program.survivor_policy == "manual")
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_program_membership_duplicate AS record
                   SET deduplication_manager_model = manager.model, deduplication_manager_id = manager.id
                  FROM deduplication_set AS found
                  JOIN (
                        SELECT label.label, MIN(pair.manager) AS number
                          FROM deduplication_pair AS pair
                          JOIN deduplication_label AS label ON label.member_id = pair.member_a
                         GROUP BY label.label
                       ) AS first USING (label)
                  JOIN (VALUES %s) AS manager (number, model, id) USING (number)
                 WHERE record.id = found.record_id AND NOT found.ignored
                   AND (record.deduplication_manager_model, record.deduplication_manager_id)
                       IS DISTINCT FROM (manager.model, manager.id)
                """,
                SQL(", ").join(
                    SQL("(%s, %s, %s)", number, manager._name, manager.id) for number, manager in enumerate(managers)
                ),
            )
        )

    def _survivor_source(self):
        return SQL(
            """
            SELECT membership.id, membership.state, membership.enrollment_date, partner.family_name, partner.given_name,
                   partner.birthdate, partner.gender, partner.area_id, partner.address, membership.partner_id
              FROM g2p_program_membership AS membership
              JOIN res_partner AS partner ON partner.id = membership.partner_id
             WHERE membership.id IN (SELECT member_id FROM deduplication_label)
            """
        )

    def _mark_members(self, program, where, operation=None):
        """Bring the members under `where` in line with the open sets: who loses in one is duplicated; who was duplicated
        and loses in none any longer is freed: paused again who was paused, draft the others.

        :param SQL where: a condition on the table under the alias `membership`
        :return: {"duplicated": n, "kept": n, "waiting": n, "unique": n}
        """
        self.env.cr.execute(
            SQL(
                """
                WITH held AS MATERIALIZED (
                    SELECT membership.id, membership.state,
                           -- A link to a set that was decided not to be one finds no record here, and a set for which
                           -- nobody has chosen yet has no survivor to compare with.
                           COALESCE(BOOL_OR(record.survivor_id <> membership.id), FALSE) AS loses,
                           MIN(record.reason) FILTER (WHERE record.survivor_id <> membership.id) AS reason,
                           COALESCE(BOOL_OR(record.survivor_id = membership.id), FALSE) AS stays,
                           BOOL_OR(record.id IS NOT NULL) AS known
                      FROM g2p_program_membership AS membership
                      LEFT JOIN g2p_program_membership_duplicate_rel AS link ON link.membership_id = membership.id
                      LEFT JOIN g2p_program_membership_duplicate AS record
                             ON record.id = link.duplicate_id AND record.state = 'duplicate'
                     WHERE membership.program_id = %(program)s
                       AND membership.state = ANY(%(states)s)
                       AND membership.partner_id NOT IN (%(gone)s)
                       AND (%(where)s)
                     GROUP BY membership.id
                ), moved AS (
                    UPDATE g2p_program_membership AS membership
                       SET state = CASE WHEN held.loses THEN 'duplicated' ELSE COALESCE(%(state_before)s, 'draft') END,
                           reason = held.reason, write_uid = %(uid)s, write_date = %(now)s
                      FROM held
                     WHERE membership.id = held.id AND held.loses <> (held.state = 'duplicated')
                 RETURNING membership.id, held.state AS from_state, membership.state AS to_state, held.reason
                ), logged AS (%(history)s)
                SELECT COUNT(*) FILTER (WHERE loses),
                       COUNT(*) FILTER (WHERE stays AND NOT loses),
                       COUNT(*) FILTER (WHERE known AND NOT stays AND NOT loses),
                       COUNT(*) FILTER (WHERE NOT known)
                  FROM held
                """,
                program=program.id,
                states=list(DEDUPLICATION_CANDIDATES),
                gone=self._gone_registrants(),
                where=where,
                state_before=self._state_before("membership"),
                uid=operation.user_id.id if operation else self.env.uid,
                now=self.env.cr.now(),
                history=self.env["g2p.program_membership"]._history_sql(
                    SQL(
                        "SELECT id, from_state, to_state, COALESCE(reason, %s) FROM moved",
                        self.env._("No duplicate any longer"),
                    ),
                    operation,
                ),
            )
        )
        duplicated, kept, waiting, unique = self.env.cr.fetchone()
        self.env["g2p.program_membership"].invalidate_model()
        return {"duplicated": duplicated, "kept": kept, "waiting": waiting, "unique": unique}

    @api.model
    def _state_before(self, alias):
        """Paused, for a member who was when they were marked as duplicated; else NULL."""
        return SQL(
            """
            (SELECT CASE WHEN history.from_state = 'paused' THEN 'paused' END
               FROM g2p_state_history AS history
              WHERE history.res_model = 'g2p.program_membership' AND history.res_id = %s
                AND history.to_state = 'duplicated'
              -- id + 0: by the member, not the whole history from its end
              ORDER BY history.id + 0 DESC
              LIMIT 1)
            """,
            SQL.identifier(alias, "id"),
        )

    # Comparison

    def _partners_of(self, members):
        return members.partner_id

    def _comparison_lines(self, members):
        _ = self.env._
        states = dict(members._fields["state"]._description_selection(self.env))
        return [
            *super()._comparison_lines(members),
            (_("In this program"), [states[member.state] for member in members]),
            (_("Enrolled"), [format_date(self.env, member.enrollment_date) for member in members]),
        ]


class ProgramMembershipDuplicatePair(models.Model):
    _name = "g2p.program.membership.duplicate.pair"
    _description = "Pair of duplicates in a program"
    _rec_names_search = ["member_a_id", "member_b_id"]
    _inherit = "g2p.duplicate.pair"

    _scope_field = "program_id"

    _pair_uniq = models.Constraint("UNIQUE (program_id, member_a_id, member_b_id)", "This pair is known already.")

    program_id = fields.Many2one("g2p.program", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one(related="program_id.company_id")
    duplicate_id = fields.Many2one(
        "g2p.program.membership.duplicate", required=True, readonly=True, index=True, ondelete="cascade"
    )
    member_a_id = fields.Many2one(
        "g2p.program_membership", "Member", required=True, readonly=True, index=True, ondelete="cascade"
    )
    member_b_id = fields.Many2one(
        "g2p.program_membership", "Other member", required=True, readonly=True, index=True, ondelete="cascade"
    )
