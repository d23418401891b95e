from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools.misc import formatLang

from odoo.addons.g2p_bulk.tools.question import question

from ..models.fund import FINANCE


class PaymentMarkWizard(models.TransientModel):
    """Say what came of payments: a selection, a batch, or all of a cycle that are not final."""

    _name = "g2p.payment.mark.wizard"
    _description = "Mark payments as paid or failed"

    payment_ids = fields.Many2many("g2p.payment", string="Payments")
    batch_id = fields.Many2one("g2p.payment.batch")
    cycle_id = fields.Many2one("g2p.cycle")
    status = fields.Selection([("paid", "Paid"), ("failed", "Failed")], required=True, default="paid")
    reason = fields.Char(help="Why the payments failed, or a remark.")
    date = fields.Datetime("Paid on", default=fields.Datetime.now)
    bank_reference = fields.Char()
    open_count = fields.Integer(
        "Payments that are not final", compute="_compute_open", help="Payments that are not final."
    )
    open_amount = fields.Monetary("Amount", compute="_compute_open")
    currency_id = fields.Many2one("res.currency", compute="_compute_open")

    @api.model
    def default_get(self, fields_list):
        values = super().default_get(fields_list)
        active, ids = self.env.context.get("active_model"), self.env.context.get("active_ids") or []
        if any(values.get(name) for name in ("payment_ids", "batch_id", "cycle_id")) or not ids:
            return values
        if active == "g2p.payment":
            values["payment_ids"] = [(6, 0, ids)]
        elif active == "g2p.payment.batch":
            values["batch_id"] = ids[0]
        elif active == "g2p.cycle":
            values["cycle_id"] = ids[0]
        return values

    def _domain(self):
        if self.cycle_id:
            scope = [("cycle_id", "=", self.cycle_id.id)]
        elif self.batch_id:
            scope = [("batch_id", "=", self.batch_id.id)]
        else:
            scope = [("id", "in", self.payment_ids.ids)]
        return [*scope, ("status", "=", False)]

    @api.depends("payment_ids", "batch_id", "cycle_id")
    def _compute_open(self):
        for wizard in self:
            [[count, amount]] = self.env["g2p.payment"]._read_group(
                wizard._domain(), aggregates=["__count", "amount_issued:sum"]
            )
            wizard.open_count = count
            wizard.open_amount = amount
            source = wizard.cycle_id or wizard.batch_id or wizard.payment_ids[:1]
            wizard.currency_id = source.currency_id

    def action_confirm_mark(self):
        """Button: say how many payments become what, and ask."""
        self.ensure_one()
        if self.status == "failed" and not self.reason:
            raise UserError(self.env._("Say why the payments failed."))
        values = {
            "count": formatLang(self.env, self.open_count, digits=0),
            "amount": formatLang(self.env, self.open_amount, currency_obj=self.currency_id),
        }
        if self.status == "paid":
            message = self.env._("%(count)s payments of %(amount)s are recorded as paid.", **values)
        else:
            message = self.env._(
                "%(count)s payments of %(amount)s are recorded as failed, and can be prepared again.", **values
            )
        message += " " + self.env._("A final payment changes only by a correction that somebody else confirms.")
        return question(self, "mark", self.env._("Mark payments"), message, self.env._("Mark"))

    def mark(self):
        """Button: make the payments final. A failed one can be prepared again."""
        self.ensure_one()
        if not self.env.su and not self.env.user.has_group(FINANCE):
            raise AccessError(
                self.env._("Only members of the role “%s” may do this.", self.env.ref(FINANCE).sudo().display_name)
            )
        if self.status == "failed" and not self.reason:
            raise UserError(self.env._("Say why the payments failed."))
        date = self.date if self.status == "paid" else None
        if date:
            # sudo: the role was checked above, and the set is what the user may see
            self.env["g2p.payment"].sudo()._check_paid_on(
                self.env["g2p.payment"]._search(self._domain()).subselect(), date
            )
        if self.cycle_id:
            return self.cycle_id._mark_payments(self.status, self.reason, date, self.bank_reference)
        payment = self.env["g2p.payment"]
        if self.batch_id:
            self.batch_id._check_can_finalize()
        # The record rules of the user narrow the set.
        payments = payment._search(self._domain()).subselect()
        # sudo: the role was checked above, and the set is what the user may see
        paying = self.status == "paid"
        blocked = payment.sudo()._blocked_text(payments) if paying else False
        marked = payment.sudo()._finalize_now(payments, self.status, self.reason, date, self.bank_reference)
        count = marked.paid + marked.failed
        messages = [self.env._("%s payments were marked.", count)]
        if marked.blocked:
            messages.append(
                self.env._(
                    "%(count)s were not, because something holds them back: %(reasons)s.",
                    count=marked.blocked,
                    reasons=blocked,
                )
            )
        if marked.not_due:
            messages.append(
                self.env._(
                    "%s were not: their entitlements are not approved any more. Mark these as failed.", marked.not_due
                )
            )
        if not count:
            raise UserError(" ".join(messages[1:]) or self._final_already_text())
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning" if marked.blocked or marked.not_due else "success",
                "message": " ".join(messages),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    def _final_already_text(self):
        return self.env._(
            "These payments are final already, and nothing was changed. If one is recorded wrongly, or came back, ask for a "
            "correction on the payment: somebody else of finance confirms it."
        )
