"""Households and groups of the people in `g2p_import_chunk`: who is a member, and what their rows say of the household.

Each method is a constant number of statements, whatever the number of rows.
"""

import json

from odoo.tools import SQL

from odoo.addons.g2p_registry_base.tools import standing

from . import results, rows
from .people import log


def imported_before(record, number):
    """The household that an earlier import has made or found for a number, as long as its rows are kept: that of the file
    whose refused rows these are, then of the same mapping, then the latest; :return SQL: columns `id`, `is_sequel`.

    :param SQL number: the household's number, as it stands in the file
    """
    width = len(results.own_columns(record.env))
    is_sequel = SQL(
        "(earlier.header = %s::jsonb OR earlier.mapping_id = %s)",
        json.dumps((record.header or [])[width:]),
        record.mapping_id.id or None,
    )
    return SQL(
        """
        SELECT grp.id, COALESCE(%(is_sequel)s, FALSE) AS is_sequel
        FROM g2p_registrant_import_line before
        JOIN g2p_registrant_import earlier ON earlier.id = before.import_id
        JOIN res_partner grp ON grp.id = before.group_id AND grp.is_registrant AND grp.is_group
        WHERE before.data->>'household' = %(number)s AND before.group_id IS NOT NULL AND before.import_id <> %(import)s
            AND before.state IN ('imported', 'updated') AND earlier.company_id = %(company)s
            AND COALESCE(grp.company_id, %(company)s) = %(company)s AND %(present)s %(area)s
        ORDER BY %(is_sequel)s DESC NULLS LAST, before.import_id DESC
        LIMIT 1
        """,
        is_sequel=is_sequel,
        number=number,
        company=record.company_id.id,
        present=standing.present("grp"),
        area=SQL("AND grp.area_id = ANY(%s)", record._allowed_area_ids()) if record._areas() else SQL(),
        **{"import": record.id},
    )


def known(record):
    """The numbers of a file's good rows that an earlier import has used; :return SQL: number, id, is_sequel."""
    return SQL(
        """
        SELECT home.number, known.id, known.is_sequel
        FROM (
            SELECT DISTINCT line.data->>'household' AS number
            FROM g2p_registrant_import_line line
            WHERE %s AND line.state = 'ok' AND line.data ? 'household'
        ) home
        CROSS JOIN LATERAL (%s) AS known
        """,
        rows.of(record),
        imported_before(record, SQL("home.number")),
    )


