import uuid

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tools import SQL, float_round
from odoo.tools.misc import formatLang

from odoo.addons.g2p_bulk.tools import roles
from odoo.addons.g2p_registry_base.models.res_partner_bank import PAYEE_FIELDS
from odoo.addons.g2p_registry_base.tools import standing

from ..tools import blocks, settlements
from ..tools.amount_words import AmountWords
from ..tools.constants import GROUP_FINANCE

# Money is reserved for these: approved, and sent to who pays it out.
RESERVED_STATES = ("approved", "trans2FSP")
# Left for good: they don't stand in the way of a new entitlement for the same benefit.
DEAD_STATES = ("cancelled", "rejected1", "rejected2", "rejected3", "expired")
REJECTED_STATES = ("rejected1", "rejected2", "rejected3")
# Reasons to hold it back that end when somebody confirms what was changed.
CHANGED = ("account_changed", "collector_changed")

# A reference number is a number of a sequence and two check digits of ISO 7064 MOD 97-10: read as one number, it leaves
# the remainder 1 when divided by 97.
OBJECTS = """
CREATE SEQUENCE IF NOT EXISTS g2p_entitlement_ern_seq;

CREATE OR REPLACE FUNCTION g2p_entitlement_next_ern() RETURNS varchar LANGUAGE plpgsql AS $$
DECLARE
    number bigint := nextval('g2p_entitlement_ern_seq');
BEGIN
    RETURN lpad(number::text, greatest(8, length(number::text)), '0') || lpad((98 - number * 100 % 97)::text, 2, '0');
END
$$;

CREATE OR REPLACE FUNCTION g2p_entitlement_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Entitlement %: its reference number, and what it is after draft, are never changed', OLD.id
        USING ERRCODE = 'check_violation', TABLE = 'g2p_entitlement', CONSTRAINT = 'g2p_entitlement_fixed';
END
$$;
CREATE OR REPLACE TRIGGER g2p_entitlement_fixed
    BEFORE UPDATE OF ern, initial_amount, transfer_fee ON g2p_entitlement
    FOR EACH ROW
    WHEN (
        OLD.ern IS DISTINCT FROM NEW.ern AND OLD.ern IS NOT NULL
        OR OLD.state <> 'draft'
           AND (OLD.initial_amount, OLD.transfer_fee) IS DISTINCT FROM (NEW.initial_amount, NEW.transfer_fee)
    )
    EXECUTE FUNCTION g2p_entitlement_fixed();

-- What was sent for approval is what is approved: it becomes no other thing, for no other days.
CREATE OR REPLACE TRIGGER g2p_entitlement_kind_fixed
    BEFORE UPDATE OF cycle_id, program_id, benefit_code_id, item_id, currency_id, settlement, is_cash_entitlement,
                     quantity, valid_from, valid_until
    ON g2p_entitlement
    FOR EACH ROW
    WHEN (
        OLD.state <> 'draft'
        AND (OLD.cycle_id, OLD.program_id, OLD.benefit_code_id, OLD.item_id, OLD.currency_id, OLD.quantity)
            IS DISTINCT FROM
            (NEW.cycle_id, NEW.program_id, NEW.benefit_code_id, NEW.item_id, NEW.currency_id, NEW.quantity)
        -- A way to settle goes away with its plug-in; nothing becomes money by that, or stops being money.
        OR OLD.state <> 'draft'
           AND (OLD.settlement, OLD.is_cash_entitlement) IS DISTINCT FROM (NEW.settlement, NEW.is_cash_entitlement)
           AND NOT (OLD.settlement <> 'payment' AND NEW.settlement = 'none' AND NOT NEW.is_cash_entitlement)
        OR OLD.state = 'pending_validation'
           AND (OLD.valid_from, OLD.valid_until) IS DISTINCT FROM (NEW.valid_from, NEW.valid_until)
    )
    EXECUTE FUNCTION g2p_entitlement_fixed();

-- Nothing joins what was sent for approval.
CREATE OR REPLACE FUNCTION g2p_entitlement_joins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT cycle_id FROM made WHERE state IN ('draft', 'pending_validation')) AS made
          JOIN g2p_cycle AS cycle ON cycle.id = made.cycle_id AND cycle.state IN ('to_approve', 'approved')
    ) THEN
        RAISE EXCEPTION 'The cycle was sent for approval: no entitlement is added to it'
            USING ERRCODE = 'check_violation', TABLE = 'g2p_entitlement', CONSTRAINT = 'g2p_entitlement_joins';
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER g2p_entitlement_joins AFTER INSERT ON g2p_entitlement
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION g2p_entitlement_joins();
-- Nobody asks for rows by their terms; to sort those of a sample took longer than the statistics of all other columns.
ALTER TABLE g2p_entitlement ALTER computation SET STATISTICS 0;
"""


