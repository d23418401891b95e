from odoo import api, models


class Registration(models.AbstractModel):
    _inherit = "g2p.registration"

    @api.model
    def _own_tables(self):
        return super()._own_tables() | {
            ("g2p_registrant_import_line", "partner_id"),
            ("g2p_registrant_import_line", "group_id"),
        }

    @api.model
    def _record_tables(self):
        """The row of a file made this registrant and no other."""
        return super()._record_tables() | {"g2p_registrant_import_line"}
