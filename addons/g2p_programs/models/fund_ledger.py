from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import SQL

from ..tools.money import decimal

APPEND_ONLY = """
CREATE OR REPLACE FUNCTION g2p_fund_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only: % is not allowed', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'insufficient_privilege';
    END
$$;
CREATE OR REPLACE TRIGGER g2p_fund_ledger_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON g2p_fund_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION g2p_fund_append_only();
"""


# What a movement of each kind does to the account: said here only, for the movement, the check and the report.
EFFECTS = {
    "deposit": {"posted": 1},
    "withdraw": {"posted": -1},
    "reserve": {"reserved": 1},
    "release": {"reserved": -1},
    "disburse": {"reserved": -1, "disbursed": 1},
    "refund": {"disbursed": -1},
    "write_off": {"posted": -1, "disbursed": -1},
}


def effect_sql(**weights):
    """What a row of `ledger` (the alias) changed of the account's columns, each taken so many times."""
    signs = {kind: sum(sign * weights.get(column, 0) for column, sign in of.items()) for kind, of in EFFECTS.items()}
    cases = SQL(" ").join(SQL("WHEN %s THEN %s * ledger.amount", kind, sign) for kind, sign in signs.items() if sign)
    return SQL("CASE ledger.kind %s ELSE 0 END", cases)


class FundLedger(models.Model):
    """Every movement of a fund account, for ever. Rows come from the account's movements and are never changed."""

    _name = "g2p.fund.ledger"
    _description = "Fund ledger"
    _order = "id desc"
    _rec_name = "kind"
    _log_access = False

    _amount_positive = models.Constraint("CHECK (amount > 0)", "A movement has an amount above 0.")
    _account_idx = models.Index("(account_id, id)")
    _kind_latest = models.Index("(kind, id)")
    _date_idx = models.Index("USING brin (date) WITH (autosummarize = on)")

    account_id = fields.Many2one("g2p.fund.account", required=True, readonly=True, ondelete="restrict")
    program_id = fields.Many2one(related="account_id.program_id")
    company_id = fields.Many2one(related="account_id.program_id.company_id")
    currency_id = fields.Many2one(related="account_id.currency_id")
    kind = fields.Selection(
        [
            ("deposit", "Deposit"),
            ("withdraw", "Withdrawal"),
            ("reserve", "Reserved"),
            ("release", "Released"),
            ("disburse", "Disbursed"),
            ("refund", "Refunded"),
            ("write_off", "Written off"),
        ],
        required=True,
        readonly=True,
    )
    amount = fields.Monetary(required=True, readonly=True)
    posted_after = fields.Monetary("Posted, after", required=True, readonly=True, aggregator=None)
    reserved_after = fields.Monetary("Reserved, after", required=True, readonly=True, aggregator=None)
    disbursed_after = fields.Monetary("Disbursed, after", required=True, readonly=True, aggregator=None)
    reference = fields.Char(readonly=True)
    cycle_id = fields.Many2one("g2p.cycle", readonly=True, ondelete="restrict", index="btree_not_null")
    operation_id = fields.Many2one("g2p.bulk.operation", readonly=True, ondelete="restrict", index="btree_not_null")
    user_id = fields.Many2one("res.users", required=True, readonly=True, ondelete="restrict")
    date = fields.Datetime(required=True, readonly=True)

    def init(self):
        self.env.cr.execute(APPEND_ONLY)

    @api.model_create_multi
    def create(self, vals_list):
        self._refuse()

    def write(self, vals):
        self._refuse()

    def unlink(self):
        self._refuse()

    def _refuse(self):
        raise AccessError(self.env._("The ledger is written by the movements of funds only, and never changed."))


class FundHold(models.Model):
    """Reserved money that no live entitlement accounts for at the moment, by operation.

    An operation reserves (or frees) money as a whole, its chunks move entitlements bit by bit. Each chunk adds one row
    here instead of locking the account, so that chunks run side by side; `_settle` carries the balance over at the end.
    The rows of a key add up to 0 once it is settled.
    """

    _name = "g2p.fund.hold"
    _description = "Money held by an operation"
    _order = "id desc"
    _rec_name = "key"
    _log_access = False

    _key_idx = models.Index("(key, account_id, purpose) INCLUDE (amount)")
    _account_idx = models.Index("(account_id)")

    account_id = fields.Many2one("g2p.fund.account", required=True, readonly=True, ondelete="restrict")
    program_id = fields.Many2one(related="account_id.program_id")
    currency_id = fields.Many2one(related="account_id.currency_id")
    key = fields.Char(required=True, readonly=True, help="The operation, or the one action, that these rows belong to.")
    purpose = fields.Selection(
        [("release", "Released at the end"), ("disburse", "Disbursed at the end")], required=True, readonly=True
    )
    amount = fields.Monetary(required=True, readonly=True)
    cycle_id = fields.Many2one("g2p.cycle", readonly=True, ondelete="restrict")

    @api.model
    def _insert_sql(self, source):
        """INSERT of holds; `source` selects (account_id, key, purpose, amount, cycle_id) in this order."""
        return SQL("INSERT INTO g2p_fund_hold (account_id, key, purpose, amount, cycle_id) %s", source)

    @api.model
    def _balance(self, key, account):
        """What a key still holds of an account, exactly."""
        [[balance]] = self.env.execute_query(
            SQL(
                "SELECT COALESCE(SUM(amount), 0)::text FROM g2p_fund_hold WHERE key = %s AND account_id = %s",
                key,
                account.id,
            )
        )
        return decimal(balance)

    @api.model
    def _add(self, key, account, purpose, amount, cycle=None):
        self.env.cr.execute(
            self._insert_sql(
                SQL("VALUES (%s, %s, %s, %s, %s)", account.id, key, purpose, amount, cycle.id if cycle else None)
            )
        )

    @api.model
    def _settle(self, key, reference=None, operation=None):
        """Carry what a key holds over to the accounts: released or disbursed. Doing it again changes nothing."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                SELECT account_id, purpose, cycle_id, SUM(amount)::text
                  FROM g2p_fund_hold
                 WHERE key = %s
                 GROUP BY account_id, purpose, cycle_id
                HAVING SUM(amount) <> 0
                 ORDER BY account_id, purpose, cycle_id
                """,
                key,
            )
        )
        for account_id, purpose, cycle_id, amount in self.env.cr.fetchall():
            account = self.env["g2p.fund.account"].browse(account_id)
            cycle = self.env["g2p.cycle"].browse(cycle_id)
            move = account._disburse if purpose == "disburse" else account._release
            move(decimal(amount), reference=reference, cycle=cycle, operation=operation)
            self._add(key, account, purpose, -decimal(amount), cycle)

    @api.model_create_multi
    def create(self, vals_list):
        self._refuse()

    def write(self, vals):
        self._refuse()

    def unlink(self):
        self._refuse()

    def _refuse(self):
        raise AccessError(self.env._("What an operation holds is written by the operation only."))
