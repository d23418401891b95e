from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from odoo.addons.g2p_programs.models.money import decimal


class EntitlementManager(models.Model):
    _inherit = "g2p.program.entitlement.manager"

    @api.model
    def _selection_manager_ref_id(self):
        return [*super()._selection_manager_ref_id(), ("g2p.program.entitlement.manager.cash", "Cash")]


class CashEntitlementManager(models.Model):
    """The sum of the items whose condition a beneficiary meets: amount × multiplier, up to a maximum in all."""

    _name = "g2p.program.entitlement.manager.cash"
    _description = "Entitlement manager (cash)"
    _inherit = "g2p.base.program.entitlement.manager"

    _max_amount_not_negative = models.Constraint(
        "CHECK (max_amount >= 0)", "The maximum can't be negative: 0 means no maximum."
    )

    entitlement_item_ids = fields.One2many(
        "g2p.program.entitlement.manager.cash.item", "entitlement_id", string="Items", copy=True
    )
    evaluate_one_item = fields.Boolean(
        "First match only", help="Items are tried in their order; only the first whose condition is met counts."
    )
    max_amount = fields.Monetary("Maximum amount", default=0, help="Nobody gets more in a cycle. 0 means no maximum.")

    def _chosen_benefit_codes(self):
        return super()._chosen_benefit_codes() | self.entitlement_item_ids.benefit_code_id

    @api.constrains("entitlement_item_ids")
    def _check_items(self):
        for manager in self:
            if not manager.entitlement_item_ids:
                raise ValidationError(self.env._("%s needs at least one item: say what is paid.", manager.name))

    def _entitlement_lines(self, members, low, high):
        self.ensure_one()
        if not self.entitlement_item_ids:
            raise UserError(self.env._("%s has no items: add one before you prepare entitlements.", self.name))
        items = self.entitlement_item_ids.sorted(lambda item: (item.sequence, item.id))
        matches = SQL(" UNION ALL ").join(
            item._matches(members, position, low, high) for position, item in enumerate(items, 1)
        )
        if self.evaluate_one_item:
            matches = SQL(
                """
                SELECT DISTINCT ON (match.registrant_id) match.*
                  FROM (%s) AS match
                 ORDER BY match.registrant_id, match.position
                """,
                matches,
            )
        return self._priced_lines(
            SQL(
                """
                SELECT registrant_id, benefit_code_id, 0 AS item_id, amount, terms,
                       -- Nobody gets more in all: what comes first in the list takes first.
                       GREATEST(%(cap)s::numeric - COALESCE(SUM(amount) OVER (
                            PARTITION BY registrant_id ORDER BY position
                            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                       ), 0), 0) AS cap
                  FROM (
                        SELECT match.registrant_id, match.benefit_code_id, MIN(match.position) AS position,
                               SUM(match.amount * match.multiplier) AS amount,
                               jsonb_build_object('items', jsonb_agg(
                                    jsonb_build_object('item', match.name, 'amount', match.amount,
                                                       'multiplier', match.multiplier)
                                    ORDER BY match.position
                               )) AS terms
                          FROM (%(matches)s) AS match
                         GROUP BY match.registrant_id, match.benefit_code_id
                       ) AS by_code
                """
                if self.max_amount
                else """
                SELECT match.registrant_id, match.benefit_code_id, 0 AS item_id,
                       SUM(match.amount * match.multiplier) AS amount,
                       jsonb_build_object('items', jsonb_agg(
                            jsonb_build_object('item', match.name, 'amount', match.amount, 'multiplier', match.multiplier)
                            ORDER BY match.position
                       )) AS terms,
                       %(cap)s::numeric AS cap
                  FROM (%(matches)s) AS match
                 GROUP BY match.registrant_id, match.benefit_code_id
                """,
                cap=decimal(self.max_amount) or None,
                matches=matches,
            )
        )
