from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL
from odoo.tools.misc import format_datetime, formatLang

from odoo.addons.g2p_approval.tools import digest

from ..tools.money import decimal

KIND = "payment_mark"


class PaymentMark(models.Model):
    """Somebody says by hand what came of a set of payments: a selection, a batch, or all of a cycle that are not final. One
    request for the set; when everybody agreed, it is recorded as a set."""

    _name = "g2p.payment.mark"
    _description = "Payments recorded by hand"
    _inherit = ["g2p.state.mixin", "g2p.approval.mixin"]
    _order = "id desc"
    _rec_names_search = ["bank_reference", "cycle_id"]

    _one_cycle = models.UniqueIndex(
        "(cycle_id) WHERE state = 'requested' AND cycle_id IS NOT NULL",
        "Somebody asked to record the payments of this cycle already: approve or reject that.",
    )

    name = fields.Char(compute="_compute_name")
    program_id = fields.Many2one("g2p.program", required=True, readonly=True, ondelete="restrict", index=True)
    company_id = fields.Many2one(related="program_id.company_id", store=True, index=True)
    currency_id = fields.Many2one("res.currency", required=True, readonly=True, ondelete="restrict")
    cycle_id = fields.Many2one(
        "g2p.cycle", "All of cycle", readonly=True, ondelete="restrict", help="Every payment of it that is not final."
    )
    payment_ids = fields.Many2many("g2p.payment", "g2p_payment_mark_rel", "mark_id", "payment_id", readonly=True)
    status = fields.Selection([("paid", "Paid"), ("failed", "Failed")], "Recorded as", required=True, readonly=True)
    reason = fields.Char(readonly=True)
    date = fields.Datetime("Paid on", readonly=True)
    bank_reference = fields.Char("Bank reference", readonly=True)
    payments_count = fields.Integer("Payments", required=True, readonly=True, help="When it was asked for.")
    payments_amount = fields.Monetary("Amount", required=True, readonly=True)
    state = fields.Selection(
        [("requested", "Waits for approval"), ("done", "Done"), ("refused", "Not done")],
        required=True,
        readonly=True,
        default="requested",
        index=True,
    )
    result = fields.Char(readonly=True)

    @api.depends("status", "payments_count")
    def _compute_name(self):
        for mark in self:
            count = formatLang(self.env, mark.payments_count or 0, digits=0)
            is_one = mark.payments_count == 1
            if mark.status == "failed":
                one, many = (
                    self.env._("1 payment recorded as failed"),
                    self.env._("%s payments recorded as failed", count),
                )
            else:
                one, many = self.env._("1 payment recorded as paid"), self.env._("%s payments recorded as paid", count)
            mark.name = one if is_one else many

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("What was said of payments is evidence: it stays."))

    # Buttons

    def action_view_payments(self):
        """Stat button."""
        self.ensure_one()
        scope = [("cycle_id", "=", self.cycle_id.id)] if self.cycle_id else [("id", "in", self.payment_ids.ids)]
        return {
            "type": "ir.actions.act_window",
            "name": self.name,
            "res_model": "g2p.payment",
            "view_mode": "list,form",
            "domain": scope,
        }

    # Asking

    @api.model
    def _ask(self, domain, cycle, status, reason, date, bank_reference):
        """Ask that the payments of a domain, or all of a cycle, are recorded.

        :param Domain domain: as the user sees payments: record rules narrow it
        :return: what the client shows
        """
        payment = self.env["g2p.payment"]
        seen = payment._search(domain)
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT program_id, currency_id, COUNT(*), SUM(amount_issued)::text
                  FROM g2p_payment WHERE id IN (%s) GROUP BY program_id, currency_id
                """,
                seen.subselect(),
            )
        )
        if len(rows) != 1:
            raise UserError(
                self.env._("Somebody else has to agree for each program by itself: choose payments of one program.")
            )
        [[program_id, currency_id, count, amount]] = rows
        if waiting := self._waiting_for(seen, cycle):
            raise UserError(waiting._waiting_text())
        # sudo: role and access were checked by the button, and the set is what the user may see
        mark = self.sudo().create(
            {
                "program_id": program_id,
                "currency_id": currency_id,
                "cycle_id": cycle.id,
                "status": status,
                "reason": reason,
                "date": date,
                "bank_reference": bank_reference,
                "payments_count": count,
                "payments_amount": float(amount),
            }
        )
        if not cycle:
            self.env.cr.execute(
                SQL(
                    "INSERT INTO g2p_payment_mark_rel (mark_id, payment_id) SELECT %s, id FROM (%s) AS seen (id)",
                    mark.id,
                    seen.subselect(),
                )
            )
            mark.invalidate_recordset(["payment_ids"])
        return mark.with_env(self.env)._approval_submit()

    @api.model
    def _waiting_for(self, seen, cycle):
        """What waits already about one of these payments: who agrees to two would wonder which of them was done.

        :param Query seen: ids of payments; `cycle`: all of it is meant
        """
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT mark.id FROM g2p_payment_mark AS mark
                 WHERE mark.state = 'requested' AND (
                        mark.cycle_id IN (SELECT cycle_id FROM g2p_payment WHERE id IN (%(seen)s))
                        OR EXISTS (
                            SELECT FROM g2p_payment_mark_rel AS rel
                              JOIN g2p_payment AS payment ON payment.id = rel.payment_id
                             WHERE rel.mark_id = mark.id AND (payment.id IN (%(seen)s) OR payment.cycle_id = %(cycle)s)
                        )
                 )
                 LIMIT 1
                """,
                seen=seen.subselect(),
                cycle=cycle.id or None,
            )
        )
        # sudo: that it waits, and for whom, is told to whoever may ask for the same
        return self.sudo().browse(rows[0] if rows else ())

    def _waiting_text(self):
        return self.env._(
            "Somebody asked to record some of these payments already: %s", self.approval_text or self.name
        )

    # Approval

    def _approval_kind(self):
        return KIND

    def _approval_scope(self):
        return self.program_id

    def _approval_of(self):
        return (self.cycle_id or self.program_id).display_name

    def _approval_name(self, kind):
        amount = formatLang(self.env, self.payments_amount, currency_obj=self.currency_id)
        values = {
            "count": formatLang(self.env, self.payments_count, digits=0),
            "amount": amount,
            "of": (self.cycle_id or self.program_id).display_name,
        }
        if self.status == "failed":
            return self.env._("Record %(count)s payments of %(amount)s as failed: %(of)s", **values)
        return self.env._("Record %(count)s payments of %(amount)s as paid: %(of)s", **values)

    def _approval_amount(self, kind):
        return decimal(self.payments_amount), self.currency_id

    def _approval_authors(self, kind):
        return self.create_uid.sudo(False)

    def _set_sql(self):
        """The payments that it is about, over `payment`: of a cycle, those that are not final."""
        if self.cycle_id:
            return SQL("payment.cycle_id = %s AND payment.status IS NULL", self.cycle_id.id)
        return SQL("payment.id IN (SELECT payment_id FROM g2p_payment_mark_rel WHERE mark_id = %s)", self.id)

    def _approval_lock(self, kind):
        held = super()._approval_lock(kind)
        if self.cycle_id:
            # Its payments move in steps that write the cycle when they start.
            self.env.cr.execute(SQL("SELECT FROM g2p_cycle WHERE id = %s FOR NO KEY UPDATE", self.cycle_id.id))
        else:
            self.env.cr.execute(
                SQL("SELECT FROM g2p_payment AS payment WHERE %s ORDER BY id FOR NO KEY UPDATE", self._set_sql())
            )
        return held

    def _approval_digest(self, kind):
        self.env.flush_all()
        rows = digest.of_rows(
            SQL(
                "SELECT payment.id, concat_ws('|', payment.state, COALESCE(payment.status, '-'), payment.amount_issued)"
                " FROM g2p_payment AS payment WHERE %s",
                self._set_sql(),
            )
        )
        [[payments, count]] = self.env.execute_query(rows)
        said = [self.status, self.reason, self.date, self.bank_reference, self.cycle_id.id]
        return digest.of_values([self._name, self.id, kind, payments, count, *said])

    def _approval_figures(self, kind):
        _ = self.env._
        lines = [
            {"label": _("Payments"), "value": self.payments_count},
            {"label": _("Amount"), "value": str(decimal(self.payments_amount)), "money": self.currency_id.id},
            {
                "label": _("Recorded as"),
                "value": dict(self._fields["status"]._description_selection(self.env))[self.status],
            },
        ]
        if self.status == "paid" and self.date:
            lines.append({"label": _("Paid on"), "value": format_datetime(self.env, self.date)})
        for name in ("bank_reference", "reason"):
            if self[name]:
                lines.append({"label": self._fields[name]._description_string(self.env), "value": self[name]})
        if held := self.status == "paid" and self.env["g2p.payment"]._blocked_text(self._payments_sql()):
            lines.append({"label": _("Held back, and stay as they are"), "value": held})
        return lines

    def _payments_sql(self):
        return SQL("SELECT payment.id FROM g2p_payment AS payment WHERE %s", self._set_sql())

    def _approval_check_decider(self, kind):
        """Nobody agrees to what they may not see."""
        payments = self.env["g2p.payment"]
        # sudo: the set of the request; whom the user may see of it is counted below without
        scope = [("id", "in", SQL("(%s)", self.sudo()._payments_sql()))]
        # sudo: only how many are hidden is told
        if hidden := payments.sudo().search_count(scope) - payments.search_count(scope):
            raise UserError(
                self.env._(
                    "%s of these payments are outside the areas you work in: ask somebody who sees all of them.", hidden
                )
            )

    def _approval_granted(self, request):
        if self.cycle_id:
            self.cycle_id._mark_payments(self.status, self.reason, self.date, self.bank_reference, confirmed=False)
            result = self.env._("The payments of %s are recorded: see its operations.", self.cycle_id.display_name)
        else:
            marked, messages = self.env["g2p.payment"]._mark_now(
                self._payments_sql(), self.status, self.reason, self.date, self.bank_reference
            )
            result = " ".join(messages)
        self.result = result
        self._transition("done")

    def _approval_refused(self, request):
        self._transition("refused")
