"""From what deduplication managers find to sets of duplicates: pairs, connected components, records."""

from odoo import api, fields, models
from odoo.tools import SQL

# A value that more members share is not compared each with each: the first of them with each of the others.
ALL_PAIRS_UP_TO = 10


class DuplicateEngine(models.AbstractModel):
    """The set operations behind a model of sets of duplicates.

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
        self._label_components()
        self._claim_records(scope, survivor, manual)
        self._write_sets(scope)
        self._write_pairs(scope)
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
        return SQL("SELECT id FROM res_partner WHERE is_registrant AND (disabled IS NOT NULL OR NOT active)")

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
                       MAX(found.score) AS score, MIN(found.manager) AS manager
                  FROM deduplication_found AS found
                  JOIN deduplication_member AS one ON one.registrant_id = found.registrant_a
                  JOIN deduplication_member AS other ON other.registrant_id = found.registrant_b
                  JOIN (VALUES %(managers)s) AS manager (number, reason) ON manager.number = found.manager
                 WHERE NOT EXISTS (
                        SELECT FROM %(pair_table)s AS decided
                         WHERE decided.%(scope_field)s = %(scope)s AND decided.state = 'different'
                           AND decided.member_a_id = LEAST(one.member_id, other.member_id)
                           AND decided.member_b_id = GREATEST(one.member_id, other.member_id)
                       )
                 GROUP BY 1, 2
                """,
                managers=SQL(", ").join(
                    SQL("(%s, %s)", number, manager._reason()) for number, manager in enumerate(managers)
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

    # Connected components

    def _label_components(self):
        """deduplication_label(member_id, label): members of one component have one label, their smallest id.

        Every member takes the smallest label among those it is paired with, then the label of that label, which halves
        the length of a chain: as many rounds as the logarithm of the longest chain, not its length.
        """
        execute = self.env.cr.execute
        execute(
            """
            CREATE TEMPORARY TABLE deduplication_label ON COMMIT DROP AS
            SELECT member_a AS member_id, member_a AS label FROM deduplication_pair
             UNION
            SELECT member_b, member_b FROM deduplication_pair
            """
        )
        execute("CREATE UNIQUE INDEX ON deduplication_label (member_id)")
        execute("ANALYZE deduplication_label")
        moved = 1
        while moved:
            execute(
                """
                UPDATE deduplication_label AS label
                   SET label = reached.label
                  FROM (
                        SELECT member_id, MIN(label) AS label
                          FROM (
                                SELECT pair.member_a AS member_id, other.label
                                  FROM deduplication_pair AS pair
                                  JOIN deduplication_label AS other ON other.member_id = pair.member_b
                                 UNION ALL
                                SELECT pair.member_b, other.label
                                  FROM deduplication_pair AS pair
                                  JOIN deduplication_label AS other ON other.member_id = pair.member_a
                               ) AS neighbour
                         GROUP BY member_id
                       ) AS reached
                 WHERE reached.member_id = label.member_id AND reached.label < label.label
                """
            )
            moved = self.env.cr.rowcount
            if moved:
                execute(
                    """
                    UPDATE deduplication_label AS label
                       SET label = further.label
                      FROM deduplication_label AS further
                     WHERE further.member_id = label.label AND further.label < label.label
                    """
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

    def _claim_records(self, scope, survivor, manual):
        """deduplication_set(label, members, survivor_id, record_id, is_new, ignored, grown): each component with the
        record it has or gets. A record that several parts of a former set lay claim to goes to the largest part."""
        links, set_column, member_column = self._links()
        self.env.cr.execute(
            SQL(
                """
                CREATE TEMPORARY TABLE deduplication_set ON COMMIT DROP AS
                WITH cluster AS MATERIALIZED (
                    SELECT label.label, COUNT(*) AS members,
                           (ARRAY_AGG(label.member_id ORDER BY %(survivor)s))[1] AS survivor_id
                      FROM deduplication_label AS label
                      JOIN (%(source)s) AS member ON member.id = label.member_id
                     GROUP BY label.label
                ), known AS MATERIALIZED (
                    SELECT label.label, record.id AS record_id, record.state, COUNT(*) AS shared,
                           record.decided_by_id IS NOT NULL AS decided,
                           MAX(record.survivor_id) FILTER (WHERE label.member_id = record.survivor_id) AS survivor_id
                      FROM deduplication_label AS label
                      JOIN %(links)s AS link ON link.%(member_column)s = label.member_id
                      JOIN %(records)s AS record ON record.id = link.%(set_column)s
                     WHERE record.%(scope_field)s = %(scope)s AND record.state IN ('duplicate', 'not_duplicate')
                     GROUP BY label.label, record.id
                ), claimed AS (
                    SELECT DISTINCT ON (record_id) * FROM known WHERE state = 'duplicate' ORDER BY record_id, shared DESC, label
                ), taken AS (
                    SELECT DISTINCT ON (label) * FROM claimed ORDER BY label, shared DESC, record_id
                )
                SELECT cluster.label, cluster.members,
                       CASE WHEN taken.decided AND taken.survivor_id IS NOT NULL THEN taken.survivor_id
                            WHEN %(manual)s THEN NULL
                            WHEN taken.shared = cluster.members THEN COALESCE(taken.survivor_id, cluster.survivor_id)
                            ELSE cluster.survivor_id END AS survivor_id,
                       COALESCE(told_apart.record_id, taken.record_id, nextval(%(sequence)s)::integer) AS record_id,
                       told_apart.record_id IS NULL AND taken.record_id IS NULL AS is_new,
                       told_apart.record_id IS NOT NULL AS ignored,
                       COALESCE(taken.shared < cluster.members, FALSE) AS grown
                  FROM cluster
                  LEFT JOIN taken USING (label)
                  LEFT JOIN (
                        SELECT known.label, MIN(known.record_id) AS record_id
                          FROM known JOIN cluster USING (label)
                         WHERE known.state = 'not_duplicate' AND known.shared = cluster.members
                         GROUP BY known.label
                       ) AS told_apart USING (label)
                """,
                survivor=survivor,
                source=self._survivor_source(),
                links=links,
                set_column=set_column,
                member_column=member_column,
                records=SQL.identifier(self._table),
                scope_field=SQL.identifier(self._scope_field),
                scope=scope.id,
                manual=manual,
                sequence=f"{self._table}_id_seq",
            )
        )
        self.env.cr.execute("CREATE UNIQUE INDEX ON deduplication_set (label)")
        self.env.cr.execute("ANALYZE deduplication_set")

    def _write_sets(self, scope):
        """Open sets take in who joined and let go who is no longer among them; new sets are inserted."""
        links, set_column, member_column = self._links()
        terms = {
            "records": SQL.identifier(self._table),
            "scope_field": SQL.identifier(self._scope_field),
            "scope": scope.id,
            "uid": self.env.uid,
            "now": self.env.cr.now(),
            "links": links,
            "set_column": set_column,
            "member_column": member_column,
            "described": SQL(
                """
                SELECT label.label, STRING_AGG(DISTINCT pair.reason, ', ') AS reason,
                       LEFT(STRING_AGG(DISTINCT pair.evidence, '; '), 500) AS evidence,
                       MIN(pair.manager) AS manager
                  FROM deduplication_pair AS pair
                  JOIN deduplication_label AS label ON label.member_id = pair.member_a
                 GROUP BY label.label
                """
            ),
        }
        self.env.cr.execute(
            SQL(
                """
                UPDATE %(records)s AS record
                   SET members_count = found.members, survivor_id = found.survivor_id,
                       reason = described.reason, evidence = described.evidence,
                       decided_by_id = CASE WHEN found.grown THEN NULL ELSE record.decided_by_id END,
                       decided_on = CASE WHEN found.grown THEN NULL ELSE record.decided_on END,
                       write_uid = %(uid)s, write_date = %(now)s
                  FROM deduplication_set AS found JOIN (%(described)s) AS described USING (label)
                 WHERE record.id = found.record_id AND NOT found.is_new AND NOT found.ignored
                   AND (record.members_count, record.survivor_id, record.reason, record.evidence)
                       IS DISTINCT FROM (found.members, found.survivor_id, described.reason, described.evidence)
                """,
                **terms,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO %(records)s
                       (id, %(scope_field)s, state, members_count, survivor_id, reason, evidence,
                        create_uid, write_uid, create_date, write_date)
                SELECT found.record_id, %(scope)s, 'duplicate', found.members, found.survivor_id, described.reason,
                       described.evidence, %(uid)s, %(uid)s, %(now)s, %(now)s
                  FROM deduplication_set AS found JOIN (%(described)s) AS described USING (label)
                 WHERE found.is_new
                """,
                **terms,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                DELETE FROM %(links)s AS link
                 USING deduplication_set AS found
                 WHERE link.%(set_column)s = found.record_id AND NOT found.is_new AND NOT found.ignored
                   AND NOT EXISTS (
                        SELECT FROM deduplication_label AS label
                         WHERE label.label = found.label AND label.member_id = link.%(member_column)s
                       )
                """,
                **terms,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO %(links)s (%(set_column)s, %(member_column)s)
                SELECT found.record_id, label.member_id
                  FROM deduplication_set AS found JOIN deduplication_label AS label USING (label)
                 WHERE NOT found.ignored
                    ON CONFLICT DO NOTHING
                """,
                **terms,
            )
        )

    def _write_pairs(self, scope):
        """The evidence: one row per pair and scope. Rows that nothing speaks for any longer go; decisions stay."""
        terms = {
            "pairs": SQL.identifier(self.env[self._pair_model]._table),
            "scope_field": SQL.identifier(self._scope_field),
            "scope": scope.id,
            "uid": self.env.uid,
            "now": self.env.cr.now(),
        }
        self.env.cr.execute(
            SQL(
                """
                DELETE FROM %(pairs)s AS stored
                 WHERE stored.%(scope_field)s = %(scope)s AND stored.state = 'alike'
                   AND NOT EXISTS (
                        SELECT FROM deduplication_pair AS pair
                         WHERE pair.member_a = stored.member_a_id AND pair.member_b = stored.member_b_id
                       )
                """,
                **terms,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO %(pairs)s AS stored
                       (%(scope_field)s, duplicate_id, member_a_id, member_b_id, state, evidence, score,
                        create_uid, write_uid, create_date, write_date)
                SELECT %(scope)s, found.record_id, pair.member_a, pair.member_b, 'alike', pair.evidence, pair.score,
                       %(uid)s, %(uid)s, %(now)s, %(now)s
                  FROM deduplication_pair AS pair
                  JOIN deduplication_label AS label ON label.member_id = pair.member_a
                  JOIN deduplication_set AS found USING (label)
                    ON CONFLICT (%(scope_field)s, member_a_id, member_b_id) DO UPDATE
                       SET duplicate_id = EXCLUDED.duplicate_id, evidence = EXCLUDED.evidence, score = EXCLUDED.score,
                           write_uid = EXCLUDED.write_uid, write_date = EXCLUDED.write_date
                     WHERE (stored.duplicate_id, stored.evidence, stored.score)
                           IS DISTINCT FROM (EXCLUDED.duplicate_id, EXCLUDED.evidence, EXCLUDED.score)
                """,
                **terms,
            )
        )

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
