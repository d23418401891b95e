from odoo import api, models


class Registration(models.AbstractModel):
    _inherit = "g2p.registration"

    @api.model
    def _own_tables(self):
        """A score is worked out of the registrant by itself."""
        return super()._own_tables() | {("g2p_pmt_score", "partner_id")}
