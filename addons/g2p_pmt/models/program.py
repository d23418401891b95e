from odoo import api, fields, models

from odoo.addons.g2p_programs.tools.constants import GROUP_VALIDATOR


class Program(models.Model):
    _inherit = "g2p.program"

    pmt_config = fields.Boolean("Proxy means test", help="Score households by what can be observed of them.")
    pmt_model_ids = fields.One2many("g2p.pmt.model", "program_id", string="Versions of the proxy means test")
    pmt_model_id = fields.Many2one("g2p.pmt.model", "Proxy means test model", compute="_compute_pmt_model_id")
    proxy_means_params_ids = fields.One2many(
        "g2p.proxy_means_test_params",
        "program_id",
        string="Proxy means test parameters",
        domain=[("model_id.is_current", "=", True)],
    )
    pmt_scores_count = fields.Integer("Scores", compute="_compute_pmt_scores_count")

    @api.depends("pmt_model_ids.is_current")
    def _compute_pmt_model_id(self):
        models_ = self.env["g2p.pmt.model"]
        if models_.has_access("read"):
            models_ = models_.search([("program_id", "in", self.ids), ("is_current", "=", True)])
        current = {model.program_id: model for model in models_}
        for program in self:
            program.pmt_model_id = current.get(program, False)

    def _compute_pmt_scores_count(self):
        for program in self:
            program.pmt_scores_count = program.pmt_model_id.scores_count

    # Its means test is agreed to with its start

    def _start_values(self):
        versions = [[version.id, version.state, version._to_dict()] for version in self._agreed_pmt_models()]
        return [*super()._start_values(), versions]

    def _start_figures(self):
        figures = super()._start_figures()
        for version in self._agreed_pmt_models():
            figures += [{"label": version.display_name, "value": version._told()}, *version._cut_off_figures()]
        return figures

    def _agreed_pmt_models(self):
        """The version in force, as the database holds it."""
        self.env.flush_all()
        # sudo: agreed to with the program; compared, and told to whoever is asked to agree
        versions = self.env["g2p.pmt.model"].sudo().search([("program_id", "=", self.id), ("state", "=", "active")])
        versions.invalidate_recordset(flush=False)
        return versions

    @api.model
    def _proposal_kinds(self):
        return {**super()._proposal_kinds(), "pmt_config": "program_rules"}

    def _active_pmt_model(self):
        """The version that scores: none while the switch is off or no version is active."""
        self.ensure_one()
        if not self.pmt_config:
            return self.env["g2p.pmt.model"]
        # sudo: the program works with its model whoever presses the button; nothing of it is shown
        return self.env["g2p.pmt.model"].sudo().search([("program_id", "=", self.id), ("state", "=", "active")])

    def _copy_managers(self, target):
        """A copy of the program starts with a draft of the version it works with, which the copied managers refer to."""
        if self.pmt_model_id:
            self.pmt_model_id.copy({"program_id": target.id})
        return super()._copy_managers(target)

    def _next_step(self):
        if self.state == "active" and self.pmt_config and not self.eligible_beneficiaries_count:
            _ = self.env._
            if not self._active_pmt_model():
                return _("Make the model on the page “Proxy means test” and activate it.")
            if not self.pmt_scores_count and self.pmt_model_id.has_access("read"):
                return _("Press “Compute scores” on the page “Proxy means test”.")
            if not any("pmt" == manager._reason_code for manager in self.get_managers(self.MANAGER_ELIGIBILITY)):
                return _("Add an eligibility manager “Proxy means test” on the page “Managers”.")
        return super()._next_step()

    # Buttons

    def action_open_pmt_models(self):
        """Stat button: the versions."""
        action = self._open(
            "g2p.pmt.model", self.env._("Proxy means test of %s", self.name), {"default_program_id": self.id}
        )
        menu = self.env["ir.actions.act_window"]._for_xml_id("g2p_pmt.g2p_pmt_model_action")
        return {**action, "help": menu["help"]}

    def action_open_pmt_scores(self):
        """Stat button: the scores by the current version."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("g2p_pmt.g2p_pmt_score_action")
        return {
            **action,
            "domain": [("program_id", "=", self.id)],
            "context": {"search_default_latest": 1, "search_default_current": 1},
        }

    def action_compute_pmt_scores(self):
        """Button: score everybody in the program's reach with the active version."""
        self.ensure_one()
        self._check_can(GROUP_VALIDATOR)
        self.check_access("write")
        return self._bulk_start("score", params={"means": True})._notification()

    @api.model
    def _bulk_relies_on(self):
        """Who qualifies by a score is decided on when all scores are there."""
        relies = super()._bulk_relies_on()
        return {
            **relies,
            **{name: (*relies[name], "score") for name in ("import_eligible", "enroll", "verify", "auto_enrol")},
        }

    @api.model
    def _cron_refresh_pmt_scores(self):
        """Every night: whoever's data has changed gets a new score, in every program whose model can score."""
        for model in self.env["g2p.pmt.model"].search([("state", "=", "active"), ("program_id.pmt_config", "=", True)]):
            program = model.program_id
            if program.state == "active" and not model._problems():
                # One that runs, or another step of the program, comes first: the next night is soon enough.
                running = self.env["g2p.bulk.operation"]._active_operation(program, "score")
                if not running and not program._bulk_refusal("score"):
                    program._bulk_start("score", params={"means": False})
