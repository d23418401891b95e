from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

from odoo.addons.g2p_programs.models.money import decimal

NUMBERS = ("integer", "float", "monetary")


class CashEntitlementItem(models.Model):
    """An amount for beneficiaries who meet a condition, times a number of theirs (such as the number of children)."""

    _name = "g2p.program.entitlement.manager.cash.item"
    _description = "Item of a cash entitlement"
    _inherit = "g2p.condition.mixin"
    _order = "sequence, id"

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
    # An item goes with its field: paying its amount once, to everybody, would be wrong in the other direction.
    multiplier_field = fields.Many2one(
        "ir.model.fields",
        "Multiplied by",
        domain=[("model", "=", "res.partner"), ("ttype", "in", NUMBERS), ("store", "=", True)],
        ondelete="cascade",
        help="A number kept with the beneficiary. Missing, 0 or less: the item pays nothing.",
    )
    max_multiplier = fields.Integer("Maximum of the number", default=0, help="0 means no maximum.")

    def _condition_fields(self):
        return {**super()._condition_fields(), "condition": "res.partner"}

    @api.constrains("multiplier_field")
    def _check_multiplier_field(self):
        for item in self:
            # sudo: what a field is, is no secret; its values are read by the step only
            chosen = item.multiplier_field.sudo()
            if not chosen:
                continue
            field = self.env["res.partner"]._fields.get(chosen.name)
            if chosen.model != "res.partner" or not field or field.type not in NUMBERS or not item._is_column(field):
                raise ValidationError(
                    self.env._("%s is no number that is kept with each registrant.", chosen.field_description)
                )

    @api.model
    def _is_column(self, field):
        return bool(field.store and field.column_type and not field.company_dependent)

    def _condition_domain(self):
        self.ensure_one()
        return self._conditions("condition")

    def _matches(self, members, position, low, high):
        """The members who meet the condition.

        :return SQL: columns `registrant_id`, `position`, `name`, `amount`, `multiplier` (1 without a field; never below 0).
        """
        self.ensure_one()
        domain = self._condition_domain()
        # The range is said of the registrants too, so that no more of them are read than a chunk has.
        condition = SQL(
            "%s AND %s",
            SQL("registrant.id > %s", low) if low is not None else SQL("TRUE"),
            SQL("registrant.id <= %s", high) if high is not None else SQL("TRUE"),
        )
        if not domain.is_true():
            if low is not None:
                domain &= Domain("id", ">", low)
            if high is not None:
                domain &= Domain("id", "<=", high)
            # sudo: the condition is a rule of the program over its members, whatever the user who prepares may see
            partners = self.env["res.partner"].sudo().with_context(active_test=False)
            condition = SQL("%s AND registrant.id IN %s", condition, partners._search(domain).subselect())
        multiplier = SQL("1::numeric")
        if self.multiplier_field:
            # sudo: the name of a field
            column = SQL.identifier("registrant", self.multiplier_field.sudo().name)
            multiplier = SQL("GREATEST(COALESCE(%s, 0)::numeric, 0)", column)
            if self.max_multiplier:
                multiplier = SQL("LEAST(%s, %s)", multiplier, self.max_multiplier)
        return SQL(
            """
            SELECT member.registrant_id, %(position)s AS position, %(name)s::varchar AS name,
                   %(amount)s::numeric AS amount, %(multiplier)s AS multiplier
              FROM (%(members)s) AS member
              JOIN res_partner AS registrant ON registrant.id = member.registrant_id
             WHERE %(condition)s
            """,
            position=position,
            name=self.name,
            amount=decimal(self.amount),
            multiplier=multiplier,
            members=members,
            condition=condition,
        )
