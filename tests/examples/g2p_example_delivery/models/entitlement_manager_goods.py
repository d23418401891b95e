from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.g2p_programs.tools.money import decimal


class EntitlementManager(models.Model):
    _inherit = "g2p.program.entitlement.manager"

    @api.model
    def _selection_manager_ref_id(self):
        return [*super()._selection_manager_ref_id(), ("g2p.program.entitlement.manager.goods", self.env._("Goods"))]


class GoodsEntitlementManager(models.Model):
    """The same quantity of goods for everybody."""

    _name = "g2p.program.entitlement.manager.goods"
    _description = "Entitlement manager (goods)"
    _inherit = "g2p.base.program.entitlement.manager"

    _settlement = "delivery"

    quantity = fields.Float(digits=(16, 4), required=True)

    _quantity_bounds = models.Constraint("CHECK (quantity >= 0)", "A quantity is 0 or more.")

    def _check_ready(self):
        super()._check_ready()
        if not self._benefit_code():
            raise UserError(self.env._("Add goods under Benefits on the Definition of %s first.", self.program_id.name))

    def _entitlement_lines(self, members, low, high):
        self.ensure_one()
        return SQL(
            """
            SELECT member.registrant_id, %(benefit)s::integer AS benefit_code_id, 0 AS item_id,
                   %(quantity)s::numeric AS amount, 0::numeric AS fee, NULL::jsonb AS computation, NULL::text AS missing
              FROM (%(members)s) AS member
            """,
            benefit=self._benefit_code().id or None,
            quantity=decimal(self.quantity),
            members=members,
        )
