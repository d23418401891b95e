from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.g2p_programs.tools.constants import GROUP_MANAGER
from odoo.addons.g2p_programs.tools.settlements import Settlement


class Entitlement(models.Model):
    _inherit = "g2p.entitlement"

    settlement = fields.Selection(
        selection_add=[("delivery", "Delivery")],
        ondelete={"delivery": lambda entitlements: entitlements._forget_settlement("delivery")},
    )

    _delivery = models.Constraint(
        "CHECK (settlement <> 'delivery' OR quantity > 0 AND benefit_code_id IS NOT NULL)",
        "What is delivered has a quantity of a benefit code.",
    )

    @api.model
    def _settlements(self):
        return {**super()._settlements(), "delivery": Settlement(self.env._("Delivery"))}

    def action_record_delivery(self):
        """Button: these were handed out."""
        for cycle in self.cycle_id:
            cycle._check_can(GROUP_MANAGER)
            cycle._require_state("approved")
            cycle._bulk_check("mark")
        self.check_access("read")
        # sudo: role, state and access were checked above
        settled = self.sudo()._settle_where(SQL("t.id = ANY(%s)", self.ids), "delivery", reason=self.env._("Delivered"))
        if settled != len(self):
            raise UserError(
                self.env._("Only approved deliveries that nothing holds back can be recorded. Nothing was done.")
            )
        return True
