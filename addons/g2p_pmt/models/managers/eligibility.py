from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from odoo.addons.g2p_programs.tools.explain import fact
from odoo.addons.g2p_programs.tools.money import decimal


class EligibilityManager(models.Model):
    _inherit = "g2p.eligibility.manager"

    @api.model
    def _selection_manager_ref_id(self):
        return [
            *super()._selection_manager_ref_id(),
            ("g2p.program_membership.manager.pmt", self.env._("Proxy means test")),
        ]


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

    def _scores(self, condition):
        """Whether `base.registrant_id` has a score by the active version that meets a condition over `kept`."""
        return SQL(
            """
            EXISTS (
                    SELECT
                      FROM g2p_pmt_score AS kept
                     WHERE kept.model_id = %s
                       AND kept.latest
                       AND kept.partner_id = base.registrant_id
                       AND kept.score IS NOT NULL
                       AND %s
                   )
            """,
            self._active_model().id or 0,
            condition,
        )

    def _qualifies(self):
        """The rule over `kept`: true or false for a row with a score."""
        if self.rule == "poor":
            return SQL("kept.is_poor")
        if self.rule == "band":
            model, names = self._active_model(), self.sudo().band_ids.mapped("name")  # sudo: as in _active_model
            ids = model.band_ids.filtered(lambda band: band.name in names).ids
            # Beyond the last band there is none.
            return SQL("COALESCE(kept.band_id = ANY(%s), FALSE)", ids)
        compare = SQL("<=") if self.rule == "at_most" else SQL(">=")
        return SQL("kept.score %s %s", compare, decimal(self.threshold))

    def _criterion(self):
        return self._scores(self._qualifies())

    def _possible_criterion(self):
        """Nobody without a score is turned down."""
        return SQL("NOT %s", self._scores(SQL("NOT %s", self._qualifies())))

    def _unknown_detail(self):
        return self.env._("No score by the proxy means test, or data missing (%s)", self.name)

    def _wanted(self):
        """What qualifies, in words."""
        if self.rule == "band":
            return ", ".join(self.sudo().band_ids.mapped("name"))  # sudo: as in _active_model
        if self.rule == "poor":
            return self.env._("poor")
        return f"{self.threshold:g}"

    def _criterion_facts(self, registrant_ids):
        """The score, its verdict and band. Who may not read scores is told that there is one, not which."""
        model = self._active_model()
        # sudo: of registrants whom the caller may read; the figures are left out below for who may not read scores
        kept = (
            self.env["g2p.pmt.score"]
            .sudo()
            .search([("model_id", "=", model.id), ("latest", "=", True), ("partner_id", "in", list(registrant_ids))])
        )
        scores = {score.partner_id.id: score for score in kept if score.verdict != "unscorable"}
        qualified = {
            row[0]
            for row in self.env.execute_query(
                SQL(
                    "SELECT kept.partner_id FROM g2p_pmt_score AS kept WHERE kept.id = ANY(%s) AND %s",
                    [score.id for score in scores.values()],
                    self._qualifies(),
                )
            )
        }
        may_read = self.env["g2p.pmt.score"].has_access("read")
        facts = {}
        for registrant_id in registrant_ids:
            score = scores.get(registrant_id)
            verdict = "unknown" if not score else "yes" if registrant_id in qualified else "no"
            facts[registrant_id] = fact(
                self.env,
                code="pmt",
                label=self.env._("Proxy means test"),
                operator={"at_most": "<=", "at_least": ">=", "band": "in"}.get(self.rule, "="),
                wanted=self._wanted(),
                actual=score._in_words() if score and may_read else False,
                verdict=verdict,
            )
        return facts

    def _reason_detail(self):
        """The rule in words; who is left out may miss the conditions instead."""
        self.ensure_one()
        return self._or_conditions(self._rule_detail())

    def _rule_detail(self):
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
