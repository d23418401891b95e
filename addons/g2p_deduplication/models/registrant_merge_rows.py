"""What a merge moves: every row that refers to the merged registrant, found in the catalogue of the database, so that
tables of modules that are not known here are moved too."""

import json

from odoo import api, fields, models
from odoo.exceptions import UserError
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
OPEN_CYCLES = ("draft", "to_approve", "approved")
LIVE_MEMBERS = ("draft", "enrolled", "paused")
PAID = "rdpd2ben"
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


class RegistrantMergeRows(models.AbstractModel):
    _name = "g2p.registrant.merge.rows"
    _description = "Rows of a merge"

    def _merged_fields(self):
        names = [name for name in MERGED_FIELDS if name in self.env["res.partner"]._fields]
        # The name of an individual is made of its parts.
        return [name for name in names if name != "name" or self.survivor_id.is_group]

    # What stands in the way

    def _lock(self):
        """Lock the merge and both registrants, in the order of their ids: two merges of one of them take turns."""
        self.env.flush_all()
        self.env.cr.execute(SQL("SELECT FROM g2p_registrant_merge WHERE id = %s FOR UPDATE", self.id))
        self.env.cr.execute(
            SQL(
                "SELECT FROM res_partner WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
                [self.survivor_id.id, self.merged_id.id],
            )
        )
        self.env.invalidate_all()

    def _obstacle(self):
        """A sentence that says why these two can't be merged and what to do, or False."""
        self.env.flush_all()
        survivor, merged = self.survivor_id, self.merged_id
        for partner in survivor | merged:
            if partner.merged_into_id:
                return self.env._(
                    "%(name)s was merged into %(other)s: merge with that one.",
                    name=partner.name,
                    other=partner.merged_into_id.name,
                )
            if partner.disabled or not partner.active:
                return self.env._(
                    "%s is disabled or archived: enable them first, or leave both as they are.", partner.name
                )
        if merged.with_context(active_test=False).user_ids:
            return self.env._("%s has a login: let the one with the login stay.", merged.name)
        return self._entitlement_obstacle() or self._enrolment_obstacle()

    def _entitlement_obstacle(self):
        row = self.env.execute_query(
            SQL(
                """
                SELECT cycle.name
                  FROM g2p_entitlement AS one
                  JOIN g2p_entitlement AS other ON other.cycle_id = one.cycle_id
                  JOIN g2p_cycle AS cycle ON cycle.id = one.cycle_id
                 WHERE one.partner_id = %(survivor)s AND other.partner_id = %(merged)s
                   AND one.state <> ALL(%(dead)s) AND other.state <> ALL(%(dead)s)
                   AND NOT (one.state = %(paid)s AND other.state = %(paid)s)
                 ORDER BY cycle.id
                 LIMIT 1
                """,
                survivor=self.survivor_id.id,
                merged=self.merged_id.id,
                dead=list(DEAD_STATES),
                paid=PAID,
            )
        )
        return row and self.env._(
            "Both have an entitlement in %(cycle)s that is not over. Cancel or reject the one of %(merged)s, or wait until "
            "both are paid; then merge.",
            cycle=row[0][0],
            merged=self.merged_id.name,
        )

    def _enrolment_obstacle(self):
        row = self.env.execute_query(
            SQL(
                """
                SELECT program.name, one.state
                  FROM g2p_program_membership AS one
                  JOIN g2p_program_membership AS other ON other.program_id = one.program_id
                  JOIN g2p_program AS program ON program.id = one.program_id
                 WHERE one.partner_id = %(survivor)s AND other.partner_id = %(merged)s AND other.state = 'enrolled'
                   AND (one.state <> ALL(%(takes)s) AND one.state <> 'enrolled'
                        OR one.state = 'enrolled' AND EXISTS (
                            SELECT FROM g2p_cycle AS cycle
                             WHERE cycle.program_id = program.id AND cycle.state = ANY(%(open)s)))
                 ORDER BY program.id
                 LIMIT 1
                """,
                survivor=self.survivor_id.id,
                merged=self.merged_id.id,
                takes=["draft", "paused", "not_eligible", "duplicated"],
                open=list(OPEN_CYCLES),
            )
        )
        if not row:
            return False
        [(program, state)] = row
        if state == "enrolled":
            return self.env._(
                "Both are enrolled in %(program)s, which has a cycle under way. Deduplicate the program and keep "
                "%(survivor)s, or finish the cycle; then merge.",
                program=program,
                survivor=self.survivor_id.name,
            )
        return self.env._(
            "%(survivor)s has left %(program)s, in which %(merged)s is enrolled: let %(merged)s stay, or end that "
            "enrolment first.",
            program=program,
            survivor=self.survivor_id.name,
            merged=self.merged_id.name,
        )

    # There

    def _merge_rows(self):
        """Move everything; :return: the journal that `_undo_rows` reads."""
        self.env.flush_all()
        survivor, merged = self.survivor_id, self.merged_id
        journal = {
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
        merged one's, and that one is marked as a duplicate; :return: {membership: [state before, state after]}"""
        members = self.env["g2p.program_membership"]
        rows = self.env.execute_query(
            SQL(
                """
                SELECT one.id, one.state, other.id, other.state
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
            states |= {str(row[0]): [row[1], "enrolled"] for row in taking}
        members._transition_where(
            SQL("t.id = ANY(%s)", [row[2] for row in rows]),
            "duplicated",
            reason=reason,
            assign={"reason": SQL("%s", reason)},
        )
        return states | {str(row[2]): [row[3], "duplicated"] for row in rows}

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
        """What is derived from the rows that were moved."""
        self.env.flush_all()
        self.env["g2p.phone.number"]._refresh_partner_phone(partners.ids)
        self.env["g2p.group.membership"]._recount_groups_of(partners)
        self.env.cr.execute(SQL("SELECT g2p_group_count_members(%s)", partners.ids))
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

    # And back

    def _undo_rows(self, journal):
        """Move everything back, if all of it is as the merge left it.

        :raise UserError: says what has changed since
        """
        self.env.flush_all()
        survivor, merged = self.survivor_id, self.merged_id
        if survivor.merged_into_id:
            raise UserError(
                self.env._(
                    "%(survivor)s was merged into %(other)s since: undo that merge first.",
                    survivor=survivor.name,
                    other=survivor.merged_into_id.name,
                )
            )
        current = self._values(survivor, journal["fields"])
        for name, (_before, after) in journal["fields"].items():
            if current[name] != after:
                self._refuse_undo(survivor._fields[name]._description_string(self.env))
        self._restore_states(journal["states"])
        for entry in reversed(journal["moved"]):
            self._move_back(entry)
        self._restore_roles(journal["roles"])
        self.env.invalidate_all(flush=False)
        if journal["fields"]:
            survivor.write({name: before for name, (before, _after) in journal["fields"].items()})
        merged.write({"merged_into_id": False})
        merged.enable_registrant()
        self._refresh(survivor | merged)
        if journal["primary"]:
            accounts = self.env["res.partner.bank"].browse(journal["primary"]).exists()
            accounts._settle_primary(accounts)

    def _refuse_undo(self, what):
        raise UserError(
            self.env._(
                "The merge can't be undone: what was moved has changed since (%s). Correct both registrants by hand.",
                what,
            )
        )

    def _move_back(self, entry):
        self.env.cr.execute(
            SQL(
                """
                UPDATE %(table)s AS row
                   SET %(column)s = %(merged)s
                  FROM jsonb_each_text(%(rows)s::jsonb) AS moved
                 WHERE row.%(key)s = moved.key::integer AND row.%(column)s = %(survivor)s
                   AND md5(row::text) = moved.value
                """,
                table=SQL.identifier(entry["table"]),
                column=SQL.identifier(entry["column"]),
                merged=self.merged_id.id,
                survivor=self.survivor_id.id,
                rows=json.dumps(entry["rows"]),
                key=SQL.identifier(entry["key"]),
            )
        )
        if self.env.cr.rowcount != len(entry["rows"]):
            labels = {model._table: model._description for model in self.env.values() if not model._abstract}
            self._refuse_undo(labels.get(entry["table"], entry["table"]))

    def _restore_states(self, states):
        members = self.env["g2p.program_membership"]
        found = members.browse(int(key) for key in states).exists()
        if any(member.state != states[str(member.id)][1] for member in found) or len(found) != len(states):
            self._refuse_undo(members._description)
        for member in found:
            members._transition_where(
                SQL("t.id = %s", member.id), states[str(member.id)][0], reason=self.env._("Merge undone")
            )

    def _restore_roles(self, roles):
        if roles:
            self.env.cr.execute(
                SQL(
                    """
                    INSERT INTO g2p_group_membership_g2p_group_membership_kind_rel
                           (g2p_group_membership_id, g2p_group_membership_kind_id)
                    VALUES %s
                        ON CONFLICT DO NOTHING
                    """,
                    SQL(", ").join(SQL("(%s, %s)", membership, role) for membership, role in roles),
                )
            )
