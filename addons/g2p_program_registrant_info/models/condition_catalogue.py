from odoo import api, models
from odoo.tools import SQL


class ConditionCatalogue(models.AbstractModel):
    """Applications, and the answers in them."""

    _inherit = "g2p.condition.catalogue"

    @api.model
    def _names(self):
        names = super()._names()
        names["res.partner"].add("program_registrant_info_ids")
        names["g2p.program.registrant_info"] = {
            "id",
            "program_id",
            "state",
            "is_latest",
            "applied_date",
            "program_registrant_info",
        }
        return names

    @api.model
    def _figure_sources(self):
        return [*super()._figure_sources(), ("application", self.env._("Application"))]

    def _application_figures(self, program):
        """Questions of the program's application form that are answered by a number."""
        if program and program._name != "g2p.program":
            return []  # a program that is still to be made asks nothing yet
        # sudo: what is asked is no secret to who writes conditions
        definitions = (
            program.definition_id.sudo() if program else self.env["g2p.program"].search([]).definition_id.sudo()
        )
        return [
            figure
            for definition in definitions
            for figure in self._question_figures("application", "application", "answers", definition.application_schema)
        ]

    def _application_join(self, program, low, high):
        """The latest application to the program counts."""
        return SQL(
            """
            LEFT JOIN (
                    SELECT info.registrant_id, info.program_registrant_info AS answers
                      FROM g2p_program_registrant_info AS info
                     WHERE info.program_id = %s AND info.is_latest AND %s AND %s
                 ) AS application ON application.registrant_id = registrant.id
            """,
            program._application_program().id,
            SQL("info.registrant_id > %s", low) if low is not None else SQL("TRUE"),
            SQL("info.registrant_id <= %s", high) if high is not None else SQL("TRUE"),
        )
