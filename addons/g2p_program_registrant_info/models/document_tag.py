from odoo import fields, models

from odoo.addons.g2p_bulk.tools.blanks import same_name


class DocumentTag(models.Model):
    _name = "g2p.document.tag"
    _inherit = ["g2p.change.mixin"]
    _description = "Document Type"
    _order = "name"

    _name_unique = models.UniqueIndex(same_name("name"), "A document type with this name exists already.")

    name = fields.Char(required=True, translate=False)
