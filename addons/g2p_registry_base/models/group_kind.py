from odoo import fields, models

from odoo.addons.g2p_bulk.tools.blanks import same_name


class GroupKind(models.Model):
    _name = "g2p.group.kind"
    _inherit = ["g2p.change.mixin"]
    _description = "Group Type"
    _order = "name, id"

    _name_unique = models.UniqueIndex(same_name("name"), "A group type with this name exists already.")

    name = fields.Char(required=True)
