"""Payment managers answer: to which account, in which batch? The step makes payments and batches of the answer."""

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

DEFAULT_BATCH_SIZE = 500


class PaymentManager(models.Model):
    _name = "g2p.program.payment.manager"
    _description = "Payment manager reference"
    _inherit = "g2p.manager.mixin"

    @api.model
    def _selection_manager_ref_id(self):
        return [*super()._selection_manager_ref_id(), ("g2p.program.payment.manager.default", "Default")]


class BasePaymentManager(models.AbstractModel):
    """Contract of the kind. A type overrides `_payment_lines` (rarely) and how payments leave: `_send_chunk` when a set
    can be sent by a statement, `_send_batch` when the outside world is called batch by batch."""

    _name = "g2p.base.program.payment.manager"
    _description = "Payment manager"
    _inherit = "g2p.manager.source.mixin"
    _manager_reference = "g2p.program.payment.manager"

    # Whether somebody pays by hand and records it (a cash desk), without an account.
    _is_cash_desk = False

    create_batch = fields.Boolean(
        "Create batches", default=True, help="Otherwise payments are prepared without a batch and put into one by hand."
    )
    batch_tag_ids = fields.Many2many(
        "g2p.payment.batch.tag",
        string="Batch tags",
        help="In order: a payment goes to the first tag whose conditions its entitlement meets, "
        "and to “Everything else” when it meets none.",
    )

    # The contract

    def _payment_lines(self, cycle, low, high):
        """What is to be paid: approved cash entitlements of the cycle within their validity that have no payment, or
        failed ones only, of beneficiaries who are neither disabled nor archived, with `low < registrant id <= high`.

        :return SQL: columns `entitlement_id`, `account_id` and `account_number` (NULL: none is known) and `batch_tag_id`.
        """
        self.ensure_one()
        return SQL(
            """
            SELECT due.entitlement_id,
                   COALESCE(own.id, head.id) AS account_id,
                   COALESCE(own.acc_number, head.acc_number) AS account_number,
                   %(tag)s AS batch_tag_id
              FROM (%(due)s) AS due
              LEFT JOIN res_partner_bank AS own ON own.partner_id = due.partner_id AND own.is_primary AND own.active
              LEFT JOIN LATERAL (%(head)s) AS head ON own.id IS NULL
            """,
            tag=self._batch_tag_sql(cycle, low, high),
            due=self._payable_entitlements(cycle, low, high),
            head=self._head_account(),
        )

    def _payable_entitlements(self, cycle, low, high):
        """Columns `entitlement_id`, `partner_id`."""
        today = fields.Date.context_today(self)
        return SQL(
            """
            SELECT entitlement.id AS entitlement_id, entitlement.partner_id
              FROM g2p_entitlement AS entitlement
              JOIN res_partner AS beneficiary
                ON beneficiary.id = entitlement.partner_id AND beneficiary.active AND beneficiary.disabled IS NULL
             WHERE entitlement.cycle_id = %(cycle)s AND entitlement.state = 'approved'
               AND entitlement.is_cash_entitlement
               AND entitlement.valid_from <= %(today)s AND entitlement.valid_until >= %(today)s
               AND %(range)s
               AND NOT EXISTS (
                    SELECT FROM g2p_payment AS live
                     WHERE live.entitlement_id = entitlement.id AND live.status IS DISTINCT FROM 'failed'
                   )
            """,
            cycle=cycle.id,
            today=today,
            range=cycle.program_id._range_sql("entitlement", low, high),
        )

    def _head_account(self):
        """The primary account of the group's Head, one row at most, by `due.partner_id`."""
        head = self.env.ref("g2p_registry_base.group_membership_kind_head", raise_if_not_found=False)
        if self.program_id.target_type != "group" or not head:
            return SQL("SELECT NULL::integer AS id, NULL::varchar AS acc_number WHERE FALSE")
        return SQL(
            """
            SELECT account.id, account.acc_number
              FROM g2p_group_membership AS link
              JOIN g2p_group_membership_g2p_group_membership_kind_rel AS role
                ON role.g2p_group_membership_id = link.id AND role.g2p_group_membership_kind_id = %s
              JOIN res_partner_bank AS account
                ON account.partner_id = link.individual AND account.is_primary AND account.active
             WHERE link."group" = due.partner_id AND (link.ended_date IS NULL OR link.ended_date > %s)
             ORDER BY account.id
             LIMIT 1
            """,
            head.id,
            fields.Datetime.now(),
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
                    SELECT line.batch_tag_id, line.slice, gen_random_uuid()::varchar AS name,
                           COUNT(*) AS payments, SUM(line.amount) AS amount, MIN(line.partner_id) AS first_partner_id
                      FROM line
                     GROUP BY line.batch_tag_id, line.slice
                ), batch AS (
                    INSERT INTO g2p_payment_batch
                           (name, cycle_id, program_id, company_id, tag_id, first_partner_id,
                            batch_has_started, batch_has_completed,
                            stats_issued_transactions, stats_issued_amount, stats_sent_transactions, stats_sent_amount,
                            stats_paid_transactions, stats_paid_amount, stats_failed_transactions, stats_failed_amount,
                            stats_datetime, create_uid, write_uid, create_date, write_date)
                    SELECT slice.name, %(cycle)s, %(program)s, %(company)s, slice.batch_tag_id, slice.first_partner_id,
                           FALSE, FALSE, slice.payments, slice.amount, 0, 0, 0, 0, 0, 0,
                           %(now)s, %(uid)s, %(uid)s, %(now)s, %(now)s
                      FROM slice
                     ORDER BY slice.batch_tag_id, slice.slice
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
                JOIN slice ON slice.batch_tag_id IS NOT DISTINCT FROM line.batch_tag_id AND slice.slice = line.slice
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
                                PARTITION BY due.batch_tag_id ORDER BY due.partner_id, due.entitlement_id
                            ) - 1) / COALESCE(NULLIF(tag.max_batch_size, 0), %(default_size)s) AS slice
                      FROM due
                      LEFT JOIN g2p_payment_batch_tag AS tag ON tag.id = due.batch_tag_id
                ), %(batches)s
                inserted AS (
                    INSERT INTO g2p_payment
                           (name, entitlement_id, cycle_id, program_id, partner_id, batch_id, account_id, account_number,
                            state, status_is_final, amount_issued, amount_paid, payment_fee, currency_id, issuance_date,
                            attempt, create_uid, write_uid, create_date, write_date)
                    SELECT gen_random_uuid(), line.entitlement_id, %(cycle)s, %(program)s, line.partner_id, %(batch_id)s,
                           line.account_id, line.account_number, 'issued', FALSE, line.amount, 0, line.fee,
                           line.currency_id, %(now)s,
                           1 + (SELECT COUNT(*) FROM g2p_payment AS failed WHERE failed.entitlement_id = line.entitlement_id),
                           %(uid)s, %(uid)s, %(now)s, %(now)s
                      FROM line
                      %(batch_join)s
                     ORDER BY line.partner_id, line.entitlement_id
                        ON CONFLICT DO NOTHING
                 RETURNING id, account_number
                ), logged AS (
                    %(history)s
                )
                SELECT COUNT(*) FILTER (WHERE account_number IS NOT NULL), COUNT(*) FILTER (WHERE account_number IS NULL)
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
                batch_join=batch_join,
                history=payment._history_sql(
                    SQL("SELECT id, NULL::varchar, 'issued', NULL::varchar FROM inserted"), operation
                ),
            )
        )
        with_account, without_account = self.env.cr.fetchone()
        payment.invalidate_model(flush=False)
        self.env["g2p.payment.batch"].invalidate_model(flush=False)
        if self._is_cash_desk:
            return {"prepared": with_account + without_account}
        return {"prepared": with_account, "no_account": without_account}

    # Sending

    def _send_chunk(self, cycle, low, high, operation):
        """Send the batches of a cycle whose first registrant is in (low, high], and payments without a batch.

        :return: {outcome: payments}
        """
        self.ensure_one()
        return {"sent": self.env["g2p.payment"]._send_where(cycle._unsent_payments(low, high), operation)}

    def _send_batch(self, batch):
        """Send one batch. Returns the number of payments that left."""
        self.ensure_one()
        return self.env["g2p.payment"]._send_where(SQL("SELECT id FROM g2p_payment WHERE batch_id = %s", batch.id))
