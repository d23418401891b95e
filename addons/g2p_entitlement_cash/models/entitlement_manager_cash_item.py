from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

from odoo.addons.g2p_programs.tools.explain import DomainExplanation
from odoo.addons.g2p_programs.tools.kleene import three_valued
from odoo.addons.g2p_registry_base.tools import indicators


class CashEntitlementItem(models.Model):
    """An amount for beneficiaries who meet a condition, times a number of theirs (such as the number of children)."""

    _name = "g2p.program.entitlement.manager.cash.item"
    _inherit = ["g2p.condition.mixin", "g2p.figure.mixin", "g2p.change.mixin"]
    _description = "Item of a cash entitlement"
    _order = "sequence, id"
    _changes_on = "entitlement_id.program_id"

    _amount_not_negative = models.Constraint("CHECK (amount >= 0)", "The amount of an item can't be negative.")
    _max_multiplier_not_negative = models.Constraint(
        "CHECK (max_multiplier >= 0)", "The maximum can't be negative: 0 means no maximum."
    )

    sequence = fields.Integer(default=10)
    entitlement_id = fields.Many2one(
        "g2p.program.entitlement.manager.cash", "Manager", required=True, index=True, ondelete="cascade"
    )
    program_id = fields.Many2one(related="entitlement_id.program_id")
    currency_id = fields.Many2one(related="entitlement_id.currency_id")
    name = fields.Char(required=True)
    amount = fields.Monetary(required=True)
    condition = fields.Char("Who gets it", default="[]", help="Conditions on the beneficiary. Empty: everybody.")
    multiplier = fields.Selection(
        selection="_selection_figure",
        string="Multiplied by",
        help="A number that is known of the beneficiary, such as the children of a household. 0 or less: the item pays nothing.",
    )
    multiplier_field = fields.Many2one(
        "ir.model.fields",
        "Field of the registrant",
        compute="_compute_multiplier_field",
        inverse="_inverse_multiplier_field",
        compute_sudo=True,
        help="The same as “Multiplied by”, for clients that name a field of the registrant.",
    )
    max_multiplier = fields.Integer("Maximum of the number", default=0, help="0 means no maximum.")
    if_missing = fields.Selection(
        [("wait", "No entitlement until it is known"), ("nothing", "The item pays nothing")],
        "If data is missing",
        required=True,
        default="wait",
        help="When nobody can tell whether somebody meets the condition, or what the number is.",
    )

    def _condition_fields(self):
        return {**super()._condition_fields(), "condition": "res.partner"}

    benefit_code_id = fields.Many2one(
        "g2p.benefit.codes",
        "Benefit code",
        domain="[('id', 'in', cash_benefit_code_ids)]",
        ondelete="restrict",
        help="Which of the program's cash benefits the item pays: what has a code of its own is an entitlement of its own. "
        "Empty: the manager's.",
    )
    cash_benefit_code_ids = fields.Many2many(related="entitlement_id.cash_benefit_code_ids")

    @api.constrains("benefit_code_id")
    def _check_benefit_code(self):
        self.entitlement_id._check_benefit_code()

    def _figure_fields(self):
        return (*super()._figure_fields(), "multiplier")

    @api.depends("multiplier")
    def _compute_multiplier_field(self):
        fields_ = self.env["ir.model.fields"]
        names = {column: name for name, column in indicators.FIELDS.items()} | {"size": "z_ind_grp_num_individuals"}
        for item in self:
            source, _colon, name = (item.multiplier or "").partition(":")
            name = names.get(name) if source == "household" else name if source == "registrant" else None
            item.multiplier_field = (
                fields_._get("res.partner", {"age": "age_in_years"}.get(name, name)) if name else False
            )

    def _inverse_multiplier_field(self):
        for item in self:
            # sudo: what a field is, is no secret; its values are read by the step only
            chosen = item.multiplier_field.sudo()
            item.multiplier = item._key_of_field(chosen) if chosen else False

    @api.model
    def _key_of_field(self, chosen):
        """The key of the figure that a field of the registrant shows."""
        name = chosen.name
        if name in indicators.FIELDS or name == "z_ind_grp_num_individuals":
            key = f"household:{indicators.FIELDS.get(name, 'size')}"
        else:
            key = f"registrant:{'age' if name == 'age_in_years' else name}"
        if chosen.model != "res.partner" or key not in dict(self._selection_figure()):
            raise ValidationError(self.env._("%s is no number that is known of registrants.", chosen.field_description))
        return key

    # What it says of each beneficiary

    def _verdict(self, low, high):
        """Whether the condition is met.

        :return: (certain, possible): conditions on `registrant.id`, true or false; possible is None where it can always
            be decided.
        """
        self.ensure_one()
        domain = self._conditions("condition")
        if domain.is_true():
            return SQL("TRUE"), None
        # sudo: the condition is a rule of the program over its members, whatever the user who prepares may see
        partners = self.env["res.partner"].sudo().with_context(active_test=False)
        sides = three_valued(domain, partners)

        def among(side):
            if low is not None:
                side &= Domain("id", ">", low)
            if high is not None:
                side &= Domain("id", "<=", high)
            return SQL("registrant.id IN %s", partners._search(side).subselect())

        waits = not sides.is_decided and self.if_missing == "wait"
        return among(sides.certain), among(sides.possible) if waits else None

    def _missing_words(self):
        """(what the condition asks that may be missing, what the number is)"""
        self.ensure_one()
        partners = self.env["res.partner"].sudo()  # sudo: labels only
        labels = DomainExplanation(self._conditions("condition"), partners).missing_labels()
        figure = self._figure("multiplier")
        return ", ".join(labels) or self.name, figure.label if figure else self.name
