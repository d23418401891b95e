from odoo import fields, models
from odoo.exceptions import UserError

from ..tools.applying import program_of


class Program(models.Model):
    """A scenario keeps its settings on a program of its own, which stays archived and in draft: the *sandbox*."""

    _inherit = "g2p.program"

    _sandbox_stays_aside = models.Constraint(
        "CHECK (NOT COALESCE(is_sandbox, FALSE) OR (NOT active AND state = 'draft'))",
        "The settings of a scenario can't become a program of their own: apply the scenario instead.",
    )

    is_sandbox = fields.Boolean(readonly=True, copy=False, help="Holds the settings of a scenario.")
    scenario_ids = fields.One2many("g2p.program.scenario", "program_id", string="Scenarios")
    scenarios_count = fields.Integer(compute="_compute_scenarios_count")

    @property
    def _protected_fields(self):
        return (*super()._protected_fields, "is_sandbox")

    def _compute_scenarios_count(self):
        counts = {}
        scenarios = self.env["g2p.program.scenario"]
        if scenarios.has_access("read"):
            counts = dict(scenarios._read_group([("program_id", "in", self.ids)], ["program_id"], ["__count"]))
        for program in self:
            program.scenarios_count = counts.get(program, 0)

    def action_activate(self):
        self._refuse_sandbox()
        return super().action_activate()

    def action_unarchive(self):
        self._refuse_sandbox()
        return super().action_unarchive()

    def _refuse_sandbox(self):
        if any(program.is_sandbox for program in self):
            raise UserError(
                self.env._(
                    "The settings of a scenario can't become a program of their own: apply the scenario instead."
                )
            )

    def _proposal_is_open(self):
        return super()._proposal_is_open() or program_of(self.env) == self._origin

    def action_open_scenarios(self):
        """Stat button: the scenarios of the program, side by side."""
        action = self._open(
            "g2p.program.scenario",
            self.env._("Scenarios of %s", self.name),
            {"default_program_id": self.id},
        )
        menu = self.env["ir.actions.act_window"]._for_xml_id("g2p_simulation.g2p_program_scenario_action")
        return {**action, "help": menu["help"]}

    # How a scenario works

    def _active_pmt_model(self):
        """A scenario works with its version of the model, which stays a draft."""
        if self.is_sandbox:
            # sudo: as for any other program, nothing of the model is shown
            return self.sudo().pmt_model_id if self.pmt_config else self.env["g2p.pmt.model"]
        return super()._active_pmt_model()

    def _application_program(self):
        """People apply to the program, not to its scenarios."""
        if self.is_sandbox:
            # sudo: the program behind the settings; whose applications count is a rule of the program
            scenario = self.env["g2p.program.scenario"].sudo().search([("sandbox_id", "=", self.id)], limit=1)
            return scenario.program_id
        return super()._application_program()
