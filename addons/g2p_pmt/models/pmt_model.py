import json

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from odoo.addons.g2p_approval.tools import digest
from odoo.addons.g2p_programs.tools.constants import GROUP_MANAGER

from ..tools import accuracy, model_files, preview
from ..tools.score_query import ScoreQuery

KIND = "program_rules"  # of approval, while the program runs
# Beyond this nobody's weight or threshold lies; it keeps NaN and infinity out, which are numbers for PostgreSQL.
LARGEST = 1e15
# What may change in a version that scores: it doesn't touch a score.
ALWAYS_EDITABLE = {"name", "known_poor_key", "known_poor_variable", "note"}
# What a score depends on.
TERMS = [
    "program_id",
    "constant",
    "direction",
    "has_cut_off",
    "cut_off",
    "cut_off_ids.area_id",
    "cut_off_ids.residence",
    "cut_off_ids.cut_off",
    "band_ids.name",
    "band_ids.bound",
    "band_ids.is_rest",
    "term_ids.sequence",
    "term_ids.source",
    "term_ids.pmt_field",
    "term_ids.transform",
    "term_ids.cap_min",
    "term_ids.cap_max",
    "term_ids.pmt_weightage",
    "term_ids.missing",
    "term_ids.missing_value",
    "term_ids.only_where_key",
    "term_ids.class_ids.bound",
    "term_ids.class_ids.is_rest",
    "term_ids.class_ids.points",
    "term_ids.category_ids.value",
    "term_ids.category_ids.points",
    "term_ids.weight_ids.area_id",
    "term_ids.weight_ids.residence",
    "term_ids.weight_ids.weight",
]


