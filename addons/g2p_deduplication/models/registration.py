from odoo import api, models


class Registration(models.AbstractModel):
    _inherit = "g2p.registration"

    @api.model
    def _record_tables(self):
        return super()._record_tables() | {
            "g2p_registrant_merge",
            "g2p_registry_duplicate",
            "g2p_registry_duplicate_rel",
            "g2p_registry_duplicate_pair",
        }
