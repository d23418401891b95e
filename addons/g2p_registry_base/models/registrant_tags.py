from odoo import fields, models

from odoo.addons.g2p_bulk.tools.blanks import same_name


class RegistrantTags(models.Model):
    _name = "g2p.registrant.tags"
    _inherit = ["g2p.change.mixin"]
    _description = "Registrant Tag"
    _order = "name, id"

    _name_unique = models.UniqueIndex(same_name("name"), "A registrant tag with this name exists already.")

    name = fields.Char(required=True)
    color = fields.Integer()
    active = fields.Boolean(default=True)