class Entitlement(models.Model):
    """What one beneficiary is due in one cycle, and why. Its state moves through the steps of the cycle."""

    _name = "g2p.entitlement"
    _personal_fields = {"id_number": "identity"}
    _description = "Entitlement"
    _inherit = ["g2p.state.mixin", "g2p.search.mixin", "g2p.change.mixin"]
    _order = "id desc"
    _search_references = ("ern", "code")
    _rec_names_search = ["ern", "code"]
    # What people correct in a draft; shown on the beneficiary and on the cycle. By row: a step that moves states by the million
    # does not even wake the trigger.
    _watched_fields = ("initial_amount", "transfer_fee", "valid_from", "valid_until")
    _watched_by_row = True
    _changes_on = "partner_id"
    _changes_parent = "cycle_id"

    _fixed_fields = ("cycle_id",)
    _protected_fields = (
        "state",
        "code",
        "ern",
        "date_approved",
        "approved_by",
        "amount_set_by",
        "left_out_reason",
        "approved_account",
        "approved_payee",
        "approved_collectors",
        "approved_names",
        "account_confirmed_by",
        "account_confirmed_on",
        "computation",
        "item_id",
        "settlement",
        "is_cash_entitlement",
        "quantity",
        "is_manual",
        "amount_reason",
    )

    _one_live = models.UniqueIndex(
        "(cycle_id, partner_id, COALESCE(benefit_code_id, 0), item_id)"
        " WHERE state NOT IN ('cancelled', 'rejected1', 'rejected2', 'rejected3', 'expired')",
        "The beneficiary has this entitlement in the cycle already.",
    )
    _cycle_partner_idx = models.Index("(cycle_id, partner_id)")
    _cycle_latest = models.Index("(cycle_id, id)")
    _state_latest = models.Index("(state, id)")
    _manual_idx = models.Index("(id) WHERE is_manual IS TRUE")
    _left_out_idx = models.Index("(id) WHERE left_out_reason IS NOT NULL")
    _valid_until_idx = models.Index("USING brin (valid_until) WITH (autosummarize = on)")
    _code_uniq = models.Constraint("UNIQUE (code)", "This code belongs to another entitlement.")
    _ern_uniq = models.UniqueIndex("(ern) WHERE ern IS NOT NULL", "This reference number is taken.")
    _amounts = models.Constraint(
        "CHECK (initial_amount >= 0 AND transfer_fee >= 0 AND transfer_fee <= initial_amount"
        " AND (initial_amount > 0 OR settlement <> 'payment' AND quantity > 0))",
        "The amount is above 0, and the fee is a part of it.",
    )
    _quantity = models.Constraint(
        "CHECK (quantity IS NULL OR quantity > 0 AND settlement <> 'payment')",
        "A quantity is above 0; what is paid has an amount.",
    )
    _money = models.Constraint(
        "CHECK (is_cash_entitlement IS NOT DISTINCT FROM (settlement = 'payment')"
        " AND (settlement <> 'payment' OR currency_id IS NOT NULL))",
        "What is settled by a payment is money of a currency, and nothing else is.",
    )
    _validity = models.Constraint("CHECK (valid_until >= valid_from)", "An entitlement can't end before it begins.")
    _item_not_null = models.Constraint("CHECK (item_id IS NOT NULL)", "An entitlement without an item has item 0.")

    # Identity
    name = fields.Char(compute="_compute_name")
    code = fields.Char(
        required=True,
        readonly=True,
        copy=False,
        default=lambda self: str(uuid.uuid4()),
        help="Unique and not guessable.",
    )
    ern = fields.Char(
        "Reference number", readonly=True, copy=False, help="Given at approval, with two check digits; never changed."
    )

    # Relations
    partner_id = fields.Many2one("res.partner", "Beneficiary", required=True, index=True, ondelete="restrict")
    cycle_id = fields.Many2one("g2p.cycle", required=True, ondelete="restrict")
    program_id = fields.Many2one(
        "g2p.program", compute="_compute_from_cycle", store=True, precompute=True, ondelete="restrict"
    )
    company_id = fields.Many2one(related="program_id.company_id")
    area_id = fields.Many2one(related="partner_id.area_id")
    submission = fields.Integer(related="cycle_id.submission")
    benefit_code_id = fields.Many2one("g2p.benefit.codes", ondelete="restrict")
    id_number = fields.Char(
        "ID number",
        compute="_compute_id_number",
        help="The beneficiary's ID of the type that the entitlement manager names, to those who may read IDs.",
    )
    item_id = fields.Integer("Item", readonly=True, default=0, aggregator=None)
    payment_ids = fields.One2many("g2p.payment", "entitlement_id", string="Payments")

    # State
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("pending_validation", "Waiting for approval"),
            ("approved", "Approved"),
            ("trans2FSP", "Sent to the payer"),
            ("rdpd2ben", "Paid to the beneficiary"),
            ("rejected1", "Rejected: declined by the beneficiary"),
            ("rejected2", "Rejected: no account"),
            ("rejected3", "Rejected: other reason"),
            ("cancelled", "Cancelled"),
            ("expired", "Expired"),
        ],
        required=True,
        readonly=True,
        default="draft",
        copy=False,
    )
    left_out_reason = fields.Selection(
        "_selection_left_out_reason",
        "Left out",
        readonly=True,
        copy=False,
        help="Why the last step did not reach this entitlement. It still waits: the next one tries again.",
    )
    blocked_now = fields.Char(
        "Held back", compute="_compute_blocked_now", help="What stands in the way of its approval or payment now."
    )
    account_changed = fields.Boolean(compute="_compute_blocked_now")
    approved_account = fields.Char(
        "Account when approved",
        readonly=True,
        copy=False,
        help="What it was approved to be paid to. Another account is held until somebody else confirms it.",
    )
    current_account = fields.Char("Account now", compute="_compute_blocked_now")
    approved_payee = fields.Char(
        readonly=True,
        copy=False,
        exportable=False,
        help="A digest of every field of the account that it was approved to be paid to; empty where there was none.",
    )
    collector_changed = fields.Boolean(compute="_compute_blocked_now")
    approved_collectors = fields.Char(
        readonly=True,
        copy=False,
        exportable=False,
        help="Numbers of who was to collect for the household when it was approved: principal recipient or head, and alternate.",
    )
    approved_names = fields.Char(
        readonly=True,
        copy=False,
        exportable=False,
        help="Names when it was approved, a line each: of the beneficiary, and of who was to collect.",
    )
    approved_name = fields.Char("Name when approved", compute="_compute_blocked_now")
    current_name = fields.Char("Name now", compute="_compute_blocked_now")
    approved_collector = fields.Char("Collected by, when approved", compute="_compute_blocked_now")
    current_collector = fields.Char("Collected by, now", compute="_compute_blocked_now")
    account_confirmed_by = fields.Many2one("res.users", readonly=True, copy=False)
    account_confirmed_on = fields.Datetime(readonly=True, copy=False)
    valid_from = fields.Date(required=True, default=fields.Date.context_today)
    valid_until = fields.Date(
        required=True, default=lambda self: fields.Date.add(fields.Date.context_today(self), years=1)
    )
    date_approved = fields.Datetime("Approved on", readonly=True, copy=False)
    approved_by = fields.Many2one("res.users", readonly=True, copy=False)

    # Money
    settlement = fields.Selection(
        [(settlements.PAYMENT, "Payment"), (settlements.NONE, "Nothing to do")],
        "Settled by",
        required=True,
        readonly=True,
        default=settlements.PAYMENT,
        help="What is done for it once it is approved.",
    )
    is_cash_entitlement = fields.Boolean(
        "Cash", compute="_compute_is_cash_entitlement", store=True, precompute=True, help="Money, settled by a payment."
    )
    quantity = fields.Float(
        readonly=True,
        digits=(16, 4),
        help="How much of its benefit code, in the unit of the code; of money the amount says it.",
    )
    currency_id = fields.Many2one(
        "res.currency", compute="_compute_from_cycle", store=True, precompute=True, ondelete="restrict"
    )
    initial_amount = fields.Monetary("Amount", required=True)
    transfer_fee = fields.Monetary(default=0, help="Part of the amount: the beneficiary receives the rest.")
    amount_set_by = fields.Many2one(
        "res.users",
        "Amount edited by",
        readonly=True,
        copy=False,
        help="Who edited amount or fee last. They can't approve it.",
    )
    is_manual = fields.Boolean("Added by hand", readonly=True, copy=False)
    amount_reason = fields.Text(
        "Set by hand",
        readonly=True,
        copy=False,
        help="Who set another amount than the rule, from what to what, and why.",
    )
    reason = fields.Char(
        store=False,
        help="Why it is added by hand, or its amount changed: given with the values, kept in “Set by hand”.",
    )
    balance = fields.Monetary("To be paid out", compute="_compute_balance")
    computation = fields.Json(readonly=True, copy=False, help="The terms the amount was computed from.")
    computation_text = fields.Char("How it was computed", compute="_compute_computation_text")
    payment_status = fields.Selection(
        [("paid", "Paid"), ("notpaid", "Not paid")], compute="_compute_payment", string="Payment"
    )
    payment_date = fields.Datetime("Paid on", compute="_compute_payment")
    disbursement_id = fields.Many2one(
        "g2p.payment",
        "Live payment",
        compute="_compute_disbursement_id",
        help="The payment that is on its way or was paid. OpenG2P names a payment of accounting here.",
    )
    can_approve = fields.Boolean(compute="_compute_can_approve", help="Whether the user may decide on it.")
    approval_state = fields.Char(
        "Stage of approval",
        compute="_compute_approval_state",
        groups="g2p_approval.group_g2p_approval_user",
        help="The stage of its cycle that it waits in.",
    )

    def init(self):
        self.env.cr.execute(OBJECTS)
        self.env["g2p.cycle.author"]._watch_entitlements()

    @api.model
    def _search_display_name(self, operator, value):
        """By registrant or reference, by their indexes."""
        if operator == "ilike" and isinstance(value, str) and value:
            return fields.Domain("search_text", operator, value)
        return super()._search_display_name(operator, value)

    @api.depends("partner_id.name", "cycle_id.display_name")
    def _compute_name(self):
        for entitlement in self:
            entitlement.name = f"{entitlement.partner_id.name or ''} · {entitlement.cycle_id.display_name or ''}"

    @api.depends("name")
    def _compute_display_name(self):
        for entitlement in self:
            entitlement.display_name = entitlement.name

    @api.depends("settlement")
    def _compute_is_cash_entitlement(self):
        for entitlement in self:
            entitlement.is_cash_entitlement = entitlement.settlement == settlements.PAYMENT

    @api.depends("cycle_id")
    def _compute_from_cycle(self):
        for entitlement in self:
            entitlement.program_id = entitlement.cycle_id.program_id
            entitlement.currency_id = entitlement.cycle_id.currency_id

    @api.depends("partner_id", "program_id.entitlement_managers")
    @api.depends_context("uid")
    def _compute_id_number(self):
        """One query for each program, as the user: who may not read an ID reads nothing here."""
        self.id_number = False
        documents = self.env["g2p.reg.id"]
        if not documents.has_access("read"):
            return
        for program, entitlements in self.grouped("program_id").items():
            # sudo: which type of ID a program shows is no secret; the IDs themselves are read as the user
            managers = program.sudo().get_managers(program.MANAGER_ENTITLEMENT) if program else []
            kind = managers[0].id_type_id if managers else False
            if not kind:
                continue
            known = documents.search_fetch(
                [
                    ("partner_id", "in", entitlements.partner_id.ids),
                    ("id_type", "=", kind.id),
                    ("status", "!=", "invalid"),
                    ("value", "!=", False),
                ],
                ["partner_id", "value"],
                order="id DESC",
            )
            values = {document.partner_id.id: document.value for document in known}
            for entitlement in entitlements:
                entitlement.id_number = values.get(entitlement.partner_id.id, False)

    @api.depends("initial_amount", "transfer_fee")
    def _compute_balance(self):
        for entitlement in self:
            entitlement.balance = entitlement.initial_amount - entitlement.transfer_fee

    @api.depends("computation", "amount_set_by")
    @api.depends_context("lang")
    def _compute_computation_text(self):
        words = AmountWords(self.env)
        for entitlement in self:
            told = words.tell(entitlement.computation, entitlement.program_id.target_type)
            if told and entitlement.amount_set_by:
                told = self.env._("%s. The amount was edited since.", told)
            entitlement.computation_text = told

    @api.depends("payment_ids.status")
    def _compute_disbursement_id(self):
        """One query: of an entitlement one payment at most has not failed."""
        live = self.env["g2p.payment"]
        if live.has_access("read"):
            live = live.search([("entitlement_id", "in", self.ids), ("status", "!=", "failed")], order="id")
        found = {payment.entitlement_id: payment for payment in live}
        for entitlement in self:
            entitlement.disbursement_id = found.get(entitlement, False)

    @api.depends("payment_ids.status")
    def _compute_payment(self):
        paid = dict(
            self.env["g2p.payment"]._read_group(
                [("entitlement_id", "in", self.ids), ("status", "=", "paid")],
                ["entitlement_id"],
                ["payment_datetime:max"],
            )
        )
        for entitlement in self:
            entitlement.payment_status = "paid" if entitlement in paid else "notpaid"
            entitlement.payment_date = paid.get(entitlement, False)

    @api.depends(
        "state",
        "partner_id.disabled",
        "partner_id.active",
        "partner_id.name",
        *(f"partner_id.bank_ids.{name}" for name in PAYEE_FIELDS),
        "partner_id.bank_ids.is_primary",
        "partner_id.bank_ids.active",
    )
    def _compute_blocked_now(self):
        """Of the entitlements that are not over, one question for all of them."""
        self.blocked_now = self.current_account = self.account_changed = self.collector_changed = False
        self.approved_name = self.current_name = self.approved_collector = self.current_collector = False
        live = self.filtered(lambda one: isinstance(one.id, int) and one.state in ("pending_validation", "approved"))
        if not live:
            return
        known = self._blocks()
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT t.id, CASE WHEN t.state <> 'approved' THEN %(approve)s WHEN t.settlement = 'payment' THEN %(prepare)s
                                  ELSE %(desk)s END,
                       %(account_changed)s, %(collector_changed)s, %(account)s, t.approved_names, %(names)s
                  FROM g2p_entitlement AS t
                 WHERE t.id = ANY(%(ids)s)
                """,
                prepare=blocks.code_sql(known, blocks.PREPARE),
                desk=blocks.code_sql(known, blocks.DESK),
                approve=blocks.code_sql(known, blocks.APPROVE),
                account_changed=known["account_changed"].condition,
                collector_changed=known["collector_changed"].condition,
                account=self._payee_sql("account_text"),
                names=self._collector_sql("names"),
                ids=live.ids,
            )
        )
        for entitlement_id, code, account_changed, collector_changed, account, before, now in rows:
            entitlement = self.browse(entitlement_id)
            entitlement.blocked_now = known[code].words if code else False
            # Both are shown at once: who is renamed may have an account in that name.
            entitlement.account_changed = code in CHANGED and account_changed
            entitlement.collector_changed = code in CHANGED and collector_changed
            entitlement.current_account = account
            entitlement.approved_name, entitlement.approved_collector = self._names_in_words(before)
            entitlement.current_name, entitlement.current_collector = self._names_in_words(now)

    @api.model
    def _names_in_words(self, names):
        """Of the beneficiary, and of who collects."""
        beneficiary, *collectors = (names or "").split("\n")
        return beneficiary, " / ".join(filter(None, collectors))

    # Blocks

    @api.model
    def _blocks(self):
        """{code: Block}: the reasons why an entitlement `t` can't be approved, prepared, sent, or recorded as paid, now.

        Every way to do these asks this list; the first reason that holds is the one that is told. A plug-in adds its own by
        `_inherit`.
        """
        _ = self.env._
        return {
            "disabled": blocks.Block(_("The beneficiary is disabled or archived"), self._disabled_sql()),
            "program_paused": blocks.Block(
                _("The program is paused"),
                SQL(
                    """
                    (SELECT program.state = 'paused' AND program.pause_mode = 'hold'
                       FROM g2p_program AS program WHERE program.id = t.program_id)
                    """
                ),
            ),
            "no_account": blocks.Block(
                _("No account"),
                SQL(
                    "(NOT %s AND %s <> 'desk' AND %s IS NULL)",
                    self._pays_cash_sql(),
                    self._no_account_policy_sql(),
                    self._payee_sql("account_id"),
                ),
                blocks.TO_ACCOUNT,
            ),
            "account_changed": blocks.Block(
                _("The account was changed since the approval"),
                # Entitlements that were approved before accounts were kept (NULL) are not held. An account that is gone
                # is another one too: what was to go there is not handed out at a desk before somebody confirms that.
                SQL(
                    "(t.approved_payee IS NOT NULL AND NOT %s AND COALESCE(%s, '') <> t.approved_payee)",
                    self._pays_cash_sql(),
                    self._payee_sql("account_key"),
                ),
                blocks.TO_ACCOUNT,
            ),
            # Once it is prepared, the desk shows who was to collect then.
            "collector_changed": blocks.Block(
                _("Who collects it, or the name of who receives it, was changed since the approval"),
                self._renamed_sql(),
                blocks.TO_ACCOUNT,
            ),
        }

    # Settlement

    @api.model
    def _settlements(self):
        """{value of `settlement`: Settlement}: how entitlements are fulfilled.

        Funds, payments, and the question whether a cycle is distributed ask this list. A plug-in adds a kind to the selection
        (`selection_add`, `ondelete` by `_forget_settlement`) and here; an entitlement manager names it in `_settlement`.
        """
        _ = self.env._
        return {
            settlements.PAYMENT: settlements.Settlement(_("Payment"), charges_fund=True),
            settlements.NONE: settlements.Settlement(
                _("Nothing to do"), settled=SQL("t.state IN ('approved', 'rdpd2ben')")
            ),
        }

    @api.model
    def _charged_settlements(self):
        return settlements.charged(self._settlements())

    @api.model
    def _charged_sql(self):
        """Over `t`: it is money of the fund."""
        return SQL("t.settlement = ANY(%s)", self._charged_settlements())

    @api.model
    def _settled_sql(self):
        """Over `t`, which was approved: nothing is left to do for it."""
        return settlements.settled_sql(self._settlements())

    @api.model
    def _settle_where(self, where, kind, operation=None, reason=None):
        """Approved → redeemed, of what isn't settled by a payment; money that it takes is disbursed. Who calls checks who may.

        :param SQL where: the set, over `t`.
        :param str kind: its settlement; others are left alone, and so is what something stands in the way of at a desk.
        :return: how many.
        """
        if kind == settlements.PAYMENT:
            raise ValueError(kind)
        self.env.flush_all()
        key = str(uuid.uuid4())
        rows = self.env.execute_query(
            SQL(
                """
                WITH settled AS (
                    UPDATE g2p_entitlement AS t
                       SET state = 'rdpd2ben', left_out_reason = NULL, write_uid = %(uid)s, write_date = %(now)s
                     WHERE t.state = 'approved' AND t.settlement = %(kind)s AND (%(where)s)
                       AND EXISTS (SELECT FROM g2p_cycle AS cycle WHERE cycle.id = t.cycle_id AND cycle.state = 'approved')
                       AND NOT %(blocked)s
                 RETURNING t.id, t.cycle_id, t.program_id, t.currency_id,
                           CASE WHEN %(charged)s THEN t.initial_amount ELSE 0 END AS amount
                ), logged AS (
                    %(history)s
                ), held AS (
                    %(held)s
                )
                SELECT cycle_id, COUNT(*) FROM settled GROUP BY cycle_id
                """,
                uid=self.env.uid,
                now=self.env.cr.now(),
                kind=kind,
                where=where,
                blocked=self._blocked_sql(blocks.DESK),
                charged=self._charged_sql(),
                history=self._history_sql(
                    SQL("SELECT id, 'approved', 'rdpd2ben', %s::varchar FROM settled", reason), operation
                ),
                held=self.env["g2p.fund.hold"]._insert_sql(
                    SQL(
                        """
                        SELECT account.id, %s, 'disburse', SUM(settled.amount), settled.cycle_id
                          FROM settled
                          JOIN g2p_fund_account AS account
                            ON account.program_id = settled.program_id AND account.currency_id = settled.currency_id
                         GROUP BY account.id, settled.cycle_id
                        HAVING SUM(settled.amount) > 0
                        """,
                        key,
                    )
                ),
            )
        )
        self.invalidate_model(flush=False)
        self.env["g2p.fund.hold"]._settle(key, reference=reason, operation=operation)
        cycles = self.env["g2p.cycle"].browse(cycle_id for cycle_id, _count in rows)
        cycles._refresh_counters()
        cycles._set_distributed_if_complete()
        return sum(count for _cycle, count in rows)

    @api.model
    def _forget_settlement(self, kind):
        """A plug-in goes, and its way to settle with it: nothing is left to do for its entitlements."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL("UPDATE g2p_entitlement SET settlement = %s WHERE settlement = %s", settlements.NONE, kind)
        )
        self.invalidate_model(["settlement"], flush=False)

    @api.model
    def _selection_left_out_reason(self):
        return [
            ("fund_shortage", self.env._("The fund is short")),
            *((code, block.words) for code, block in self._blocks().items()),
        ]

    @api.model
    def _block_sql(self, act):
        """The code of what stops an act for `t`, or NULL."""
        return blocks.code_sql(self._blocks(), act)

    @api.model
    def _blocked_sql(self, act, but=()):
        """Whether something stops an act for `t`."""
        return blocks.any_sql(self._blocks(), act, but)

    @api.model
    def _disabled_sql(self):
        """Over `t`: the beneficiary is disabled or archived.

        A scalar subquery, looked up by key for each row. As EXISTS it becomes a join, and after many people were disabled
        at once the planner, who expects none, compares every row with each of them.
        """
        return SQL(
            """
            (SELECT %s
               FROM res_partner AS beneficiary
              WHERE beneficiary.id = t.partner_id)
            """,
            standing.gone("beneficiary"),
        )

    @api.model
    def _pays_cash_sql(self):
        """Over `t`: its program pays everybody at a cash desk."""
        return SQL(
            """
            EXISTS (SELECT FROM g2p_program_payment_manager AS manager
                     WHERE manager.program_id = t.program_id
                       AND split_part(manager.manager_ref_id, ',', 1) = ANY(%s))
            """,
            self.env["g2p.base.program.payment.manager"]._cash_desk_models(),
        )

    @api.model
    def _no_account_policy_sql(self):
        """Over `t`: what its program does where there is no account."""
        return SQL("(SELECT program.no_account_policy FROM g2p_program AS program WHERE program.id = t.program_id)")

    @api.model
    def _payee(self, of="t"):
        """The account that `of` is paid to, one row at most: of the beneficiary, else of who collects for the household,
        else of its head. Columns `account_id`, `account_number`, `account_holder`, `bank_name`; `account_text` for people to
        read; and `account_key`, which is another one when any field of it was changed that is told to the payer or chooses
        the way there, also where the text reads the same.
        """
        alias = SQL.identifier(of)
        principal, head = self._collector_kinds()[:2]
        account_holder = SQL("COALESCE(NULLIF(account.acc_holder_name, ''), holder.name)")
        return SQL(
            """
            SELECT account.id AS account_id, account.acc_number AS account_number, %(account_holder)s AS account_holder,
                   COALESCE(bank.name, account.provider) AS bank_name,
                   concat_ws(' · ', account.acc_number, COALESCE(bank.name, NULLIF(account.provider, '')),
                             %(account_holder)s) AS account_text,
                   left(encode(sha256(convert_to(
                        -- A row as text quotes its parts: nothing moves from one to another unseen.
                        ROW(account.id, account.acc_number, account.bank_id, bank.name, NULLIF(account.provider, ''),
                            upper(%(account_holder)s), account.account_type, NULLIF(account.clearing_number, ''))::text,
                        'UTF8')), 'hex'), 32) AS account_key
              FROM (
                    SELECT own.id, own.acc_number, own.acc_holder_name, own.provider, own.bank_id, own.account_type,
                           own.clearing_number, own.partner_id, 0 AS place
                      FROM res_partner_bank AS own
                     WHERE own.partner_id = %(of)s.partner_id AND own.is_primary AND own.active
                     UNION ALL
                    SELECT theirs.id, theirs.acc_number, theirs.acc_holder_name, theirs.provider, theirs.bank_id,
                           theirs.account_type, theirs.clearing_number, theirs.partner_id,
                           CASE role.g2p_group_membership_kind_id WHEN %(principal)s THEN 1 ELSE 2 END
                      FROM g2p_group_membership AS link
                      JOIN g2p_group_membership_g2p_group_membership_kind_rel AS role
                        ON role.g2p_group_membership_id = link.id
                       AND role.g2p_group_membership_kind_id IN (%(principal)s, %(head)s)
                      JOIN res_partner AS person
                        ON person.id = link.individual AND %(present)s
                      JOIN res_partner_bank AS theirs
                        ON theirs.partner_id = link.individual AND theirs.is_primary AND theirs.active
                     WHERE link."group" = %(of)s.partner_id AND (link.ended_date IS NULL OR link.ended_date > %(now)s)
                     ORDER BY place, id
                     LIMIT 1
                   ) AS account
              -- Both by their keys: where their names aren't asked for, nobody looks them up, nor an owner who isn't needed.
              LEFT JOIN res_partner AS holder
                ON holder.id = CASE WHEN COALESCE(account.acc_holder_name, '') = '' THEN account.partner_id END
              LEFT JOIN res_bank AS bank ON bank.id = account.bank_id
            """,
            of=alias,
            account_holder=account_holder,
            present=standing.present("person"),
            principal=principal,
            head=head,
            now=fields.Datetime.now(),
        )

    @api.model
    def _payee_sql(self, column):
        """One column of who `t` is paid to, as a scalar."""
        return SQL("(SELECT payee.%s FROM (%s) AS payee)", SQL.identifier(column), self._payee())

    @api.model
    def _collector(self, of="t"):
        """Who collects for a household, one row: columns `collector_name` and `alternate_name`, empty for a person;
        `collectors`, their numbers, which are others when somebody else collects; `names`, a line each for the beneficiary
        and both of these, which are others when one of them is called otherwise.
        """
        principal, head, alternate = self._collector_kinds()
        kind = SQL("role.g2p_group_membership_kind_id")
        main = SQL("ORDER BY %s <> %s, link.id) FILTER (WHERE %s <> %s", kind, principal, kind, alternate)
        other = SQL("ORDER BY link.id) FILTER (WHERE %s = %s", kind, alternate)

        def first(column, order):
            return SQL("(array_agg(%s %s))[1]", SQL.identifier("person", column), order)

        return SQL(
            """
            SELECT %(collector_name)s AS collector_name, %(alternate_name)s AS alternate_name,
                   COALESCE(%(collector_id)s::text, '') || '/' || COALESCE(%(alternate_id)s::text, '') AS collectors,
                   translate((SELECT beneficiary.name FROM res_partner AS beneficiary WHERE beneficiary.id = %(of)s.partner_id),
                             chr(10), ' ')
                   || chr(10) || translate(COALESCE(%(collector_name)s, ''), chr(10), ' ')
                   || chr(10) || translate(COALESCE(%(alternate_name)s, ''), chr(10), ' ') AS names
              FROM g2p_group_membership AS link
              JOIN g2p_group_membership_g2p_group_membership_kind_rel AS role
                ON role.g2p_group_membership_id = link.id
               AND role.g2p_group_membership_kind_id IN (%(principal)s, %(head)s, %(alternate)s)
              JOIN res_partner AS person ON person.id = link.individual AND %(present)s
             WHERE link."group" = %(of)s.partner_id AND (link.ended_date IS NULL OR link.ended_date > %(now)s)
            """,
            present=standing.present("person"),
            collector_name=first("name", main),
            collector_id=first("id", main),
            alternate_name=first("name", other),
            alternate_id=first("id", other),
            principal=principal,
            head=head,
            alternate=alternate,
            of=SQL.identifier(of),
            now=fields.Datetime.now(),
        )

    @api.model
    def _collector_sql(self, column):
        """One column of who collects for `t`, as a scalar."""
        return SQL("(SELECT collector.%s FROM (%s) AS collector)", SQL.identifier(column), self._collector())

    @api.model
    def _renamed_sql(self):
        """Over `t`: since the approval the beneficiary is called otherwise; or, where it is handed out at a desk, others collect
        it, or are called otherwise. What goes to an account goes there whoever collects.

        What was approved before these were kept (NULL) was not changed; capital letters, which the registry makes itself, are
        no other name.
        """
        return SQL(
            """
            (SELECT CASE
                    -- First, what is so of nearly all: of these nobody asks for more.
                    WHEN now.names = t.approved_names AND now.collectors = t.approved_collectors THEN FALSE
                    WHEN upper(split_part(now.names, chr(10), 1)) <> upper(split_part(t.approved_names, chr(10), 1)) THEN TRUE
                    WHEN now.collectors <> t.approved_collectors OR upper(now.names) <> upper(t.approved_names)
                    THEN %(cash)s OR %(policy)s = 'desk' AND %(account)s IS NULL
                    ELSE FALSE END
               FROM (%(collector)s) AS now)
            """,
            cash=self._pays_cash_sql(),
            policy=self._no_account_policy_sql(),
            account=self._payee_sql("account_id"),
            collector=self._collector(),
        )

    @api.model
    def _collector_kinds(self):
        """Ids of the roles principal recipient, head and alternate collector; 0 where the role was removed."""
        return [
            self.env["ir.model.data"]._xmlid_to_res_id(name) or 0
            for name in (
                "g2p_registry_base.group_membership_kind_principal",
                "g2p_registry_base.group_membership_kind_head",
                "g2p_registry_base.group_membership_kind_alternate",
            )
        ]

    # Constraints

    @api.constrains("initial_amount", "transfer_fee")
    def _check_amounts(self):
        for entitlement in self:
            if entitlement.transfer_fee > entitlement.initial_amount:
                raise ValidationError(self.env._("The fee is a part of the amount: it can't be more than the amount."))

    @api.constrains("benefit_code_id")
    def _check_benefit_code(self):
        for entitlement in self.filtered("benefit_code_id"):
            code, program = entitlement.benefit_code_id, entitlement.program_id
            if (
                code in program.benefit_code_line_ids.benefit_code_id
                and entitlement.is_cash_entitlement <= code._is_cash()
            ):
                continue
            if entitlement.is_cash_entitlement:
                text = self.env._("%(code)s is none of the cash benefits of %(program)s.")
            else:
                text = self.env._("%(code)s is none of the benefits of %(program)s.")
            raise ValidationError(text % {"code": code.benefit_mnemonic, "program": program.name})

    @api.constrains("initial_amount", "benefit_code_id")
    def _check_maximum(self):
        for entitlement in self.filtered("benefit_code_id"):
            code = entitlement.benefit_code_id
            lines = entitlement.program_id.benefit_code_line_ids.filtered(
                lambda line, code=code: line.benefit_code_id == code and line.max_quantity
            )
            if lines and (entitlement.quantity or entitlement.initial_amount) > lines[0].max_quantity:
                raise ValidationError(
                    self.env._(
                        "One beneficiary gets at most %(most)s of %(code)s in a cycle.",
                        most=lines[0].max_quantity,
                        code=code.benefit_mnemonic,
                    )
                )

    # CRUD

    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su and not all(map(self._reason_of, vals_list)):
            raise UserError(self.env._("Say why these beneficiaries get it: the approver reads the reason."))
        # Said before the database refuses it.
        self.env["g2p.cycle"].browse({vals["cycle_id"] for vals in vals_list if vals.get("cycle_id")})._require_state(
            "draft"
        )
        entitlements = super().create(vals_list)
        entitlements.cycle_id._require_state("draft")
        entitlements.cycle_id._bulk_check("edit_entitlements")
        members = set(
            self.env["g2p.cycle.membership"]._read_group(
                [
                    ("cycle_id", "in", entitlements.cycle_id.ids),
                    ("partner_id", "in", entitlements.partner_id.ids),
                    ("state", "=", "enrolled"),
                ],
                ["cycle_id", "partner_id"],
            )
        )
        for entitlement in entitlements:
            if (entitlement.cycle_id, entitlement.partner_id) not in members:
                raise UserError(
                    self.env._(
                        "%(partner)s is not an enrolled beneficiary of %(cycle)s.",
                        partner=entitlement.partner_id.name,
                        cycle=entitlement.cycle_id.display_name,
                    )
                )
        entitlements.cycle_id._refresh_counters()
        return entitlements

    def write(self, vals):
        if {"partner_id", "cycle_id", "benefit_code_id", "program_id", "currency_id"} & set(vals):
            raise UserError(self.env._("An entitlement stays with its beneficiary, cycle and benefit: make a new one."))
        edited = {"initial_amount", "transfer_fee", "valid_from", "valid_until"} & set(vals)
        if edited and any(entitlement.state != "draft" for entitlement in self):
            raise UserError(self.env._("Only draft entitlements can be edited."))
        if edited:
            self.cycle_id._require_state("draft")
            self.cycle_id._bulk_check("edit_entitlements")
        if not self.env.su and {"initial_amount", "transfer_fee"} & edited and self.filtered("quantity"):
            raise UserError(
                self.env._("Of a benefit that is no money the quantity stays: cancel the entitlement, and add another.")
            )
        before = {entitlement: (entitlement.initial_amount, entitlement.transfer_fee) for entitlement in self}
        reason = self._reason_of(vals)
        if (
            not self.env.su
            and not reason
            and any(
                vals.get("initial_amount", amount) != amount or vals.get("transfer_fee", fee) != fee
                for amount, fee in before.values()
            )
        ):
            self.check_access("write")
            raise UserError(self.env._("Say why the amount is another one: the approver reads the reason."))
        result = super().write(vals)
        if {"initial_amount", "transfer_fee"} & edited:
            # sudo: access and state were checked above; the fields are protected
            for entitlement in self.sudo():
                entitlement.write(
                    {
                        "amount_set_by": self.env.uid,
                        "amount_reason": entitlement._correction_in_words(*before[entitlement], reason),
                    }
                )
        if edited:
            self.cycle_id._refresh_counters()
        return result

    @api.model
    def _reason_of(self, vals):
        """Why somebody makes or changes an entitlement: given with the values, or by a wizard in the context."""
        return (vals.get("reason") or self.env.context.get("g2p_reason") or "").strip()

    @api.model
    def _guard_own_values(self, vals_list):
        """What no rule computed is added by hand: by whom and why, and how it is settled. Who adds it can't approve it."""
        return [
            self._settled_by_hand(vals)
            | (
                {
                    "is_manual": True,
                    "amount_set_by": self.env.uid,
                    "amount_reason": self.env._(
                        "Added by hand, by %(user)s: %(reason)s", user=self.env.user.name, reason=reason
                    ),
                }
                if (reason := self._reason_of(vals))
                else {}
            )
            for vals in vals_list
        ]

    @api.model
    def _settled_by_hand(self, vals):
        """Of a benefit that is no money the amount is a quantity, as in the lines of managers; it is settled as by the manager of
        the program that gives it, and where none does, nothing is done for it after approval."""
        code = self.env["g2p.benefit.codes"].browse(vals.get("benefit_code_id") or ())
        if self.env.su or not code or code._is_cash():
            return {}
        program = self.env["g2p.cycle"].browse(vals.get("cycle_id") or ()).program_id
        kinds = [
            manager._settlement
            for manager in (program.get_managers(program.MANAGER_ENTITLEMENT) if program else ())
            if not manager._charges_fund() and code in manager._given_benefit_codes()
        ]
        return {
            "settlement": next(iter(kinds), settlements.NONE),
            "quantity": float_round(vals.get("initial_amount") or 0, precision_digits=code.decimal_places),
            "initial_amount": 0,
            "transfer_fee": 0,
        }

    def _correction_in_words(self, amount, fee, reason):
        """What was said of this entitlement before, and a line of what was changed now."""
        money = [
            formatLang(self.env, value, currency_obj=self.currency_id)
            for value in (amount, self.initial_amount, fee, self.transfer_fee)
        ]
        line = self.env._(
            "%(before)s → %(after)s, by %(user)s: %(reason)s",
            before=money[0],
            after=money[1],
            user=self.env.user.name,
            reason=reason or self.env._("no reason given"),
        )
        if money[2] != money[3]:
            line = self.env._("%(line)s; fee %(before)s → %(after)s", line=line, before=money[2], after=money[3])
        return "\n".join(filter(None, [self.amount_reason, line]))

    @api.ondelete(at_uninstall=False)
    def _unlink_except_draft(self):
        kept = self.filtered(lambda entitlement: entitlement.state != "draft")
        if kept:
            raise UserError(
                self.env._(
                    "%(count)s of these entitlements are not drafts any more (such as %(name)s). Nothing was deleted.",
                    count=len(kept),
                    name=kept[0].display_name,
                )
            )

    def unlink(self):
        cycles = self.cycle_id
        cycles._bulk_check("edit_entitlements")
        self._note_deleted()
        result = super().unlink()
        cycles._refresh_counters()
        return result

    def _note_deleted(self):
        """Who is left without an entitlement because somebody deleted the draft has that as the reason."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_cycle_membership AS membership
                   SET reason = %s
                  FROM g2p_entitlement AS t
                 WHERE t.id = ANY(%s) AND membership.cycle_id = t.cycle_id AND membership.partner_id = t.partner_id
                   AND membership.state = 'enrolled'
                   AND NOT EXISTS (
                        SELECT FROM g2p_entitlement AS other
                         WHERE other.cycle_id = t.cycle_id AND other.partner_id = t.partner_id
                           AND other.state <> 'cancelled' AND other.id <> ALL(%s)
                       )
                """,
                self.env._("The draft entitlement was deleted by %s", self.env.user.name),
                self.ids,
                self.ids,
            )
        )
        self.env["g2p.cycle.membership"].invalidate_model(["reason"], flush=False)

    # Buttons

    def approve_entitlement(self):
        """Button: approve these entitlements. The same checks, lock and reservation as for a whole cycle."""
        action = True
        for cycle, entitlements in self.grouped("cycle_id").items():
            action = cycle._approve_selection(entitlements)
        return action

    def action_reject(self):
        """Button: ask for the reason, then reject."""
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Reject entitlements"),
            "res_model": "g2p.entitlement.reject.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_entitlement_ids": self.ids},
        }

    def action_view_payments(self):
        """Stat button."""
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Payments"),
            "res_model": "g2p.payment",
            "view_mode": "list,form",
            "domain": [("entitlement_id", "in", self.ids)],
        }

    def action_open_cycle(self):
        """Stat button."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "g2p.cycle",
            "res_id": self.cycle_id.id,
            "view_mode": "form",
        }

    def confirm_account(self):
        """Button: what is paid to another account than when it was approved, or at the desk because that account is gone, is
        right. By somebody of finance who had no part in it; the payments that were prepared for the old one fail, to be
        prepared again."""
        desk = self.env._("at the desk")
        account = self._payee_sql("account_text")
        return self._confirm(
            # Where nobody is paid at the desk, there is nothing to confirm without an account.
            SQL(
                "(%s AND (%s IS NOT NULL OR %s = 'desk'))",
                self._blocks()["account_changed"].condition,
                self._payee_sql("account_id"),
                self._no_account_policy_sql(),
            ),
            {
                "approved_account": SQL("COALESCE(%s, '')", account),
                "approved_payee": SQL("COALESCE(%s, '')", self._payee_sql("account_key")),
            },
            SQL("COALESCE(NULLIF(t.approved_account, ''), %s) || ' → ' || COALESCE(%s, %s)", desk, account, desk),
            self.env._("Another account was confirmed"),
        )

    def confirm_collector(self):
        """Button: who collects for the household now, and what they are called, is right. By somebody of finance who had no
        part in it; the payments that were prepared for others fail, to be prepared again."""

        def told(collectors, names):
            return SQL("concat_ws(' ', rtrim(translate(%s, chr(10), '/'), '/'), '(' || %s || ')')", names, collectors)

        collectors, names = self._collector_sql("collectors"), self._collector_sql("names")
        return self._confirm(
            self._blocks()["collector_changed"].condition,
            {"approved_collectors": collectors, "approved_names": names},
            SQL(
                "%s || ' → ' || %s",
                told(SQL("t.approved_collectors"), SQL("t.approved_names")),
                told(collectors, names),
            ),
            self.env._("Another person to collect was confirmed"),
        )

    def _confirm(self, changed, values, told, reason):
        """Take what was changed since the approval for approved, in one statement.

        :param SQL changed: whether it was changed, and what is `told` in the history: over `t`.
        :param dict values: the columns that keep what was approved, with what they are to be, over `t`.
        """
        roles.check(self.env, GROUP_FINANCE)
        self.check_access("read")
        self._check_confirmer()
        self.cycle_id._bulk_check("edit_payments")
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH due AS (
                    SELECT t.id, %(values)s, %(told)s AS told
                      FROM g2p_entitlement AS t
                     WHERE t.id = ANY(%(ids)s) AND t.state = 'approved' AND %(changed)s
                       FOR NO KEY UPDATE OF t
                ), moved AS (
                    UPDATE g2p_entitlement AS t
                       SET %(taken)s, account_confirmed_by = %(uid)s, account_confirmed_on = %(now)s,
                           left_out_reason = CASE WHEN t.left_out_reason <> ALL(%(changes)s) THEN t.left_out_reason END,
                           write_uid = %(uid)s, write_date = %(now)s
                      FROM due
                     WHERE t.id = due.id
                 RETURNING t.id, due.told
                )
                %(history)s
                """,
                values=SQL(", ").join(SQL("%s AS %s", value, SQL.identifier(name)) for name, value in values.items()),
                taken=SQL(", ").join(SQL("%s = due.%s", *[SQL.identifier(name)] * 2) for name in values),
                told=told,
                changed=changed,
                changes=list(CHANGED),
                ids=self.ids,
                uid=self.env.uid,
                now=self.env.cr.now(),
                history=self._history_sql(
                    SQL("SELECT id, 'approved', 'approved', %s || ': ' || told FROM moved", reason)
                ),
            )
        )
        confirmed = self.env.cr.rowcount
        if confirmed != len(self):
            raise UserError(
                self.env._(
                    "Only approved entitlements whose account, name, or who collects them, was changed since can be confirmed. "
                    "Nothing was done."
                )
            )
        # sudo: role and access were checked above; payments prepared for what was before are stale
        self.env["g2p.payment"].sudo()._fail_where(SQL("payment.entitlement_id = ANY(%s)", self.ids), SQL("%s", reason))
        self.invalidate_recordset()
        # sudo: the figures are kept by what changes them
        cycles = self.sudo().cycle_id
        self.env["g2p.payment.batch"]._refresh_statistics_where(SQL("batch.cycle_id = ANY(%s)", cycles.ids))
        cycles._refresh_counters()
        return True

    def _check_confirmer(self):
        """Who had a part in money going elsewhere than approved does not confirm it: who made or changed the account it goes
        to now, or registered its owner; and who since the approval changed an account of the beneficiary or of a member of
        the household (archived, deleted, made primary), these people themselves, or who is a member in which role."""
        if self.env.su:
            return
        self.env.flush_all()
        [[own]] = self.env.execute_query(
            SQL(
                """
                SELECT COUNT(*)
                  FROM g2p_entitlement AS t
                 WHERE t.id = ANY(%(ids)s)
                   AND (EXISTS (
                            SELECT FROM res_partner_bank AS account
                              JOIN res_partner AS owner ON owner.id = account.partner_id
                             WHERE account.id = %(account)s
                               AND %(uid)s IN (account.create_uid, account.write_uid, account.changed_by, owner.create_uid))
                        OR EXISTS (
                            SELECT FROM g2p_group_membership AS link
                             WHERE link."group" = t.partner_id
                               AND (link.create_uid = %(uid)s AND link.create_date >= %(since)s
                                    OR link.write_uid = %(uid)s AND link.write_date >= %(since)s))
                        OR EXISTS (
                            SELECT FROM (
                                    SELECT t.partner_id AS id
                                     UNION
                                    SELECT link.individual FROM g2p_group_membership AS link WHERE link."group" = t.partner_id
                                   ) AS person
                             WHERE EXISTS (
                                    SELECT FROM res_partner_bank AS any_account
                                     WHERE any_account.partner_id = person.id
                                       AND (any_account.create_uid = %(uid)s AND any_account.create_date >= %(since)s
                                            OR any_account.write_uid = %(uid)s AND any_account.write_date >= %(since)s))
                                OR EXISTS (
                                    SELECT FROM g2p_change_history AS change
                                     WHERE change.owner_model = 'res.partner' AND change.owner_id = person.id
                                       AND change.res_model IN ('res.partner', 'res.partner.bank', 'g2p.group.membership')
                                       AND change.user_id = %(uid)s AND change.date >= %(since)s)))
                """,
                account=self._payee_sql("account_id"),
                since=SQL("COALESCE(t.date_approved, t.create_date)"),
                ids=self.ids,
                uid=self.env.uid,
            )
        )
        if own:
            raise AccessError(
                self.env._(
                    "You made or changed what leads to another account or person for %s of these, so somebody else has to "
                    "confirm them.",
                    own,
                )
            )

    # Transitions

    def _reject(self, to_state, reason):
        """Waiting or approved → rejected; what was reserved for them is released.

        :raise UserError: when one of them can't be rejected (any more); then nothing is done.
        """
        if to_state not in REJECTED_STATES:
            raise ValueError(to_state)
        for cycle, entitlements in self.grouped("cycle_id").items():
            cycle.check_access("write")
            cycle._approval_hold()
            cycle._check_can_approve_entitlements()
            cycle._bulk_check("reject")
            key = str(uuid.uuid4())
            moved = self._leave_where(
                SQL("t.id = ANY(%s)", entitlements.ids),
                ("pending_validation", "approved"),
                to_state,
                key,
                reason=reason,
            )
            if moved != len(entitlements):
                raise UserError(
                    self.env._(
                        "Only entitlements that wait for approval, or are approved and not on their way to be paid, "
                        "can be rejected. Nothing was done."
                    )
                )
            self.env["g2p.fund.hold"]._settle(key, reference=reason)
            cycle._refresh_counters()
            cycle._approval_drop(self.env._("Some of these entitlements were rejected: %s", reason), "void")
        return True

    @api.model
    def _approve_where(self, where, key, account, operation):
        """Waiting → approved, with a reference number; what they need is taken from what `key` holds of the account.

        :param SQL where: the set, over `t`.
        :return: how many.
        """
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH approved AS (
                    UPDATE g2p_entitlement AS t
                       SET state = 'approved', ern = COALESCE(t.ern, g2p_entitlement_next_ern()),
                           (approved_account, approved_payee) = (
                                SELECT COALESCE(MAX(payee.account_text), ''), COALESCE(MAX(payee.account_key), '')
                                  FROM (%(payee)s) AS payee),
                           (approved_collectors, approved_names) = (
                                SELECT collector.collectors, collector.names FROM (%(collector)s) AS collector),
                           date_approved = %(now)s, approved_by = %(uid)s, write_uid = %(uid)s, write_date = %(now)s
                     WHERE t.state = 'pending_validation' AND (%(where)s)
                 RETURNING t.id, t.cycle_id, CASE WHEN %(charged)s THEN t.initial_amount ELSE 0 END AS amount
                ), logged AS (
                    %(history)s
                ), used AS (
                    %(used)s
                )
                SELECT COUNT(*) FROM approved
                """,
                where=where,
                charged=self._charged_sql(),
                payee=self._payee(),
                collector=self._collector(),
                now=self.env.cr.now(),
                uid=self.env.uid,
                history=self._history_sql(
                    SQL("SELECT id, 'pending_validation', 'approved', NULL::varchar FROM approved"), operation
                ),
                used=self.env["g2p.fund.hold"]._insert_sql(
                    SQL(
                        """
                        SELECT %s, %s, 'release', -SUM(amount), cycle_id
                          FROM approved GROUP BY cycle_id HAVING SUM(amount) > 0
                        """,
                        account.id,
                        key,
                    )
                ),
            )
        )
        [count] = self.env.cr.fetchone()
        self.invalidate_model(flush=False)
        short = -self.env["g2p.fund.hold"]._balance(key, account)
        if short > 0:
            # More was approved than was reserved beforehand (an operation resumed after its money was released).
            account._reserve(short, reference=operation.name, operation=operation)
            self.env["g2p.fund.hold"]._add(
                key, account, "release", short, self.env["g2p.cycle"].browse(operation.res_id)
            )
        return count

    @api.model
    def _leave_where(self, where, from_states, to_state, key, reason=None, operation=None):
        """Entitlements end without payment. Money reserved for them is held under `key`, to be released by settling it;
        payments that were not sent yet fail.

        :param SQL where: the set, over `t`; those with a payment on its way are left alone by their state.
        :return: how many.
        """
        self.env.flush_all()
        payment = self.env["g2p.payment"]
        self.env.cr.execute(
            SQL(
                """
                WITH leaving AS (
                    SELECT t.id, t.state FROM g2p_entitlement AS t
                     WHERE t.state = ANY(%(from_states)s) AND (%(where)s)
                       FOR NO KEY UPDATE
                ), moved AS (
                    UPDATE g2p_entitlement AS t
                       SET state = %(to_state)s, left_out_reason = NULL, write_uid = %(uid)s, write_date = %(now)s
                      FROM leaving
                     WHERE t.id = leaving.id
                 RETURNING t.id, leaving.state AS from_state, t.state AS to_state, t.program_id, t.currency_id, t.cycle_id,
                           CASE WHEN %(charged)s THEN t.initial_amount ELSE 0 END AS amount
                ), logged AS (
                    %(history)s
                ), failed AS (
                    %(fail)s
                ), failed_logged AS (
                    %(payment_history)s
                ), held AS (
                    %(held)s
                )
                SELECT COUNT(*), (SELECT COUNT(*) FROM failed) FROM moved
                """,
                from_states=list(from_states),
                where=where,
                charged=self._charged_sql(),
                to_state=to_state,
                uid=self.env.uid,
                now=self.env.cr.now(),
                fail=payment._fail_sql("moved", SQL("payment.entitlement_id = moved.id"), reason),
                history=self._history_sql(
                    SQL("SELECT id, from_state, to_state, %s::varchar FROM moved", reason), operation
                ),
                payment_history=payment._failed_history_sql(operation),
                held=self.env["g2p.fund.hold"]._insert_sql(
                    SQL(
                        """
                        SELECT account.id, %s, 'release', SUM(moved.amount), moved.cycle_id
                          FROM moved
                          JOIN g2p_fund_account AS account
                            ON account.program_id = moved.program_id AND account.currency_id = moved.currency_id
                         WHERE moved.from_state = 'approved'
                         GROUP BY account.id, moved.cycle_id
                        HAVING SUM(moved.amount) > 0
                        """,
                        key,
                    )
                ),
            )
        )
        [count, _failed] = self.env.cr.fetchone()
        self.invalidate_model(flush=False)
        payment.invalidate_model(flush=False)
        return count

    @api.model
    def _cron_expire(self):
        """Approved entitlements past their validity that nobody is paying expire, cycle by cycle; money is released."""
        self.env.cr.execute(
            SQL(
                """
                SELECT DISTINCT cycle_id FROM g2p_entitlement
                 WHERE state = 'approved' AND valid_until < %s
                """,
                fields.Date.context_today(self),
            )
        )
        for cycle in self.env["g2p.cycle"].browse(cycle_id for [cycle_id] in self.env.cr.fetchall()):
            # A step that works on the cycle, or waits to be resumed, comes first: tomorrow is another day.
            if not cycle._bulk_refusal("expire"):
                cycle._bulk_start("expire")

    @api.depends("state", "cycle_id.state")
    @api.depends_context("uid")
    def _compute_can_approve(self):
        """As the step itself will check; one answer a cycle."""
        for cycle, entitlements in self.grouped("cycle_id").items():
            entitlements.can_approve = cycle.state == "approved" and not cycle._validation_refusal()

    @api.depends("state", "cycle_id.approval_state")
    @api.depends_context("uid", "allowed_company_ids", "lang")
    def _compute_approval_state(self):
        for entitlement in self:
            waits = entitlement.state == "pending_validation"
            entitlement.approval_state = waits and entitlement.cycle_id.approval_state
