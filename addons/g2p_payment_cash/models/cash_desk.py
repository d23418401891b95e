from odoo import fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import roles
from odoo.addons.g2p_programs.tools import blocks
from odoo.addons.g2p_programs.tools.constants import GROUP_FINANCE

CASHIER = "g2p_payment_cash.g2p_cashier"


class CashDesk(models.Model):
    """What is to be handed out, as a cashier sees it: name, code, amount, who collects, and whether it can be paid now.

    A view on the payments of cash desks that are not final, with their number as its own; nothing of the registry, and no
    account. What is shown is the payment's own snapshot.
    """

    _name = "g2p.cash.desk"
    _description = "Cash desk"
    _auto = False
    _order = "id desc"
    _rec_name = "code"
    # What is read below, and has to be written before it is asked.
    _depends = {
        "g2p.payment": [
            "state",
            "status",
            "payout",
            "amount_issued",
            "beneficiary_name",
            "collector_name",
            "alternate_name",
            "currency_id",
        ],
        "g2p.entitlement": ["ern"],
        "g2p.cycle": ["state"],
        "g2p.program": ["company_id"],
        "res.partner": ["area_id"],
    }

    code = fields.Char(readonly=True, help="The reference number of the entitlement: the beneficiary names it.")
    beneficiary_name = fields.Char("Beneficiary", readonly=True)
    collector_name = fields.Char("Collected by", readonly=True)
    alternate_name = fields.Char("Or by", readonly=True)
    amount = fields.Monetary(readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    state = fields.Selection(
        [("due", "To be paid"), ("held", "Held back: ask the office")], compute="_compute_state", string="Now"
    )
    person = fields.Char("Name", compute="_compute_person", search="_search_person")
    # For the rules; no cashier reads them.
    company_id = fields.Many2one("res.company", readonly=True, groups=GROUP_FINANCE)
    area_id = fields.Many2one("g2p.area", readonly=True, groups=GROUP_FINANCE)

    @property
    def _table_query(self):
        return SQL(
            """
            SELECT payment.id, entitlement.ern AS code, payment.beneficiary_name, payment.collector_name,
                   payment.alternate_name, payment.amount_issued AS amount, payment.currency_id,
                   program.company_id, registrant.area_id
              FROM g2p_payment AS payment
              JOIN g2p_entitlement AS entitlement ON entitlement.id = payment.entitlement_id
              JOIN g2p_cycle AS cycle ON cycle.id = payment.cycle_id AND cycle.state = 'approved'
              JOIN g2p_program AS program ON program.id = payment.program_id
              JOIN res_partner AS registrant ON registrant.id = payment.partner_id
             WHERE payment.payout = 'desk' AND payment.state <> 'reconciled' AND payment.status IS NULL
            """
        )

    def _compute_state(self):
        """One question for all of them. Why something is held back is not for the desk."""
        self.env.flush_all()
        held = {
            payment_id
            for [payment_id] in self.env.execute_query(
                SQL(
                    """
                    SELECT payment.id
                      FROM g2p_payment AS payment
                      JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                     WHERE payment.id = ANY(%s)
                       AND (t.state NOT IN ('approved', 'trans2FSP') OR %s)
                    """,
                    self.ids,
                    # sudo: what blocks is a rule of the program; only that something does is shown
                    self.env["g2p.entitlement"].sudo()._blocked_sql(blocks.DESK),
                )
            )
        }
        for row in self:
            row.state = "held" if row.id in held else "due"

    def _compute_person(self):
        for row in self:
            row.person = row.beneficiary_name

    def _search_person(self, operator, value):
        """By any part of the registrant's name, by the index of the registry; which rows are found is for the rules."""
        if operator not in ("ilike", "=", "=ilike"):
            return NotImplemented
        # sudo: only rows of the desk that the user may see come out of it
        registrants = self.env["res.partner"].sudo().with_context(active_test=False)
        found = registrants._search(Domain("is_registrant", "=", True) & Domain("complete_name", operator, value))

        def to_sql(model, alias, query):
            return SQL(
                "%s IN (SELECT payment.id FROM g2p_payment AS payment WHERE payment.partner_id IN %s)",
                SQL.identifier(alias, "id"),
                found.subselect(),
            )

        return Domain.custom(to_sql=to_sql)

    # Buttons

    def action_pay(self):
        """Button: the money was handed to who collects it."""
        return self._pay("collector_name")

    def action_pay_alternate(self):
        """Button: the money was handed to the alternate recipient."""
        if not all(self.mapped("alternate_name")):
            raise UserError(self.env._("The household names no alternate recipient. Nothing was recorded."))
        return self._pay("alternate_name")

    def _pay(self, who):
        self._check_cashier()
        payments = self.env["g2p.payment"]
        recorded = 0
        for row in self:
            name = row[who] or row.beneficiary_name
            # sudo: role, area, company and that it is due at a desk were checked by reading the row
            payment = payments.sudo().browse(row.id)
            marked = payment._finalize_now(
                SQL("SELECT id FROM g2p_payment WHERE id = %s AND status IS NULL AND payout = 'desk'", row.id),
                "paid",
                self.env._("Cash, collected by %s", name),
            )
            if not marked.paid:
                raise UserError(
                    self.env._(
                        "%(code)s (%(name)s) can't be paid now: ask the office. Nothing was recorded.",
                        code=row.code,
                        name=row.beneficiary_name,
                    )
                )
            recorded += marked.paid
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._("%s cash payments were recorded.", recorded),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def _check_cashier(self):
        roles.check(self.env, CASHIER, GROUP_FINANCE)
        self.check_access("read")
        if len(self.exists()) != len(self):
            raise UserError(
                self.env._("Some of this was paid meanwhile, or is not due any more: look at the list again.")
            )
