from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain

from odoo.addons.g2p_bulk.tools.blanks import same_name

SEPARATOR = ", "  # between an area and the areas around it, as people read them


class AreaKind(models.Model):
    """A level of the administrative hierarchy: country, region, district …"""

    _name = "g2p.area.kind"
    _inherit = ["g2p.change.mixin"]
    _description = "Area Kind"
    _order = "sequence, name, id"

    _name_unique = models.UniqueIndex(same_name("name"), "An area kind with this name exists already.")

    name = fields.Char(required=True)
    sequence = fields.Integer(default=10, help="Lower comes first: the widest areas.")


class Area(models.Model):
    """An administrative area; the hierarchy may have any depth."""

    _name = "g2p.area"
    _inherit = ["g2p.change.mixin"]
    _description = "Area"
    _parent_store = True
    _order = "complete_name, id"
    _rec_name = "complete_name"
    _rec_names_search = ["name", "code", "complete_name"]
    # Areas come from lists of a country.
    _watched_create = False

    _code_unique = models.Constraint("UNIQUE (code)", "An area with this code exists already.")

    name = fields.Char(required=True, index="trigram")
    code = fields.Char(help="The official code, such as ISO 3166-2 or the statistical office's p-code.")
    complete_name = fields.Char(compute="_compute_complete_name", store=True, recursive=True)
    kind_id = fields.Many2one("g2p.area.kind", string="Kind", ondelete="restrict", index=True)
    parent_id = fields.Many2one("g2p.area", string="Part of", ondelete="restrict", index=True)
    parent_path = fields.Char(index=True)
    child_ids = fields.One2many("g2p.area", "parent_id", string="Areas within")
    active = fields.Boolean(default=True)

    @api.depends("name", "parent_id.complete_name")
    def _compute_complete_name(self):
        for area in self:
            parent = area.parent_id.complete_name
            area.complete_name = f"{parent} / {area.name}" if parent else area.name

    @api.depends("complete_name")
    def _compute_display_name(self):
        """The place itself first: a narrow column cuts off the country, not the place that matters."""
        for area in self:
            # sudo: the names of the areas around it are part of an area's own complete name
            around, within = area.browse(), area.sudo()
            while within and within not in around:
                around += within
                within = within.parent_id
            area.display_name = SEPARATOR.join(name for name in around.mapped("name") if name)

    @api.model
    def _search_display_name(self, operator, value):
        """Areas are found as they are shown, too: “Ward 3, District”."""
        domain = super()._search_display_name(operator, value)
        if operator == "ilike" and isinstance(value, str):
            parts = [part.strip() for part in value.split(SEPARATOR.strip()) if part.strip()]
            if len(parts) > 1:
                domain = Domain(domain) | Domain.AND(Domain("complete_name", "ilike", part) for part in parts)
        elif operator == "in":
            paths = [" / ".join(reversed(name.split(SEPARATOR))) for name in value if isinstance(name, str)]
            domain = Domain(domain) | Domain("complete_name", "in", paths)
        return domain

    @api.constrains("parent_id")
    def _check_parent_id(self):
        if self._has_cycle():
            raise ValidationError(self.env._("An area can't be part of itself."))

    @api.model_create_multi
    def create(self, vals_list):
        areas = super().create(vals_list)
        self._forget_allowed_areas()
        return areas

    def write(self, vals):
        result = super().write(vals)
        if "parent_id" in vals:
            self._forget_allowed_areas()
        return result

    def _forget_allowed_areas(self):
        """Record rules are kept in the cache, with the areas within the user's areas in them."""
        self.env.registry.clear_cache()
        self.env["res.users"].invalidate_model(["g2p_allowed_area_ids"], flush=False)

    def action_view_registrants(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("g2p_registry_base.g2p_individual_action")
        return {**action, "domain": [("is_registrant", "=", True), ("area_id", "child_of", self.id)]}
