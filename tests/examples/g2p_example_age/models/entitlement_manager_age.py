from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.g2p_programs.tools.money import decimal


class EntitlementManager(models.Model):
    _inherit = "g2p.program.entitlement.manager"

    @api.model
    def _selection_manager_ref_id(self):
        return [*super()._selection_manager_ref_id(), ("g2p.program.entitlement.manager.age", self.env._("By age"))]


class AgeEntitlementManager(models.Model):
    """A fixed amount for everybody of at least so many years. Of whom no birth date is known, nobody can tell."""

    _name = "g2p.program.entitlement.manager.age"
    _description = "Entitlement manager (age)"
    _inherit = "g2p.base.program.entitlement.manager"

    amount = fields.Monetary(required=True)
    least_age = fields.Integer("Years at least", default=65, required=True)

    _amount_bounds = models.Constraint("CHECK (amount >= 0)", "An amount is 0 or more.")
    _least_age_bounds = models.Constraint("CHECK (least_age BETWEEN 0 AND 150)", "An age is between 0 and 150 years.")

    def _entitlement_lines(self, members, low, high):
        self.ensure_one()
        return self._priced_lines(
            SQL(
                """
                SELECT member.registrant_id, %(benefit)s::integer AS benefit_code_id, 0 AS item_id,
                       CASE WHEN registrant.birthdate <= %(born)s THEN %(amount)s::numeric ELSE 0 END AS amount,
                       jsonb_build_object('base', %(amount)s::numeric) AS terms, NULL::numeric AS cap,
                       CASE WHEN registrant.birthdate IS NULL THEN %(birthdate)s::text END AS missing
                  FROM (%(members)s) AS member
                  JOIN res_partner AS registrant ON registrant.id = member.registrant_id AND %(range)s
                """,
                benefit=self._benefit_code().id or None,
                born=fields.Date.subtract(fields.Date.context_today(self), years=self.least_age),
                amount=decimal(self.amount),
                birthdate=self.env["res.partner"]._fields["birthdate"]._description_string(self.env),
                members=members,
                range=self._registrant_range(low, high),
            )
        )
