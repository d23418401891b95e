from odoo import api, fields, models
from odoo.exceptions import ValidationError


class ConditionMixin(models.AbstractModel):
    """Settings that hold conditions as text. What is stored is checked as the user who stores it, before it is stored and
    whatever rights the code around it has; `_conditions` reads it, and what the catalogue does not know is refused there too.
    """

    _name = "g2p.condition.mixin"
    _description = "Holder of conditions"

    conditions_problem = fields.Char("What is wrong with the conditions", compute="_compute_conditions_problem")
    conditions_target = fields.Char(
        "Type of registrants asked about",
        compute="_compute_conditions_target",
        help="Which fields the editor of conditions offers; empty: those of all types.",
    )

    def _condition_fields(self):
        """{name of a field of this model that holds conditions: the model they are about, or the name of the field that
        says it}"""
        return {}

    def _conditions_about(self):
        """A record with the `target_type` of the registrants that the conditions are about, or None."""
        return self if "target_type" in self._fields else None

    @api.depends(lambda self: [name for name in ("target_type", "program_id") if name in self._fields])
    def _compute_conditions_target(self):
        for record in self:
            about = record._conditions_about()
            record.conditions_target = about.target_type if about else False

    @api.depends(
        lambda self: (*self._condition_fields(), *(set(self._condition_fields().values()) & set(self._fields)))
    )
    @api.depends_context("uid")
    def _compute_conditions_problem(self):
        """Asked before anything is counted: conditions that are not saved yet, or saved before a rule of today."""
        for record in self:
            record.conditions_problem = False
            for name in self._condition_fields():
                try:
                    record._check_conditions(name, record[name], record._condition_model(name))
                except ValidationError as error:
                    record.conditions_problem = str(error)

    @api.model
    def _condition_model(self, name, vals=None):
        """The model that the conditions in the field `name` are about, with these values still to be written."""
        about = self._condition_fields()[name]
        if about not in self._fields:
            return about
        if vals and about in vals:
            return vals[about]
        return self[:1][about] or self.default_get([about]).get(about)

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            for name in self._condition_fields():
                # defaults come from outside too
                text = vals[name] if name in vals else self.default_get([name]).get(name)
                self._check_conditions(name, text, self.browse()._condition_model(name, vals))
        return super().create(vals_list)

    def write(self, vals):
        for name, about in self._condition_fields().items():
            if name in vals:
                for model in {record._condition_model(name, vals) for record in self or [self]}:
                    self._check_conditions(name, vals[name], model)
            elif about in vals:
                for record in self:
                    record._check_conditions(name, record[name], record._condition_model(name, vals))
        return super().write(vals)

    def _check_conditions(self, name, text, model):
        """Refuse conditions that can't be used, in one sentence."""
        try:
            self._take_apart(self.env["g2p.condition.catalogue"]._check(text, self._known_model(model)), model)
        except Exception as error:
            raise ValidationError(self._conditions_refused(name, error)) from error

    def _known_model(self, model):
        if model not in self.env:
            raise ValueError(self.env._("there is no registry “%s”", model))
        return model

    def _take_apart(self, domain, model):
        """Where more is asked of conditions than that they can be searched: raises what is wrong."""

    def _conditions_refused(self, name, error):
        return self.env._(
            "%(field)s: these conditions can't be used: %(error)s.",
            field=self._fields[name]._description_string(self.env),
            error=str(error).rstrip("."),
        )

    def _conditions(self, name):
        """The domain that the field `name` of one record stands for."""
        self.ensure_one()
        try:
            return self.env["g2p.condition.catalogue"]._domain(self[name], self._condition_model(name))
        except ValueError as error:
            raise ValidationError(self._conditions_refused(name, error)) from error