class PMTModel(models.Model):
    """A proxy means test of a program, in one version: score = constant + Σ weight × transformed value.

    One version of a program is active. A version is edited while it is a draft; once active it stays as it is, so that
    every score can be worked out again from it: *New version* copies it.
    """

    _name = "g2p.pmt.model"
    _description = "Proxy means test model"
    _inherit = ["g2p.state.mixin", "g2p.change.mixin", "g2p.approval.mixin"]
    _order = "program_id, version desc, id desc"
    _approval_presses = ("action_activate",)
    _approval_done_states = ("active", "archived")
    # Read by who reads the model: a formula that is known can be answered to.
    _changes_parent = "program_id"

    # Given by the product, whatever comes in
    _given_fields = ("version", "is_current", "activated_on", "means")

    _version_uniq = models.Constraint("UNIQUE (program_id, version)", "The program has this version already.")
    _one_active = models.UniqueIndex(
        "(program_id) WHERE state = 'active'", "The program has an active proxy means test already."
    )
    _one_current = models.UniqueIndex(
        "(program_id) WHERE is_current", "The program works with another version of its proxy means test."
    )
    _numbers_finite = models.Constraint(
        f"CHECK (constant BETWEEN -{LARGEST:.0f} AND {LARGEST:.0f} AND cut_off BETWEEN -{LARGEST:.0f} AND {LARGEST:.0f})",
        "The constant and the cut-off must be numbers of at most 15 digits.",
    )

    name = fields.Char(required=True, default=lambda self: self.env._("Proxy means test"))
    program_id = fields.Many2one("g2p.program", required=True, index=True, ondelete="restrict")
    company_id = fields.Many2one(related="program_id.company_id")
    target_type = fields.Selection(related="program_id.target_type")
    version = fields.Integer(required=True, readonly=True, copy=False, default=1)
    state = fields.Selection(
        [("draft", "Draft"), ("active", "Active"), ("archived", "Archived")],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
    )
    is_current = fields.Boolean(
        "Shown on the program",
        readonly=True,
        copy=False,
        help="The version the program works with: the active one, or its first draft before there is one.",
    )
    activated_on = fields.Datetime(readonly=True, copy=False)
    note = fields.Text("Where it comes from", help="The survey, the regression, who fitted it and when.")

    constant = fields.Float(digits=False, help="What every score starts from: the intercept of the regression.")
    direction = fields.Selection(
        [("low", "A low score is poor"), ("high", "A high score is poor")], required=True, default="low"
    )
    has_cut_off = fields.Boolean("Has a cut-off", help="The score tells who is poor.")
    cut_off = fields.Float(
        "Cut-off", digits=False, help="Poor up to and including this score (or from it, if a high score is poor)."
    )
    means = fields.Json(readonly=True, copy=False, help="Means of variables, as of the last computation for everybody.")

    term_ids = fields.One2many("g2p.proxy_means_test_params", "model_id", string="Terms", copy=True)
    cut_off_ids = fields.One2many("g2p.pmt.cut_off", "model_id", string="Cut-offs by area", copy=True)
    band_ids = fields.One2many("g2p.pmt.band", "model_id", string="Bands", copy=True)

    known_poor_key = fields.Char(help="The yes-or-no variable that says who is known to be poor.")
    known_poor_variable = fields.Selection(
        selection="_selection_known_poor",
        string="Known to be poor",
        compute="_compute_known_poor_variable",
        inverse="_inverse_known_poor_variable",
        help="A yes-or-no attribute or answer, such as one from a survey of consumption: how well the model finds the poor "
        "is measured against it.",
    )
    allowed_known_poor = fields.Json(compute="_compute_allowed_known_poor")
    scores_count = fields.Integer("Scores", compute="_compute_scores_count")
    problem = fields.Char(compute="_compute_problem", help="Why this version can't score, in a sentence.")
    warning = fields.Char(compute="_compute_warning", help="Which terms make who does not answer them poor.")
    preview_html = fields.Html("Preview", compute="_compute_preview_html", sanitize=False)
    distribution_html = fields.Html("Distribution", compute="_compute_distribution_html", sanitize=False)
    accuracy_html = fields.Html("Errors", compute="_compute_accuracy_html", sanitize=False)

    @api.depends("name", "version")
    def _compute_display_name(self):
        for model in self:
            model.display_name = self.env._("%(name)s, version %(version)s", name=model.name, version=model.version)

    # Who is known to be poor

    @api.model
    def _selection_known_poor(self):
        variables = self.env["g2p.pmt.variable"]
        return variables._labels(
            {key: variable for key, variable in variables._variables(None).items() if variable.kind == "boolean"}
        )

    @api.depends("known_poor_key", "program_id")
    def _compute_known_poor_variable(self):
        known = dict(self._selection_known_poor())
        for model in self:
            model.known_poor_variable = model.known_poor_key if model.known_poor_key in known else False

    def _inverse_known_poor_variable(self):
        for model in self:
            model.known_poor_key = model.known_poor_variable

    @api.depends("program_id")
    def _compute_allowed_known_poor(self):
        for model in self:
            variables = model._variables()
            model.allowed_known_poor = [key for key, variable in variables.items() if variable.kind == "boolean"]

    def _variables(self):
        return self.env["g2p.pmt.variable"]._variables(self.program_id)

    def _compute_scores_count(self):
        counts = {}
        if self.env["g2p.pmt.score"].has_access("read"):
            counts = dict(
                self.env["g2p.pmt.score"]._read_group(
                    [("model_id", "in", self.ids), ("latest", "=", True)], ["model_id"], ["__count"]
                )
            )
        for model in self:
            model.scores_count = counts.get(model, 0)

    # What stands in the way of scoring

    @api.depends(
        "program_id",
        "term_ids.problem",
        "band_ids.bound",
        "band_ids.is_rest",
    )
    def _compute_problem(self):
        for model in self:
            model.problem = next(iter(model._problems()), False)

    def _problems(self):
        """Sentences that each say why this version can't score, and what to do."""
        self.ensure_one()
        if not self.term_ids:
            return [self.env._("The model has no terms yet: add what counts, and how much.")]
        # Not from the cache: a question may just have been deleted.
        return list(filter(None, (term._find_problem(variable) for term, variable in self.term_ids._with_variables())))

    @api.depends("term_ids.warning")
    def _compute_warning(self):
        for model in self:
            terms = model.term_ids.filtered("warning")
            model.warning = bool(terms) and self.env._(
                "Who leaves these out counts as poor as the poorest: %(terms)s. Choose “It can't be scored” for them, "
                "unless that is meant.",
                terms=", ".join(terms.mapped("label")),
            )

    def _check_scorable(self):
        for model in self:
            if problems := model._problems():
                raise UserError(
                    self.env._("%(model)s can't score. %(problem)s", model=model.display_name, problem=problems[0])
                )

    # What it does, before anybody is scored with it

    @api.depends(*TERMS)
    def _compute_preview_html(self):
        for model in self:
            model.preview_html = preview.table(model) if model.program_id else False

    @api.depends("state", *TERMS)
    @api.depends_context("uid")
    def _compute_distribution_html(self):
        for model in self:
            model.distribution_html = preview.distribution(model)

    @api.depends("known_poor_key", "state", *TERMS)
    @api.depends_context("uid")
    def _compute_accuracy_html(self):
        for model in self:
            model.accuracy_html = accuracy.report(model)

    def _accuracy(self):
        """The table of verdict and truth, see :func:`accuracy.compared`."""
        self.ensure_one()
        return accuracy.compared(self)

    def _rates(self):
        """Coverage and errors, see :func:`accuracy.rates`; None when there is nothing to compare."""
        table = self._accuracy()
        return None if table is None else accuracy.rates(table)

    # CRUD

    @api.model_create_multi
    def create(self, vals_list):
        self._check_manager()
        return super().create(vals_list)

    @api.model
    def _guard_own_values(self, vals_list):
        """The version of each model: the next one of its program, the first being the one that counts."""
        program_ids = {vals["program_id"] for vals in vals_list if vals.get("program_id")}
        # sudo: numbers, of programs that may be used
        found = self.sudo()._read_group([("program_id", "in", list(program_ids))], ["program_id"], ["version:max"])
        last = {program.id: version for program, version in found}
        given = []
        for vals in vals_list:
            own = {"version": 1, "is_current": False}
            if program := vals.get("program_id"):
                own["is_current"] = program not in last
                own["version"] = last[program] = last.get(program, 0) + 1
            given.append(own)
        return given

    def write(self, vals):
        if vals.keys() - ALWAYS_EDITABLE:
            self._check_unlocked()
        if "program_id" in vals and any(model.program_id.id != vals["program_id"] for model in self):
            raise UserError(self.env._("A model stays with its program: export it and import it into the other one."))
        return super().write(vals)

    def _check_manager(self):
        self.env["g2p.program"]._check_can(GROUP_MANAGER)

    def _check_unlocked(self):
        """The database's superuser moves states; everybody edits drafts only."""
        if self.env.su:
            return
        for model in self:
            if model.state != "draft":
                raise UserError(
                    self.env._(
                        "%s is not a draft, so it stays as it is: its scores must be open to recalculation. "
                        "Press New version to change it.",
                        model.display_name,
                    )
                )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        for model in self:
            if model.state != "draft":
                raise UserError(self.env._("%s has been in use, so it is kept.", model.display_name))

    @api.constrains("band_ids")
    def _check_bands(self):
        for model in self:
            if len(model.band_ids.filtered("is_rest")) > 1:
                raise ValidationError(self.env._("Only one band can be for everybody else."))

    # Buttons

    def action_activate(self):
        """draft → active. The version that was active is archived; its scores stay. In a program that runs, somebody else agrees."""
        self.ensure_one()
        self._check_manager()
        self.check_access("write")
        self._approval_check(KIND)
        self.program_id._bulk_check("settings")
        # What was changed since is asked for anew.
        self._approval_recheck()
        return self._approval_submit() or True

    def _put_into_force(self):
        self.program_id._bulk_check("settings")
        # Two who press at the same time come one after the other.
        self.env.cr.execute(SQL("SELECT FROM g2p_program WHERE id = %s FOR NO KEY UPDATE", self.program_id.id))
        others = self.search([("program_id", "=", self.program_id.id), ("id", "!=", self.id)])
        others.filtered(lambda model: model.state == "active")._transition("archived")
        # sudo: role, access and state were checked above; the fields are protected
        others.filtered("is_current").sudo().write({"is_current": False})
        self.env.flush_all()
        self._transition("active")
        self.sudo().write({"is_current": True, "activated_on": fields.Datetime.now()})

    def action_reset_to_draft(self):
        """active → draft, as long as nobody has been scored with it."""
        self.ensure_one()
        self._check_manager()
        self.check_access("write")
        self._require_state("active")
        # sudo: scores that the user may not see count as well
        if self.env["g2p.pmt.score"].sudo().search_count([("model_id", "=", self.id)], limit=1):
            raise UserError(
                self.env._("People were scored with %s: press New version to change it.", self.display_name)
            )
        if self._approval_asks(KIND):
            raise UserError(
                self.env._(
                    "%s is in force in a program that runs: press New version to change it, and Activate, which somebody else "
                    "agrees to.",
                    self.display_name,
                )
            )
        self._transition("draft")
        return True

    # Approval of a version that comes into force in a program that runs

    def _approval_kind(self):
        return KIND

    def _approval_asks(self, kind):
        # sudo: whether the program runs, whatever the user may see of its cycles
        return bool(self.sudo().program_id._in_use()) and super()._approval_asks(kind)

    def _approval_shown(self):
        """As it is: what was changed since it was asked for is asked for anew by the same press."""
        # sudo: a digest tells nothing of it
        return self.sudo()._approval_digest(KIND) if self.state == "draft" else ""

    def _approval_company(self):
        return self.program_id.company_id

    def _approval_scope(self):
        return self.program_id

    def _approval_name(self, kind):
        return self.env._(
            "Means test of %(program)s: version %(version)s comes into force",
            program=self.program_id.name,
            version=self.version,
        )

    def _approval_digest(self, kind):
        self.env.flush_all()
        self.invalidate_recordset(flush=False)
        return digest.of_values([self._name, self.id, kind, self.program_id.id, self._to_dict()])

    def _approval_figures(self, kind):
        in_force = self.program_id._active_pmt_model()
        return [
            {"label": self.env._("In force now"), "value": in_force._told() if in_force else None},
            {"label": self.env._("Becomes"), "value": self._told()},
            *self._cut_off_figures(),
        ]

    def _told(self):
        """What scores are made of, in a line."""
        terms = "; ".join(f"{term.label} × {term.pmt_weightage:g}" for term in self.term_ids)
        return f"{self.constant:g}; {terms}"

    def _cut_off_figures(self):
        if not self.has_cut_off:
            return []
        return [{"label": self._fields["cut_off"]._description_string(self.env), "value": f"{self.cut_off:g}"}]

    def _approval_check(self, kind):
        self._require_state("draft")
        self._check_scorable()

    def _approval_granted(self, request):
        self._approval_check(KIND)
        self._put_into_force()

    def action_new_version(self):
        """A draft that starts as a copy of this version."""
        self.ensure_one()
        self._check_manager()
        self.check_access("read")
        copied = self.copy()
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": copied.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def action_compute_scores(self):
        """Score everybody in the program's reach with the active version."""
        self.ensure_one()
        return self.program_id.action_compute_pmt_scores()

    def action_open_scores(self):
        """Stat button."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("g2p_pmt.g2p_pmt_score_action")
        return {**action, "domain": [("model_id", "=", self.id)], "context": {"search_default_latest": 1}}

    def action_export_json(self):
        return self._export("json")

    def action_export_csv(self):
        return self._export("csv")

    def _export(self, kind):
        self.ensure_one()
        self.check_access("read")
        return {"type": "ir.actions.act_url", "url": f"/g2p_pmt/model/{self.id}.{kind}", "target": "self"}

    def _to_dict(self):
        self.ensure_one()
        return model_files.to_dict(self)

    def _to_json(self):
        return json.dumps(self._to_dict(), indent=2, ensure_ascii=False)

    def _to_csv(self):
        return model_files.to_csv(self._to_dict())

    # Scores

    def _uses_applications(self):
        return any("application" in term._reads_from() for term in self.term_ids)

    def _scored_registrants(self, low=None, high=None, ids=None, limit=None):
        """Whom the model scores: the program's base set; if it asks the application, those who applied.

        :return SQL: columns `registrant_id`, `application_id`, `answers`; the latest application counts.
        """
        base = SQL("SELECT base.registrant_id FROM (%s) AS base", self.program_id._base_registrants(low, high))
        if ids is not None:
            base = SQL("%s WHERE base.registrant_id = ANY(%s)", base, list(ids))
        if not self._uses_applications():
            query = SQL(
                "SELECT base.registrant_id, NULL::integer AS application_id, NULL::jsonb AS answers FROM (%s) AS base",
                base,
            )
        else:
            query = SQL(
                """
                SELECT base.registrant_id, info.id AS application_id, info.program_registrant_info AS answers
                  FROM (%(base)s) AS base
                  JOIN g2p_program_registrant_info AS info ON info.registrant_id = base.registrant_id
                 WHERE info.program_id = %(program)s AND info.is_latest AND %(low)s AND %(high)s
                """,
                base=base,
                program=self.program_id._application_program().id,
                low=SQL("info.registrant_id > %s", low) if low is not None else SQL("TRUE"),
                high=SQL("info.registrant_id <= %s", high) if high is not None else SQL("TRUE"),
            )
        return SQL("SELECT * FROM (%s) AS scored ORDER BY registrant_id LIMIT %s", query, limit) if limit else query

    def _scores_sql(self, low=None, high=None, ids=None, limit=None, means=None):
        """The scores of registrants by this version; columns and parameters as of :meth:`ScoreQuery.scores`.

        :param means: {term: mean}, by default those of the last computation for everybody
        """
        self.ensure_one()
        return ScoreQuery(self, means).scores(low, high, ids, limit)

    def _mean_terms(self):
        return self.term_ids.filtered(lambda term: term.missing == "mean")

    def _compute_means(self, limit=None):
        """{term: mean of the known values where it counts, as text; None if nobody's is known}: one query."""
        return ScoreQuery(self).computed_means(limit)

    def _save_scores(self, low=None, high=None, ids=None):
        """Score these registrants and keep what differs from what is kept: {outcome: rows}."""
        return self.env["g2p.pmt.score"]._save(self, low, high, ids)
