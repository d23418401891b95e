from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from .pmt_model import LARGEST


class PMTTerm(models.Model):
    """One term of a proxy means test: weight × the transformed value of a variable. OpenG2P's parameter."""

    _name = "g2p.proxy_means_test_params"
    _inherit = ["g2p.change.mixin"]
    _description = "Term of a proxy means test"
    _order = "sequence, id"
    _rec_name = "name"
    _changes_on = "model_id"
    _changes_parent = "model_id.program_id"

    _numbers_finite = models.Constraint(
        "CHECK ("
        + " AND ".join(
            f"{column} BETWEEN -{LARGEST:.0f} AND {LARGEST:.0f}"
            for column in ("pmt_weightage", "missing_value", "cap_min", "cap_max")
        )
        + ")",
        "Weights and values must be numbers of at most 15 digits.",
    )
    _caps_ordered = models.Constraint(
        "CHECK (transform <> 'capped' OR cap_min <= cap_max)", "The lower limit can't be above the upper one."
    )

    sequence = fields.Integer(default=10)
    model_id = fields.Many2one("g2p.pmt.model", "Model", required=True, index=True, ondelete="cascade")
    program_id = fields.Many2one(related="model_id.program_id", store=True, index=True)
    model_state = fields.Selection(related="model_id.state", string="State of the model")
    source = fields.Selection(selection=lambda self: self.env["g2p.pmt.variable"]._sources(), required=True)
    pmt_field = fields.Char("Technical name", required=True)
    name = fields.Char("Variable name", readonly=True, help="What it was called when it was chosen.")
    variable = fields.Selection(
        selection="_selection_variable",
        compute="_compute_variable",
        inverse="_inverse_variable",
        help="What the registrant is asked, or what the registry knows.",
    )
    allowed_variables = fields.Json(compute="_compute_allowed_variables")
    kind = fields.Selection(
        [("number", "Number"), ("boolean", "Yes or no"), ("choice", "Choice")], compute="_compute_kind"
    )
    transform = fields.Selection(
        [
            ("none", "As it is"),
            ("log", "Natural logarithm"),
            ("sqrt", "Square root"),
            ("square", "Square"),
            ("capped", "Within limits"),
            ("classes", "Points by class"),
        ],
        "Transformation",
        required=True,
        default="none",
    )
    cap_min = fields.Float("Not below", digits=False, default=0.0)
    cap_max = fields.Float("Not above", digits=False, default=0.0)
    pmt_weightage = fields.Float("Weight", digits=False, required=True, default=1.0)
    only_where_key = fields.Char(help="The choice that must hold for the term to count: variable and choice.")
    only_where = fields.Selection(
        selection="_selection_only_where",
        compute="_compute_only_where",
        inverse="_inverse_only_where",
        string="Counts only where",
        help="Such as: gender of the head is Female. Elsewhere the term adds nothing. Where the answer is not known, the term "
        "is missing. Empty: it counts for everybody.",
    )
    allowed_only_where = fields.Json(compute="_compute_allowed_variables")
    missing = fields.Selection(
        [
            ("refuse", "It can't be scored"),
            ("value", "A given value counts"),
            ("mean", "The mean of all others counts"),
            ("zero", "It adds nothing"),
        ],
        "If it is missing",
        required=True,
        default="refuse",
    )
    missing_value = fields.Float(
        "Given value", digits=False, help="Counts before the transformation; for choices and classes: points."
    )
    class_ids = fields.One2many("g2p.pmt.class", "term_id", string="Classes", copy=True)
    category_ids = fields.One2many("g2p.pmt.category", "term_id", string="Points", copy=True)
    weight_ids = fields.One2many("g2p.pmt.area_weight", "term_id", string="Weights by area", copy=True)
    details = fields.Char(compute="_compute_details", help="What is particular about the term, in a few words.")
    label = fields.Char("Term", compute="_compute_label", help="The variable, and for whom it counts.")
    problem = fields.Char(compute="_compute_problem")
    warning = fields.Char(compute="_compute_warning", help="What the term does to who doesn't answer.")

    # The variable

    @api.model
    def _selection_variable(self):
        variables = self.env["g2p.pmt.variable"]
        return variables._labels(variables._variables(None))

    @property
    def _key(self):
        return f"{self.source}:{self.pmt_field}"

    @property
    def _mean_key(self):
        """Under which the mean of this term is kept: a variable may stand in several."""
        return str(self._origin.id or self.id)

    def _reads_from(self):
        """Where the term reads: of its variable, and of the condition under which it counts."""
        return {self.source, (self.only_where_key or "").partition(":")[0]}

    def _known_variable(self):
        """The Variable, or None when it is not there (any more)."""
        self.ensure_one()
        return self.env["g2p.pmt.variable"]._variables(self.model_id.program_id).get(self._key)

    @api.depends("source", "pmt_field")
    def _compute_variable(self):
        known = dict(self._selection_variable())
        for term in self:
            term.variable = term._key if term._key in known else False

    def _inverse_variable(self):
        for term in self.filtered("variable"):
            term.source, term.pmt_field = term.variable.split(":", 1)

    @api.onchange("variable")
    def _onchange_variable(self):
        """List the choices, so that each gets its points."""
        if not self.variable or (self.variable == self._key and self.category_ids):
            return
        self._inverse_variable()
        variable = self._known_variable()
        self.name = variable.label if variable else False
        self.category_ids = [fields.Command.clear()]
        if variable and variable.kind == "choice":
            self.category_ids = [
                fields.Command.create({"value": value, "points": 0}) for value, _label in variable.options
            ]

    @api.depends("model_id.program_id")
    def _compute_allowed_variables(self):
        by_program = {}
        for term in self:
            program = term.model_id.program_id
            if program not in by_program:
                variables = self.env["g2p.pmt.variable"]._variables(program)
                by_program[program] = list(variables), list(self._conditions(variables))
            term.allowed_variables, term.allowed_only_where = by_program[program]

    # For whom it counts

    @api.model
    def _conditions(self, variables):
        """{key: (Variable, choice, words)} of the choices that a term may ask for: "source:name=choice"."""
        yes_no = (("true", self.env._("Yes")), ("false", self.env._("No")))
        sources = dict(self.env["g2p.pmt.variable"]._sources())
        return {
            f"{key}={value}": (
                variable,
                value,
                self.env._(
                    "%(where)s: %(variable)s is %(choice)s",
                    where=sources[variable.source],
                    variable=variable.label,
                    choice=label,
                ),
            )
            for key, variable in variables.items()
            if variable.kind in ("choice", "boolean")
            for value, label in (variable.options if variable.kind == "choice" else yes_no)
        }

    @api.model
    def _selection_only_where(self):
        conditions = self._conditions(self.env["g2p.pmt.variable"]._variables(None))
        return [(key, words) for key, (_variable, _choice, words) in conditions.items()]

    @api.depends("only_where_key")
    def _compute_only_where(self):
        known = dict(self._selection_only_where())
        for term in self:
            term.only_where = term.only_where_key if term.only_where_key in known else False

    def _inverse_only_where(self):
        for term in self:
            term.only_where_key = term.only_where

    @api.depends("name", "pmt_field", "only_where_key")
    def _compute_label(self):
        known = dict(self._selection_only_where())
        for term in self:
            name = term.name or term.pmt_field or ""
            words = known.get(term.only_where_key, term.only_where_key)
            term.label = f"{name} ({words})" if words else name

    @api.depends("source", "pmt_field", "model_id.program_id")
    def _compute_kind(self):
        for term, variable in self._with_variables():
            term.kind = variable.kind if variable else False

    def _with_variables(self):
        """(term, its Variable or None) for each: the catalogue is read once for a program."""
        by_program = {}
        for term in self:
            program = term.model_id.program_id
            if program not in by_program:
                by_program[program] = self.env["g2p.pmt.variable"]._variables(program)
            yield term, by_program[program].get(term._key)

    def _answer_label(self, value):
        """A choice or yes or no in words; False for numbers."""
        if self.kind == "boolean" and value is not None:
            return self.env._("yes") if value else self.env._("no")
        if isinstance(value, str):
            return self.category_ids.filtered(lambda line: line.value == value).label or value
        return False

    # What is wrong with it

    @api.depends(
        "source",
        "pmt_field",
        "transform",
        "cap_min",
        "cap_max",
        "missing",
        "missing_value",
        "category_ids.value",
        "class_ids.bound",
        "class_ids.is_rest",
        "only_where_key",
        "model_id.program_id",
    )
    def _compute_problem(self):
        for term, variable in self._with_variables():
            term.problem = term._find_problem(variable)

    def _only_where_variable(self):
        """(Variable, choice) of the condition; None without one, or when its question or choice is gone."""
        if not self.only_where_key:
            return None
        variables = self.env["g2p.pmt.variable"]._variables(self.model_id.program_id)
        variable, choice, _words = self._conditions(variables).get(self.only_where_key, (None, None, None))
        return variable and (variable, choice)

    @api.depends(
        "missing",
        "missing_value",
        "transform",
        "pmt_weightage",
        "weight_ids.weight",
        "category_ids.points",
        "class_ids.points",
        "model_id.direction",
        "source",
        "pmt_field",
    )
    def _compute_warning(self):
        for term, variable in self._with_variables():
            term.warning = term._find_warning(variable)

    def _find_warning(self, variable):
        """Missing must not mean poor unless somebody wants it: then they read it here.

        Of points the worst are known. Of a number it is known that it adds to the score or takes away from it as its weight
        says, where it can't be below 0: without it the score is the one of who has none of it.
        """
        if not variable or self.missing not in ("zero", "value"):
            return False
        weights = [self.pmt_weightage, *self.weight_ids.mapped("weight")]
        lines = self.class_ids if self.transform == "classes" else self.category_ids
        if lines:
            answers = [weight * points for weight in weights for points in lines.mapped("points")]
        elif variable.kind == "boolean":
            answers = [0.0, *weights]
        else:
            answers = weights  # more of it moves the score this way
        given = 0.0 if self.missing == "zero" else None
        if given is None:
            if not lines:
                return False
            given = min(weight * self.missing_value for weight in weights)
        poorer = (
            ((given <= min(answers) and given < max(answers)) or given < min(answers))
            if self.model_id.direction == "low"
            else ((given >= max(answers) and given > min(answers)) or given > max(answers))
        )
        if not poorer:
            return False
        return self.env._(
            "Who leaves out “%s” counts as poor as the poorest by it. Choose “It can't be scored” unless that is meant.",
            self.name or self.pmt_field,
        )

    def _find_problem(self, variable):
        _ = self.env._
        label = self.name or self.pmt_field or ""
        if not self.pmt_field:
            return _("Choose the variable of each term.")
        if not variable:
            return _(
                "“%(variable)s” (%(where)s) does not exist: it was deleted, or is not asked in this program. "
                "Replace the term in a new version.",
                variable=label,
                where=dict(self.env["g2p.pmt.variable"]._sources()).get(self.source, self.source),
            )
        if variable.kind == "choice" and not self.category_ids:
            return _("Say how many points each choice of “%s” is worth.", label)
        if variable.kind != "number" and self.transform != "none":
            return _("“%s” is not a number, so it can't be transformed.", label)
        if self.transform == "classes" and not self.class_ids:
            return _("Say how many points each class of “%s” is worth.", label)
        if self.only_where_key and not self._only_where_variable():
            return _(
                "“%(variable)s” counts only where “%(condition)s”, which is not asked in this program (any more): choose again.",
                variable=label,
                condition=self.only_where_key,
            )
        if self.transform == "capped" and self.cap_min > self.cap_max:
            return _("The lower limit of “%s” is above the upper one.", label)
        if self.missing == "value" and variable.kind == "number":
            if self.transform == "log" and self.missing_value <= 0:
                return _("The value given for a missing “%s” has no logarithm: it must be more than 0.", label)
            if self.transform == "sqrt" and self.missing_value < 0:
                return _("The value given for a missing “%s” has no square root: it can't be negative.", label)
        return False

    @api.depends(
        "transform",
        "cap_min",
        "cap_max",
        "missing",
        "missing_value",
        "category_ids.points",
        "class_ids.points",
        "weight_ids",
    )
    def _compute_details(self):
        _ = self.env._
        for term in self:
            parts = []
            if term.transform == "capped":
                parts.append(_("from %(low)g to %(high)g", low=term.cap_min, high=term.cap_max))
            if term.missing == "value":
                parts.append(_("missing counts as %g", term.missing_value))
            if term.category_ids:
                parts.append(_("choices with points: %s", len(term.category_ids)))
            if term.transform == "classes":
                parts.append(_("classes: %s", len(term.class_ids)))
            if term.weight_ids:
                parts.append(_("weights by area: %s", len(term.weight_ids)))
            term.details = ", ".join(parts)

    # CRUD

    @api.model_create_multi
    def create(self, vals_list):
        prepared = []
        for vals in vals_list:
            vals = dict(vals)
            if not vals.get("model_id") and vals.get("program_id"):
                vals["model_id"] = self._draft_of(vals["program_id"]).id
            vals.pop("program_id", None)
            if vals.get("variable"):
                vals["source"], vals["pmt_field"] = vals.pop("variable").split(":", 1)
            prepared.append(vals)
        self.env["g2p.pmt.model"].browse({vals.get("model_id") for vals in prepared} - {None, False})._check_unlocked()
        terms = super().create(prepared)
        terms._remember_names()
        return terms

    @api.model
    def _draft_of(self, program_id):
        """OpenG2P's clients give the program only: the draft of its model, made if there is none yet."""
        models_ = self.env["g2p.pmt.model"]
        current = models_.search([("program_id", "=", program_id), ("is_current", "=", True)])
        if current and current.state != "draft":
            raise UserError(
                self.env._("%s is active: press New version there, and change that one.", current.display_name)
            )
        return current or models_.create({"program_id": program_id})

    def write(self, vals):
        self.model_id._check_unlocked()
        if "model_id" in vals and any(term.model_id.id != vals["model_id"] for term in self):
            raise UserError(self.env._("A term stays with its model."))
        result = super().write(vals)
        if vals.keys() & {"source", "pmt_field", "variable"}:
            self._remember_names()
        return result

    def unlink(self):
        self.model_id._check_unlocked()
        return super().unlink()

    def _remember_names(self):
        """What a variable is called, for the day when its question is gone."""
        for term, variable in self._with_variables():
            if variable and term.name != variable.label:
                term.sudo().name = variable.label  # sudo: told by the product, of a term that was just written

    @api.constrains("category_ids", "pmt_field", "source")
    def _check_categories(self):
        for term, variable in self._with_variables():
            options = {value for value, _label in variable.options} if variable else set()
            if variable and variable.kind == "boolean":
                options = {"true", "false"}
            for category in term.category_ids if variable else ():
                if category.value not in options:
                    raise ValidationError(
                        self.env._(
                            "“%(value)s” is no choice of “%(variable)s”.", value=category.value, variable=variable.label
                        )
                    )
