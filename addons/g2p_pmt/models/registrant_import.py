from odoo import models


class RegistrantImport(models.Model):
    _inherit = "g2p.registrant.import"

    def _tables_of_registrants(self):
        """A score is worked out of the registrant by itself."""
        return super()._tables_of_registrants() | {("g2p_pmt_score", "partner_id")}
