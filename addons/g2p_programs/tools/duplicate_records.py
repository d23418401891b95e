"""From components to the records of sets and pairs: which record a component has or gets, and what is written into it."""

from odoo.tools import SQL


class DuplicateRecords:
    """The records of one scope, in statements over what the engine has found (`deduplication_pair`, `deduplication_label`).

    :param sets: the model of sets, a g2p.duplicate.engine
    :param scope: the record that the sets belong to
    """

    def __init__(self, sets, scope):
        self.sets = sets
        self.scope = scope
        self.env = sets.env

    def claim(self, survivor, manual):
        """deduplication_set(label, members, survivor_id, record_id, is_new, ignored, grown): each component with the
        record it has or gets. A record that several parts of a former set lay claim to goes to the largest part."""
        links, set_column, member_column = self.sets._links()
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
                ), unproven AS MATERIALIZED (
                    -- Held together by a sign only somewhere: an officer looks at the set before anybody is marked.
                    SELECT DISTINCT label.label
                      FROM deduplication_pair AS pair
                      JOIN deduplication_label AS label ON label.member_id = pair.member_a
                     WHERE NOT pair.proven
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
                            WHEN %(manual)s OR unproven.label IS NOT NULL THEN NULL
                            WHEN taken.shared = cluster.members THEN COALESCE(taken.survivor_id, cluster.survivor_id)
                            ELSE cluster.survivor_id END AS survivor_id,
                       COALESCE(told_apart.record_id, taken.record_id, nextval(%(sequence)s)::integer) AS record_id,
                       told_apart.record_id IS NULL AND taken.record_id IS NULL AS is_new,
                       told_apart.record_id IS NOT NULL AS ignored,
                       COALESCE(taken.shared < cluster.members, FALSE) AS grown
                  FROM cluster
                  LEFT JOIN unproven USING (label)
                  LEFT JOIN taken USING (label)
                  LEFT JOIN (
                        SELECT known.label, MIN(known.record_id) AS record_id
                          FROM known JOIN cluster USING (label)
                         WHERE known.state = 'not_duplicate' AND known.shared = cluster.members
                         GROUP BY known.label
                       ) AS told_apart USING (label)
                """,
                survivor=survivor,
                source=self.sets._survivor_source(),
                links=links,
                set_column=set_column,
                member_column=member_column,
                records=SQL.identifier(self.sets._table),
                scope_field=SQL.identifier(self.sets._scope_field),
                scope=self.scope.id,
                manual=manual,
                sequence=f"{self.sets._table}_id_seq",
            )
        )
        self.env.cr.execute("CREATE UNIQUE INDEX ON deduplication_set (label)")
        self.env.cr.execute("ANALYZE deduplication_set")

    def write_sets(self):
        """Open sets take in who joined and let go who is no longer among them; new sets are inserted."""
        links, set_column, member_column = self.sets._links()
        terms = {
            "records": SQL.identifier(self.sets._table),
            "scope_field": SQL.identifier(self.sets._scope_field),
            "scope": self.scope.id,
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

    def write_pairs(self):
        """The evidence: one row per pair and scope. Rows that nothing speaks for any longer go; decisions stay."""
        terms = {
            "pairs": SQL.identifier(self.env[self.sets._pair_model]._table),
            "scope_field": SQL.identifier(self.sets._scope_field),
            "scope": self.scope.id,
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
