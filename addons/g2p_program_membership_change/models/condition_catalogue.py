from odoo import api, models


class ConditionCatalogue(models.AbstractModel):
    """How long a member is paused, and when they were last seen alive."""

    _inherit = "g2p.condition.catalogue"

    @api.model
    def _names(self):
        names = super()._names()
        known = names.get("g2p.program_membership", set())
        return names | {"g2p.program_membership": known | {"last_verified_date", "paused_until"}}
