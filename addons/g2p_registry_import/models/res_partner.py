from odoo import fields, models


class ResPartner(models.Model):
    _inherit = "res.partner"

    import_line_ids = fields.One2many("g2p.registrant.import.line", "partner_id", string="Imported from")
