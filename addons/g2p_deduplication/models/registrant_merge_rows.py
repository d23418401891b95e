"""What a merge moves: every row that refers to the merged registrant, found in the catalogue of the database, so that
tables of modules that are not known here are moved too."""

from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.g2p_programs.models.entitlement import DEAD_STATES

MERGED_FIELDS = (
    "family_name",
    "given_name",
    "addl_name",
    "name",
    "birthdate",
    "birthdate_not_exact",
    "birth_place",
    "gender",
    "kind",
    "area_id",
    "address",
    "civil_status",
    "occupation",
    "income",
    "email",
)
LIVE_MEMBERS = ("draft", "enrolled", "paused")
# Rows that stay with the merged registrant: they tell what happened to that record, or belong to the machinery.
KEPT_TABLES = (
    "res_partner",
    "res_users",
    "res_company",
    "res_users_settings_volumes",
    "g2p_registrant_import_line",
    "g2p_registrant_merge",
    "g2p_registry_duplicate",
    "g2p_registry_duplicate_rel",
    "g2p_registry_duplicate_pair",
)
KEPT_PREFIXES = ("mail_", "discuss_", "base_", "bus_", "ir_")
# First those that others hang on.
FIRST_TABLES = ("g2p_program_membership", "g2p_entitlement")


