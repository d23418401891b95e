"""Registrants of the rows in `g2p_import_chunk`, with their IDs, phones, accounts, tags and relationships.

Each method is a constant number of statements, whatever the number of rows.
"""

import phonenumbers

from odoo.fields import Date
from odoo.tools import SQL

from . import rows

# kept as the file has them, or as the check has found them
TEXTS = ("address", "email", "civil_status", "occupation", "birth_place", "gender", "disability")
NAMES = ("family_name", "given_name", "addl_name")
# What a row itself says, or the database; every other column of a new registrant is as the ORM fills it.
OWN_COLUMNS = {
    "id",
    "commercial_partner_id",
    "name",
    "complete_name",
    "email_normalized",
    "phone",
    "kind",
    "area_id",
    "birthdate",
    "income",
    "additional_g2p_info",
    "is_group",
    "search_words",
    "create_date",
    "write_date",
    *TEXTS,
    *NAMES,
}


def log(env):
    return {
        "log": SQL("create_uid, write_uid, create_date, write_date"),
        "log_values": SQL("%s, %s, %s, %s", env.uid, env.uid, rows.NOW, rows.NOW),
    }


class People:
    def __init__(self, record):
        self.record = record
        self.env = record.env
        self.updates = record.existing_policy == "update"

    def _phone_keys(self):
        return [f"phone_{column['position']}" for column in self.record._columns("phone")]

    def insert(self, defaults):
        """
        :param defaults: {column: value} of a registrant of whom nothing is said
        """
        partner_columns = {name: value for name, value in defaults.items() if name != "registrant_attributes"}
        names = [SQL.identifier(name) for name in partner_columns]
        values = [SQL("%s", value) for value in partner_columns.values()]
        dates = {"registration_date": SQL("(chunk.data->>'registration_date')::date")}
        for index, name in enumerate(partner_columns):
            if name in dates:
                values[index] = SQL("COALESCE(%s, %s::date)", dates[name], partner_columns[name])
        own = {
            name: SQL("chunk.data->>%s", name)
            for name in (*TEXTS, *(NAMES if self.record.target_type != "group" else ()))
        }
        phones = SQL(", ").join(SQL("chunk.data->>%s", key) for key in self._phone_keys())
        own |= {
            "id": SQL("chunk.partner_id"),
            "commercial_partner_id": SQL("chunk.partner_id"),
            "name": SQL("chunk.data->>'name'"),
            "complete_name": SQL("chunk.data->>'name'"),
            "email_normalized": SQL("lower(chunk.data->>'email' %s)", rows.COLLATION),
            "phone": SQL("NULLIF(concat_ws(', ', %s), '')", phones) if self._phone_keys() else SQL("NULL"),
            "kind": SQL("(chunk.data->>'kind')::integer"),
            "area_id": SQL("chunk.area_id"),
            "birthdate": SQL("(chunk.data->>'birthdate')::date"),
            "income": SQL("(chunk.data->>'income')::numeric"),
            "additional_g2p_info": SQL("chunk.data->'info'"),
            "registrant_attributes": SQL(
                "NULLIF(COALESCE(%s::jsonb, '{}') || COALESCE(chunk.data->'attributes', '{}'), '{}')",
                defaults.get("registrant_attributes"),
            ),
            "is_group": SQL("%s", self.record.target_type == "group"),
            "create_date": rows.NOW,
            "write_date": rows.NOW,
        }
        self.env.cr.execute(
            SQL(
                "INSERT INTO res_partner (%s) SELECT %s FROM g2p_import_chunk chunk WHERE chunk.is_new",
                SQL(", ").join([*names, *map(SQL.identifier, own)]),
                SQL(", ").join([*values, *own.values()]),
            )
        )

    def update(self):
        """What the row holds is written; what it leaves empty stays as it is."""
        given = {
            **{name: SQL("chunk.data->>%s", name) for name in TEXTS},
            "email_normalized": SQL("lower(chunk.data->>'email' %s)", rows.COLLATION),
            "birthdate": SQL("(chunk.data->>'birthdate')::date"),
            "registration_date": SQL("(chunk.data->>'registration_date')::date"),
            "income": SQL("(chunk.data->>'income')::numeric"),
            "kind": SQL("(chunk.data->>'kind')::integer"),
            "area_id": SQL("chunk.area_id"),
        }
        name = SQL("chunk.data->>'name'")
        if self.record.target_type != "group":
            parts = {part: SQL("COALESCE(chunk.data->>%s, partner.%s)", part, SQL.identifier(part)) for part in NAMES}
            given |= {part: SQL("chunk.data->>%s", part) for part in NAMES}
            name = rows.full_name(*parts.values())
        assignments = [
            SQL("%(name)s = COALESCE(%(value)s, partner.%(name)s)", name=SQL.identifier(column), value=value)
            for column, value in given.items()
        ]
        self.env.cr.execute(
            SQL(
                """
                UPDATE res_partner partner
                SET %s, name = %s, complete_name = %s, write_uid = %s, write_date = %s,
                    additional_g2p_info = CASE WHEN chunk.data ? 'info'
                        THEN COALESCE(partner.additional_g2p_info, '{}') || (chunk.data->'info')
                        ELSE partner.additional_g2p_info END,
                    registrant_attributes = CASE WHEN chunk.data ? 'attributes'
                        THEN COALESCE(partner.registrant_attributes, '{}') || (chunk.data->'attributes')
                        ELSE partner.registrant_attributes END
                FROM g2p_import_chunk chunk
                WHERE partner.id = chunk.partner_id AND NOT chunk.is_new
                """,
                SQL(", ").join(assignments),
                name,
                name,
                self.env.uid,
                rows.NOW,
            )
        )

    def write_ids(self):
        columns = self.record._columns("id")
        if not columns:
            return
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_reg_id (partner_id, id_type, value, expiry_date, status, %(log)s)
                SELECT chunk.partner_id, item.id_type, item.value, item.expiry_date::date, 'valid', %(log_values)s
                FROM g2p_import_chunk chunk
                CROSS JOIN LATERAL (VALUES %(values)s) AS item (id_type, value, expiry_date)
                WHERE item.value IS NOT NULL
                ON CONFLICT (partner_id, id_type) DO UPDATE
                SET value = EXCLUDED.value, write_uid = EXCLUDED.write_uid, write_date = EXCLUDED.write_date,
                    expiry_date = COALESCE(EXCLUDED.expiry_date, g2p_reg_id.expiry_date)
                WHERE g2p_reg_id.value IS DISTINCT FROM EXCLUDED.value
                    OR EXCLUDED.expiry_date IS DISTINCT FROM g2p_reg_id.expiry_date AND EXCLUDED.expiry_date IS NOT NULL
                """,
                values=SQL(", ").join(
                    SQL(
                        "(%s::integer, chunk.data->>%s, chunk.data->>%s)",
                        column["id_type"],
                        f"id_{column['id_type']}",
                        f"expiry_{column['id_type']}",
                    )
                    for column in columns
                ),
                **log(self.env),
            )
        )

    def write_phones(self):
        """Numbers of the country's plan as they are usually written are understood by the database; each other distinct
        number is asked of the numbering plans of the world, once a chunk."""
        keys = self._phone_keys()
        if not keys:
            return
        numbers = SQL(
            """
            SELECT chunk.partner_id, chunk.row_number, chunk.is_new, item.position, item.phone_no
            FROM g2p_import_chunk chunk
            CROSS JOIN LATERAL (VALUES %s) AS item (position, phone_no)
            WHERE item.phone_no IS NOT NULL
            """,
            SQL(", ").join(SQL("(%s, chunk.data->>%s)", index, key) for index, key in enumerate(keys)),
        )
        phones = self.env["g2p.phone.number"]
        country = self.record.company_id.country_id
        usual = self._usual_number(country.code)
        others = self.env.execute_query(
            SQL("SELECT DISTINCT phone_no FROM (%s) AS number WHERE (%s) IS NULL", numbers, usual)
        )
        pattern = phones._phone_regex()
        known = {number: phones._e164(number, country.code, pattern) or None for (number,) in others}
        self.env.cr.execute(
            SQL(
                """
                WITH number AS MATERIALIZED (
                    SELECT number.partner_id, number.row_number, number.position, number.phone_no, number.is_new,
                        COALESCE(%(usual)s, other.e164) AS e164
                    FROM (%(numbers)s) AS number
                    LEFT JOIN unnest(%(others)s::text[], %(e164)s::text[]) AS other (phone_no, e164)
                        ON other.phone_no = number.phone_no
                ), inserted AS (
                    INSERT INTO g2p_phone_number (
                        partner_id, phone_no, country_id, phone_sanitized, is_valid, date_collected, %(log)s)
                    SELECT number.partner_id, number.phone_no, %(country)s, number.e164, number.e164 IS NOT NULL,
                        %(today)s, %(log_values)s
                    FROM number
                    WHERE number.is_new OR NOT EXISTS (
                        SELECT FROM g2p_phone_number present
                        WHERE present.partner_id = number.partner_id
                            AND (present.phone_no = number.phone_no OR present.phone_sanitized = number.e164)
                    )
                    ORDER BY number.row_number, number.position
                    RETURNING partner_id
                )
                SELECT count(*) FROM inserted
                """,
                usual=usual,
                numbers=numbers,
                others=list(known),
                e164=list(known.values()),
                country=country.id or None,
                today=Date.context_today(self.record),
                **log(self.env),
            )
        )
        if self.updates:
            self.env.cr.execute("SELECT array_agg(partner_id) FROM g2p_import_chunk WHERE NOT is_new")
            phones._refresh_partner_phone(self.env.cr.fetchone()[0])

    def _usual_number(self, country_code):
        """SQL for the E.164 of `number.phone_no` where it is of the country's plan, written with its country code; NULL
        where the full rules have to be asked."""
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(country_code or "", None)
        if not metadata or self.env["g2p.phone.number"]._phone_regex():
            return SQL("NULL::text")
        if len(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[metadata.country_code]) > 1:
            return SQL("NULL::text")
        kinds = "|".join(
            f"(?:{kind.national_number_pattern})"
            for kind in (metadata.mobile, metadata.fixed_line)
            if kind and kind.national_number_pattern
        )
        prefix = metadata.national_prefix_for_parsing
        code = rf"^\+{metadata.country_code}"
        form = f"{code}{f'(?!{prefix})' if prefix else ''}(?:{kinds})$"
        compact = SQL("replace(number.phone_no, ' ', '')")
        return SQL("CASE WHEN number.phone_no ~ %s AND %s ~ %s THEN %s END", f"{code}[0-9 ]+$", compact, form, compact)

    def write_accounts(self):
        columns = self.record._columns(*rows.ACCOUNTS)
        if not columns:
            return
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO res_partner_bank (
                    partner_id, acc_number, sanitized_acc_number, acc_holder_name, account_type, is_primary, active,
                    sequence, allow_out_payment, company_id, %(log)s)
                SELECT account.partner_id, account.number, account.sanitized, partner.name, account.kind,
                    account.place = 1 AND NOT %(has_primary)s, TRUE, 10, FALSE, %(company)s, %(log_values)s
                FROM (
                    SELECT once.*, row_number() OVER (PARTITION BY partner_id ORDER BY position) AS place
                    FROM (
                        SELECT DISTINCT ON (chunk.partner_id, sanitized) chunk.partner_id, chunk.row_number, sanitized,
                            item.*
                        FROM g2p_import_chunk chunk
                        CROSS JOIN LATERAL (VALUES %(values)s) AS item (position, kind, number)
                        CROSS JOIN LATERAL (
                            SELECT upper(regexp_replace(item.number, '\\W+', '', 'g') %(collation)s) AS sanitized
                        ) AS short
                        WHERE item.number IS NOT NULL
                        ORDER BY chunk.partner_id, sanitized, item.position
                    ) once
                    WHERE NOT EXISTS (
                        SELECT FROM res_partner_bank present
                        WHERE %(updates)s AND present.partner_id = once.partner_id
                            AND present.sanitized_acc_number = once.sanitized
                    )
                ) account
                JOIN res_partner partner ON partner.id = account.partner_id
                ORDER BY account.row_number, account.position
                """,
                values=SQL(", ").join(
                    SQL(
                        "(%s, %s, chunk.data->>%s)",
                        index,
                        rows.ACCOUNTS[column["target"]],
                        f"account_{column['position']}",
                    )
                    for index, column in enumerate(columns)
                ),
                has_primary=SQL(
                    "EXISTS (SELECT FROM res_partner_bank present "
                    "WHERE present.partner_id = account.partner_id AND present.is_primary AND present.active)"
                )
                if self.updates
                else SQL("FALSE"),
                updates=self.updates,
                collation=rows.COLLATION,
                company=self.record.company_id.id,
                **log(self.env),
            )
        )

    def write_tags(self):
        if self.record._columns("tags"):
            self.env.cr.execute(
                """
                INSERT INTO g2p_registrant_tags_res_partner_rel (res_partner_id, g2p_registrant_tags_id)
                SELECT DISTINCT chunk.partner_id, tag.id
                FROM g2p_import_chunk chunk
                CROSS JOIN LATERAL jsonb_array_elements_text(chunk.data->'tags') AS given (id)
                JOIN g2p_registrant_tags tag ON tag.id = given.id::integer
                ON CONFLICT DO NOTHING
                """
            )

    def write_relationships(self):
        """Each registrant of a row to the one whose ID it names, as of now, unless they are related so already."""
        for column in self.record._columns("related_id"):
            relation = self.env["g2p.relationship"].browse(column["relation"])
            mirrored = SQL(
                "OR rel.source = chunk.other_id AND rel.destination = chunk.partner_id"
                if relation.bidirectional
                else ""
            )
            self.env.cr.execute(
                SQL(
                    """
                    INSERT INTO g2p_reg_rel (source, destination, relation, start_date, %(log)s)
                    SELECT chunk.partner_id, chunk.other_id, %(relation)s, %(now)s, %(log_values)s
                    FROM (SELECT partner_id, (data->>%(key)s)::integer AS other_id, row_number FROM g2p_import_chunk) chunk
                    WHERE chunk.other_id <> chunk.partner_id AND NOT EXISTS (
                        SELECT FROM g2p_reg_rel rel
                        WHERE rel.relation = %(relation)s AND rel.disabled IS NULL
                            AND (rel.source = chunk.partner_id AND rel.destination = chunk.other_id %(mirrored)s)
                            AND (rel.end_date IS NULL OR rel.end_date > %(now)s)
                    )
                    ORDER BY chunk.row_number
                    """,
                    relation=relation.id,
                    key=f"related_{column['position']}",
                    now=SQL("date_trunc('second', %s)", rows.NOW),
                    mirrored=mirrored,
                    **log(self.env),
                )
            )
