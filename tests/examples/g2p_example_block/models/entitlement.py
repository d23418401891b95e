from odoo import api, models
from odoo.tools import SQL

from odoo.addons.g2p_programs.tools.blocks import Block


class Entitlement(models.Model):
    _inherit = "g2p.entitlement"

    @api.model
    def _blocks(self):
        complained = SQL(
            """
            EXISTS (
                SELECT FROM g2p_example_complaint AS complaint
                 WHERE complaint.partner_id = t.partner_id AND complaint.is_open
            )
            """
        )
        return {**super()._blocks(), "complaint": Block(self.env._("A complaint is open"), complained)}
