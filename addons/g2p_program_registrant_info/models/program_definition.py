from odoo import api, fields, models


class ProgramDefinition(models.Model):
    _inherit = "g2p.program.definition"

    application_schema = fields.PropertiesDefinition(
        "Questions of the application", help="What applicants are asked; each answer is of its question's type."
    )

    @api.constrains("application_schema")
    def _check_application_schema(self):
        for definition in self:
            self.env["g2p.properties.mixin"]._check_questions(definition.application_schema)
