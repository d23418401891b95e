from odoo import api, fields, models
from odoo.tools import SQL

from .registrant_info import OPEN_STATES


class Program(models.Model):
    _name = "g2p.program"
    _inherit = ["g2p.program", "g2p.document.mixin"]

    multiple_form_submission = fields.Boolean(
        "Several applications",
        help="A registrant may apply again while an application is open, or after it was completed.",
    )
    # The name by which OpenG2P's clients know it
    is_multiple_form_submission = fields.Boolean(
        related="multiple_form_submission", readonly=False, string="Several submissions of the form"
    )
    application_preview = fields.Properties(
        "Questions",
        definition="definition_id.application_schema",
        help="The form as applicants see it. Questions are added and changed here; answers typed here are not kept.",
    )
    may_edit_questions = fields.Boolean(compute="_compute_may_edit_questions", exportable=False)
    application_ids = fields.One2many("g2p.program.registrant_info", "program_id", string="Applications")
    applications_count = fields.Integer("Number of applications", compute="_compute_applications_count")

    @api.depends("definition_id")
    @api.depends_context("uid", "allowed_company_ids")
    def _compute_may_edit_questions(self):
        """As the server would answer a change of the questions."""
        for program in self:
            program.may_edit_questions = program.definition_id.sudo(False).has_access("write")

    def _compute_applications_count(self):
        counts = dict(
            self.env["g2p.program.registrant_info"]._read_group(
                [("program_id", "in", self.ids)], ["program_id"], ["__count"]
            )
        )
        for program in self:
            program.applications_count = counts.get(program, 0)

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._without_sample_answers(vals) for vals in vals_list])

    def write(self, vals):
        return super().write(self._without_sample_answers(vals))

    @api.model
    def _without_sample_answers(self, vals):
        questions = vals.get("application_preview")
        if isinstance(questions, list):
            questions = [{key: part for key, part in item.items() if key != "value"} for item in questions]
        elif questions:
            questions = {}
        return {**vals, "application_preview": questions} if "application_preview" in vals else vals

    def open_applications(self):
        """Stat button."""
        return self._open("g2p.program.registrant_info", self.env._("Applications to %s", self.name))

    # Enrolment decides on applications too

    def _apply_eligibility(self, low, high, states, operation=None, members=None, **options):
        outcome = super()._apply_eligibility(low, high, states, operation, members, **options)
        if "draft" in states:  # enrolment; verification looks at those who were decided on before
            self._take_up_applications(low, high, operation, members)
        return outcome

    def _take_up_applications(self, low, high, operation=None, members=None):
        """The latest applications of the members just decided on are in progress: one statement."""
        self.env["g2p.program.registrant_info"]._transition_where(
            SQL(
                """
                t.is_latest AND t.program_membership_id IN (
                    SELECT membership.id FROM g2p_program_membership AS membership
                     WHERE membership.program_id = %s AND membership.state IN ('enrolled', 'not_eligible')
                       AND %s AND %s
                )
                """,
                self.id,
                self._range_sql("membership", low, high),
                SQL("membership.id = ANY(%s)", members.ids) if members is not None else SQL("TRUE"),
            ),
            "inprogress",
            operation=operation,
            from_state="active",
        )

    # The end of a program

    def end_program(self):
        """Nobody decides on the open applications of a program that has ended: they are closed, in chunks."""
        result = super().end_program()
        for program in self:
            # sudo: the end was allowed above; closing what is open is part of it, whoever may see which applications
            if self.env["g2p.program.registrant_info"].sudo().search_count(program._open_applications(), limit=1):
                result = program._bulk_start("close_applications")._notification()
        return result

    def _application_program(self):
        """The program whose applications are asked for answers."""
        return self

    def _open_applications(self):
        return [("program_id", "=", self.id), ("state", "in", OPEN_STATES)]
