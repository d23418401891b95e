from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain


class AreaEligibilityManager(models.Model):
    """Registrants of some areas and everything within them, or of all areas but those.

    Of a registrant without an area nobody can tell.
    """

    _name = "g2p.program_membership.manager.area"
    _description = "Eligibility by area"
    _inherit = "g2p.program_membership.manager"

    _reason_code = "area"

    area_ids = fields.Many2many("g2p.area", string="Areas", help="With all areas that lie within them.")
    area_match = fields.Selection(
        [("include", "Live in one of the areas"), ("exclude", "Live in none of the areas")],
        "Registrants who",
        required=True,
        default="include",
    )

    @api.constrains("name", "area_ids")
    def _check_area_ids(self):
        for manager in self:
            if not manager.area_ids:
                raise ValidationError(self.env._("Name the areas that “%s” looks at.", manager.name))

    def _registrant_domain(self):
        within = Domain("area_id", "child_of", self.area_ids.ids)
        return (~within if self.area_match == "exclude" else within) & super()._registrant_domain()

    def _reason_detail(self):
        areas = ", ".join(self.area_ids.sorted("name").mapped("name"))
        if self.area_match == "exclude":
            return self._or_conditions(self.env._("Lives in %s, which is left out", areas))
        return self._or_conditions(self.env._("Does not live in %s", areas))
