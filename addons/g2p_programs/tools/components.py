"""Connected components of pairs of duplicates."""


def label(cr):
    """deduplication_label(member_id, label): members of one component have one label, their smallest id.

    Every member takes the smallest label among those it is paired with, then the label of that label, which halves
    the length of a chain: as many rounds as the logarithm of the longest chain, not its length.
    """
    execute = cr.execute
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
        moved = cr.rowcount
        if moved:
            execute(
                """
                UPDATE deduplication_label AS label
                   SET label = further.label
                  FROM deduplication_label AS further
                 WHERE further.member_id = label.label AND further.label < label.label
                """
            )
