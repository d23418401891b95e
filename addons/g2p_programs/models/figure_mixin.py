from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL


class FigureMixin(models.AbstractModel):
    """Settings that take a number of the registrants: a figure of the catalogue, kept by its key."""

    _name = "g2p.figure.mixin"
    _description = "Holder of figures"

    allowed_figures = fields.Json(compute="_compute_allowed_figures")

    def _figure_fields(self):
        """Names of the fields of this model that hold the key of a figure."""
        return ()

    @api.model
    def _selection_figure(self):
        return self.env["g2p.condition.catalogue"]._figure_selection()

    def _figure_program(self):
        """The record whose target type and company say which figures there are."""
        return self.program_id

    @api.depends(lambda self: ("program_id",) if "program_id" in self._fields else ())
    def _compute_allowed_figures(self):
        by_program = {}
        for record in self:
            program = record._figure_program()
            if program not in by_program:
                by_program[program] = list(self.env["g2p.condition.catalogue"]._figures(program or None))
            record.allowed_figures = by_program[program]

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        records._check_figures(self._figure_fields())
        return records

    def write(self, vals):
        result = super().write(vals)
        self._check_figures([name for name in self._figure_fields() if name in vals])
        return result

    def _check_figures(self, names):
        """Refuse figures that the program does not have, or that the user may not read, whatever rights the code has."""
        catalogue = self.env["g2p.condition.catalogue"].with_user(self.env.uid)
        for record in self:
            keys = {record[name] for name in names if record[name]}
            unknown = keys - catalogue._figures(record._figure_program()).keys() if keys else set()
            if unknown:
                words = dict(self._selection_figure())
                raise ValidationError(
                    self.env._(
                        "%(program)s has no figure “%(figure)s” of its registrants: choose another one.",
                        program=record._figure_program().display_name,
                        figure=", ".join(sorted(words.get(key, key) for key in unknown)),
                    )
                )

    def _figure(self, name):
        """The Figure in the field `name`, or None without one.

        :raise UserError: when it was chosen, and is not there any more.
        """
        self.ensure_one()
        key = self[name]
        if not key:
            return None
        # sudo: what was chosen by who might read it counts for all members, whoever presses the button
        figure = self.env["g2p.condition.catalogue"].sudo()._figures(self._figure_program()).get(key)
        if not figure:
            raise UserError(
                self.env._(
                    "%(record)s: “%(field)s” asks for “%(figure)s”, which is not there any more. Choose another one.",
                    record=self.display_name,
                    field=self._fields[name]._description_string(self.env),
                    figure=key.partition(":")[2],
                )
            )
        return figure

    @api.model
    def _counted_sql(self, figure, most=0):
        """How often an amount counts: the figure, from 0 to `most` (0: any); NULL where it is not known."""
        if not figure:
            return SQL("1::numeric")
        counted = SQL("GREATEST(%s, 0)", figure.sql)
        if most:
            counted = SQL("LEAST(%s, %s)", counted, most)
        # GREATEST and LEAST pass over NULL, which must stay unknown.
        return SQL("CASE WHEN %s IS NOT NULL THEN %s END", figure.sql, counted)
