"""The lines under a model and its terms: points of choices, weights and cut-offs by area, bands."""

from odoo import api, fields, models

from .pmt_model import LARGEST


class LockedLine(models.AbstractModel):
    """A line that can be changed as long as its model is a draft."""

    _name = "g2p.pmt.line.mixin"
    _inherit = ["g2p.change.mixin"]
    _description = "Line of a proxy means test model"

    def _models(self):
        return self.model_id

    @api.model_create_multi
    def create(self, vals_list):
        lines = super().create(vals_list)
        lines._models()._check_unlocked()
        return lines

    def write(self, vals):
        self._models()._check_unlocked()
        result = super().write(vals)
        self._models()._check_unlocked()
        return result

    def unlink(self):
        self._models()._check_unlocked()
        return super().unlink()


class AreaLine(models.AbstractModel):
    """A number for an area and all areas within, for urban or rural areas, or for both.

    Of several lines that fit, the one of the nearest area counts; of two of the same area, the one for urban or rural.
    """

    _name = "g2p.pmt.area.mixin"
    _description = "Number by area"
    _inherit = "g2p.pmt.line.mixin"

    area_id = fields.Many2one("g2p.area", "Area", ondelete="restrict", help="And the areas within. Empty: all areas.")
    residence = fields.Selection([("urban", "Urban"), ("rural", "Rural")], "Urban or rural", help="Empty: both.")

    def _nearest_first(self):
        """In the order in which they are tried."""
        return self.sorted(lambda line: (-(line.area_id.parent_path or "").count("/"), not line.residence))


class AreaWeight(models.Model):
    _name = "g2p.pmt.area_weight"
    _rec_name = "area_id"
    _description = "Weight of a term in an area"
    _inherit = "g2p.pmt.area.mixin"
    _order = "area_id, residence, id"
    _changes_on = "term_id.model_id"
    _changes_parent = "term_id.program_id"

    _place_uniq = models.UniqueIndex(
        "(term_id, COALESCE(area_id, 0), COALESCE(residence, ''))", "The term has a weight for this area already."
    )
    _some_place = models.Constraint(
        "CHECK (area_id IS NOT NULL OR residence IS NOT NULL)", "Choose an area, urban or rural, or both."
    )
    _weight_finite = models.Constraint(
        f"CHECK (weight BETWEEN -{LARGEST:.0f} AND {LARGEST:.0f})", "A weight must be a number of at most 15 digits."
    )

    term_id = fields.Many2one("g2p.proxy_means_test_params", "Term", required=True, index=True, ondelete="cascade")
    weight = fields.Float(digits=False, required=True)

    def _models(self):
        return self.term_id.model_id


class CutOff(models.Model):
    _name = "g2p.pmt.cut_off"
    _rec_name = "area_id"
    _description = "Cut-off in an area"
    _inherit = "g2p.pmt.area.mixin"
    _order = "area_id, residence, id"
    _changes_on = "model_id"
    _changes_parent = "model_id.program_id"

    _place_uniq = models.UniqueIndex(
        "(model_id, COALESCE(area_id, 0), COALESCE(residence, ''))", "The model has a cut-off for this area already."
    )
    _some_place = models.Constraint(
        "CHECK (area_id IS NOT NULL OR residence IS NOT NULL)", "Choose an area, urban or rural, or both."
    )
    _cut_off_finite = models.Constraint(
        f"CHECK (cut_off BETWEEN -{LARGEST:.0f} AND {LARGEST:.0f})", "A cut-off must be a number of at most 15 digits."
    )

    model_id = fields.Many2one("g2p.pmt.model", "Model", required=True, index=True, ondelete="cascade")
    cut_off = fields.Float("Cut-off", digits=False, required=True)


class Category(models.Model):
    """What a choice is worth. A choice without a line counts as missing: nobody has said what it means."""

    _name = "g2p.pmt.category"
    _description = "Points of a choice"
    _inherit = "g2p.pmt.line.mixin"
    _rec_name = "value"
    _order = "id"
    _changes_on = "term_id.model_id"
    _changes_parent = "term_id.program_id"

    _value_uniq = models.Constraint("UNIQUE (term_id, value)", "A choice has its points once.")
    _points_finite = models.Constraint(
        f"CHECK (points BETWEEN -{LARGEST:.0f} AND {LARGEST:.0f})", "Points must be numbers of at most 15 digits."
    )

    term_id = fields.Many2one("g2p.proxy_means_test_params", "Term", required=True, index=True, ondelete="cascade")
    value = fields.Char("Choice", required=True)
    label = fields.Char("Answer", compute="_compute_label")
    points = fields.Float(digits=False, required=True)

    def _models(self):
        return self.term_id.model_id

    @api.depends("value", "term_id.source", "term_id.pmt_field")
    def _compute_label(self):
        options = {}
        for term, variable in self.term_id._with_variables():
            options[term] = dict(variable.options) if variable else {}
        yes_no = {"true": self.env._("Yes"), "false": self.env._("No")}
        for category in self:
            category.label = options.get(category.term_id, {}).get(category.value) or yes_no.get(
                category.value, category.value
            )


