from odoo import api, fields, models


class ResPartner(models.Model):
    """Answers to the questions that users define for registrants (g2p.registrant.schema)."""

    _name = "res.partner"
    _inherit = ["res.partner", "g2p.properties.mixin"]

    registrant_schema_id = fields.Many2one(
        "g2p.registrant.schema", compute="_compute_registrant_schema_id", search="_search_registrant_schema_id"
    )
    registrant_attributes = fields.Properties(
        string="Further attributes", definition="registrant_schema_id.attributes_definition", copy=True
    )

    @api.depends("is_registrant", "is_group", "company_id")
    def _compute_registrant_schema_id(self):
        schemas = self.env["g2p.registrant.schema"]
        for partner in self:
            partner.registrant_schema_id = partner.is_registrant and schemas._schema_id(
                "group" if partner.is_group else "individual", partner.company_id.id
            )

    @api.model
    def _search_registrant_schema_id(self, operator, value):
        """Registrants who answer these questions. Lists of properties ask for `!= False`: all registrants of the type."""
        if operator not in ("in", "not in"):
            return NotImplemented
        schemas = self.env["g2p.registrant.schema"].sudo().search([])  # sudo: configuration, no registrant's data
        wanted = schemas.filtered(lambda schema: (schema.id in value) == (operator == "in"))
        domain = fields.Domain.FALSE
        for schema in wanted:
            companies = fields.Domain("company_id", "=", schema.company_id.id)
            if not schema.company_id:
                own = schemas.filtered(lambda other, schema=schema: other.target_type == schema.target_type)
                companies = fields.Domain("company_id", "not in", own.company_id.ids)
            domain |= fields.Domain("is_group", "=", schema.target_type == "group") & companies
        domain &= fields.Domain("is_registrant", "=", True)
        if (False in value) == (operator == "in"):
            domain |= fields.Domain("is_registrant", "!=", True)
        return domain

    def _properties_fields(self):
        return (*super()._properties_fields(), "registrant_attributes")

    @api.model_create_multi
    def create(self, vals_list):
        """Tell the ORM which questions are asked: it gives their defaults, and keeps answers to no others."""
        context = self.env.context
        schemas = self.env["g2p.registrant.schema"]
        prepared = []
        for vals in vals_list:
            schema_id = False
            if vals.get("is_registrant", context.get("default_is_registrant")):
                is_group = vals.get("is_group", context.get("default_is_group"))
                company_id = vals["company_id"] if "company_id" in vals else self.env.company.id
                schema_id = schemas._schema_id("group" if is_group else "individual", company_id)
            prepared.append({**vals, "registrant_schema_id": schema_id})
        return super().create(prepared)
