from odoo import fields, models
from odoo.tools import SQL


class DeduplicateStep(models.AbstractModel):
    """The sets of duplicates among all registrants of a type. It changes no registrant."""

    _name = "g2p.registry.deduplication.step.deduplicate"
    _inherit = "g2p.bulk.step"
    _description = "Deduplicate the registry"

    _target = "g2p.registry.deduplication"
    _step = "deduplicate"
    _place = 10

    def _label(self):
        return self.env._("Deduplicate the registry")

    def _outcomes(self):
        return {"waiting": (self.env._("In sets to decide on"), "done"), "unique": (self.env._("Unique"), "done")}

    def _rows(self, record, operation, outcome):
        """Registrants, by whether they are in a set that waits."""
        if outcome not in ("waiting", "unique"):
            return None
        in_set = SQL(
            """
            EXISTS (
                SELECT FROM g2p_registry_duplicate_rel AS link
                  JOIN g2p_registry_duplicate AS record ON record.id = link.duplicate_id
                 WHERE link.partner_id = t.id AND record.settings_id = %s AND record.state = 'duplicate'
            )
            """,
            record.id,
        )
        return "res.partner", SQL(
            "t.id IN (SELECT registrant_id FROM (%s) AS registrant) AND %s %s",
            record._registrants(),
            SQL() if outcome == "waiting" else SQL("NOT"),
            in_set,
        )

    def _source(self, record, operation):
        return SQL("SELECT registrant_id AS key FROM (%s) AS registrant", record._registrants())

    def _chunk(self, record, operation, low, high):
        return self.env["g2p.registry.duplicate"]._find(record)

    def _finish(self, record, operation):
        super()._finish(record, operation)
        if operation.state == "done":
            record.write({"last_run": fields.Datetime.now()})

    def _analyzed(self, record):
        return ["g2p_registry_duplicate", "g2p_registry_duplicate_rel", "g2p_registry_duplicate_pair"]
