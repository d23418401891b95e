"""Payment managers answer: to which account, in which batch? The step makes payments and batches of the answer."""

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ...tools import blocks

DEFAULT_BATCH_SIZE = 500


class PaymentManager(models.Model):
    _name = "g2p.program.payment.manager"
    _description = "Payment manager reference"
    _inherit = "g2p.manager.mixin"

    @api.model
    def _selection_manager_ref_id(self):
        return [*super()._selection_manager_ref_id(), ("g2p.program.payment.manager.default", self.env._("Default"))]


class BasePaymentManager(models.AbstractModel):
    """Contract of the kind. A type overrides `_payment_lines` (rarely) and how payments leave, `_send`."""

    _name = "g2p.base.program.payment.manager"
    _description = "Payment manager"
    _inherit = "g2p.manager.source.mixin"
    _manager_reference = "g2p.program.payment.manager"
    _proposal_kind = "program_payment"

    # Whether somebody pays by hand and records it (a cash desk), without an account.
    _is_cash_desk = False

    no_account_policy = fields.Selection(
        related="program_id.no_account_policy",
        readonly=False,
        help="What happens to beneficiaries who have no account, and whose household's recipient or head has none.",
    )
    create_batch = fields.Boolean(
        "Create batches", default=True, help="Otherwise payments are prepared without a batch and put into one by hand."
    )
    batch_tag_ids = fields.Many2many(
        "g2p.payment.batch.tag",
        string="Batch tags",
        help="In order: a payment goes to the first tag whose conditions its entitlement meets, "
        "and to “Everything else” when it meets none.",
    )

    def write(self, vals):
        """What puts payments into batches, and every setting that a type adds, stays while a cycle is under way; the name is a
        label."""
        settings = {
            name
            for name in vals
            if name not in ("name", "program_id") and (field := self._fields.get(name)) is not None and field.store
        }
        for manager in self:
            if any(self._differs(manager, name, vals[name]) for name in settings):
                manager.program_id._check_how_it_is_paid_stays()
        return super().write(vals)

    def _differs(self, manager, name, value):
        field = self._fields[name]
        if field.type in ("many2many", "one2many"):
            # One that is made by this has no id yet.
            chosen = manager.new({name: value}, origin=manager)[name] if value else manager[name]
            return set(chosen._origin.ids) != set(manager[name].ids) or len(chosen) != len(chosen._origin)
        return field.convert_to_write(manager[name], manager) != value

    # The contract

    def _payment_lines(self, cycle, low, high):
        """What is to be paid: approved cash entitlements of the cycle within their validity that have no payment, or
        failed ones only, and that nothing blocks, with `low < registrant id <= high`.

        :return SQL: columns `entitlement_id`, `payout` (to an account, or at the desk), `account_id`, `account_number`,
            `account_holder`, `bank_name` (NULL at the desk) and `batch_tag_id`.
        """
        self.ensure_one()
        return SQL(
            """
            SELECT due.entitlement_id,
                   CASE WHEN %(desk)s OR payee.account_id IS NULL THEN 'desk' ELSE 'account' END AS payout,
                   payee.account_id, payee.account_number, payee.account_holder, payee.bank_name,
                   %(tag)s AS batch_tag_id
              FROM (%(due)s) AS due
              LEFT JOIN LATERAL (%(payee)s) AS payee ON NOT %(desk)s
            """,
            desk=self._is_cash_desk,
            tag=self._batch_tag_sql(cycle, low, high),
            due=self._payable_entitlements(cycle, low, high),
            payee=self.env["g2p.entitlement"]._payee("due"),
        )

    def _payable_entitlements(self, cycle, low, high):
        """Columns `entitlement_id`, `partner_id`."""
        today = fields.Date.context_today(self)
        return SQL(
            """
            SELECT judged.entitlement_id, judged.partner_id
              FROM (
                    -- Judged first, filtered afterwards: as a condition the planner takes the blocks for what holds of nearly
                    -- all, expects a handful of rows, and compares each entitlement with the whole set.
                    SELECT t.id AS entitlement_id, t.partner_id, %(blocked)s AS is_blocked
                      FROM g2p_entitlement AS t
                     WHERE t.cycle_id = %(cycle)s AND %(payable)s
                       AND t.valid_from <= %(today)s AND t.valid_until >= %(today)s
                       AND %(range)s
                    OFFSET 0
                   ) AS judged
             WHERE NOT judged.is_blocked
            """,
            cycle=cycle.id,
            payable=cycle._payable(),
            blocked=self.env["g2p.entitlement"]._blocked_sql(blocks.PREPARE),
            today=today,
            range=cycle.program_id._range_sql("t", low, high),
        )

    @api.model
    def _cash_desk_models(self):
        """The types of managers that pay everybody by hand."""
        return sorted(
            name
            for name, model in self.env.registry.items()
            if issubclass(model, self.env.registry["g2p.base.program.payment.manager"]) and model._is_cash_desk
        )

    def _batch_tag_sql(self, cycle, low, high):
        """The tag of `due.entitlement_id`: the first whose conditions match, else the default tag; never none."""
        default = self.env["g2p.payment.batch.tag"]._default_tag()
        conditions = Domain("cycle_id", "=", cycle.id)
        if low is not None:
            conditions &= Domain("partner_id", ">", low)
        if high is not None:
            conditions &= Domain("partner_id", "<=", high)
        # sudo: which batch a payment belongs to is a rule of the program, whatever its user may see
        entitlements = self.env["g2p.entitlement"].sudo().with_context(active_test=False)
        cases = []
        for tag in self.batch_tag_ids.sorted(lambda tag: (tag.order, tag.id)):
            domain = tag._conditions("domain")
            if domain.is_true():
                return SQL("CASE %s ELSE %s END", SQL(" ").join(cases), tag.id) if cases else SQL("%s", tag.id)
            matching = entitlements._search(conditions & domain).subselect()
            cases.append(SQL("WHEN due.entitlement_id IN %s THEN %s", matching, tag.id))
        return SQL("CASE %s ELSE %s END", SQL(" ").join(cases), default.id) if cases else SQL("%s::integer", default.id)

    # Preparation

    def _prepare_chunk(self, cycle, low, high, operation=None, only=None, create_batch=None):
        """Insert the payments of one range of registrants, with their batches, in one statement.

        Their entitlements are locked: one that ends (rejected, expired, cancelled) at the same moment is a conflict, and
        the range is tried again. An end that looked before these payments were there is met by the end of the step.

        :param SQL only: a condition on `line.entitlement_id`, to prepare a part of the range.
        :param create_batch: other than the manager's setting.
        :return: {outcome: payments}
        """
        self.ensure_one()
        payment = self.env["g2p.payment"]
        self.env.flush_all()
        uid, now = self.env.uid, self.env.cr.now()
        batches, batch_id, batch_join = SQL(), SQL("NULL::integer"), SQL()
        if self.create_batch if create_batch is None else create_batch:
            batches = SQL(
                """
                slice AS MATERIALIZED (
                    SELECT line.batch_tag_id, line.payout, line.slice, gen_random_uuid()::varchar AS name,
                           COUNT(*) AS payments, SUM(line.amount) AS amount, MIN(line.partner_id) AS first_partner_id
                      FROM line
                     GROUP BY line.batch_tag_id, line.payout, line.slice
                ), batch AS (
                    INSERT INTO g2p_payment_batch
                           (name, cycle_id, program_id, company_id, tag_id, payout, first_partner_id,
                            batch_has_started, batch_has_completed,
                            stats_issued_transactions, stats_issued_amount, stats_sent_transactions, stats_sent_amount,
                            stats_paid_transactions, stats_paid_amount, stats_failed_transactions, stats_failed_amount,
                            stats_stopped_transactions, stats_stopped_amount,
                            stats_datetime, create_uid, write_uid, create_date, write_date)
                    SELECT slice.name, %(cycle)s, %(program)s, %(company)s, slice.batch_tag_id, slice.payout,
                           slice.first_partner_id,
                           FALSE, FALSE, slice.payments, slice.amount, 0, 0, 0, 0, 0, 0, 0, 0,
                           %(now)s, %(uid)s, %(uid)s, %(now)s, %(now)s
                      FROM slice
                     ORDER BY slice.batch_tag_id, slice.payout, slice.slice
                 RETURNING id, name
                ),
                """,
                cycle=cycle.id,
                program=cycle.program_id.id,
                company=cycle.company_id.id,
                uid=uid,
                now=now,
            )
            batch_id = SQL("batch.id")
            batch_join = SQL(
                """
                JOIN slice ON slice.batch_tag_id IS NOT DISTINCT FROM line.batch_tag_id AND slice.payout = line.payout
                          AND slice.slice = line.slice
                JOIN batch ON batch.name = slice.name
                """
            )
        self.env.cr.execute(
            SQL(
                """
                WITH due AS MATERIALIZED (
                    SELECT line.*, entitlement.partner_id, entitlement.currency_id,
                           entitlement.initial_amount - entitlement.transfer_fee AS amount, entitlement.transfer_fee AS fee
                      FROM (%(lines)s) AS line
                      JOIN g2p_entitlement AS entitlement
                        ON entitlement.id = line.entitlement_id AND entitlement.state = 'approved'
                     WHERE %(only)s
                       AND EXISTS (SELECT FROM g2p_cycle WHERE id = %(cycle)s AND state = 'approved')
                       FOR NO KEY UPDATE OF entitlement
                ), line AS MATERIALIZED (
                    SELECT due.*,
                           (row_number() OVER (
                                PARTITION BY due.batch_tag_id, due.payout ORDER BY due.partner_id, due.entitlement_id
                            ) - 1) / COALESCE(NULLIF(tag.max_batch_size, 0), %(default_size)s) AS slice
                      FROM due
                      LEFT JOIN g2p_payment_batch_tag AS tag ON tag.id = due.batch_tag_id
                ), %(batches)s
                inserted AS (
                    INSERT INTO g2p_payment
                           (name, entitlement_id, cycle_id, program_id, partner_id, batch_id, payout,
                            account_id, account_number, account_holder, bank_name,
                            beneficiary_name, collector_name, alternate_name, state, status_is_final, amount_issued, amount_paid, payment_fee, currency_id, issuance_date,
                            attempt, create_uid, write_uid, create_date, write_date)
                    SELECT gen_random_uuid(), line.entitlement_id, %(cycle)s, %(program)s, line.partner_id, %(batch_id)s,
                           line.payout, line.account_id, line.account_number, line.account_holder, line.bank_name,
                           beneficiary.name, collector.collector_name, collector.alternate_name, 'issued', FALSE, line.amount, 0, line.fee,
                           line.currency_id, %(now)s,
                           1 + (SELECT COUNT(*) FROM g2p_payment AS failed WHERE failed.entitlement_id = line.entitlement_id),
                           %(uid)s, %(uid)s, %(now)s, %(now)s
                      FROM line
                      JOIN res_partner AS beneficiary ON beneficiary.id = line.partner_id
                      LEFT JOIN LATERAL (%(collector)s) AS collector ON TRUE
                      %(batch_join)s
                     ORDER BY line.partner_id, line.entitlement_id
                        ON CONFLICT DO NOTHING
                 RETURNING id, payout
                ), logged AS (
                    %(history)s
                )
                SELECT COUNT(*) FILTER (WHERE payout = 'account'), COUNT(*) FILTER (WHERE payout = 'desk')
                  FROM inserted
                """,
                default_size=DEFAULT_BATCH_SIZE,
                lines=self._payment_lines(cycle, low, high),
                only=only or SQL("TRUE"),
                cycle=cycle.id,
                batches=batches,
                program=cycle.program_id.id,
                batch_id=batch_id,
                now=now,
                uid=uid,
                collector=self.env["g2p.entitlement"]._collector("line"),
                batch_join=batch_join,
                history=payment._history_sql(
                    SQL("SELECT id, NULL::varchar, 'issued', NULL::varchar FROM inserted"), operation
                ),
            )
        )
        to_account, at_desk = self.env.cr.fetchone()
        payment.invalidate_model(flush=False)
        self.env["g2p.payment.batch"].invalidate_model(flush=False)
        if self._is_cash_desk:
            return {"prepared": at_desk}
        return {"prepared": to_account, "desk": at_desk}

    # Sending

    def _send(self, payments, operation=None):
        """Send a set of payments. Every way to send comes through here: a cycle's step, a batch, a retry, a schedule.

        A type that calls the outside world does not call it here, where a conflict repeats the transaction: it queues what
        it will send in the statement that moves the payments (`_send_where(…, also=…)`), and is called when that is
        committed.

        :param SQL payments: one column, ids of payments; of these leave those that `_send_where` lets go.
        :return: {outcome: payments}; `sent` is one of them.
        """
        self.ensure_one()
        return {"sent": self.env["g2p.payment"]._send_where(payments, operation)}