class RegistrantMerge(models.Model):
    _inherit = "g2p.registrant.merge"

    def _merged_fields(self):
        names = [name for name in MERGED_FIELDS if name in self.env["res.partner"]._fields]
        # The name of an individual is made of its parts.
        return [name for name in names if name != "name" or self.survivor_id.is_group]

    def _merge_rows(self):
        """Move everything; :return: the journal that `_undo_rows` reads."""
        self.env.flush_all()
        survivor, merged = self.survivor_id, self.merged_id
        journal = {
            "entitlements": self._entitlements_of(survivor),
            "primary": self._give_up_primary_account(),
            "roles": self._give_up_roles(),
            "states": self._settle_memberships(),
        }
        journal["moved"] = [
            entry
            for table, column, key, anchors in self._references()
            if (entry := self._move(table, column, key, anchors))["rows"]
        ]
        attachments = self._move(
            "ir_attachment", "res_id", "id", (), SQL("AND row.res_model = 'res.partner' AND row.res_field IS NULL")
        )
        journal["moved"] += [attachments] if attachments["rows"] else []
        self.env.invalidate_all(flush=False)
        journal["fields"] = self._take_fields()
        merged._disable(self.env._("Merged into %s", survivor.name))
        merged.write({"merged_into_id": survivor.id})
        self._refresh(survivor | merged)
        return journal

    def _entitlements_of(self, partner):
        """Ids: what the survivor had before the merge; whatever else there is at an undo was made since."""
        return [
            row[0]
            for row in self.env.execute_query(SQL("SELECT id FROM g2p_entitlement WHERE partner_id = %s", partner.id))
        ]

    def _give_up_primary_account(self):
        """Ids of the merged one's primary account, which gives way to the survivor's."""
        rows = self.env.execute_query(
            SQL(
                """
                UPDATE res_partner_bank
                   SET is_primary = FALSE
                 WHERE partner_id = %s AND is_primary
                   AND EXISTS (SELECT FROM res_partner_bank AS own
                                WHERE own.partner_id = %s AND own.is_primary AND own.active)
             RETURNING id
                """,
                self.merged_id.id,
                self.survivor_id.id,
            )
        )
        return [row[0] for row in rows]

    def _give_up_roles(self):
        """[[membership, role]] of members of a merged group whose unique role (Head) somebody in the survivor holds."""
        return [
            list(row)
            for row in self.env.execute_query(
                SQL(
                    """
                    DELETE FROM g2p_group_membership_g2p_group_membership_kind_rel AS role
                     USING g2p_group_role_holder AS holder
                     WHERE holder.group_id = %s
                       AND holder.membership_id = role.g2p_group_membership_id
                       AND holder.kind_id = role.g2p_group_membership_kind_id
                       AND EXISTS (
                            SELECT FROM g2p_group_role_holder AS own
                             WHERE own.group_id = %s AND own.kind_id = holder.kind_id AND own.period && holder.period
                           )
                 RETURNING role.g2p_group_membership_id, role.g2p_group_membership_kind_id
                    """,
                    self.merged_id.id,
                    self.survivor_id.id,
                )
            )
        ]

    def _settle_memberships(self):
        """Where both are in a program, the memberships stay where they are: the survivor's takes over an enrolment of the
        merged one's, and that one is marked as a duplicate; :return: {membership: [state before, state after, what else
        changed as it was before]}"""
        members = self.env["g2p.program_membership"]
        rows = self.env.execute_query(
            SQL(
                """
                SELECT one.id, one.state, other.id, other.state,
                       jsonb_build_object('reason', one.reason, 'enrollment_date', one.enrollment_date),
                       jsonb_build_object('reason', other.reason, 'enrollment_date', other.enrollment_date)
                  FROM g2p_program_membership AS one
                  JOIN g2p_program_membership AS other ON other.program_id = one.program_id
                 WHERE one.partner_id = %s AND other.partner_id = %s AND other.state = ANY(%s)
                """,
                self.survivor_id.id,
                self.merged_id.id,
                list(LIVE_MEMBERS),
            )
        )
        if not rows:
            return {}
        states = {}
        reason = self.env._("Merged: %s", self.display_name)
        taking = [row for row in rows if row[3] == "enrolled" and row[1] != "enrolled"]
        if taking:
            members._transition_where(
                SQL("t.id = ANY(%s)", [row[0] for row in taking]),
                "enrolled",
                reason=reason,
                assign={
                    "reason": SQL("NULL"),
                    "enrollment_date": SQL(
                        """
                        (SELECT other.enrollment_date FROM g2p_program_membership AS other
                          WHERE other.program_id = t.program_id AND other.partner_id = %s)
                        """,
                        self.merged_id.id,
                    ),
                },
            )
            states |= {str(row[0]): [row[1], "enrolled", row[4]] for row in taking}
        members._transition_where(
            SQL("t.id = ANY(%s)", [row[2] for row in rows]),
            "duplicated",
            reason=reason,
            assign={"reason": SQL("%s", reason)},
        )
        return states | {str(row[2]): [row[3], "duplicated", row[5]] for row in rows}

    def _references(self):
        """[(table, column, key, anchors)]: the columns that refer to a registrant and are moved. `key` identifies a row of
        the table besides the column; `anchors` are its references to memberships and entitlements, with which it goes."""
        transient = set()
        for model in self.env.values():
            if model._transient:
                transient.add(model._table)
                transient.update(field.relation for field in model._fields.values() if field.type == "many2many")
        references = self.env.execute_query(
            SQL(
                """
                SELECT class.relname, attribute.attname,
                       (SELECT ARRAY_AGG(part.attname::text)
                          FROM pg_index AS index
                          JOIN pg_attribute AS part ON part.attrelid = class.oid AND part.attnum = ANY(index.indkey)
                         WHERE index.indrelid = class.oid AND index.indisprimary AND part.attname <> attribute.attname),
                       (SELECT ARRAY_AGG(part.attname || '>' || target.relname)
                          FROM pg_constraint AS other
                          JOIN pg_class AS target ON target.oid = other.confrelid
                          JOIN pg_attribute AS part ON part.attrelid = class.oid AND part.attnum = other.conkey[1]
                         WHERE other.conrelid = class.oid AND other.contype = 'f' AND target.relname = ANY(%s)
                           AND class.relname <> ALL(%s))
                  FROM pg_constraint AS reference
                  JOIN pg_class AS class ON class.oid = reference.conrelid
                  JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid
                   AND attribute.attnum = reference.conkey[1]
                 WHERE reference.contype = 'f' AND reference.confrelid = 'res_partner'::regclass
                   AND CARDINALITY(reference.conkey) = 1 AND class.relnamespace = current_schema()::regnamespace
                """,
                list(FIRST_TABLES),
                list(FIRST_TABLES),
            )
        )
        moved = []
        for table, column, keys, anchors in references:
            if table in KEPT_TABLES or table in transient or table.startswith(KEPT_PREFIXES) or len(keys or ()) != 1:
                continue
            moved.append((table, column, keys[0], [anchor.split(">") for anchor in anchors or ()]))
        order = {table: place for place, table in enumerate(FIRST_TABLES)}
        return sorted(moved, key=lambda reference: (order.get(reference[0], len(order)), *reference[:2]))

    def _move(self, table, column, key, anchors, more=None):
        """Point the rows of `table` to the survivor, except those that the survivor has the like of; :return: what was
        moved: {"table", "column", "key", "rows": {key: a digest of the row as it is now}}"""
        survivor = self.survivor_id.id
        conditions = [
            *self._unique_conditions(table, column),
            *self._special_conditions(table, column),
            *(
                SQL(
                    "(row.%(anchor)s IS NULL OR row.%(anchor)s IN (SELECT id FROM %(target)s WHERE partner_id = %(survivor)s))",
                    anchor=SQL.identifier(anchor),
                    target=SQL.identifier(target),
                    survivor=survivor,
                )
                for anchor, target in anchors
            ),
        ]
        rows = self.env.execute_query(
            SQL(
                """
                UPDATE %(table)s AS row
                   SET %(column)s = %(survivor)s
                 WHERE row.%(column)s = %(merged)s %(conditions)s %(more)s
             RETURNING row.%(key)s, md5(row::text)
                """,
                table=SQL.identifier(table),
                column=SQL.identifier(column),
                survivor=survivor,
                merged=self.merged_id.id,
                conditions=SQL(" ").join(SQL("AND (%s)", condition) for condition in conditions),
                more=more or SQL(),
                key=SQL.identifier(key),
            )
        )
        return {"table": table, "column": column, "key": key, "rows": {str(row[0]): row[1] for row in rows}}

    def _unique_conditions(self, table, column):
        """For each unique index with the column in it: the survivor has no row with the same other columns. Indexes over
        expressions are not read: what they promise is left to the database, or to `_special_conditions`."""
        indexes = self.env.execute_query(
            SQL(
                """
                SELECT pg_get_expr(index.indpred, index.indrelid),
                       ARRAY(SELECT part.attname::text FROM pg_attribute AS part
                              WHERE part.attrelid = index.indrelid AND part.attnum = ANY(index.indkey)
                                AND part.attname <> %(column)s)
                  FROM pg_index AS index
                 WHERE index.indrelid = %(table)s::regclass AND index.indisunique AND index.indexprs IS NULL
                   AND (SELECT attnum FROM pg_attribute WHERE attrelid = index.indrelid AND attname = %(column)s)
                       = ANY(index.indkey)
                """,
                table=f'"{table}"',
                column=column,
            )
        )
        for predicate, others in indexes:
            # The predicate is the database's own text of an index, over bare columns of the table.
            where = SQL(predicate.replace("%", "%%")) if predicate else SQL("TRUE")  # pylint: disable=sql-injection
            yield SQL(
                """
                NOT (
                    row.ctid IN (SELECT ctid FROM %(table)s WHERE %(column)s = %(merged)s AND (%(where)s))
                    AND EXISTS (
                        SELECT FROM (SELECT * FROM %(table)s WHERE %(where)s) AS own
                         WHERE own.%(column)s = %(survivor)s %(same)s
                    )
                )
                """,
                table=SQL.identifier(table),
                where=where,
                column=SQL.identifier(column),
                survivor=self.survivor_id.id,
                merged=self.merged_id.id,
                same=SQL(" ").join(
                    SQL("AND own.%(other)s = row.%(other)s", other=SQL.identifier(other)) for other in others
                ),
            )

    def _special_conditions(self, table, column):
        """What no plain unique index tells: periods that overlap, relations to oneself, entitlements of one cycle."""
        survivor = self.survivor_id.id
        if table == "g2p_entitlement":
            # Both were paid in that cycle, or one of them got nothing: the row tells who got it.
            yield SQL(
                """
                NOT EXISTS (SELECT FROM g2p_entitlement AS own
                             WHERE own.partner_id = %s AND own.cycle_id = row.cycle_id AND own.state <> ALL(%s))
                """,
                survivor,
                list(DEAD_STATES),
            )
        if table == "g2p_group_membership":
            other = "individual" if column == "group" else "group"
            yield SQL(
                """
                NOT EXISTS (SELECT FROM g2p_group_membership AS own
                             WHERE own.%(column)s = %(survivor)s AND own.%(other)s = row.%(other)s
                               AND tsrange(own.start_date, own.ended_date) && tsrange(row.start_date, row.ended_date))
                """,
                column=SQL.identifier(column),
                other=SQL.identifier(other),
                survivor=survivor,
            )
        if table == "g2p_reg_rel":
            other = "destination" if column == "source" else "source"
            yield SQL("row.%s <> %s", SQL.identifier(other), survivor)
            yield SQL(
                """
                NOT EXISTS (SELECT FROM g2p_reg_rel AS own
                             WHERE own.%(column)s = %(survivor)s AND own.%(other)s = row.%(other)s
                               AND own.relation = row.relation AND own.disabled IS NULL
                               AND tsrange(own.start_date, own.end_date) && tsrange(row.start_date, row.end_date))
                """,
                column=SQL.identifier(column),
                other=SQL.identifier(other),
                survivor=survivor,
            )

    def _take_fields(self):
        """Write the chosen values; :return: {field: [value before, value after]} of the survivor, as text for JSON."""
        survivor, merged = self.survivor_id, self.merged_id
        taken = {}
        for line in self.line_ids.filtered(lambda line: line.take == "merged"):
            if line.field_name in self._merged_fields():
                taken[line.field_name] = survivor._fields[line.field_name].convert_to_write(
                    merged[line.field_name], merged
                )
        before = self._values(survivor, taken)
        if taken:
            survivor.write(taken)
        after = self._values(survivor, taken)
        return {name: [before[name], after[name]] for name in taken}

    def _values(self, partner, names):
        """{field: value that JSON can hold}"""
        values = {}
        for name in names:
            field = partner._fields[name]
            value = field.convert_to_write(partner[name], partner)
            values[name] = fields.Date.to_string(value) if field.type == "date" else value
        return values

    def _refresh(self, partners):
        """What is derived from the rows that were moved; the figures of groups are kept by the database itself."""
        self.env.flush_all()
        self.env["g2p.phone.number"]._refresh_partner_phone(partners.ids)
        self.env.invalidate_all()
        # The survivor may have got a first account, or lost its primary one.
        partners.bank_ids._settle_primary(self.env["res.partner.bank"])
        self.env["g2p.program_membership"].search([("partner_id", "in", partners.ids)]).program_id._refresh_counters()

    @api.model
    def _outcome(self, journal):
        """How many rows of what were moved, in words."""
        labels = {model._table: model._description for model in self.env.values() if not model._abstract}
        counts = {}
        for entry in journal["moved"]:
            label = labels.get(entry["table"], self.env._("Links"))
            counts[label] = counts.get(label, 0) + len(entry["rows"])
        return ", ".join(f"{label}: {count}" for label, count in counts.items()) or self.env._(
            "Nothing had to be moved"
        )
