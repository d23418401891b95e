from odoo import models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ...tools import made, rows


class Undo(models.AbstractModel):
    """The registrants that the rows made are deleted, and the groups that came with them. A household of which anybody is
    used meanwhile stays as a whole."""

    _name = "g2p.registrant.import.step.undo"
    _inherit = "g2p.registrant.import.step"
    _description = "Undoing of an Import"

    _step = "undo"
    _place = 40
    _from_states = ("done",)
    _moves = (
        "res.partner",
        "g2p.reg.id",
        "g2p.phone.number",
        "res.partner.bank",
        "g2p.group.membership",
        "g2p.group.indicator",
    )
    _relies_on = ("import",)
    _states = {"removed": ("undone",), "in_use": ("imported",)}

    def _label(self):
        return self.env._("Undo import")

    def _outcomes(self):
        _ = self.env._
        return {
            "removed": (_("Removed"), "done"),
            "in_use": (_("Something depends on them, left"), "skipped"),
        }

    def _before(self, record, operation):
        if record._lock_state() != "done":
            raise UserError(self.env._("Only an import that is finished can be undone."))
        if not self._is_left(record):
            raise UserError(
                self.env._("This import created nobody, or its rows are forgotten: there is nothing to undo.")
            )
        self._refuse_used(record)

    def _source(self, record, operation):
        return self._keys_of(record, "imported")

    def _chunk(self, record, operation, low, high):
        """What a chunk costs depends on what it takes back, not on what else is registered."""
        execute = self.env.cr.execute
        which = rows.of_units(record, low, high)
        self.env.flush_all()
        execute("DROP TABLE IF EXISTS g2p_undo_made")
        execute(SQL("CREATE TEMP TABLE g2p_undo_made ON COMMIT DROP AS %s", made.made(which)))
        execute("ANALYZE g2p_undo_made")
        used = made.used_units(made.references(self.env))
        execute(SQL("DELETE FROM g2p_undo_made WHERE unit IN (%s)", used))
        # The links go first, all at once: what is left to look for when a registrant is deleted is nothing.
        execute(
            SQL(
                """
                UPDATE g2p_registrant_import_line line
                SET state = 'undone', partner_id = NULL, group_id = CASE WHEN NOT group_created THEN group_id END
                WHERE %s AND state = 'imported' AND unit IN (SELECT unit FROM g2p_undo_made)
                """,
                which,
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
            SQL("SELECT COUNT(*) FROM g2p_registrant_import_line line WHERE %s AND line.state = 'imported'", which)
        )
        return {"removed": removed, "in_use": left}

    def _finish(self, record, operation):
        """Undone is said when all of it was taken back; else it can be undone again, when what depends on it is gone."""
        record._count("undone" if operation.state == "done" and not self._is_left(record) else None)

    def _is_left(self, record):
        lines = self.env["g2p.registrant.import.line"]
        return lines.search_count([("import_id", "=", record.id), ("state", "=", "imported")], limit=1)

    def _refuse_used(self, record):
        """Raise if anything refers to what the rows made: every foreign key of the database is asked, in one statement."""
        found = made.used_tables(rows.of(record), made.references(self.env))
        self.env.cr.execute(SQL("%s LIMIT 1", found))
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
