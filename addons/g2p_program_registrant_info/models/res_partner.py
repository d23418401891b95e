from odoo import fields, models


class ResPartner(models.Model):
    _name = "res.partner"
    _inherit = ["res.partner", "g2p.document.mixin"]

    program_registrant_info_ids = fields.One2many("g2p.program.registrant_info", "registrant_id", string="Applications")
