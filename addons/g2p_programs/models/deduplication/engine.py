from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.g2p_registry_base.tools import standing

from ...tools import components
from ...tools.duplicate_records import DuplicateRecords

# A value that more members share is not compared each with each: the first of them with each of the others.
ALL_PAIRS_UP_TO = 10


class DuplicateEngine(models.AbstractModel):
    """From what deduplication managers find to sets of duplicates: pairs, connected components, records.

    A model that inherits it says where its sets belong (`_scope_field`, a Many2one of a program or of a registry), who is
    in them (`_members_field`, a Many2many) and which model keeps the evidence of each pair (`_pair_model`).
    """

    _name = "g2p.duplicate.engine"
    _description = "Engine of deduplication"

    _scope_field = None
    _members_field = None
    _pair_model = None

    @api.model
    def _find_sets(self, scope, managers, members, survivor, manual=False):
        """Write the sets of duplicates of a scope: connected components of the members that a manager holds for the same.

        Members that were found together before keep their record, its comment and its decision, until a member joins who
        was not in the set. Sets that nothing speaks for any longer are closed.

        :param scope: the record that the sets belong to
        :param managers: concrete deduplication managers
        :param SQL members: columns `registrant_id`, `member_id`: who is compared
        :param SQL survivor: an ORDER BY over `member` (columns of `_survivor_source`): the first one stays
        :param manual: nobody is marked until an officer chooses who stays
        """
        self.env.flush_all()
        self._prepare_people(members, scope.target_type == "group")
        self._collect_pairs(scope, managers)
        components.label(self.env.cr)
        records = DuplicateRecords(self, scope)
        records.claim(survivor, manual)
        records.write_sets()
        records.write_pairs()
        self._close_unsupported(scope)
        self.env.invalidate_all(flush=False)

    # What is compared

    def _prepare_people(self, members, is_group):
        """deduplication_member, and deduplication_people: each member with themselves and, where they are groups, those
        who live there now. Made once: every manager reads it."""
        execute = self.env.cr.execute
        execute(
            """
            DROP TABLE IF EXISTS deduplication_member, deduplication_people, deduplication_found, deduplication_pair,
                                 deduplication_label, deduplication_set
            """
        )
        execute(SQL("CREATE TEMPORARY TABLE deduplication_member ON COMMIT DROP AS %s", members))
        execute("ANALYZE deduplication_member")
        if is_group:
            # No row comes twice: a group is nobody's member, and a person is a member of a group once at a time.
            execute(
                SQL(
                    """
                    CREATE TEMPORARY TABLE deduplication_people ON COMMIT DROP AS
                    SELECT registrant_id, registrant_id AS partner_id FROM deduplication_member
                     UNION ALL
                    SELECT member.registrant_id, link.individual
                      FROM deduplication_member AS member
                      JOIN g2p_group_membership AS link ON link."group" = member.registrant_id
                     WHERE (link.ended_date IS NULL OR link.ended_date > %s)
                       AND link.individual NOT IN (%s)
                    """,
                    fields.Datetime.now(),
                    self._gone_registrants(),
                )
            )
            execute("ANALYZE deduplication_people")

    @api.model
    def _gone_registrants(self):
        """Who is disabled or archived: not compared. A hashed subquery of few rows; :return SQL: one column."""
        return SQL("SELECT gone.id FROM res_partner AS gone WHERE gone.is_registrant AND %s", standing.gone("gone"))

    def _people(self, scope):
        """Columns `registrant_id`, `partner_id`: what a manager looks at."""
        if scope.target_type == "group":
            return SQL("SELECT registrant_id, partner_id FROM deduplication_people")
        return SQL("SELECT registrant_id, registrant_id AS partner_id FROM deduplication_member")

    # Pairs

    def _collect_pairs(self, scope, managers):
        """deduplication_pair(member_a, member_b, reason, evidence, score, manager): one row for each pair of members that
        a manager holds for the same, without those that an officer has told apart."""
        execute = self.env.cr.execute
        execute(
            """
            CREATE TEMPORARY TABLE deduplication_found (
                manager integer, registrant_a integer, registrant_b integer, evidence text, score numeric
            ) ON COMMIT DROP
            """
        )
        people = self._people(scope)
        for number, manager in enumerate(managers):
            if (keys := manager._collision_keys(people)) is not None:
                self._collect_keys(number, keys)
            if (pairs := manager._collision_pairs(people)) is not None:
                execute(
                    SQL(
                        """
                        INSERT INTO deduplication_found (manager, registrant_a, registrant_b, evidence, score)
                        SELECT %s, registrant_a, registrant_b, evidence, score FROM (%s) AS pair
                        """,
                        number,
                        pairs,
                    )
                )
        execute("ANALYZE deduplication_found")
        pair_table = SQL.identifier(self.env[self._pair_model]._table)
        execute(
            SQL(
                """
                CREATE TEMPORARY TABLE deduplication_pair ON COMMIT DROP AS
                SELECT LEAST(one.member_id, other.member_id) AS member_a,
                       GREATEST(one.member_id, other.member_id) AS member_b,
                       STRING_AGG(DISTINCT manager.reason, ', ') AS reason,
                       LEFT(STRING_AGG(DISTINCT manager.reason || COALESCE(': ' || found.evidence, ''), '; '), 500)
                           AS evidence,
                       MAX(found.score) AS score, MIN(found.manager) AS manager,
                       BOOL_OR(NOT manager.needs_decision) AS proven
                  FROM deduplication_found AS found
                  JOIN deduplication_member AS one ON one.registrant_id = found.registrant_a
                  JOIN deduplication_member AS other ON other.registrant_id = found.registrant_b
                  JOIN (VALUES %(managers)s) AS manager (number, reason, needs_decision)
                    ON manager.number = found.manager
                 WHERE NOT EXISTS (
                        SELECT FROM %(pair_table)s AS decided
                         WHERE decided.%(scope_field)s = %(scope)s AND decided.state = 'different'
                           AND decided.member_a_id = LEAST(one.member_id, other.member_id)
                           AND decided.member_b_id = GREATEST(one.member_id, other.member_id)
                       )
                 GROUP BY 1, 2
                """,
                managers=SQL(", ").join(
                    SQL(
                        "(%s, %s, %s)",
                        number,
                        manager._reason(),
                        "needs_decision" in manager._fields and manager.needs_decision,
                    )
                    for number, manager in enumerate(managers)
                ),
                pair_table=pair_table,
                scope_field=SQL.identifier(self._scope_field),
                scope=scope.id,
            )
        )
        execute("CREATE INDEX ON deduplication_pair (member_a)")
        execute("CREATE INDEX ON deduplication_pair (member_b)")
        execute("ANALYZE deduplication_pair")

    def _collect_keys(self, number, keys):
        """Pairs of members that share a key. Bytewise order of the keys: they are equal or they are not."""
        self.env.cr.execute(
            SQL(
                """
                WITH shared AS MATERIALIZED (
                    SELECT key, registrant_id, MIN(evidence) AS evidence
                      FROM (
                            SELECT keyed.*, MIN(registrant_id) OVER same_key <> MAX(registrant_id) OVER same_key AS several
                              FROM (SELECT key COLLATE "C" AS key, registrant_id, evidence FROM (%(keys)s) AS source
                                     WHERE key <> '') AS keyed
                            WINDOW same_key AS (PARTITION BY key)
                           ) AS counted
                     WHERE several
                     GROUP BY key, registrant_id
                ), placed AS MATERIALIZED (
                    SELECT shared.*, ROW_NUMBER() OVER (PARTITION BY key ORDER BY registrant_id) AS place,
                           COUNT(*) OVER (PARTITION BY key) AS holders
                      FROM shared
                )
                INSERT INTO deduplication_found (manager, registrant_a, registrant_b, evidence, score)
                SELECT %(number)s, one.registrant_id, other.registrant_id, one.evidence, 100
                  FROM placed AS one
                  JOIN placed AS other ON other.key = one.key AND other.registrant_id > one.registrant_id
                 WHERE one.place = 1 OR one.holders <= %(all_pairs)s
                """,
                keys=keys,
                number=number,
                all_pairs=ALL_PAIRS_UP_TO,
            )
        )

    # Records

    def _survivor_source(self):
        """FROM items that give `member` its columns for the survivor's order: one row per labelled member."""
        raise NotImplementedError  # pragma: no cover - abstract contract

    @api.model
    def _completeness(self):
        """How much is known of `member`, whose registrant is `member.partner_id`; :return SQL: a number."""
        return SQL(
            """
            NUM_NONNULLS(member.family_name, member.given_name, member.birthdate, member.gender, member.area_id,
                         member.address)
            + EXISTS (SELECT FROM g2p_reg_id AS document
                       WHERE document.partner_id = member.partner_id AND document.value <> '')::integer
            + EXISTS (SELECT FROM g2p_phone_number AS phone
                       WHERE phone.partner_id = member.partner_id AND phone.disabled IS NULL)::integer
            + EXISTS (SELECT FROM res_partner_bank AS account
                       WHERE account.partner_id = member.partner_id AND account.active)::integer
            """
        )

    def _links(self):
        """(table, column of the set, column of the member) of the members' Many2many."""
        field = self._fields[self._members_field]
        return (SQL.identifier(name) for name in (field.relation, field.column1, field.column2))

    def _close_unsupported(self, scope):
        """Open sets that no component took: a document was corrected, a member left, the pairs were told apart."""
        self._transition_where(
            SQL(
                "t.%s = %s AND t.id NOT IN (SELECT record_id FROM deduplication_set WHERE NOT ignored)",
                SQL.identifier(self._scope_field),
                scope.id,
            ),
            "resolved",
            reason=self.env._("Nothing speaks for it any longer"),
            from_state="duplicate",
        )
