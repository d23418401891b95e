from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL
from odoo.tools.misc import formatLang

from odoo.addons.g2p_bulk.tools import roles
from odoo.addons.g2p_programs.tools import blocks
from odoo.addons.g2p_programs.tools.constants import GROUP_FINANCE
from odoo.addons.g2p_registry_base.tools import search

CASHIER = "g2p_payment_cash.g2p_cashier"
LEAST = 4  # characters by which the beginning of a code is looked for


class CashDesk(models.Model):
    """What is to be handed out, as a cashier sees it: name, code, program, amount, who collects, and whether it can be paid
    now.

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
        "g2p.program": ["company_id", "name"],
        "res.partner": ["area_id"],
    }

    #: what holds money back that is no secret of the beneficiary; of the rest the office speaks
    _told_blocks = ("program_paused",)

    code = fields.Char(readonly=True, help="The reference number of the entitlement: the beneficiary names it.")
    beneficiary_name = fields.Char("Beneficiary", readonly=True)
    collector_name = fields.Char("Collected by", readonly=True)
    alternate_name = fields.Char("Or by", readonly=True)
    program_name = fields.Char("Program", readonly=True)
    amount = fields.Monetary(readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    state = fields.Selection([("due", "To be paid"), ("held", "Held back")], compute="_compute_state", string="Now")
    why_held = fields.Char("Why", compute="_compute_state", help="What holds it back.")
    search_text = fields.Char(
        "Code, name, ID or phone",
        compute="_compute_search_text",
        search="_search_search_text",
        exportable=False,
    )
    # For the rules; no cashier reads them.
    company_id = fields.Many2one("res.company", readonly=True, groups=GROUP_FINANCE)
    area_id = fields.Many2one("g2p.area", readonly=True, groups=GROUP_FINANCE)

    @property
    def _table_query(self):
        return SQL(
            """
            SELECT payment.id, entitlement.ern AS code, payment.beneficiary_name,
                   COALESCE(NULLIF(payment.collector_name, ''), payment.beneficiary_name) AS collector_name,
                   payment.alternate_name, program.name AS program_name, payment.amount_issued AS amount,
                   payment.currency_id, program.company_id, registrant.area_id
              FROM g2p_payment AS payment
              JOIN g2p_entitlement AS entitlement ON entitlement.id = payment.entitlement_id
              JOIN g2p_cycle AS cycle ON cycle.id = payment.cycle_id AND cycle.state = 'approved'
              JOIN g2p_program AS program ON program.id = payment.program_id
              JOIN res_partner AS registrant ON registrant.id = payment.partner_id
             WHERE payment.payout = 'desk' AND payment.state <> 'reconciled' AND payment.status IS NULL
            """
        )

    def _compute_state(self):
        """One question for all of them. Why something is held back is for the desk where that is the program's affair."""
        self.env.flush_all()
        # sudo: what blocks is a rule of the program; of the reasons only those are shown that tell nothing of the beneficiary
        entitlement = self.env["g2p.entitlement"].sudo()
        held = dict(
            self.env.execute_query(
                SQL(
                    """
                    SELECT judged.id, judged.code
                      FROM (
                            SELECT payment.id,
                                   CASE WHEN t.state NOT IN ('approved', 'trans2FSP') THEN '' ELSE %s END AS code
                              FROM g2p_payment AS payment
                              JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                             WHERE payment.id = ANY(%s)
                           ) AS judged
                     WHERE judged.code IS NOT NULL
                    """,
                    entitlement._block_sql(blocks.DESK),
                    self.ids,
                )
            )
        )
        reasons = entitlement._blocks()
        for row in self:
            code = held.get(row.id)
            row.state = "due" if code is None else "held"
            row.why_held = code is not None and (
                reasons[code].words if code in self._told_blocks else self.env._("Ask the office")
            )

    def _compute_search_text(self):
        self.search_text = False

    @api.model
    def _search_search_text(self, operator, value):
        """What the person at the desk says or shows: the code or its beginning, names that stand on the desk, in any order and
        with slips, or their ID or phone number, all of it. Only rows of the desk come out of it, by its rules."""
        if operator != "ilike" or not isinstance(value, str):
            return NotImplemented
        value = search.sought(value)
        words = search.words(value)[: search.WORDS]
        if not words:
            return Domain.FALSE
        waiting = self.env["g2p.payment"]._on_desk()

        def named(spellings):
            return SQL(
                "SELECT payment.id FROM g2p_payment AS payment WHERE %s AND %s",
                waiting,
                self.env["g2p.payment"]._desk_named(spellings),
            )

        ways = [named([[word] for word in words])]
        number = value.strip().translate(dict.fromkeys(map(ord, "%_\\")))
        if any(map(str.isdigit, number)):
            ways += [self._coded(number, waiting), self._shown(value, waiting)]
        found = Domain("id", "in", SQL("(%s)", search.union(ways)))
        # A slip is looked for where nothing of what the user sees is written so: of others nothing is told by that.
        if not self.search_count(found, limit=1):
            near = [[word, *(f" {other} " for other in search.near(self.env.cr, word))] for word in words]
            if any(len(spellings) > 1 for spellings in near):
                found = Domain("id", "in", SQL("(%s)", named(near)))
        return found

    def _coded(self, number, waiting):
        """SQL: what waits with this code, or one that begins so."""
        return SQL(
            """
            SELECT payment.id
              FROM g2p_entitlement AS entitlement
              JOIN g2p_payment AS payment ON payment.entitlement_id = entitlement.id
             WHERE %s AND entitlement.ern LIKE %s
            """,
            waiting,
            f"{number}%" if len(number) >= LEAST else number,
        )

    def _shown(self, value, waiting):
        """SQL: what waits for whose ID or phone number this is, all of it: of the beneficiary, or of who collects for the
        household as approved. Nobody else is found, and no part of a number finds anybody."""
        if not roles.may(self.env, CASHIER, GROUP_FINANCE):
            return SQL("SELECT NULL::integer")
        # sudo: the role was checked; whole numbers only, and of those only who is due at a desk that the user sees
        phones = self.env["g2p.phone.number"].sudo()
        phone = phones._e164(value, self.env.company.country_id.code, phones._phone_regex())
        return SQL(
            """
            SELECT payment.id
              FROM (
                    SELECT partner_id FROM g2p_reg_id WHERE g2p_search_number(value) LIKE %(number)s
                     UNION
                    SELECT partner_id FROM g2p_phone_number WHERE phone_sanitized = %(phone)s AND disabled IS NULL
                   ) AS person
             CROSS JOIN LATERAL (
                    SELECT person.partner_id AS id
                     UNION
                    SELECT link."group" FROM g2p_group_membership AS link WHERE link.individual = person.partner_id
                   ) AS beneficiary
              JOIN g2p_payment AS payment ON payment.partner_id = beneficiary.id
              JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
             WHERE %(waiting)s
               AND (beneficiary.id = person.partner_id
                    OR person.partner_id::text = ANY(string_to_array(
                        COALESCE(t.approved_collectors, %(collectors)s), '/')))
            """,
            number=search.number(value),
            phone=phone or None,
            waiting=waiting,
            collectors=self.env["g2p.entitlement"].sudo()._collector_sql("collectors"),
        )

    # Buttons

    def action_hand_out(self):
        """Button, and a press on a row: to whom the money goes, with name and amount, before anything is recorded."""
        self.ensure_one()
        self.check_access("read")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Hand %s to", self._money()) if self.state == "due" else self.code,
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }

    def _money(self):
        return formatLang(self.env, self.amount, currency_obj=self.currency_id)

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
        told = []
        for row in self:
            name, money = row[who], row._money()
            # sudo: role, area, company and that it is due at a desk were checked by reading the row
            payment = self.env["g2p.payment"].sudo().browse(row.id)
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
            payment._handed_to(name)
            told.append(self.env._("%(amount)s handed to %(name)s", amount=money, name=name))
        return {
            "type": "ir.actions.client",
            "tag": "g2p_handed_out",
            "params": {
                "message": f"{'; '.join(told)}.",
                # the desk as it begins: what was searched for is paid
                "next": self.env["ir.actions.act_window"]._for_xml_id("g2p_payment_cash.g2p_cash_desk_action")
                | {"target": "main"},
            },
        }

    def _check_cashier(self):
        roles.check(self.env, CASHIER, GROUP_FINANCE)
        self.check_access("read")
        if len(self.exists()) != len(self):
            raise UserError(
                self.env._("Some of this was paid meanwhile, or is not due any more: look at the list again.")
            )
