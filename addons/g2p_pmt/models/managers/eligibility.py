from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from odoo.addons.g2p_programs.models.money import decimal


class EligibilityManager(models.Model):
    _inherit = "g2p.eligibility.manager"

    @api.model
    def _selection_manager_ref_id(self):
        return [*super()._selection_manager_ref_id(), ("g2p.program_membership.manager.pmt", "Proxy means test")]


class PMTEligibilityManager(models.Model):
    """Registrants whose score by the program's active proxy means test is right. Without a score nobody can tell."""

    _name = "g2p.program_membership.manager.pmt"
    _description = "Eligibility by proxy means test"
    _inherit = "g2p.program_membership.manager"

    _reason_code = "pmt"

    rule = fields.Selection(
        [
            ("poor", "Poor by the cut-off"),
            ("band", "In one of the bands"),
            ("at_most", "A score of at most"),
            ("at_least", "A score of at least"),
        ],
        "Who qualifies",
        required=True,
        default="poor",
    )
    band_ids = fields.Many2many(
        "g2p.pmt.band",
        string="Bands",
        help="Bands are known by their names: they stay chosen when a new version of the model becomes active.",
    )
    threshold = fields.Float("Score", digits=False)

    @api.constrains("rule", "band_ids")
    def _check_band_ids(self):
        for manager in self:
            if manager.rule == "band" and not manager.band_ids:
                raise ValidationError(self.env._("Choose the bands that qualify."))
            if manager.band_ids.model_id.program_id - manager.program_id:
                raise ValidationError(self.env._("Choose bands of the program's own model."))

    def _active_model(self):
        """The version that scores the program, or none; its settings must fit the rule."""
        # sudo: a band that the program's rule names, whoever presses the button
        manager = self.sudo()
        model = manager.program_id._active_pmt_model()
        if not model:
            return model
        if manager.rule == "poor" and not model.has_cut_off:
            raise UserError(
                self.env._(
                    "“%(manager)s” asks who is poor, but %(model)s has no cut-off: set one in a new version.",
                    manager=manager.name,
                    model=model.display_name,
                )
            )
        if manager.rule == "band" and (
            gone := set(manager.band_ids.mapped("name")) - set(model.band_ids.mapped("name"))
        ):
            raise UserError(
                self.env._(
                    "%(model)s has no band “%(band)s”, which “%(manager)s” asks for: choose the bands again.",
                    model=model.display_name,
                    band=", ".join(sorted(gone)),
                    manager=manager.name,
                )
            )
        return model

    def copy_data(self, default=None):
        """The copy for another program refers to the bands of that program's model, which have the same names."""
        vals_list = super().copy_data(default)
        for manager, vals in zip(self, vals_list, strict=True):
            target = self.env["g2p.program"].browse(vals["program_id"])
            if target != manager.program_id:
                names = manager.band_ids.mapped("name")
                bands = target.pmt_model_id.band_ids.filtered(lambda band, names=names: band.name in names)
                vals["band_ids"] = [fields.Command.set(bands.ids)]
        return vals_list

    def _kept_scores(self, low, high):
        """The latest scores by the active version: columns `partner_id`, `score`, `is_poor`, `band_id`."""
        return SQL(
            """
            SELECT kept.partner_id, kept.score, kept.is_poor, kept.band_id
              FROM g2p_pmt_score AS kept
             WHERE kept.model_id = %s AND kept.latest AND %s
            """,
            self._active_model().id or 0,
            self._in_range(low, high),
        )

    def _scores(self, low, high, condition):
        """Registrants whose score meets the condition, over `kept`."""
        return SQL("SELECT kept.partner_id FROM (%s) AS kept WHERE %s", self._kept_scores(low, high), condition)

    def _decided(self):
        return SQL("kept.score IS NOT NULL")

    def _qualifies(self):
        """The rule over `kept`: true or false for a row with a score."""
        if self.rule == "poor":
            return SQL("kept.is_poor")
        if self.rule == "band":
            model, names = self._active_model(), self.sudo().band_ids.mapped("name")  # sudo: as in _active_model
            return SQL("kept.band_id = ANY(%s)", model.band_ids.filtered(lambda band: band.name in names).ids)
        compare = SQL("<=") if self.rule == "at_most" else SQL(">=")
        return SQL("kept.score %s %s", compare, decimal(self.threshold))

    def _in_range(self, low, high):
        conditions = [SQL("TRUE")]
        if low is not None:
            conditions.append(SQL("kept.partner_id > %s", low))
        if high is not None:
            conditions.append(SQL("kept.partner_id <= %s", high))
        return SQL(" AND ").join(conditions)

    def _eligible_registrants(self, low=None, high=None):
        return SQL(
            "SELECT base.registrant_id FROM (%s) AS base WHERE base.registrant_id IN (%s)",
            super()._eligible_registrants(low, high),
            self._scores(low, high, SQL("%s AND %s", self._decided(), self._qualifies())),
        )

    def _unknown_registrants(self, low=None, high=None):
        """Those who meet the conditions and have no score."""
        return SQL(
            "SELECT base.registrant_id FROM (%s) AS base WHERE base.registrant_id NOT IN (%s)",
            super()._eligible_registrants(low, high),
            self._scores(low, high, self._decided()),
        )

    def _reason_detail(self):
        self.ensure_one()
        _ = self.env._
        if self.rule == "poor":
            return _("Not poor by the proxy means test (%s)", self.name)
        if self.rule == "band":
            names = self.sudo().band_ids.mapped("name")  # sudo: as in _active_model
            return _(
                "Not in the band %(bands)s of the proxy means test (%(name)s)", bands=", ".join(names), name=self.name
            )
        if self.rule == "at_most":
            return _("Proxy means test score above %(score)s (%(name)s)", score=f"{self.threshold:g}", name=self.name)
        return _("Proxy means test score below %(score)s (%(name)s)", score=f"{self.threshold:g}", name=self.name)
