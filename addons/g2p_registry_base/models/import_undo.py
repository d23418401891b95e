from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL

# What an import makes beside a registrant; it goes with the registrant and holds up nothing.
OWN_TABLES = {
    ("g2p_reg_id", "partner_id"),
    ("g2p_phone_number", "partner_id"),
    ("res_partner_bank", "partner_id"),
    ("res_partner", "commercial_partner_id"),
    ("g2p_registrant_tags_res_partner_rel", "res_partner_id"),
    ("g2p_registrant_import_line", "partner_id"),
    ("g2p_registrant_import_line", "group_id"),
    ("g2p_group_membership", "group"),
    ("g2p_group_membership", "individual"),
    ("g2p_group_indicator", "group_id"),
}


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
        """Delete the registrants the rows made, and the groups that came with them."""
        rows = self._units(low, high)
        self._refuse_undo_of_used(rows)
        made = self._made(rows)
        self.env.cr.execute(
            SQL(
                'DELETE FROM g2p_group_membership WHERE "group" IN (%s) OR individual IN (%s)',
                made,
                made,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                WITH line AS MATERIALIZED (
                    UPDATE g2p_registrant_import_line line SET state = 'undone'
                    WHERE %s AND state = 'imported'
                    RETURNING line.partner_id, line.group_id, line.group_created
                ), made AS MATERIALIZED (
                    SELECT partner_id AS id FROM line WHERE partner_id IS NOT NULL
                    UNION SELECT group_id FROM line WHERE group_created AND group_id IS NOT NULL
                )
                SELECT (SELECT count(*) FROM line), (SELECT array_agg(id) FROM made)
                """,
                rows,
            )
        )
        count, ids = self.env.cr.fetchone()
        for table in ("g2p_reg_id", "g2p_phone_number", "res_partner_bank"):
            self.env.cr.execute(SQL("DELETE FROM %s WHERE partner_id = ANY(%s)", SQL.identifier(table), ids))
        self.env.cr.execute(SQL("DELETE FROM res_partner WHERE id = ANY(%s)", ids))
        self.env.invalidate_all(flush=False)
        return {"removed": count}

    def _bulk_finish_undo(self, operation):
        self._count("undone" if operation.state == "done" else None)

    def _made(self, rows):
        """The ids of the partners that the rows made."""
        return SQL(
            """
            SELECT line.partner_id FROM g2p_registrant_import_line line
            WHERE %(rows)s AND line.state = 'imported' AND line.partner_id IS NOT NULL
            UNION SELECT line.group_id FROM g2p_registrant_import_line line
            WHERE %(rows)s AND line.state = 'imported' AND line.group_created AND line.group_id IS NOT NULL
            """,
            rows=rows,
        )

    @api.model
    def _tables_of_registrants(self):
        """{(table, column)} of rows that go with their registrant: extended where a module keeps something worked out of
        registrants, which nobody would miss."""
        return OWN_TABLES

    def _refuse_undo_of_used(self, rows):
        """Raise if anything refers to what the rows made: every foreign key of the database is asked, in one
        statement, and memberships with others."""
        references = self.env.execute_query(
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
        probes = [
            SQL(
                "SELECT %s WHERE EXISTS (SELECT FROM %s AS used WHERE used.%s IN (SELECT id FROM made))",
                table,
                SQL.identifier(table),
                SQL.identifier(column),
            )
            for table, column in references
            if (table, column) not in self._tables_of_registrants()
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
                    SELECT line.partner_id AS id, FALSE AS is_group, line.group_id
                    FROM g2p_registrant_import_line line
                    WHERE %(rows)s AND line.state = 'imported' AND line.partner_id IS NOT NULL
                    UNION ALL
                    SELECT DISTINCT line.group_id, TRUE, NULL::integer
                    FROM g2p_registrant_import_line line
                    WHERE %(rows)s AND line.group_created AND line.group_id IS NOT NULL
                )
                SELECT used.name FROM (%(probes)s) AS used (name) LIMIT 1
                """,
                rows=rows,
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
