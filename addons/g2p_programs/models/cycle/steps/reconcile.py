from odoo import api, models
from odoo.tools import SQL

from ....tools.constants import GROUP_FINANCE

# So many open payments are named
FEW = 3


class Reconcile(models.AbstractModel):
    """Every payment of the cycle that is not final is marked as paid or failed, by hand."""

    _name = "g2p.cycle.step.reconcile"
    _inherit = "g2p.cycle.step.money"
    _description = "Mark payments"

    _step = "reconcile"
    _place = 90
    _role = GROUP_FINANCE
    _from_states = ("approved", "distributed")
    _moves = ("g2p.payment", "g2p.payment.batch", "g2p.entitlement")
    _relies_on = ("prepare_payments", "send")

    _stage = 5

    def _label(self):
        return self.env._("Mark payments")

    def _next(self, cycle):
        return cycle.state == "approved" and cycle.sent_count and 40

    def _next_words(self, cycle):
        _ = self.env._
        told = {"count": cycle._number(cycle.sent_count), "amount": cycle._money(cycle.sent_amount)}
        if cycle.sent_count == 1:
            way = _("1 payment of %(amount)s is still open", **told)
        else:
            way = _("%(count)s payments of %(amount)s are still open", **told)
        if names := self._names(cycle):
            way += f" ({names})"
        way = _("%s: record whether they were paid or failed when you know what came of them.", way)
        return " ".join([way, *self._other_ways(cycle)])

    def _names(self, cycle):
        """Whose payments are open, where they are few and the user may see them."""
        payments = self.env["g2p.payment"]
        if cycle.sent_count > FEW or not payments.has_access("read"):
            return ""
        found = payments.search(
            [("cycle_id", "=", cycle.id), ("state", "=", "sent"), ("status", "=", False)], limit=FEW
        )
        return ", ".join(found.partner_id.mapped("display_name"))

    @api.model
    def _other_ways(self, cycle):
        """How else it may be recorded what came of them: sentences, one from each plug-in."""
        return []

    def _outcomes(self):
        _ = self.env._
        return {
            "paid": (_("Paid"), "done"),
            "failed": (_("Marked as failed"), "done"),
            "blocked": (_("Never left, and held back"), "failed"),
            "not_due": (_("Entitlement not approved any more"), "failed"),
            "left": (_("Left: two people say that it failed"), "failed"),
        }

    def _rows(self, cycle, operation, outcome):
        payment = "g2p.payment"
        if outcome in ("paid", "failed"):
            return payment, SQL(
                "t.status = %s AND %s", outcome, operation._moved_rows(payment, "reconciled", "stopped")
            )
        if outcome == "left":
            return payment, SQL(
                "%s AND t.status IS NULL AND t.state = 'sent' AND t.payout IS DISTINCT FROM 'desk'",
                self._mine(cycle, operation, outcome),
            )
        if outcome in ("not_due", "blocked"):
            return payment, SQL(
                """
                %s AND t.status IS NULL AND %s (
                    SELECT due.state IN ('approved', 'trans2FSP')
                      FROM g2p_entitlement AS due WHERE due.id = t.entitlement_id
                )
                """,
                self._mine(cycle, operation, outcome),
                SQL("NOT") if outcome == "not_due" else SQL(),
            )
        return super()._rows(cycle, operation, outcome)

    def _source(self, cycle, operation):
        return SQL("SELECT partner_id AS key FROM g2p_payment WHERE cycle_id = %s AND status IS NULL", cycle.id)

    def _chunk(self, cycle, operation, low, high):
        params = operation.params
        marked = self.env["g2p.payment"]._finalize(
            SQL(
                """
                SELECT payment.id AS payment_id, %(status)s::varchar AS status, %(reason)s::varchar AS reason,
                       %(date)s::timestamp AS date, %(bank_reference)s::varchar AS bank_reference
                  FROM g2p_payment AS payment
                 WHERE payment.cycle_id = %(cycle)s AND payment.partner_id > %(low)s AND payment.partner_id <= %(high)s
                   AND payment.status IS NULL
                """,
                cycle=cycle.id,
                low=low,
                high=high,
                status=params["status"],
                reason=params["reason"],
                date=params["date"],
                bank_reference=params["bank_reference"],
            ),
            cycle._hold_key(operation),
            operation,
            confirmed=bool(params.get("confirmed")),
        )
        return marked._asdict()

    def _finish(self, cycle, operation):
        cycle._finish_payments(operation)
