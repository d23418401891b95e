from odoo import fields, models


class DocumentTag(models.Model):
    _name = "g2p.document.tag"
    _inherit = ["g2p.change.mixin"]
    _description = "Document Type"
    _order = "name"

    _name_unique = models.UniqueIndex("(lower(name))", "A document type with this name exists already.")

    name = fields.Char(required=True, translate=False)