class Households:
    def __init__(self, record):
        self.record = record
        self.env = record.env

    def write_answers(self):
        """What rows say of their household: the head's row before others. A household that was registered before keeps what it
        has answered, unless the import updates."""
        if not self.record._columns("group_attribute"):
            return
        head = self.env.ref("g2p_registry_base.group_membership_kind_head", raise_if_not_found=False)
        kept, new = SQL("COALESCE(grp.registrant_attributes, '{}')"), SQL("given.answers")
        merged = SQL("%s || %s", kept, new) if self.record.existing_policy == "update" else SQL("%s || %s", new, kept)
        self.env.cr.execute(
            SQL(
                """
                UPDATE res_partner grp
                SET registrant_attributes = CASE WHEN given.created THEN %(fresh)s ELSE %(merged)s END,
                    write_uid = %(user)s, write_date = %(now)s
                FROM (
                    SELECT group_id, bool_or(group_created) AS created, jsonb_object_agg(name, answer) AS answers
                    FROM (
                        SELECT DISTINCT ON (chunk.group_id, item.name)
                            chunk.group_id, chunk.group_created, item.name, item.answer
                        FROM g2p_import_chunk chunk
                        CROSS JOIN LATERAL jsonb_each(chunk.data->'group_attributes') AS item (name, answer)
                        WHERE chunk.group_id IS NOT NULL AND chunk.data ? 'group_attributes'
                        ORDER BY chunk.group_id, item.name, ((chunk.data->>'role')::integer = %(head)s) IS TRUE DESC,
                            chunk.row_number
                    ) said
                    GROUP BY group_id
                ) given
                WHERE grp.id = given.group_id
                """,
                fresh=SQL("%s || %s", kept, new),
                merged=merged,
                user=self.env.uid,
                now=rows.NOW,
                head=head.id if head else 0,
            )
        )

    def write_members(self, defaults):
        """All rows of a household are in the chunk, so that its group is made once."""
        household = self.record._columns("household")
        if household:
            self._write_households(defaults, household[0]["id_type"])
        elif not self.record._columns("group_id"):
            return
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_group_membership ("group", individual, start_date, %(log)s)
                SELECT chunk.group_id, chunk.partner_id, %(now)s, %(log_values)s
                FROM g2p_import_chunk chunk
                WHERE chunk.group_id IS NOT NULL AND NOT EXISTS (
                    SELECT FROM g2p_group_membership present
                    WHERE present."group" = chunk.group_id AND present.individual = chunk.partner_id
                        AND (present.ended_date IS NULL OR present.ended_date > %(now)s)
                )
                ORDER BY chunk.row_number
                """,
                now=SQL("date_trunc('second', %s)", rows.NOW),
                **log(self.env),
            )
        )
        if self.record._columns("role"):
            self.env.cr.execute(
                SQL(
                    """
                    INSERT INTO g2p_group_membership_g2p_group_membership_kind_rel (
                        g2p_group_membership_id, g2p_group_membership_kind_id)
                    SELECT member.id, (chunk.data->>'role')::integer
                    FROM g2p_import_chunk chunk
                    JOIN g2p_group_membership member ON member."group" = chunk.group_id
                        AND member.individual = chunk.partner_id
                        AND (member.ended_date IS NULL OR member.ended_date > %s)
                    WHERE chunk.data ? 'role'
                    ON CONFLICT DO NOTHING
                    """,
                    rows.NOW,
                )
            )

    def _write_households(self, defaults, id_type):
        """Find the groups by their number where it is an ID; make the others, named after their head."""
        head = self.env.ref("g2p_registry_base.group_membership_kind_head", raise_if_not_found=False)
        kind = self.env.ref("g2p_registry_base.group_kind_household", raise_if_not_found=False)
        known = (
            SQL(
                """
                SELECT min(grp.id) AS id
                FROM g2p_reg_id reg
                JOIN res_partner grp ON grp.id = reg.partner_id AND grp.is_registrant AND grp.is_group
                WHERE reg.id_type = %s AND reg.value_key = %s AND COALESCE(grp.company_id, %s) = %s %s
                HAVING count(*) = 1
                """,
                id_type,
                self.env["g2p.id.type"].browse(id_type)._key_sql(SQL("home.number")),
                self.record.company_id.id,
                self.record.company_id.id,
                SQL("AND grp.area_id = ANY(%s)", self.record._allowed_area_ids()) if self.record._areas() else SQL(),
            )
            if id_type
            else imported_before(self.record, SQL("home.number"))
            if self.record.known_households == "join"
            else SQL("SELECT NULL::integer AS id")
        )
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_import_chunk chunk
                SET group_id = grouped.id, group_created = grouped.created
                FROM (
                    SELECT home.number, COALESCE(known.id, nextval('res_partner_id_seq')::integer) AS id,
                        known.id IS NULL AS created
                    FROM (SELECT DISTINCT data->>'household' AS number FROM g2p_import_chunk WHERE data ? 'household') home
                    LEFT JOIN LATERAL (%s) AS known ON TRUE
                ) grouped
                WHERE chunk.data->>'household' = grouped.number
                """,
                known,
            )
        )
        # what individuals answer by default is no answer of a household
        names = [name for name in defaults if name not in ("registration_date", "registrant_attributes")]
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO res_partner (%(names)s, id, commercial_partner_id, name, complete_name, is_group, kind, area_id,
                    registration_date, create_date, write_date)
                SELECT %(values)s, home.group_id, home.group_id, home.name, home.name, TRUE, %(kind)s, home.area_id,
                    home.registration_date, %(now)s, %(now)s
                FROM (
                    SELECT DISTINCT ON (chunk.group_id) chunk.group_id, partner.area_id, partner.registration_date,
                        format(%(label)s, COALESCE(NULLIF(concat_ws(' ', partner.given_name, partner.family_name), ''),
                                                   partner.name)) AS name
                    FROM g2p_import_chunk chunk
                    JOIN res_partner partner ON partner.id = chunk.partner_id
                    WHERE chunk.group_created
                    ORDER BY chunk.group_id, ((chunk.data->>'role')::integer = %(head)s) IS TRUE DESC, chunk.row_number
                ) home
                """,
                names=SQL(", ").join(map(SQL.identifier, names)),
                values=SQL(", ").join(SQL("%s", defaults[name]) for name in names),
                kind=kind.id if kind else None,
                label=self.env._("Household of %s"),
                head=head.id if head else 0,
                now=rows.NOW,
            )
        )
        if id_type:
            self.env.cr.execute(
                SQL(
                    """
                    INSERT INTO g2p_reg_id (partner_id, id_type, value, status, %(log)s)
                    SELECT DISTINCT ON (chunk.group_id) chunk.group_id, %(id_type)s, chunk.data->>'household', 'valid',
                        %(log_values)s
                    FROM g2p_import_chunk chunk
                    WHERE chunk.group_created
                    """,
                    id_type=id_type,
                    **log(self.env),
                )
            )
