"""IDs that nobody shares: those of a file's rows, against the registry and among themselves."""

from odoo.tools import SQL

from . import rows


def unique_columns(record):
    """The columns of the layout with such IDs."""
    columns = record._columns("id")
    unique = record.env["g2p.id.type"].browse([column["id_type"] for column in columns]).filtered("is_unique").ids
    return [column for column in columns if column["id_type"] in unique]


def staged(record, which, seen=rows.GOOD):
    """What rows hold of them; :return SQL: line_id, row_number, state, id_type, value, column_name, value_key.

    :param SQL which: the rows
    :param SQL seen: a condition on their states
    """
    values = SQL(", ").join(
        SQL(
            "(%s, %s, line.data->>%s, %s)",
            column["id_type"],
            record.env["g2p.id.type"].browse(column["id_type"]).case_sensitive,
            f"id_{column['id_type']}",
            column["column"],
        )
        for column in unique_columns(record)
    )
    return SQL(
        """
        SELECT line.id AS line_id, line.row_number, line.state, item.id_type, item.value, item.column_name,
            g2p_id_key(item.value, item.case_sensitive) AS value_key
        FROM g2p_registrant_import_line line
        CROSS JOIN LATERAL (VALUES %s) AS item (id_type, case_sensitive, value, column_name)
        WHERE %s AND %s AND item.value IS NOT NULL
        """,
        values,
        which,
        seen,
    )


def registered(record, which, seen):
    """Rows of somebody who is registered; :return SQL: line_id, state, column_name, reason."""
    # whose it is, is told where who brought the file may see them
    named = record.env._("is the ID of %(name)s already: %(value)s", name="%2$s", value="%1$s")
    return SQL(
        """
        SELECT line_id, state, column_name,
            CASE WHEN known.name IS NULL THEN %(unnamed)s ELSE format(%(named)s, left(known.value, 50), known.name) END
                AS reason
        FROM (
            SELECT DISTINCT ON (staged.line_id) staged.line_id, staged.state, staged.column_name, staged.value, owner.name
            FROM (%(staged)s) staged
            JOIN g2p_reg_id ON g2p_reg_id.id_type = staged.id_type AND g2p_reg_id.value_key = staged.value_key
            LEFT JOIN res_partner owner ON owner.id = g2p_reg_id.partner_id
                AND COALESCE(owner.company_id, %(company)s) = %(company)s %(area)s
            ORDER BY staged.line_id
        ) AS known
        """,
        unnamed=rows.reason(_taken(record), SQL("known.value")),
        named=named,
        staged=staged(record, which, seen),
        company=record.company_id.id,
        area=SQL("AND owner.area_id = ANY(%s)", record._allowed_area_ids()) if record._areas() else SQL(),
    )


def skipping(found):
    """The statement that leaves out good rows.

    :param SQL found: line_id, state, column_name, reason
    """
    return SQL(
        """
        UPDATE g2p_registrant_import_line line
        SET state = 'skipped', column_name = found.column_name, reason = found.reason
        FROM (%s) AS found
        WHERE line.id = found.line_id AND found.state = 'ok'
        """,
        found,
    )


def tying(record, which, seen):
    """The statement that ties rows to the registrants whom they update, and refuses those with the ID of another one."""
    return SQL(
        """
        WITH found AS MATERIALIZED (
            SELECT staged.*, reg.partner_id, staged.id_type = %(match)s AS is_match,
                partner.is_registrant AND COALESCE(partner.is_group, FALSE) = %(is_group)s
                    AND COALESCE(partner.company_id, %(company)s) = %(company)s %(area)s AS may_write
            FROM (%(staged)s) staged
            JOIN g2p_reg_id reg ON reg.id_type = staged.id_type AND reg.value_key = staged.value_key
            JOIN res_partner partner ON partner.id = reg.partner_id
        ), matched AS MATERIALIZED (
            SELECT line.id, line.problems,
                (SELECT partner_id FROM found WHERE found.line_id = line.id AND is_match) AS partner_id
            FROM g2p_registrant_import_line line
            WHERE %(rows)s AND %(seen)s
        ), known AS MATERIALIZED (
            SELECT matched.id, matched.partner_id, other.value,
                CASE WHEN other.value IS NOT NULL THEN COALESCE(matched.problems, '[]') || jsonb_build_array(
                    jsonb_build_array(other.column_name, CASE WHEN other.may_write THEN %(taken)s ELSE %(closed)s END)
                ) ELSE matched.problems END AS problems
            FROM matched
            LEFT JOIN LATERAL (
                SELECT found.column_name, found.value, found.may_write
                FROM found
                WHERE found.line_id = matched.id
                    AND (found.partner_id IS DISTINCT FROM matched.partner_id OR found.may_write IS NOT TRUE)
                ORDER BY is_match DESC
                LIMIT 1
            ) AS other ON TRUE
        )
        UPDATE g2p_registrant_import_line line
        SET partner_id = CASE WHEN known.problems IS NULL THEN known.partner_id END,
            state = CASE WHEN known.problems IS NULL THEN 'ok' ELSE 'refused' END,
            problems = known.problems, %(words)s
        FROM known
        WHERE line.id = known.id
            AND (known.value IS NOT NULL OR line.partner_id IS DISTINCT FROM known.partner_id)
        """,
        match=record.match_id_type_id.id,
        is_group=record.target_type == "group",
        company=record.company_id.id,
        area=SQL("AND partner.area_id = ANY(%s)", record._allowed_area_ids()) if record._areas() else SQL(),
        staged=staged(record, which, seen),
        rows=which,
        seen=seen,
        words=rows.words(SQL("known.problems")),
        taken=rows.reason(_taken(record), SQL("other.value")),
        closed=rows.reason(
            record.env._("is the ID of a registrant that this import may not change: %(value)s", value=rows.VALUE),
            SQL("other.value"),
        ),
    )


def repeated(record):
    """Of good rows with the same ID all but the first; :return SQL: line_id, column_name, reason."""
    return SQL(
        """
        WITH staged AS MATERIALIZED (%s), repeated AS MATERIALIZED (
            SELECT id_type, value_key, min(row_number) AS first_row
            FROM staged
            WHERE value_key IS NOT NULL
            GROUP BY id_type, value_key
            HAVING count(*) > 1
        )
        SELECT DISTINCT ON (line_id) line_id, column_name, format(%s, first_row) AS reason
        FROM staged
        JOIN repeated USING (id_type, value_key)
        WHERE row_number > first_row
        ORDER BY line_id, first_row
        """,
        staged(record, rows.of(record)),
        record.env._("is the same ID as in row %s"),
    )


def _taken(record):
    return record.env._("is the ID of a registrant already: %(value)s", value=rows.VALUE)
