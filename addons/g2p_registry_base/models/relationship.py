from odoo import api, fields, models
from odoo.exceptions import ValidationError

REGISTRANT_TYPES = [("g", "Group"), ("i", "Individual")]


class Relationship(models.Model):
    """A kind of relation between two registrants, read from the source: *source* is `name` *destination*."""

    _name = "g2p.relationship"
    _inherit = ["g2p.change.mixin"]
    _description = "Relationship"
    _order = "name, id"

    name = fields.Char(required=True, translate=True)
    name_inverse = fields.Char(string="Inverse name", required=True, translate=True)
    bidirectional = fields.Boolean(help="The relation reads the same both ways, such as “sibling of”.")
    source_type = fields.Selection(REGISTRANT_TYPES, help="Empty accepts both groups and individuals.")
    destination_type = fields.Selection(REGISTRANT_TYPES, help="Empty accepts both groups and individuals.")
    active = fields.Boolean(default=True)

    @api.constrains("bidirectional", "name", "name_inverse", "source_type", "destination_type")
    def _check_bidirectional(self):
        for relation in self.filtered("bidirectional"):
            if relation.name != relation.name_inverse:
                raise ValidationError(
                    self.env._("“%s” reads the same both ways, so its inverse name must equal its name.", relation.name)
                )
            if relation.source_type != relation.destination_type:
                raise ValidationError(
                    self.env._("“%s” reads the same both ways, so both ends must be of the same type.", relation.name)
                )
