import contextlib
import json

import phonenumbers
import psycopg2

from odoo import fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL, mute_logger

from .import_staging import ACCOUNTS, COLLATION, GOOD

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
NOW = SQL("now() AT TIME ZONE 'UTC'")


class _TakenBackError(Exception):
    """What was made inside was made to be looked at only."""


class RegistrantImport(models.Model):
    """From checked rows to registrants."""

    # a file is one thing: writing registrants stands apart from the record and its buttons
    _inherit = "g2p.registrant.import"  # pylint: disable=consider-merging-classes-inherited

    # -- the operation

    def _bulk_before_import(self, operation):
        state = self._lock_state()
        if state == "submitted" and self._maker_checker():
            if self.env.user in (self.create_uid | self.submitted_by_id):
                raise AccessError(self.env._("Another user than the one who brought the file confirms the import."))
        elif state == "checked" and self._maker_checker():
            raise UserError(self.env._("Submit the file first: another user confirms the import."))
        elif state not in ("checked", "submitted"):
            raise UserError(self.env._("Check the file first."))
        operation.params = {"partner": self._new_partner_columns()}
        self.write({"state": "importing", "confirmed_by_id": self.env.uid})

    def _bulk_source_import(self, operation):
        return SQL("SELECT unit AS key FROM g2p_registrant_import_line WHERE import_id = %s AND state = 'ok'", self.id)

    def _bulk_chunk_import(self, operation, low, high):
        """Check again what may have changed since the file was checked, then register the rows."""
        before = self._states(low, high)
        rows = self._units(low, high)
        self._refuse_known_ids(rows)
        self._refuse_before_birth(rows)
        with self.env["g2p.change.history"]._because(self.env._("Import of %s", self.name)):
            self._apply(operation.params["partner"], low, high)
        self._forget()
        after = self._states(low, high)
        names = {"imported": "created", "updated": "updated", "skipped": "skipped", "refused": "refused"}
        return {name: after.get(state, 0) - before.get(state, 0) for state, name in names.items()}

    def _bulk_finish_import(self, operation):
        """A failed import may be resumed, so it is still being imported; a cancelled one can go on as a new one."""
        self._count({"done": "done", "cancelled": "checked"}.get(operation.state))
        self.env["g2p.registration"]._registered(
            SQL(
                """
                SELECT registrant.id
                  FROM g2p_registrant_import_line AS line
                 CROSS JOIN LATERAL (VALUES (line.partner_id), (line.group_id)) AS registrant (id)
                 WHERE line.import_id = %s AND line.state IN ('imported', 'updated') AND registrant.id IS NOT NULL
                """,
                self.id,
            )
        )

    def _units(self, low, high):
        return SQL("line.import_id = %s AND line.unit > %s AND line.unit <= %s", self.id, low, high)

    def _states(self, low, high):
        return dict(
            self.env.execute_query(
                SQL(
                    "SELECT line.state, count(*) FROM g2p_registrant_import_line line WHERE %s GROUP BY line.state",
                    self._units(low, high),
                )
            )
        )

    def _forget(self):
        for model in (
            "res.partner",
            "res.partner.bank",
            "g2p.reg.id",
            "g2p.phone.number",
            "g2p.group.membership",
            "g2p.registrant.import.line",
        ):
            self.env[model].invalidate_model(flush=False)

    def _new_partner_columns(self):
        """The columns of a registrant whom the ORM made, of whatever modules there are, that do not come from the row."""
        row = {}
        with contextlib.suppress(_TakenBackError), self.env.cr.savepoint():
            partner = (
                self.env["res.partner"]
                .with_context(tracking_disable=True, mail_create_nolog=True, mail_create_nosubscribe=True)
                .create(
                    {
                        "name": "-",
                        "is_registrant": True,
                        "is_group": self.target_type == "group",
                        "company_id": self.company_id.id,
                    }
                )
            )
            partner.flush_recordset()
            [[row]] = self.env.execute_query(
                SQL("SELECT jsonb_strip_nulls(to_jsonb(partner)) FROM res_partner partner WHERE id = %s", partner.id)
            )
            raise _TakenBackError
        self.env.invalidate_all(flush=False)
        return {
            name: json.dumps(value) if isinstance(value, dict | list) else value
            for name, value in row.items()
            if name not in OWN_COLUMNS
        }

    def _refuse_before_birth(self, rows, seen=GOOD):
        if not self._columns("registration_date") and self.existing_policy != "update":
            return  # registered today, and the check takes no birth of tomorrow
        self._refuse_found(
            SQL(
                """
                SELECT line.id AS line_id, %(column)s::text AS column_name, %(reason)s::text AS reason
                FROM g2p_registrant_import_line line
                LEFT JOIN res_partner partner ON partner.id = line.partner_id
                WHERE %(rows)s AND %(seen)s AND line.data ?| ARRAY['birthdate', 'registration_date']
                    -- a day that has not come is refused for that
                    AND (line.state = 'ok' OR (line.data->>'birthdate')::date <= %(today)s::date)
                    AND COALESCE((line.data->>'birthdate')::date, partner.birthdate)
                        > COALESCE((line.data->>'registration_date')::date, partner.registration_date, %(today)s::date)
                """,
                column=self._label("registration_date"),
                reason=self.env._("Nobody can be registered before their birth."),
                rows=rows,
                seen=seen,
                today=fields.Date.context_today(self),
            )
        )

    # -- a chunk of rows

    def _apply(self, partner_columns, low, high):
        """Register the good rows of the units in (low, high]. What the database refuses is found by halves."""
        try:
            with self.env.cr.savepoint(flush=False), mute_logger("odoo.sql_db"):
                self._write_registrants(partner_columns, self._units(low, high))
        except (psycopg2.IntegrityError, psycopg2.DataError) as error:
            units = [
                unit
                for (unit,) in self.env.execute_query(
                    SQL(
                        "SELECT DISTINCT unit FROM g2p_registrant_import_line line WHERE %s AND state = 'ok' ORDER BY 1",
                        self._units(low, high),
                    )
                )
            ]
            if len(units) <= 1:
                self._refuse(self._units(low, high), error)
                return
            middle = units[(len(units) - 1) // 2]
            self._apply(partner_columns, low, middle)
            self._apply(partner_columns, middle, high)

    def _refuse(self, rows, error):
        model = next((m for m in self.env.values() if m._table == error.diag.table_name and not m._abstract), self)
        self.env.cr.execute(
            SQL(
                "UPDATE g2p_registrant_import_line line SET state = 'refused', column_name = NULL, reason = %(why)s, "
                "problems = jsonb_build_array(jsonb_build_array(NULL, %(why)s::text)) WHERE %(rows)s AND line.state = 'ok'",
                why=model._sql_error_to_message(error),
                rows=rows,
            )
        )

    def _write_registrants(self, partner_columns, rows):
        """A constant number of statements, whatever the number of rows."""
        updates = self.existing_policy == "update"
        # the rows of this call, and of no other: those that are good before it
        self.env.cr.execute("DROP TABLE IF EXISTS g2p_import_chunk")
        self.env.cr.execute(
            SQL(
                """
                CREATE TEMPORARY TABLE g2p_import_chunk ON COMMIT DROP AS
                SELECT line.id AS line_id, line.row_number, line.area_id, line.data,
                    line.partner_id IS NULL AS is_new,
                    COALESCE(line.partner_id, nextval('res_partner_id_seq')::integer) AS partner_id,
                    (line.data->>'group')::integer AS group_id, FALSE AS group_created
                FROM (
                    SELECT * FROM g2p_registrant_import_line line WHERE %s AND line.state = 'ok' ORDER BY row_number
                ) line
                """,
                rows,
            )
        )
        self.env.cr.execute("ANALYZE g2p_import_chunk")
        if updates:
            self._update_partners()
        self._insert_partners(partner_columns)
        self._write_ids()
        self._write_phones(updates)
        self._write_accounts(updates)
        self._write_tags()
        self._write_memberships(partner_columns)
        self._write_household_answers()
        self._write_relationships()
        self._write_more()
        self.env.cr.execute(
            """
            UPDATE g2p_registrant_import_line line
            SET state = CASE WHEN chunk.is_new THEN 'imported' ELSE 'updated' END, partner_id = chunk.partner_id,
                group_id = chunk.group_id, group_created = chunk.group_created
            FROM g2p_import_chunk chunk
            WHERE line.id = chunk.line_id
            """
        )
        self.env.cr.execute("DROP TABLE g2p_import_chunk")

    def _log(self):
        return {
            "log": SQL("create_uid, write_uid, create_date, write_date"),
            "log_values": SQL("%s, %s, %s, %s", self.env.uid, self.env.uid, NOW, NOW),
        }

    def _phone_keys(self):
        return [f"phone_{column['position']}" for column in self._columns("phone")]

    def _insert_partners(self, partner_columns):
        defaults = partner_columns
        partner_columns = {name: value for name, value in defaults.items() if name != "registrant_attributes"}
        names = [SQL.identifier(name) for name in partner_columns]
        values = [SQL("%s", value) for value in partner_columns.values()]
        dates = {"registration_date": SQL("(chunk.data->>'registration_date')::date")}
        for index, name in enumerate(partner_columns):
            if name in dates:
                values[index] = SQL("COALESCE(%s, %s::date)", dates[name], partner_columns[name])
        own = {name: SQL("chunk.data->>%s", name) for name in (*TEXTS, *(NAMES if self.target_type != "group" else ()))}
        phones = SQL(", ").join(SQL("chunk.data->>%s", key) for key in self._phone_keys())
        own |= {
            "id": SQL("chunk.partner_id"),
            "commercial_partner_id": SQL("chunk.partner_id"),
            "name": SQL("chunk.data->>'name'"),
            "complete_name": SQL("chunk.data->>'name'"),
            "email_normalized": SQL("lower(chunk.data->>'email' %s)", COLLATION),
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
            "is_group": SQL("%s", self.target_type == "group"),
            "create_date": NOW,
            "write_date": NOW,
        }
        self.env.cr.execute(
            SQL(
                "INSERT INTO res_partner (%s) SELECT %s FROM g2p_import_chunk chunk WHERE chunk.is_new",
                SQL(", ").join([*names, *map(SQL.identifier, own)]),
                SQL(", ").join([*values, *own.values()]),
            )
        )

    def _update_partners(self):
        """What the row holds is written; what it leaves empty stays as it is."""
        given = {
            **{name: SQL("chunk.data->>%s", name) for name in TEXTS},
            "email_normalized": SQL("lower(chunk.data->>'email' %s)", COLLATION),
            "birthdate": SQL("(chunk.data->>'birthdate')::date"),
            "registration_date": SQL("(chunk.data->>'registration_date')::date"),
            "income": SQL("(chunk.data->>'income')::numeric"),
            "kind": SQL("(chunk.data->>'kind')::integer"),
            "area_id": SQL("chunk.area_id"),
        }
        name = SQL("chunk.data->>'name'")
        if self.target_type != "group":
            parts = {part: SQL("COALESCE(chunk.data->>%s, partner.%s)", part, SQL.identifier(part)) for part in NAMES}
            given |= {part: SQL("chunk.data->>%s", part) for part in NAMES}
            name = self._full_name_sql(*parts.values())
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
                NOW,
            )
        )

    def _write_ids(self):
        columns = self._columns("id")
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
                **self._log(),
            )
        )

    # -- phones

    def _write_phones(self, updates):
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
        country = self.company_id.country_id
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
                today=fields.Date.context_today(self),
                **self._log(),
            )
        )
        if updates:
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

    # -- accounts, tags

    def _write_accounts(self, updates):
        columns = self._columns(*ACCOUNTS)
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
                        ACCOUNTS[column["target"]],
                        f"account_{column['position']}",
                    )
                    for index, column in enumerate(columns)
                ),
                has_primary=SQL(
                    "EXISTS (SELECT FROM res_partner_bank present "
                    "WHERE present.partner_id = account.partner_id AND present.is_primary AND present.active)"
                )
                if updates
                else SQL("FALSE"),
                updates=updates,
                collation=COLLATION,
                company=self.company_id.id,
                **self._log(),
            )
        )

    def _write_tags(self):
        if self._columns("tags"):
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

    def _write_more(self):
        """What modules make of the rows of `g2p_import_chunk`, once their registrants are there."""

    def _write_relationships(self):
        """Each registrant of a row to the one whose ID it names, as of now, unless they are related so already."""
        for column in self._columns("related_id"):
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
                    now=SQL("date_trunc('second', %s)", NOW),
                    mirrored=mirrored,
                    **self._log(),
                )
            )

    # -- members

    def _write_household_answers(self):
        """What rows say of their household: the head's row before others. A household that was registered before keeps what it
        has answered, unless the import updates."""
        if not self._columns("group_attribute"):
            return
        head = self.env.ref("g2p_registry_base.group_membership_kind_head", raise_if_not_found=False)
        kept, new = SQL("COALESCE(grp.registrant_attributes, '{}')"), SQL("given.answers")
        merged = SQL("%s || %s", kept, new) if self.existing_policy == "update" else SQL("%s || %s", new, kept)
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
                now=NOW,
                head=head.id if head else 0,
            )
        )

    def _write_memberships(self, partner_columns):
        """All rows of a household are in the chunk, so that its group is made once."""
        household = self._columns("household")
        if household:
            self._write_households(partner_columns, household[0]["id_type"])
        elif not self._columns("group_id"):
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
                now=SQL("date_trunc('second', %s)", NOW),
                **self._log(),
            )
        )
        if self._columns("role"):
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
                    NOW,
                )
            )

    def _write_households(self, partner_columns, id_type):
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
                self.company_id.id,
                self.company_id.id,
                SQL("AND grp.area_id = ANY(%s)", self._allowed_area_ids()) if self._areas() else SQL(),
            )
            if id_type
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
        names = [name for name in partner_columns if name not in ("registration_date", "registrant_attributes")]
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
                values=SQL(", ").join(SQL("%s", partner_columns[name]) for name in names),
                kind=kind.id if kind else None,
                label=self.env._("Household of %s"),
                head=head.id if head else 0,
                now=NOW,
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
                    **self._log(),
                )
            )