class NumberClass(models.Model):
    """What a class of a number is worth. Classes follow one another like bands: a number belongs to the first class that
    reaches to it, and `bound` itself belongs to the class. A number beyond the last class counts as missing."""

    _name = "g2p.pmt.class"
    _description = "Points of a class"
    _inherit = "g2p.pmt.line.mixin"
    _order = "term_id, is_rest, bound, id"
    _changes_on = "term_id.model_id"
    _changes_parent = "term_id.program_id"

    _bound_uniq = models.UniqueIndex(
        "(term_id, bound) WHERE is_rest IS NOT TRUE", "Two classes can't end at the same number."
    )
    _one_rest = models.UniqueIndex("(term_id) WHERE is_rest", "Only one class can be for all that is above.")
    _numbers_finite = models.Constraint(
        f"CHECK (bound BETWEEN -{LARGEST:.0f} AND {LARGEST:.0f} AND points BETWEEN -{LARGEST:.0f} AND {LARGEST:.0f})",
        "Numbers of a class have at most 15 digits.",
    )

    term_id = fields.Many2one("g2p.proxy_means_test_params", "Term", required=True, index=True, ondelete="cascade")
    is_rest = fields.Boolean("All above", default=False)
    bound = fields.Float("Up to", digits=False, help="The last number of the class.")
    points = fields.Float(digits=False, required=True)

    def _models(self):
        return self.term_id.model_id

    def _lowest_first(self):
        """In the order in which they are tried: all that is above comes last."""
        return self.sorted(lambda line: (line.is_rest, line.bound))


class Band(models.Model):
    """Bands follow one another from the poorest on, so there is neither gap nor overlap: a score belongs to the first
    band that reaches to it. `bound` itself belongs to the band, as the cut-off belongs to the poor."""

    _name = "g2p.pmt.band"
    _description = "Band of scores"
    _inherit = "g2p.pmt.line.mixin"
    _order = "model_id, is_rest, bound_from_poorest, id"
    _changes_on = "model_id"
    _changes_parent = "model_id.program_id"

    _limit_uniq = models.UniqueIndex(
        "(model_id, bound) WHERE is_rest IS NOT TRUE", "Two bands can't end at the same score."
    )
    _one_rest = models.UniqueIndex("(model_id) WHERE is_rest", "Only one band can be for everybody else.")
    _name_uniq = models.Constraint("UNIQUE (model_id, name)", "Two bands can't have the same name.")
    _limit_finite = models.Constraint(
        f"CHECK (bound BETWEEN -{LARGEST:.0f} AND {LARGEST:.0f})", "A limit must be a number of at most 15 digits."
    )

    model_id = fields.Many2one("g2p.pmt.model", "Model", required=True, index=True, ondelete="cascade")
    name = fields.Char("Band", required=True, help="Such as: extreme poor, poor, near poor, not poor.")
    is_rest = fields.Boolean("Everybody else", default=False)
    bound = fields.Float("As far as", digits=False, help="The last score of the band, counted from the poorest.")
    bound_from_poorest = fields.Float(digits=False, compute="_compute_bound_from_poorest", store=True)
    range_text = fields.Char("Scores", compute="_compute_range_text")

    @api.depends("bound", "model_id.direction")
    def _compute_bound_from_poorest(self):
        for band in self:
            band.bound_from_poorest = -band.bound if band.model_id.direction == "high" else band.bound

    @api.depends("bound", "is_rest", "model_id.direction", "model_id.band_ids.bound", "model_id.band_ids.is_rest")
    def _compute_range_text(self):
        _ = self.env._
        for band in self:
            high = band.model_id.direction == "high"
            poorer = [
                other.bound
                for other in band.model_id.band_ids
                if not other.is_rest
                and (band.is_rest or (other.bound > band.bound if high else other.bound < band.bound))
            ]
            before = (min(poorer) if high else max(poorer)) if poorer else None
            values = {"before": f"{before or 0:g}", "bound": f"{band.bound:g}"}
            if band.is_rest:
                text = (_("below %(before)s") if high else _("above %(before)s")) if poorer else _("all")
            elif not poorer:
                text = _("%(bound)s and above") if high else _("up to %(bound)s")
            elif high:
                text = _("%(bound)s to below %(before)s")
            else:
                text = _("above %(before)s to %(bound)s")
            band.range_text = text % values

    def _poorest_first(self):
        """In the order in which they are tried: everybody else comes last."""
        sign = -1 if self.model_id.direction == "high" else 1
        return self.sorted(lambda band: (band.is_rest, sign * band.bound))
