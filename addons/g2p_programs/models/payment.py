import uuid

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL


class Payment(models.Model):
    """One attempt to pay one entitlement. At most one attempt of an entitlement is alive: the database says so."""

    _name = "g2p.payment"
    _personal_fields = {"account_number": "account", "account_id": "account"}
    _description = "Payment"
    _inherit = ["g2p.state.mixin"]
    _order = "id desc"

    # Payments are made and moved by the steps only.
    _protected_fields = (
        "state",
        "status",
        "status_is_final",
        "status_datetime",
        "amount_issued",
        "amount_paid",
        "payment_fee",
        "account_id",
        "account_number",
        "payment_datetime",
        "bank_reference",
        "name",
        "attempt",
    )

    _one_live = models.UniqueIndex(
        "(entitlement_id) WHERE status IS DISTINCT FROM 'failed'",
        "The entitlement has a payment already that has not failed.",
    )
    _cycle_partner_idx = models.Index("(cycle_id, partner_id)")
    _cycle_latest = models.Index("(cycle_id, id)")
    _open_latest = models.Index("(state, id) WHERE state <> 'reconciled'")
    _final_latest = models.Index("(status, id) WHERE status IS NOT NULL")
    _no_batch_idx = models.Index("(id) WHERE batch_id IS NULL")
    _paid_on_idx = models.Index("USING brin (payment_datetime) WITH (autosummarize = on)")
    _name_uniq = models.Constraint("UNIQUE (name)", "This reference belongs to another payment.")
    _amounts = models.Constraint(
        "CHECK (amount_issued >= 0 AND amount_paid >= 0 AND payment_fee >= 0)", "A payment can't be negative."
    )

    # Identity
    name = fields.Char("Reference", required=True, readonly=True, copy=False, default=lambda self: str(uuid.uuid4()))
    attempt = fields.Integer(
        readonly=True, default=1, aggregator=None, help="How many times this entitlement was tried."
    )

    # Relations
    entitlement_id = fields.Many2one("g2p.entitlement", required=True, readonly=True, index=True, ondelete="restrict")
    cycle_id = fields.Many2one("g2p.cycle", required=True, readonly=True, ondelete="restrict")
    program_id = fields.Many2one("g2p.program", required=True, readonly=True, ondelete="restrict")
    company_id = fields.Many2one(related="program_id.company_id")
    partner_id = fields.Many2one(
        "res.partner", "Beneficiary", required=True, readonly=True, index=True, ondelete="restrict"
    )
    area_id = fields.Many2one(related="partner_id.area_id")
    batch_id = fields.Many2one(
        "g2p.payment.batch", readonly=True, index="btree_not_null", ondelete="restrict", copy=False
    )
    account_id = fields.Many2one(
        "res.partner.bank", readonly=True, index="btree_not_null", ondelete="restrict", copy=False
    )
    account_number = fields.Char(
        readonly=True, copy=False, help="As it was when the payment was prepared: this is paid."
    )

    # State
    state = fields.Selection(
        [("issued", "Issued"), ("sent", "Sent"), ("reconciled", "Reconciled")],
        required=True,
        readonly=True,
        default="issued",
        copy=False,
    )
    status = fields.Selection([("paid", "Paid"), ("failed", "Failed")], readonly=True, copy=False)
    status_is_final = fields.Boolean("Final", readonly=True, copy=False)
    status_datetime = fields.Datetime("Status of", readonly=True, copy=False)
    status_reason = fields.Char("Reason", readonly=True, copy=False)
    issuance_date = fields.Datetime("Issued on", readonly=True, copy=False)
    payment_datetime = fields.Datetime("Paid on", readonly=True, copy=False)
    bank_reference = fields.Char(readonly=True, copy=False)

    # Money
    currency_id = fields.Many2one("res.currency", required=True, readonly=True, ondelete="restrict")
    amount_issued = fields.Monetary(
        "Amount", required=True, readonly=True, help="The entitlement less the transfer fee."
    )
    amount_paid = fields.Monetary(readonly=True, default=0, copy=False)
    payment_fee = fields.Monetary("Fee", readonly=True, default=0)

    @api.depends("partner_id.name", "name")
    def _compute_display_name(self):
        for payment in self:
            payment.display_name = f"{payment.partner_id.name or ''} · {(payment.name or '')[:8]}"

    # CRUD

    def write(self, vals):
        if {"entitlement_id", "cycle_id", "program_id", "partner_id", "currency_id"} & set(vals):
            raise UserError(self.env._("A payment stays with its entitlement: prepare a new one."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_issued(self):
        kept = self.filtered(lambda payment: payment.state != "issued" or payment.status)
        if kept:
            raise UserError(
                self.env._(
                    "%(count)s of these payments were sent or are final (such as %(name)s). Nothing was deleted.",
                    count=len(kept),
                    name=kept[0].display_name,
                )
            )

    def unlink(self):
        batches, cycles = self.batch_id, self.cycle_id
        result = super().unlink()
        batches._refresh_statistics()
        cycles._refresh_counters()
        return result

    # Buttons

    def action_mark(self):
        """Button: ask whether these payments were paid or failed."""
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Mark as paid or failed"),
            "res_model": "g2p.payment.mark.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_payment_ids": self.ids},
        }

    def action_open_entitlement(self):
        """Stat button."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "g2p.entitlement",
            "res_id": self.entitlement_id.id,
            "view_mode": "form",
        }

    # Sets

    @api.model
    def _send_where(self, payments, operation=None):
        """Issued → sent, with their entitlements (sent to the payer) and batches (started), in one statement.

        :param SQL payments: one column, ids of payments; those that left already, those whose entitlement is not
            approved (any more), and those of who is disabled or archived, stay as they are.
        :return: how many left.
        """
        entitlement = self.env["g2p.entitlement"]
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH moved AS (
                    UPDATE g2p_entitlement AS t
                       SET state = 'trans2FSP', write_uid = %(uid)s, write_date = %(now)s
                      FROM g2p_payment AS payment
                      JOIN res_partner AS registrant ON registrant.id = payment.partner_id
                     WHERE payment.id IN (%(payments)s) AND payment.state = 'issued' AND payment.status IS NULL
                       AND t.id = payment.entitlement_id AND t.state = 'approved'
                       AND registrant.active AND registrant.disabled IS NULL
                 RETURNING t.id, payment.id AS payment_id
                ), moved_logged AS (
                    %(entitlement_history)s
                ), sent AS (
                    UPDATE g2p_payment AS payment
                       SET state = 'sent', write_uid = %(uid)s, write_date = %(now)s
                      FROM moved
                     WHERE payment.id = moved.payment_id
                 RETURNING payment.id, payment.batch_id
                ), logged AS (
                    %(history)s
                ), started AS (
                    UPDATE g2p_payment_batch AS batch
                       SET batch_has_started = TRUE, write_uid = %(uid)s, write_date = %(now)s
                     WHERE batch.id IN (SELECT batch_id FROM sent) AND batch.batch_has_started IS NOT TRUE
                )
                SELECT COUNT(*) FROM sent
                """,
                payments=payments,
                uid=self.env.uid,
                now=self.env.cr.now(),
                history=self._history_sql(SQL("SELECT id, 'issued', 'sent', NULL::varchar FROM sent"), operation),
                entitlement_history=entitlement._history_sql(
                    SQL("SELECT id, 'approved', 'trans2FSP', NULL::varchar FROM moved"), operation
                ),
            )
        )
        [count] = self.env.cr.fetchone()
        self._forget()
        return count

    @api.model
    def _fail_ended(self, cycle, operation):
        """Payments of a cycle that have not left, and whose entitlement ended or whose beneficiary was disabled
        meanwhile, fail. Returns how many."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH failed AS (
                    UPDATE g2p_payment AS payment
                       SET state = 'reconciled', status = 'failed', status_is_final = TRUE, status_datetime = %(now)s,
                           status_reason = CASE WHEN t.state <> 'approved' THEN %(ended)s ELSE %(disabled)s END,
                           write_uid = %(uid)s, write_date = %(now)s
                      FROM g2p_entitlement AS t
                      JOIN res_partner AS registrant ON registrant.id = t.partner_id
                     WHERE payment.cycle_id = %(cycle)s AND payment.state = 'issued' AND payment.status IS NULL
                       AND t.id = payment.entitlement_id AND t.cycle_id = %(cycle)s
                       AND (t.state <> 'approved' OR NOT registrant.active OR registrant.disabled IS NOT NULL)
                 RETURNING payment.id, payment.status_reason
                )
                %(history)s
                """,
                cycle=cycle.id,
                ended=self.env._("The entitlement is not approved any more"),
                disabled=self.env._("The beneficiary is disabled or archived"),
                uid=self.env.uid,
                now=self.env.cr.now(),
                history=self._history_sql(
                    SQL("SELECT id, 'issued', 'reconciled', status_reason FROM failed"), operation
                ),
            )
        )
        count = self.env.cr.rowcount
        self._forget()
        return count

    @api.model
    def _finalize(self, source, key, operation=None):
        """Payments become final: paid or failed, with their entitlements, in one statement.

        A paid entitlement is redeemed, and its money is held under `key`, to be disbursed by settling it; a failed one
        goes back to approved, keeps its reservation, and can be paid again.

        :param SQL source: columns `payment_id`, `status` (paid, failed), `reason`, `date` (timestamp or NULL: now) and
            `bank_reference`. Payments that are final already stay as they are, and so are those said to be paid for
            which no money is reserved: their entitlement ended.
        :return: (paid, failed, said to be paid but not due)
        """
        entitlement = self.env["g2p.entitlement"]
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH source AS MATERIALIZED (
                    %(source)s
                ), open AS MATERIALIZED (
                    SELECT payment.id, payment.state, payment.amount_issued, payment.bank_reference AS known_reference,
                           source.status, source.reason, source.date, source.bank_reference,
                           entitlement.id AS entitlement_id, entitlement.state AS entitlement_state,
                           entitlement.state IN ('approved', 'trans2FSP') AS due
                      FROM source
                      JOIN g2p_payment AS payment ON payment.id = source.payment_id
                      JOIN g2p_entitlement AS entitlement ON entitlement.id = payment.entitlement_id
                     WHERE payment.status IS NULL
                       FOR NO KEY UPDATE OF payment, entitlement
                ), final AS (
                    UPDATE g2p_payment AS payment
                       SET state = 'reconciled', status = open.status, status_is_final = TRUE, status_datetime = %(now)s,
                           status_reason = open.reason,
                           payment_datetime = CASE open.status WHEN 'paid' THEN COALESCE(open.date, %(now)s) END,
                           amount_paid = CASE open.status WHEN 'paid' THEN open.amount_issued ELSE 0 END,
                           bank_reference = COALESCE(open.bank_reference, open.known_reference),
                           write_uid = %(uid)s, write_date = %(now)s
                      FROM open
                     WHERE payment.id = open.id AND (open.due OR open.status = 'failed')
                 RETURNING payment.id, payment.status, payment.status_reason, open.state AS from_state,
                           open.entitlement_id, open.entitlement_state, open.due
                ), logged AS (
                    %(history)s
                ), reserved AS (
                    SELECT entitlement_id AS id, entitlement_state AS state, status_reason,
                           CASE status WHEN 'paid' THEN 'rdpd2ben' ELSE 'approved' END AS to_state
                      FROM final
                     WHERE due
                ), moved AS (
                    UPDATE g2p_entitlement AS t
                       SET state = reserved.to_state, write_uid = %(uid)s, write_date = %(now)s
                      FROM reserved
                     WHERE t.id = reserved.id AND t.state <> reserved.to_state
                 RETURNING t.id, reserved.state AS from_state, t.state AS to_state, reserved.status_reason AS reason,
                           t.program_id, t.currency_id, t.cycle_id, t.initial_amount
                ), moved_logged AS (
                    %(entitlement_history)s
                ), held AS (
                    %(held)s
                )
                SELECT COUNT(*) FILTER (WHERE status = 'paid'), COUNT(*) FILTER (WHERE status = 'failed'),
                       (SELECT COUNT(*) FROM open WHERE status = 'paid' AND NOT due)
                  FROM final
                """,
                source=source,
                uid=self.env.uid,
                now=self.env.cr.now(),
                history=self._history_sql(
                    SQL("SELECT id, from_state, 'reconciled', status_reason FROM final"), operation
                ),
                entitlement_history=entitlement._history_sql(
                    SQL("SELECT id, from_state, to_state, reason FROM moved"), operation
                ),
                held=self.env["g2p.fund.hold"]._insert_sql(
                    SQL(
                        """
                        SELECT account.id, %s, 'disburse', SUM(moved.initial_amount), moved.cycle_id
                          FROM moved
                          JOIN g2p_fund_account AS account
                            ON account.program_id = moved.program_id AND account.currency_id = moved.currency_id
                         WHERE moved.to_state = 'rdpd2ben'
                         GROUP BY account.id, moved.cycle_id
                        """,
                        key,
                    )
                ),
            )
        )
        paid, failed, not_due = self.env.cr.fetchone()
        self._forget()
        return paid, failed, not_due

    @api.model
    def _finalize_now(self, payments, status, reason=None, date=None, bank_reference=None):
        """Mark a set of payments, disburse, and refresh the figures of its batches and cycles: all in one transaction.

        :param SQL payments: one column, ids of payments. :return: how many were marked.
        """
        key = str(uuid.uuid4())
        self.env.flush_all()
        touched = self.env.execute_query(
            SQL("SELECT DISTINCT cycle_id, batch_id FROM g2p_payment WHERE id IN (%s) AND status IS NULL", payments)
        )
        paid, failed, _not_due = self._finalize(
            SQL(
                """
                SELECT payment.id AS payment_id, %(status)s::varchar AS status, %(reason)s::varchar AS reason,
                       %(date)s::timestamp AS date, %(bank_reference)s::varchar AS bank_reference
                  FROM g2p_payment AS payment
                 WHERE payment.id IN (%(payments)s)
                """,
                status=status,
                reason=reason or None,
                date=date or None,
                bank_reference=bank_reference or None,
                payments=payments,
            ),
            key,
        )
        self.env["g2p.fund.hold"]._settle(key, reference=bank_reference or reason)
        self.env["g2p.payment.batch"].browse({batch for _cycle, batch in touched if batch})._refresh_statistics()
        cycles = self.env["g2p.cycle"].browse({cycle for cycle, _batch in touched})
        cycles._refresh_counters()
        cycles._set_distributed_if_complete()
        return paid + failed

    def _forget(self):
        for model in ("g2p.payment", "g2p.entitlement", "g2p.payment.batch"):
            self.env[model].invalidate_model(flush=False)
