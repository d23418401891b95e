from odoo import models
from odoo.exceptions import UserError
from odoo.tools import SQL


class RegistrantImport(models.Model):
    """Taking an import back."""

    # a file is one thing: taking it back stands apart from the record and its buttons
    _inherit = "g2p.registrant.import"  # pylint: disable=consider-merging-classes-inherited

    def _bulk_before_undo(self, operation):
        if self._lock_state() != "done":
            raise UserError(self.env._("Only an import that is finished can be undone."))
        if not self.env["g2p.registrant.import.line"].search_count(
            [("import_id", "=", self.id), ("state", "=", "imported")], limit=1
        ):
            raise UserError(
                self.env._("This import created nobody, or its rows are forgotten: there is nothing to undo.")
            )
        self._refuse_undo_of_used(SQL("line.import_id = %s", self.id))

    def _bulk_source_undo(self, operation):
        return SQL(
            "SELECT unit AS key FROM g2p_registrant_import_line WHERE import_id = %s AND state = 'imported'", self.id
        )

    def _bulk_chunk_undo(self, operation, low, high):
        """Delete the registrants the rows made, and the groups that came with them. A household of which anybody is used
        meanwhile stays as a whole. What a chunk costs depends on what it takes back, not on what else is registered."""
        execute = self.env.cr.execute
        rows = self._units(low, high)
        self.env.flush_all()
        execute("DROP TABLE IF EXISTS g2p_undo_made")
        execute(SQL("CREATE TEMP TABLE g2p_undo_made ON COMMIT DROP AS %s", self._made(rows)))
        execute("ANALYZE g2p_undo_made")
        execute(SQL("DELETE FROM g2p_undo_made WHERE unit IN (%s)", self._used_units()))
        # The links go first, all at once: what is left to look for when a registrant is deleted is nothing.
        execute(
            SQL(
                """
                UPDATE g2p_registrant_import_line line
                SET state = 'undone', partner_id = NULL, group_id = CASE WHEN NOT group_created THEN group_id END
                WHERE %s AND state = 'imported' AND unit IN (SELECT unit FROM g2p_undo_made)
                """,
                rows,
            )
        )
        removed = self.env.cr.rowcount
        for column in ("group", "individual"):
            execute(
                SQL(
                    "DELETE FROM g2p_group_membership AS link USING g2p_undo_made AS made WHERE link.%s = made.id",
                    SQL.identifier(column),
                )
            )
        for table in ("g2p_reg_id", "g2p_phone_number", "res_partner_bank"):
            execute(
                SQL(
                    "DELETE FROM %s AS own USING g2p_undo_made AS made WHERE own.partner_id = made.id",
                    SQL.identifier(table),
                )
            )
        execute("DELETE FROM res_partner USING g2p_undo_made AS made WHERE res_partner.id = made.id")
        self.env.invalidate_all(flush=False)
        [[left]] = self.env.execute_query(
            SQL("SELECT COUNT(*) FROM g2p_registrant_import_line line WHERE %s AND line.state = 'imported'", rows)
        )
        return {"removed": removed, "in_use": left}

    def _bulk_finish_undo(self, operation):
        """Undone is said when all of it was taken back; else it can be undone again, when what depends on it is gone."""
        left = self.env["g2p.registrant.import.line"].search_count(
            [("import_id", "=", self.id), ("state", "=", "imported")], limit=1
        )
        self._count("undone" if operation.state == "done" and not left else None)

    def _made(self, rows):
        """The partners that the rows made: columns `id`, `unit`, `is_group`, and of a person the `group_id` they came
        into."""
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
            rows=rows,
        )

    def _used_units(self):
        """The units of `g2p_undo_made` of which anybody is used: each of them looked up by key in every table that may
        refer to registrants. A join would read all of these tables once a chunk."""
        probes = [
            SQL(
                """
                SELECT made.unit FROM g2p_undo_made AS made
                CROSS JOIN LATERAL (SELECT FROM %s AS used WHERE used.%s = made.id LIMIT 1) AS used
                """,
                SQL.identifier(table),
                SQL.identifier(column),
            )
            for table, column in self._references()
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

    def _references(self):
        """(table, column) of every foreign key to registrants, but those of rows that go with their registrant."""
        own = self.env["g2p.registration"]._own_tables()
        return [
            reference
            for reference in self.env.execute_query(
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

    def _refuse_undo_of_used(self, rows):
        """Raise if anything refers to what the rows made: every foreign key of the database is asked, in one
        statement, and memberships with others."""
        probes = [
            SQL(
                "SELECT %s WHERE EXISTS (SELECT FROM %s AS used WHERE used.%s IN (SELECT id FROM made))",
                table,
                SQL.identifier(table),
                SQL.identifier(column),
            )
            for table, column in self._references()
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
        self.env.cr.execute(
            SQL(
                """
                WITH made AS MATERIALIZED (
                    %(made)s
                )
                SELECT used.name FROM (%(probes)s) AS used (name) LIMIT 1
                """,
                made=self._made(rows),
                probes=SQL(" UNION ALL ").join(probes),
            )
        )
        if found := self.env.cr.fetchone():
            model = next(
                (m for m in self.env.values() if m._table == found[0] and not m._abstract), self.env["res.partner"]
            )
            raise UserError(
                self.env._(
                    "Something depends on the registrants of this import already (%s): it can't be undone.",
                    model._description,
                )
            )
