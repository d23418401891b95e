"""What an import has made, and whether anything depends on it: for taking it back."""

from odoo.tools import SQL


def made(which):
    """The partners that rows made: columns `id`, `unit`, `is_group`, and of a person the `group_id` they came into."""
    return SQL(
        """
        SELECT line.partner_id AS id, line.unit, FALSE AS is_group, line.group_id
        FROM g2p_registrant_import_line line
        WHERE %(rows)s AND line.state = 'imported' AND line.partner_id IS NOT NULL
        UNION ALL
        SELECT DISTINCT line.group_id, line.unit, TRUE, NULL::integer
        FROM g2p_registrant_import_line line
        WHERE %(rows)s AND line.state = 'imported' AND line.group_created AND line.group_id IS NOT NULL
        """,
        rows=which,
    )


def references(env):
    """(table, column) of every foreign key to registrants, but those of rows that go with their registrant."""
    own = env["g2p.registration"]._own_tables()
    return [
        reference
        for reference in env.execute_query(
            SQL(
                """
                SELECT class.relname, attribute.attname
                FROM pg_constraint con
                JOIN pg_class class ON class.oid = con.conrelid
                JOIN pg_attribute attribute ON attribute.attrelid = con.conrelid AND attribute.attnum = con.conkey[1]
                WHERE con.contype = 'f' AND con.confrelid = 'res_partner'::regclass
                ORDER BY 1, 2
                """
            )
        )
        if tuple(reference) not in own
    ]


def used_units(references):
    """The units of `g2p_undo_made` of which anybody is used: each of them looked up by key in every table that may refer to
    registrants. A join would read all of these tables once a chunk."""
    probes = [
        SQL(
            """
            SELECT made.unit FROM g2p_undo_made AS made
            CROSS JOIN LATERAL (SELECT FROM %s AS used WHERE used.%s = made.id LIMIT 1) AS used
            """,
            SQL.identifier(table),
            SQL.identifier(column),
        )
        for table, column in references
    ]
    probes.append(
        SQL(
            """
            SELECT made.unit FROM g2p_undo_made AS made
            CROSS JOIN LATERAL (
                SELECT FROM g2p_group_membership AS member
                WHERE member."group" = made.id AND member.individual NOT IN (SELECT id FROM g2p_undo_made)
                LIMIT 1
            ) AS other
            WHERE made.is_group
            """
        )
    )
    probes.append(
        SQL(
            """
            SELECT made.unit FROM g2p_undo_made AS made
            CROSS JOIN LATERAL (
                SELECT FROM g2p_group_membership AS member
                WHERE member.individual = made.id AND member."group" IS DISTINCT FROM made.group_id
                LIMIT 1
            ) AS other
            WHERE NOT made.is_group
            """
        )
    )
    return SQL(" UNION ALL ").join(probes)


def used_tables(which, references):
    """The tables of which a row refers to what rows made, and memberships with others; :return SQL: one column, `name`."""
    probes = [
        SQL(
            "SELECT %s WHERE EXISTS (SELECT FROM %s AS used WHERE used.%s IN (SELECT id FROM made))",
            table,
            SQL.identifier(table),
            SQL.identifier(column),
        )
        for table, column in references
    ]
    probes.append(
        SQL(
            """
            SELECT 'g2p_group_membership' WHERE EXISTS (
                SELECT FROM g2p_group_membership member
                WHERE member."group" IN (SELECT id FROM made WHERE made.is_group)
                    AND member.individual NOT IN (SELECT id FROM made)
            ) OR EXISTS (
                SELECT FROM g2p_group_membership member
                JOIN made ON made.id = member.individual
                WHERE member."group" IS DISTINCT FROM made.group_id
            )
            """
        )
    )
    return SQL(
        """
        WITH made AS MATERIALIZED (
            %(made)s
        )
        SELECT used.name FROM (%(probes)s) AS used (name)
        """,
        made=made(which),
        probes=SQL(" UNION ALL ").join(probes),
    )
