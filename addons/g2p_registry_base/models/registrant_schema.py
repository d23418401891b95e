from odoo import api, fields, models, tools
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import roles


class RegistrantSchema(models.Model):
    """The questions asked of registrants beyond the registry's own fields: of individuals or of groups, in one company or
    in all that have no questions of their own."""

    _name = "g2p.registrant.schema"
    _inherit = ["g2p.change.mixin", "g2p.shared.mixin"]
    _description = "Registrant Questions"
    _order = "target_type, company_id"
    _rec_name = "target_type"

    _once = models.UniqueIndex(
        "(target_type, COALESCE(company_id, 0))", "This company has questions for registrants of this type already."
    )

    target_type = fields.Selection(
        [("individual", "Individuals"), ("group", "Groups")], string="Asked of", required=True, readonly=True
    )
    company_id = fields.Many2one(
        "res.company", "Company", ondelete="cascade", help="Empty: companies without questions of their own."
    )
    attributes_definition = fields.PropertiesDefinition("Questions")

    @api.constrains("attributes_definition")
    def _check_attributes_definition(self):
        for schema in self:
            self.env["g2p.properties.mixin"]._check_questions(schema.attributes_definition)

    @api.model
    @tools.ormcache()
    def _ids_by_type_and_company(self):
        self.flush_model(["target_type", "company_id"])
        rows = self.env.execute_query(SQL("SELECT target_type, company_id, id FROM g2p_registrant_schema"))
        return {(target_type, company_id or False): schema_id for target_type, company_id, schema_id in rows}

    @api.model
    def _schema_id(self, target_type, company_id):
        """The id of the questions for registrants of this type in this company, or False."""
        schemas = self._ids_by_type_and_company()
        return schemas.get((target_type, company_id)) or schemas.get((target_type, False), False)

    @api.model_create_multi
    def create(self, vals_list):
        schemas = super().create(vals_list)
        self.env.registry.clear_cache()
        return schemas

    def write(self, vals):
        result = super().write(vals)
        if vals.keys() & {"target_type", "company_id"}:
            self.env.registry.clear_cache()
        return result

    def _check_everybodys(self):
        """Questions are asked in all areas, so who works in some does not change them."""
        # sudo: the user's own areas
        if self.env.user.sudo().g2p_area_ids:
            refusal = self.env._(
                "Questions are asked in all areas: an administrator, or who works in all of them, changes them."
            )
            roles.check(self.env, "g2p_registry_base.group_g2p_admin", refusal=refusal)
        return super()._check_everybodys()

    def unlink(self):
        result = super().unlink()
        self.env.registry.clear_cache()
        return result
