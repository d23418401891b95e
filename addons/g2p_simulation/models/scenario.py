from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain

from odoo.addons.g2p_approval.models.approval_proposal import Pass
from odoo.addons.g2p_approval.tools import digest
from odoo.addons.g2p_bulk.tools.question import question
from odoo.addons.g2p_programs.tools.constants import FUND_READERS, GROUP_MANAGER

from ..tools import settings

# Kept on the program behind the scenario
SETTINGS = ("eligibility_managers", "entitlement_managers", "pmt_config", "eligibility_mode")


class ProgramScenario(models.Model):
    """A what-if copy of a program's settings, and what they would lead to. Nothing of it touches the program until
    somebody applies it."""

    _name = "g2p.program.scenario"
    _description = "Scenario"
    _inherit = [
        "mail.thread",
        "g2p.state.mixin",
        "g2p.bulk.mixin",
        "g2p.condition.mixin",
        "g2p.change.mixin",
        "g2p.approval.mixin",
    ]
    _order = "program_id, id desc"
    _approval_done_states = ("applied",)

    _protected_fields = (
        "company_id",
        "state",
        "simulated_on",
        "simulated_settings",
        "applied_on",
        "applied_by_id",
        "beneficiaries",
        "members_now",
        "entering",
        "leaving",
        "data_missing",
        "cost_per_cycle",
        "benchmark_total",
        "benchmark_reached",
    )

    _sandbox_uniq = models.Constraint("UNIQUE (sandbox_id)", "Every scenario has settings of its own.")
    _cycles_positive = models.Constraint(
        "CHECK (cycles_per_year > 0)", "A year has at least a part of a cycle: give a number above 0."
    )

    # What is asked
    name = fields.Char(required=True, help="What is tried, such as “Amount 150 for the poorest”.")
    description = fields.Text(help="Why it is tried, and what was found.")
    program_id = fields.Many2one("g2p.program", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="program_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="program_id.currency_id")
    target_type = fields.Selection(related="program_id.target_type")
    sandbox_id = fields.Many2one(
        "g2p.program", "Settings", readonly=True, required=True, copy=False, index=True, ondelete="restrict"
    )
    eligibility_managers = fields.One2many(related="sandbox_id.eligibility_managers", readonly=False)
    entitlement_managers = fields.One2many(related="sandbox_id.entitlement_managers", readonly=False)
    pmt_config = fields.Boolean(related="sandbox_id.pmt_config", readonly=False)
    pmt_model_id = fields.Many2one(related="sandbox_id.pmt_model_id")
    eligibility_mode = fields.Selection(related="sandbox_id.eligibility_mode", readonly=False)
    cycles_per_year = fields.Float(
        digits=(6, 2),
        required=True,
        compute="_compute_cycles_per_year",
        store=True,
        readonly=False,
        precompute=True,
        help="For the cost of a year; from the program's recurrence unless you change it.",
    )
    area_kind_id = fields.Many2one(
        "g2p.area.kind", "Areas by", help="Counts by area are given for areas of this kind; empty: for each area."
    )
    benchmark_domain = fields.Char(
        "Known to be poor",
        help="A benchmark: who is known to be in need, for instance from a survey. Shows how many of them are reached.",
    )

    # What came of it
    state = fields.Selection(
        [("draft", "Not simulated"), ("simulated", "Simulated"), ("applied", "Applied")],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
    )
    simulated_on = fields.Datetime(readonly=True, copy=False)
    simulated_settings = fields.Char(readonly=True, copy=False)
    outdated = fields.Boolean(compute="_compute_outdated", help="Settings changed since the simulation.")
    applied_on = fields.Datetime(readonly=True, copy=False)
    applied_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    beneficiaries = fields.Integer(readonly=True, copy=False, help="Who would get the benefit.")
    members_now = fields.Integer("Enrolled now", readonly=True, copy=False)
    entering = fields.Integer("Would enter", readonly=True, copy=False)
    leaving = fields.Integer("Would leave", readonly=True, copy=False)
    data_missing = fields.Integer(
        readonly=True, copy=False, help="Nobody can tell whether they qualify: a work list, not a no."
    )
    cost_per_cycle = fields.Monetary("Cost of a cycle", readonly=True, copy=False)
    cost_per_year = fields.Monetary(compute="_compute_cost")
    # Not as superuser: who may not read funds is told nothing of them here either.
    fund_available = fields.Monetary(
        related="program_id.fund_available", related_sudo=False, string="Available in the fund", groups=FUND_READERS
    )
    cycles_affordable = fields.Integer(
        compute="_compute_cycles_affordable", groups=FUND_READERS, help="How many cycles the fund pays as it is now."
    )
    benchmark_total = fields.Integer("Known poor", readonly=True, copy=False)
    benchmark_reached = fields.Integer("Known poor reached", readonly=True, copy=False)
    coverage = fields.Float(
        compute="_compute_accuracy", digits=(5, 1), help="Of those known to be poor, how many are reached."
    )
    leakage = fields.Float(
        compute="_compute_accuracy", digits=(5, 1), help="Of the beneficiaries, how many are not known to be poor."
    )
    # As superuser: approvers and finance judge the change, and need not open the models that it stands in.
    differences = fields.Text(
        "Changes", compute="_compute_differences", compute_sudo=True, help="What differs from the program today."
    )
    result_ids = fields.One2many("g2p.program.scenario.result", "scenario_id", readonly=True)
    result_area_ids = fields.One2many(
        "g2p.program.scenario.result", "scenario_id", readonly=True, domain=[("dimension", "=", "area")]
    )
    result_sex_ids = fields.One2many(
        "g2p.program.scenario.result", "scenario_id", readonly=True, domain=[("dimension", "=", "sex")]
    )
    result_age_ids = fields.One2many(
        "g2p.program.scenario.result", "scenario_id", readonly=True, domain=[("dimension", "=", "age")]
    )
    result_band_ids = fields.One2many(
        "g2p.program.scenario.result", "scenario_id", readonly=True, domain=[("dimension", "=", "band")]
    )

    @api.depends("program_id")
    def _compute_cycles_per_year(self):
        for scenario in self:
            scenario.cycles_per_year = scenario._default_cycles_per_year()

    def _default_cycles_per_year(self):
        """How many cycles the program's recurrence makes in a year."""
        if not self.program_id:
            return 1
        manager = self.program_id.get_manager(self.program_id.MANAGER_CYCLE)
        if manager.one_time:
            return 1
        start = fields.Date.to_date("2027-01-01")
        unit = {"daily": "days", "weekly": "weeks", "monthly": "months", "yearly": "years"}[manager.rrule_type]
        days = (start + relativedelta(**{unit: manager.cycle_duration}) - start).days
        # January is as good a month as any for days and weeks; months and years are exact.
        exact = {"monthly": 12, "yearly": 1}.get(manager.rrule_type)
        return round(exact / manager.cycle_duration if exact else 365 / days, 2)

    @api.depends("cost_per_cycle", "cycles_per_year", "program_id")
    def _compute_cost(self):
        for scenario in self:
            cost = scenario.cost_per_cycle
            scenario.cost_per_year = scenario.currency_id.round(cost * scenario.cycles_per_year)

    @api.depends("cost_per_cycle", "program_id")
    def _compute_cycles_affordable(self):
        for scenario in self:
            cost = scenario.cost_per_cycle
            scenario.cycles_affordable = int(scenario.fund_available // cost) if cost else 0

    @api.depends("beneficiaries", "benchmark_total", "benchmark_reached")
    def _compute_accuracy(self):
        for scenario in self:
            reached = scenario.benchmark_reached
            total = scenario.benchmark_total
            scenario.coverage = 100 * reached / total if total else 0
            scenario.leakage = (
                100 * (scenario.beneficiaries - reached) / scenario.beneficiaries
                if total and scenario.beneficiaries
                else 0
            )

    def _compute_outdated(self):
        for scenario in self:
            scenario.outdated = scenario.state == "simulated" and scenario.simulated_settings != scenario._fingerprint()

    def _compute_differences(self):
        for scenario in self:
            scenario.differences = "\n".join(scenario._differences()) if scenario.sandbox_id else False

    def _condition_fields(self):
        return {**super()._condition_fields(), "benchmark_domain": "res.partner"}

    def _benchmark_domain(self):
        """The conditions of the benchmark; nobody when there are none."""
        self.ensure_one()
        domain = self._conditions("benchmark_domain")
        return Domain.FALSE if domain.is_true() else domain

    # CRUD

    @api.model_create_multi
    def create(self, vals_list):
        self.check_access("create")
        for vals in vals_list:
            # A new form sends its empty settings along; a scenario starts from those of the program.
            for name in SETTINGS:
                vals.pop(name, None)
        return super().create(vals_list)

    @api.model
    def _guard_own_values(self, vals_list):
        """The settings of each scenario: a copy of its program, which stays aside."""
        given = []
        for vals in vals_list:
            program = self.env["g2p.program"].browse(
                vals.get("program_id") or self.env.context.get("default_program_id")
            )
            program._check_can(GROUP_MANAGER)
            program.check_access("write")
            program._refuse_sandbox()
            sandbox = program.copy({"name": self.env._("%s (scenario)", program.name), "active": False})
            sandbox.sudo().is_sandbox = True  # sudo: role and access were checked above; the flag is protected
            given.append({"sandbox_id": sandbox.id})
        return given

    def write(self, vals):
        for field in ("program_id", "sandbox_id"):
            if field in vals and any(scenario[field].id != vals[field] for scenario in self):
                raise ValidationError(
                    self.env._("A scenario stays with its program and its settings: make a new one for others.")
                )
        return super().write(vals)

    def copy(self, default=None):
        """The copy starts from this scenario's settings, not from the program's."""
        copies = super().copy(default)
        for scenario, copied in zip(self, copies, strict=True):
            copied._take_settings(scenario.sandbox_id, copied.sandbox_id)
        return copies

    def copy_data(self, default=None):
        vals_list = super().copy_data(default)
        for scenario, vals in zip(self, vals_list, strict=True):
            vals["name"] = self.env._("%s (copy)", scenario.name)
        return vals_list

    def unlink(self):
        sandboxes = self.sandbox_id
        result = super().unlink()
        sandboxes.unlink()
        return result

    # Steps

    def _bulk_parents(self):
        return [*super()._bulk_parents(), self.program_id]

    @api.model
    def _bulk_relies_on(self):
        return {**super()._bulk_relies_on(), "apply_to_program": ("simulate",)}

    # Buttons

    def action_simulate(self):
        """Button: count who would get what under these settings, as of now. The program stays as it is."""
        self.ensure_one()
        self.program_id._check_can(GROUP_MANAGER)
        self.check_access("write")
        if self.env.user.g2p_area_ids:
            raise AccessError(
                self.env._(
                    "A simulation counts everybody whom the program may reach, and you see some areas only. Ask a program "
                    "manager who sees all areas to simulate “%s”, or preview eligibility, which counts your areas.",
                    self.name,
                )
            )
        return self._bulk_start("simulate", params={"settings": self._fingerprint()})._notification()

    def action_open_pmt_model(self):
        """Link: the scenario's own version of the proxy means test, made when there is none yet."""
        self.ensure_one()
        self.check_access("write")
        model = self.pmt_model_id
        if not model:
            model = self.env["g2p.pmt.model"].create({"program_id": self.sandbox_id.id})
        return {
            "type": "ir.actions.act_window",
            "name": model.display_name,
            "res_model": model._name,
            "res_id": model.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def action_compare(self):
        """Button of the list: the chosen scenarios side by side, by area, sex and age."""
        self.check_access("read")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Scenarios side by side"),
            "res_model": "g2p.program.scenario.result",
            "view_mode": "pivot,graph,list",
            "domain": [("scenario_id", "in", self.ids)],
            "context": {"search_default_area": 1},
        }

    def action_confirm_apply(self):
        """Button: say what will change, and ask."""
        self.ensure_one()
        self._check_may_apply()
        self._check_apply()
        notice = self._approval_notice()
        message = self.env._(
            "These settings of %(program)s change now: %(changes)s. Nobody is enrolled or leaves until you press "
            "Import eligible registrants, Enroll or Verify: then about %(entering)s would enter and %(leaving)s would leave.",
            program=self.program_id.name,
            changes="; ".join(self._differences()),
            entering=self.entering,
            leaving=self.leaving,
        )
        title = self.env._("Apply to %s", self.program_id.name)
        confirm = self.env._("Ask for approval") if notice else self.env._("Apply to program")
        return question(
            self, "apply_to_program", title, f"{message} {notice}".strip(), confirm, **self._approval_seen()
        )

    def _check_may_apply(self):
        self.program_id._check_can(GROUP_MANAGER)
        self.check_access("write")

    def _check_apply(self):
        self._require_state("simulated")
        if self.outdated:
            raise UserError(self.env._("The settings of %s changed since it was simulated: simulate again.", self.name))
        if not self._differences():
            raise UserError(
                self.env._("%s has the settings of the program already: there is nothing to apply.", self.name)
            )
        self._bulk_check("apply_to_program")
        # The program's own steps decide by one set of settings, from the first row to the last.
        self.program_id._bulk_check("settings")

    def apply_to_program(self):
        """The program takes the eligibility and entitlement settings of the scenario, in a program that runs once somebody
        else agreed to them. Members stay as they are."""
        self.ensure_one()
        self._check_may_apply()
        self._approval_hold()
        # Two people who apply at once do so one after the other.
        self.env.cr.execute("SELECT id FROM g2p_program WHERE id = %s FOR UPDATE", [self.program_id.id])
        self._check_apply()
        return self._approval_submit() or self._score()

    def _apply(self):
        differences = self._differences()
        self._take_settings(self.sandbox_id, self.program_id)
        self.program_id.message_post(
            body=self.env._(
                "The scenario “%(scenario)s” was applied: %(changes)s",
                scenario=self.name,
                changes="; ".join(differences),
            )
        )
        # sudo: role, access and state were checked by the button; these fields are protected
        self.sudo().write({"applied_on": fields.Datetime.now(), "applied_by_id": self.env.uid})
        self._transition("applied")

    def _score(self):
        """What follows when it is applied: a new version of the means test has no scores yet."""
        version = self.program_id._active_pmt_model()
        scored = version and self.env["g2p.pmt.score"].search_count([("model_id", "=", version.id)], limit=1)
        if version and not scored and self.program_id.state == "active":
            return self.program_id.action_compute_pmt_scores()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._(
                    "%(program)s works by the settings of this scenario now.", program=self.program_id.name
                ),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    # Approval, in a program that runs: the scenario is one proposal of all that it changes

    def _approval_kind(self):
        """Of the kinds that its changes are of, the first that the company does not do without."""
        # sudo: what differs decides who has to agree, whatever the user may see of it
        scenario = self.sudo()
        pairs = zip(scenario._settings(scenario.program_id), scenario._settings(scenario.sandbox_id), strict=True)
        changed = [old != new for old, new in pairs]
        amounts = changed.pop(settings.KINDS.index(scenario.program_id.MANAGER_ENTITLEMENT))
        codes = [*(["program_amounts"] if amounts else []), *(["program_rules"] if any(changed) else [])]
        kinds = self.env["g2p.approval.kind"]
        asked = [code for code in codes if not kinds._of(code)._is_off(scenario.company_id)]
        return (asked or codes or ["program_rules"])[0]

    def _approval_asks(self, kind):
        # sudo: whether the program runs, whatever the user may see of its cycles
        return bool(self.sudo().program_id._in_use()) and super()._approval_asks(kind)

    def _approval_scope(self):
        return self.program_id

    def _approval_name(self, kind):
        return self.env._(
            "Settings of %(program)s become those of the scenario “%(scenario)s”",
            program=self.program_id.name,
            scenario=self.name,
        )

    def _approval_digest(self, kind):
        """Of the settings that are tried out, as they are and as they become."""
        self.env.flush_all()
        # sudo, and no language: the text is the same whoever asks, and shows nothing
        scenario = self.sudo().with_context(lang=None)
        told = [settings.fingerprint(*scenario._settings(of)) for of in (scenario.program_id, scenario.sandbox_id)]
        return digest.of_values([self._name, self.id, kind, self.state, *told])

    def _approval_figures(self, kind):
        return [
            *({"label": self.env._("Change"), "value": sentence} for sentence in self._differences()),
            {"label": self._fields["entering"]._description_string(self.env), "value": self.entering},
            {"label": self._fields["leaving"]._description_string(self.env), "value": self.leaving},
            {
                "label": self._fields["cost_per_cycle"]._description_string(self.env),
                "value": self.cost_per_cycle,
                "money": self.currency_id.id,
            },
        ]

    def _approval_parts(self, kind):
        # The definition is the program's own: a scenario tries out nothing of it.
        return [self, self.sandbox_id]

    def _approval_check(self, kind):
        self._check_apply()

    def _approval_granted(self, request):
        # It is the change of who asked for it, by the rights that they have; others agreed to it.
        maker = self.with_user(request.requested_by or self.env.user)
        maker.with_context(**Pass.context(self))._apply()
        maker.env.flush_all()

    def _approval_follow(self, request):
        return self._score() if request.state == "done" else None

    def _take_settings(self, source, target):
        """`target` gets copies of the managers that `source` has, of the kinds that a scenario tries out, where they
        differ; and its proxy means test as a new version, in force at once if `target` is a program at work."""
        target.write({name: source[name] for name in self._program_fields()})
        wanted = settings.of_pmt(source)
        if wanted and wanted != settings.of_pmt(target):
            if target.is_sandbox:
                target.pmt_model_id.unlink()
            version = source.pmt_model_id.copy({"program_id": target.id})
            if not target.is_sandbox:
                version.action_activate()
            target.invalidate_recordset()
        for kind in settings.KINDS:
            if settings.of_managers(source, kind) == settings.of_managers(target, kind):
                continue
            for manager in target.get_managers(kind):
                manager.unlink()
            target.invalidate_recordset()
            for manager in source.get_managers(kind):
                manager.copy({"program_id": target.id})

    # What differs

    def _differences(self):
        """The settings that differ from the program's, a sentence each, as they are now on both sides."""
        self.ensure_one()
        before, after = self._settings(self.program_id), self._settings(self.sandbox_id)
        return [
            sentence
            for old, new in zip(before, after, strict=True)
            for sentence in settings.sentences(self.env, old, new)
        ]

    def _fingerprint(self):
        """A text that changes whenever a setting of the scenario does."""
        self.ensure_one()
        # sudo, and no language: the text is the same whoever asks, and shows nothing
        scenario = self.sudo().with_context(lang=None)
        *managers, means_test, program = scenario._settings(scenario.sandbox_id)
        return settings.fingerprint(*managers, program, means_test, scenario.benchmark_domain or "")

    def _settings(self, program):
        """The settings of the program or of the sandbox that a scenario tries out: those of each kind of managers, of the
        proxy means test, and of the program itself."""
        return [
            *(settings.of_managers(program, kind) for kind in settings.KINDS),
            settings.of_pmt(program),
            settings.of_program(program, self._program_fields(), self.program_id.name),
        ]

    def _program_fields(self):
        return ("eligibility_mode", "pmt_config")
