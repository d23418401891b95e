from odoo import fields, models
from odoo.tools import SQL

from odoo.addons.g2p_programs.tools.constants import GROUP_FINANCE


class CashHanded(models.Model):
    """What was handed out at the desk: a cashier's own, to count the drawer by; of finance, everybody's.

    A view on the payments that a desk recorded and that nobody took back, with their number as its own.
    """

    _name = "g2p.cash.handed"
    _description = "Cash that was handed out"
    _auto = False
    _order = "id desc"
    _rec_name = "code"
    _depends = {
        "g2p.payment": [
            "status",
            "collected_by",
            "handed_out_by",
            "payment_datetime",
            "amount_paid",
            "beneficiary_name",
            "currency_id",
        ],
        "g2p.entitlement": ["ern"],
        "g2p.program": ["company_id", "name"],
        "res.partner": ["area_id"],
    }

    code = fields.Char(readonly=True, help="The reference number of the entitlement.")
    beneficiary_name = fields.Char("Beneficiary", readonly=True)
    collected_by = fields.Char("Handed to", readonly=True)
    program_name = fields.Char("Program", readonly=True)
    handed_on = fields.Datetime("Handed out on", readonly=True)
    handed_out_by = fields.Many2one("res.users", "Cashier", readonly=True)
    amount = fields.Monetary(readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    # For the rules; no cashier reads them.
    company_id = fields.Many2one("res.company", readonly=True, groups=GROUP_FINANCE)
    area_id = fields.Many2one("g2p.area", readonly=True, groups=GROUP_FINANCE)

    @property
    def _table_query(self):
        return SQL(
            """
            SELECT payment.id, entitlement.ern AS code, payment.beneficiary_name, payment.collected_by,
                   program.name AS program_name, payment.payment_datetime AS handed_on, payment.handed_out_by,
                   payment.amount_paid AS amount, payment.currency_id, program.company_id, registrant.area_id
              FROM g2p_payment AS payment
              JOIN g2p_entitlement AS entitlement ON entitlement.id = payment.entitlement_id
              JOIN g2p_program AS program ON program.id = payment.program_id
              JOIN res_partner AS registrant ON registrant.id = payment.partner_id
             WHERE payment.handed_out_by IS NOT NULL AND payment.status = 'paid'
            """
        )
