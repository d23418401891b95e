import re
import uuid

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import roles

from ..tools import blocks
from ..tools.constants import GROUP_FINANCE, GROUP_MANAGER

# As people type it: B00017, b17, 17. A number that no column can hold is none.
REFERENCE = re.compile(r"[Bb]?([0-9]{1,9})")


class PaymentBatch(models.Model):
    """Payments that leave together."""

    _name = "g2p.payment.batch"
    _description = "Payment batch"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "id desc"
    _rec_names_search = ["reference", "name", "external_batch_ref"]

    _name_uniq = models.Constraint("UNIQUE (name)", "This reference belongs to another batch.")
    _cycle_idx = models.Index("(cycle_id, first_partner_id)")

    name = fields.Char(
        "Technical reference", required=True, readonly=True, copy=False, default=lambda self: str(uuid.uuid4())
    )
    reference = fields.Char(
        compute="_compute_reference", search="_search_reference", help="What people call the batch: B and its number."
    )
    external_batch_ref = fields.Char("External reference", help="What the payer calls this batch.")
    cycle_id = fields.Many2one("g2p.cycle", required=True, readonly=True, ondelete="restrict")
    program_id = fields.Many2one("g2p.program", required=True, readonly=True, index=True, ondelete="restrict")
    company_id = fields.Many2one("res.company", required=True, readonly=True, ondelete="restrict")
    currency_id = fields.Many2one(related="program_id.currency_id")
    tag_id = fields.Many2one("g2p.payment.batch.tag", readonly=True, ondelete="restrict", index="btree_not_null")
    first_partner_id = fields.Integer(
        readonly=True, help="The lowest registrant in the batch: chunks take whole batches."
    )
    payment_ids = fields.One2many("g2p.payment", "batch_id", string="Payments")
    batch_has_started = fields.Boolean("Sent", readonly=True, copy=False)
    batch_has_completed = fields.Boolean(
        "Completed", readonly=True, copy=False, help="Every payment is paid or failed."
    )
    payout = fields.Selection(
        [("account", "To accounts"), ("desk", "At the cash desk")], "How it is paid", readonly=True, copy=False
    )
    is_cash_desk = fields.Boolean(compute="_compute_is_cash_desk", help="Paid by hand at a cash desk.")

    cancelled_by = fields.Many2one("res.users", readonly=True, copy=False)
    cancelled_on = fields.Datetime(readonly=True, copy=False)
    correction_ids = fields.One2many("g2p.payment.correction", "batch_id", string="Corrections")

    stats_issued_transactions = fields.Integer("Number of payments", readonly=True, copy=False)
    stats_issued_amount = fields.Monetary("Amount", readonly=True, copy=False)
    stats_sent_transactions = fields.Integer("Payments sent", readonly=True, copy=False)
    stats_sent_amount = fields.Monetary("Amount sent", readonly=True, copy=False)
    stats_paid_transactions = fields.Integer("Payments paid", readonly=True, copy=False)
    stats_paid_amount = fields.Monetary("Amount paid", readonly=True, copy=False)
    stats_failed_transactions = fields.Integer(
        "Payments failed", readonly=True, copy=False, help="Of those that were sent."
    )
    stats_failed_amount = fields.Monetary("Amount failed", readonly=True, copy=False)
    stats_stopped_transactions = fields.Integer(
        "Payments that never left", readonly=True, copy=False, help="Stopped before sending: no payer knows of them."
    )
    stats_stopped_amount = fields.Monetary("Amount that never left", readonly=True, copy=False)
    stats_datetime = fields.Datetime("Figures as of", readonly=True, copy=False)

    @api.depends("payout", "program_id.payment_managers")
    def _compute_is_cash_desk(self):
        for batch in self:
            if batch.payout:
                batch.is_cash_desk = batch.payout == "desk"
                continue
            managers = batch.program_id.get_managers(batch.program_id.MANAGER_PAYMENT) if batch.program_id else []
            batch.is_cash_desk = bool(managers) and managers[0]._is_cash_desk

    def _compute_reference(self):
        for batch in self:
            batch.reference = f"B{batch.id:05d}" if batch.id else False

    def _search_reference(self, operator, value):
        """By the number, with or without what stands before it."""
        if operator not in ("=", "in", "like", "ilike", "=like", "=ilike"):
            return NotImplemented
        texts = [value] if isinstance(value, str) else value or ()
        found = [match for text in texts if (match := REFERENCE.fullmatch(str(text).strip("% ")))]
        return [("id", "in", [int(match[1]) for match in found])]

    @api.depends("cycle_id.display_name")
    def _compute_display_name(self):
        for batch in self:
            batch.display_name = f"{batch.cycle_id.display_name} · {batch.reference or ''}"

    # CRUD

    def write(self, vals):
        # A batch is made and moved by the steps only: people name it, and talk about it in its chatter.
        chatter = {*self.env["mail.thread"]._fields, *self.env["mail.activity.mixin"]._fields}
        fixed = set(vals) - {"external_batch_ref"} - (chatter - set(models.MAGIC_COLUMNS))
        if fixed and not self.env.su:
            labels = ", ".join(self._fields[name]._description_string(self.env) for name in sorted(fixed))
            raise AccessError(self.env._("%s of a payment batch can't be edited.", labels))
        changed = self.filtered(
            lambda batch: (batch.external_batch_ref or "")
            != (vals.get("external_batch_ref", batch.external_batch_ref) or "")
        )
        result = super().write(vals)
        for batch in changed:
            told = batch.external_batch_ref
            batch._message_log(
                body=batch.env._("External reference: %s", told)
                if told
                else batch.env._("External reference taken away."),
                author_id=batch.env.user.partner_id.id,
            )
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_started(self):
        for batch in self:
            if batch._has_left():
                raise UserError(
                    self.env._(
                        "Batch %s was sent already: it can't be deleted. If the payer pays nothing of it, ask to cancel it; "
                        "somebody else confirms.",
                        batch.reference,
                    )
                )

    def _has_left(self):
        """Whether a payer may know of this batch: then it stays for ever. Who hands it over in another way says so too."""
        self.ensure_one()
        return self.batch_has_started

    def unlink(self):
        """A batch takes its payments along, as long as none has left."""
        cycles = self.cycle_id
        self.check_access("unlink")
        self._unlink_except_started()
        cycles._bulk_check("edit_payments")
        # sudo: deleting the batch was checked just above; its payments have no life of their own
        self.sudo().payment_ids.unlink()
        result = super().unlink()
        cycles._refresh_counters()
        return result

    # Buttons

    def send_payment(self):
        """Button: send this batch."""
        self._check_can(GROUP_MANAGER)
        sent = held_back = 0
        for batch in self:
            if batch.cycle_id.state != "approved":
                raise UserError(self.env._("%s is not approved, so nothing is sent.", batch.cycle_id.display_name))
            batch.cycle_id._bulk_check("send_batch")
            batch.program_id._check_not_paused(only_held=True)
            # sudo: role and access on the batch were checked above
            manager = batch.sudo().program_id.get_manager(batch.program_id.MANAGER_PAYMENT)
            sent += manager._send(SQL("SELECT id FROM g2p_payment WHERE batch_id = %s", batch.id))["sent"]
            # What is held back does not wait in a batch that has left: it fails, and is prepared again.
            payment = self.env["g2p.payment"].sudo()
            held_back += payment._fail_blocked(SQL("payment.batch_id = %s", batch.id), blocks.SEND)
        self._refresh_statistics()
        self.cycle_id._refresh_counters()
        _ = self.env._
        if sent == 1:
            message = _("1 payment was sent.")
        else:
            message = _("%s payments were sent.", sent) if sent else _("There was nothing to send.")
        if held_back == 1:
            message += " " + _("1 was held back and failed, with its reason.")
        elif held_back:
            message += " " + _("%s were held back and failed, each with its reason.", held_back)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success" if sent and not held_back else "warning",
                "message": message,
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    def action_mark_payments(self):
        """Button: ask whether the payments of this batch were paid or failed."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Mark as paid or failed"),
            "res_model": "g2p.payment.mark.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_batch_id": self.id},
        }

    def action_cancel(self):
        """Button: ask to cancel a batch that left; somebody else confirms it."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Ask to cancel the batch"),
            "res_model": "g2p.payment.correction",
            "view_mode": "form",
            "context": {"default_kind": "cancel", "default_batch_id": self.id},
        }

    def action_view_payments(self):
        """Stat button."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Payments of %s", self.display_name),
            "res_model": "g2p.payment",
            "view_mode": "list,form",
            "domain": [("batch_id", "=", self.id)],
        }

    def _check_can(self, group):
        roles.check(self.env, group)
        self.check_access("write")

    def _check_can_finalize(self):
        self._check_can(GROUP_FINANCE)

    # Sets

    def _refresh_statistics(self):
        """Count the payments of these batches again, in one statement."""
        self._refresh_statistics_where(SQL("batch.id = ANY(%s)", self.ids))

    @api.model
    def _refresh_statistics_where(self, where):
        """Count the payments of a set of batches again. :param SQL where: over `batch`."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_payment_batch AS batch
                   SET stats_issued_transactions = counted.issued, stats_issued_amount = counted.issued_amount,
                       stats_sent_transactions = counted.sent, stats_sent_amount = counted.sent_amount,
                       stats_paid_transactions = counted.paid, stats_paid_amount = counted.paid_amount,
                       stats_failed_transactions = counted.failed, stats_failed_amount = counted.failed_amount,
                       stats_stopped_transactions = counted.stopped, stats_stopped_amount = counted.stopped_amount,
                       batch_has_started = batch.batch_has_started OR counted.sent > 0,
                       batch_has_completed = counted.issued > 0 AND counted.issued = counted.paid + counted.failed + counted.stopped,
                       first_partner_id = counted.first_partner_id,
                       stats_datetime = %(now)s
                  FROM (
                        SELECT batch.id, COUNT(payment.id) AS issued, MIN(payment.partner_id) AS first_partner_id,
                               COALESCE(SUM(payment.amount_issued), 0) AS issued_amount,
                               COUNT(*) FILTER (WHERE payment.state NOT IN ('issued', 'stopped')) AS sent,
                               COALESCE(SUM(payment.amount_issued)
                                        FILTER (WHERE payment.state NOT IN ('issued', 'stopped')), 0) AS sent_amount,
                               COUNT(*) FILTER (WHERE payment.status = 'paid') AS paid,
                               COALESCE(SUM(payment.amount_paid) FILTER (WHERE payment.status = 'paid'), 0) AS paid_amount,
                               COUNT(*) FILTER (WHERE payment.status = 'failed' AND payment.state <> 'stopped') AS failed,
                               COALESCE(SUM(payment.amount_issued)
                                        FILTER (WHERE payment.status = 'failed' AND payment.state <> 'stopped'), 0)
                               AS failed_amount,
                               COUNT(*) FILTER (WHERE payment.state = 'stopped') AS stopped,
                               COALESCE(SUM(payment.amount_issued) FILTER (WHERE payment.state = 'stopped'), 0)
                               AS stopped_amount
                          FROM g2p_payment_batch AS batch
                          LEFT JOIN g2p_payment AS payment ON payment.batch_id = batch.id
                         WHERE %(where)s
                         GROUP BY batch.id
                       ) AS counted
                 WHERE batch.id = counted.id
                """,
                where=where,
                now=self.env.cr.now(),
            )
        )
        self.invalidate_model(flush=False)
