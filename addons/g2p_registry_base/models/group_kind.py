from odoo import fields, models


class GroupKind(models.Model):
    _name = "g2p.group.kind"
    _inherit = ["g2p.change.mixin"]
    _description = "Group Type"
    _order = "name, id"

    _name_unique = models.UniqueIndex("(lower(name))", "A group type with this name exists already.")

    name = fields.Char(required=True)
