from odoo import api, fields, models
from odoo.exceptions import ValidationError


class RegistrantImportMapping(models.Model):
    _inherit = "g2p.registrant.import.mapping"

    program_id = fields.Many2one(
        "g2p.program",
        "Applications to",
        ondelete="restrict",
        index="btree_not_null",
        help="Rows with answers to this program's questions become applications to it.",
    )

    @api.model_create_multi
    def create(self, vals_list):
        mappings = super().create(vals_list)
        mappings.program_id.check_access("read")
        return mappings

    def write(self, vals):
        result = super().write(vals)
        if "program_id" in vals:
            self.program_id.check_access("read")
        return result

    @api.constrains("program_id", "company_id", "target_type")
    def _check_program(self):
        for mapping in self.filtered("program_id"):
            if mapping.program_id.company_id != mapping.company_id:
                raise ValidationError(self.env._("Applications are to a program of the mapping's own company."))
            if mapping.program_id.target_type != mapping.target_type:
                raise ValidationError(
                    self.env._("%s is for the other kind of registrant.", mapping.program_id.display_name)
                )


class RegistrantImportMappingLine(models.Model):
    _inherit = "g2p.registrant.import.mapping.line"

    target = fields.Selection(
        selection_add=[("application", "Answer in the application")], ondelete={"application": "cascade"}
    )

    @api.model
    def _question_targets(self):
        return {**super()._question_targets(), "application": "application"}

    @api.model
    def _selection_question(self):
        """Questions of programs too, where the user may read the program."""
        programs = self.env["g2p.program"]
        if programs.has_access("read"):
            programs = programs.search([("state", "=", "active"), ("company_id", "=", self.env.company.id)])
        return [
            *super()._selection_question(),
            *(
                (question["name"], f"{program.name}: {question.get('string') or question['name']}")
                for program in programs
                # sudo: what a program asks is no secret to who may read it
                for question in program.sudo().definition_id.application_schema or ()
                if question["type"] != "separator"
            ),
        ]

    def _asked(self, target_type, company):
        if self.target != "application":
            return super()._asked(target_type, company)
        # sudo: what a program asks is no secret to who may use the mapping
        schema = self.mapping_id.sudo().program_id.definition_id.application_schema or ()
        return [question for question in schema if question["type"] != "separator"]
