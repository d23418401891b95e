from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL
from odoo.tools.misc import formatLang

from ..tools.money import decimal
from .fund_ledger import EFFECTS, effect_sql


class FundAccount(models.Model):
    """The money of a program in one currency. Every movement is one conditional UPDATE, which locks the row, and one
    line in the ledger, in one statement; what the CHECK constraints forbid can't happen."""

    _name = "g2p.fund.account"
    _description = "Fund account"
    _order = "program_id, currency_id"
    _rec_name = "program_id"

    _program_currency_uniq = models.Constraint(
        "UNIQUE (program_id, currency_id)", "The program has an account in this currency already."
    )
    _not_negative = models.Constraint(
        "CHECK (posted >= 0 AND reserved >= 0 AND disbursed >= 0)", "An amount of a fund account can't be negative."
    )
    _not_overspent = models.Constraint(
        "CHECK (reserved + disbursed <= posted)", "More can't be reserved and disbursed than was posted."
    )

    program_id = fields.Many2one("g2p.program", required=True, readonly=True, ondelete="restrict")
    company_id = fields.Many2one(related="program_id.company_id")
    currency_id = fields.Many2one("res.currency", required=True, readonly=True, ondelete="restrict")
    posted = fields.Monetary(
        required=True, readonly=True, default=0, help="Deposits less withdrawals, and less what was written off."
    )
    reserved = fields.Monetary(
        required=True, readonly=True, default=0, help="Of entitlements that are approved and not paid yet."
    )
    disbursed = fields.Monetary(required=True, readonly=True, default=0, help="Paid.")
    available = fields.Monetary(compute="_compute_available", help="Posted, and neither reserved nor disbursed.")
    written_off = fields.Monetary(compute="_compute_written_off", help="Paid, and lost: it is not posted any more.")
    ledger_ids = fields.One2many("g2p.fund.ledger", "account_id", string="Ledger")

    @api.depends("posted", "reserved", "disbursed")
    def _compute_available(self):
        for account in self:
            account.available = account.posted - account.reserved - account.disbursed

    @api.depends("posted")
    def _compute_written_off(self):
        sums = dict(
            self.env["g2p.fund.ledger"]._read_group(
                [("account_id", "in", self.ids), ("kind", "=", "write_off")], ["account_id"], ["amount:sum"]
            )
        )
        for account in self:
            account.written_off = sums.get(account._origin, 0)

    @api.depends("program_id.name", "currency_id.name")
    def _compute_display_name(self):
        for account in self:
            account.display_name = f"{account.program_id.name or ''} · {account.currency_id.name or ''}"

    @api.model
    def _of(self, program, currency):
        """The account of a program in a currency; made when it isn't there yet."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_fund_account
                       (program_id, currency_id, posted, reserved, disbursed,
                        create_uid, write_uid, create_date, write_date)
                SELECT %(program)s, %(currency)s, 0, 0, 0, %(uid)s, %(uid)s, %(now)s, %(now)s
                 WHERE NOT EXISTS (
                        SELECT FROM g2p_fund_account
                         WHERE program_id = %(program)s AND currency_id = %(currency)s
                       )
                    ON CONFLICT DO NOTHING
                """,
                program=program.id,
                currency=currency.id,
                uid=self.env.uid,
                now=self.env.cr.now(),
            )
        )
        # sudo: whoever moves money passed the check of their button; the account itself is not shown
        return self.sudo().search([("program_id", "=", program.id), ("currency_id", "=", currency.id)])

    def _lock(self):
        """Hold the row until the end of the transaction. Returns what is available, exactly."""
        self.ensure_one()
        self.env.flush_all()
        [[available]] = self.env.execute_query(
            SQL(
                """
                SELECT (posted - reserved - disbursed)::text
                  FROM g2p_fund_account WHERE id = %s FOR NO KEY UPDATE
                """,
                self.id,
            )
        )
        return decimal(available)

    # Movements. Callers have checked role and state; each takes an exact amount above 0.

    def _deposit(self, amount, reference=None, cycle=None, operation=None):
        """Money comes in: posted + amount."""
        self._move("deposit", amount, reference, cycle, operation)

    def _withdraw(self, amount, reference=None, cycle=None, operation=None):
        """Money is taken back: posted − amount, of what is available."""
        self._move("withdraw", amount, reference, cycle, operation, needs="available")

    def _reserve(self, amount, reference=None, cycle=None, operation=None):
        """Money is promised: reserved + amount, of what is available.

        :raise UserError: when less is available; says how much is missing.
        """
        self._move("reserve", amount, reference, cycle, operation, needs="available")

    def _release(self, amount, reference=None, cycle=None, operation=None):
        """A promise ends without payment: reserved − amount."""
        self._move("release", amount, reference, cycle, operation, needs="reserved")

    def _disburse(self, amount, reference=None, cycle=None, operation=None):
        """What was promised is paid: from reserved to disbursed."""
        self._move("disburse", amount, reference, cycle, operation, needs="reserved")

    def _refund(self, amount, reference=None, cycle=None, operation=None):
        """Money that was paid comes back: disbursed − amount; it is available again."""
        self._move("refund", amount, reference, cycle, operation, needs="disbursed")

    def _write_off(self, amount, reference=None, cycle=None, operation=None):
        """Money that was paid is lost: disbursed − amount, and posted − amount; nothing of it is available again."""
        self._move("write_off", amount, reference, cycle, operation, needs="disbursed")

    def _move(self, kind, amount, reference, cycle, operation, needs=None):
        self.ensure_one()
        amount = decimal(amount)
        if amount <= 0:
            raise ValueError(f"a movement of {amount}: an amount above 0 is expected")
        guards = {
            None: SQL("TRUE"),
            "available": SQL("posted - reserved - disbursed >= %s", amount),
            "reserved": SQL("reserved >= %s", amount),
            "disbursed": SQL("disbursed >= %s", amount),
        }
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH moved AS (
                    UPDATE g2p_fund_account
                       SET %(assignments)s, write_uid = %(uid)s, write_date = %(now)s
                     WHERE id = %(account)s AND %(guard)s
                 RETURNING id, posted, reserved, disbursed
                )
                INSERT INTO g2p_fund_ledger
                       (account_id, kind, amount, posted_after, reserved_after, disbursed_after,
                        reference, cycle_id, operation_id, user_id, date)
                SELECT id, %(kind)s, %(amount)s, posted, reserved, disbursed,
                       %(reference)s, %(cycle)s, %(operation)s, %(uid)s, %(now)s
                  FROM moved
                """,
                assignments=SQL(", ").join(
                    SQL("%s = %s + %s", SQL.identifier(column), SQL.identifier(column), sign * amount)
                    for column, sign in EFFECTS[kind].items()
                ),
                guard=guards[needs],
                account=self.id,
                kind=kind,
                amount=amount,
                reference=reference or None,
                cycle=cycle.id if cycle else None,
                operation=operation.id if operation else None,
                uid=self.env.uid,
                now=self.env.cr.now(),
            )
        )
        moved = self.env.cr.rowcount
        self.env["g2p.fund.account"].invalidate_model(flush=False)
        if not moved:
            self._refuse(needs, amount)

    def _refuse(self, needs, amount):
        """Say which part of the account is short, and by how much."""
        [[held]] = self.env.execute_query(
            SQL(
                "SELECT (%s)::text FROM g2p_fund_account WHERE id = %s",
                SQL("posted - reserved - disbursed") if needs == "available" else SQL.identifier(needs),
                self.id,
            )
        )
        short = formatLang(self.env, float(amount - decimal(held)), currency_obj=self.currency_id)
        if needs == "available":
            raise UserError(
                self.env._(
                    "The fund of %(program)s is short by %(short)s. Post a deposit, or approve in priority order "
                    "(a setting of the entitlement manager).",
                    program=self.program_id.name,
                    short=short,
                )
            )
        raise UserError(
            self.env._(
                "%(short)s more than the fund of %(program)s holds as %(part)s would be taken. Nothing was done.",
                short=short,
                program=self.program_id.name,
                part=self._fields[needs]._description_string(self.env).lower(),
            )
        )

    # The check

    def _verify_balance(self):
        """What is wrong with these accounts, in words; an empty list when every figure adds up.

        Reserved money belongs to live entitlements (approved or sent) that are settled by money of the fund, and to what open operations hold. Disbursed
        money belongs to redeemed ones; of those that are settled by a payment, these are the ones with a paid one.
        """
        self.env.flush_all()
        _ = self.env._
        self.env.cr.execute(
            SQL(
                """
                SELECT account.id,
                       account.posted = COALESCE(ledger.posted, 0) AS posted_ok,
                       account.reserved = COALESCE(ledger.reserved, 0) AS reserved_ok,
                       account.disbursed = COALESCE(ledger.disbursed, 0) AS disbursed_ok,
                       account.reserved = COALESCE(due.live, 0) + COALESCE(hold.amount, 0) AS live_ok,
                       account.reserved::text, COALESCE(due.live, 0)::text, COALESCE(hold.amount, 0)::text,
                       account.disbursed = COALESCE(due.paid, 0) - COALESCE(hold.paid, 0) AS paid_ok,
                       account.disbursed::text, COALESCE(due.paid, 0)::text, COALESCE(due.contradicting, 0)
                  FROM g2p_fund_account AS account
                  LEFT JOIN (
                        SELECT account_id,
                               SUM(%(posted)s) AS posted, SUM(%(reserved)s) AS reserved, SUM(%(disbursed)s) AS disbursed
                          FROM g2p_fund_ledger AS ledger
                         WHERE account_id = ANY(%(accounts)s)
                         GROUP BY account_id
                       ) AS ledger ON ledger.account_id = account.id
                  LEFT JOIN (
                        SELECT t.program_id, t.currency_id,
                               SUM(t.initial_amount) FILTER (WHERE t.state IN ('approved', 'trans2FSP')) AS live,
                               SUM(t.initial_amount) FILTER (WHERE t.state = 'rdpd2ben') AS paid,
                               COUNT(*) FILTER (WHERE t.settlement = 'payment'
                                                  AND (t.state = 'rdpd2ben') <> (paid.id IS NOT NULL)) AS contradicting
                          FROM g2p_entitlement AS t
                          LEFT JOIN g2p_payment AS paid ON paid.entitlement_id = t.id AND paid.status = 'paid'
                         WHERE t.program_id IN (
                                SELECT program_id FROM g2p_fund_account WHERE id = ANY(%(accounts)s)
                               )
                           AND %(charged)s
                         GROUP BY t.program_id, t.currency_id
                       ) AS due
                    ON due.program_id = account.program_id AND due.currency_id = account.currency_id
                  LEFT JOIN (
                        SELECT account_id, SUM(amount) AS amount,
                               SUM(amount) FILTER (WHERE purpose = 'disburse') AS paid
                          FROM g2p_fund_hold
                         WHERE account_id = ANY(%(accounts)s) GROUP BY account_id
                       ) AS hold ON hold.account_id = account.id
                 WHERE account.id = ANY(%(accounts)s)
                """,
                accounts=self.ids,
                posted=effect_sql(posted=1),
                reserved=effect_sql(reserved=1),
                disbursed=effect_sql(disbursed=1),
                charged=self.env["g2p.entitlement"]._charged_sql(),
            )
        )
        problems = []
        for (
            account_id,
            *sums,
            live,
            reserved,
            due,
            held,
            paid,
            disbursed,
            redeemed,
            contradicting,
        ) in self.env.cr.fetchall():
            name = self.browse(account_id).display_name
            for fine, part in zip(sums, (_("posted"), _("reserved"), _("disbursed")), strict=True):
                if not fine:
                    problems.append(
                        _("%(account)s: the ledger does not add up to the amount %(part)s.", account=name, part=part)
                    )
            if not live:
                problems.append(
                    _(
                        "%(account)s: %(amount)s is reserved, but approved entitlements need %(due)s "
                        "and open operations hold %(held)s.",
                        account=name,
                        amount=reserved,
                        due=due,
                        held=held,
                    )
                )
            if not paid:
                problems.append(
                    _(
                        "%(account)s: %(amount)s is disbursed, but entitlements that were paid come to %(redeemed)s.",
                        account=name,
                        amount=disbursed,
                        redeemed=redeemed,
                    )
                )
            if contradicting:
                problems.append(
                    _(
                        "%(account)s: %(count)s entitlements contradict their payments: one says paid, the other does not.",
                        account=name,
                        count=contradicting,
                    )
                )
        return problems

    @api.model
    def _cron_verify_balance(self):
        """Tell the program's followers, and leave an activity, when an account does not add up."""
        for account in self.search([]):
            problems = account._verify_balance()
            if not problems:
                continue
            program = account.program_id
            program.message_post(body="\n".join(problems))
            if not program.activity_ids.filtered(lambda activity: activity.summary == self._alarm_summary()):
                program.activity_schedule(
                    "mail.mail_activity_data_warning",
                    summary=self._alarm_summary(),
                    note="\n".join(problems),
                    user_id=program.create_uid.id or self.env.uid,
                )

    @api.model
    def _alarm_summary(self):
        return self.env._("The fund does not add up")

    def action_view_ledger(self):
        """Stat button: the movements of this account."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Ledger of %s", self.display_name),
            "res_model": "g2p.fund.ledger",
            "view_mode": "list",
            "domain": [("account_id", "=", self.id)],
        }
