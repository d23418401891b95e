"""Entitlements on hold: neither approved nor paid while their member is paused, nor paid again when one who left had a
payment on its way that came back.

The mark is on the entitlement itself, so that whoever holds it and whoever approves or pays it meet in one row.
"""

from odoo import fields, models
from odoo.tools import SQL

from .entitlement import Entitlement as BaseEntitlement
from .membership_change_effects import LEFT_STATES


class Entitlement(models.Model):
    _inherit = "g2p.entitlement"

    _protected_fields = (*BaseEntitlement._protected_fields, "on_hold")

    _on_hold_idx = models.Index("(cycle_id, partner_id) WHERE on_hold")

    on_hold = fields.Boolean(readonly=True, copy=False, help="The member is paused or has left: it is not paid now.")
    left_out_reason = fields.Selection(selection_add=[("paused", "The beneficiary is paused")])


class Cycle(models.Model):
    _inherit = "g2p.cycle"

    def _bulk_outcomes(self):
        _ = self.env._
        return {
            **super()._bulk_outcomes(),
            "disabled": (_("Disabled, archived or on hold"), "skipped"),
            "paused": (_("Paused, on hold"), "skipped"),
        }

    def _disabled(self):
        return SQL("(t.on_hold IS TRUE OR %s)", super()._disabled())

    def _waiting_entitlements(self, operation):
        return SQL("%s AND t.on_hold IS NOT TRUE", super()._waiting_entitlements(operation))

    def _held_entitlements(self, operation):
        """Over `t`: what would wait for this approval, were it not on hold."""
        return SQL("%s AND t.on_hold", super()._waiting_entitlements(operation))

    def _bulk_before_approve_entitlements(self, operation):
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                "UPDATE g2p_entitlement AS t SET left_out_reason = 'paused' WHERE %s",
                self._held_entitlements(operation),
            )
        )
        return super()._bulk_before_approve_entitlements(operation)

    def _bulk_source_approve_entitlements(self, operation):
        return SQL(
            "%s UNION ALL SELECT t.partner_id FROM g2p_entitlement AS t WHERE %s",
            super()._bulk_source_approve_entitlements(operation),
            self._held_entitlements(operation),
        )

    def _bulk_chunk_approve_entitlements(self, operation, low, high):
        counts = super()._bulk_chunk_approve_entitlements(operation, low, high)
        [[paused]] = self.env.execute_query(
            SQL(
                "SELECT COUNT(*) FROM g2p_entitlement AS t WHERE %s AND %s",
                self._held_entitlements(operation),
                self._entitlement_range(low, high),
            )
        )
        return {**counts, "paused": paused}

    def _open_payments_text(self):
        # sudo: an entitlement counts whether or not the user may see it; only the refusal is shown
        held = (
            self.env["g2p.entitlement"]
            .sudo()
            .search_count([("cycle_id", "=", self.id), ("state", "=", "approved"), ("on_hold", "=", True)])
        )
        if held:
            return self.env._(
                "%(count)s approved entitlements of %(cycle)s are on hold: resume or exit their members, or reject them.",
                count=held,
                cycle=self.display_name,
            )
        return super()._open_payments_text()


class BasePaymentManager(models.AbstractModel):
    _inherit = "g2p.base.program.payment.manager"

    def _payable_entitlements(self, cycle, low, high):
        return SQL(
            """
            SELECT payable.entitlement_id, payable.partner_id
              FROM (%s) AS payable
             WHERE payable.entitlement_id NOT IN (
                    SELECT held.id FROM g2p_entitlement AS held WHERE held.cycle_id = %s AND held.on_hold
                   )
            """,
            super()._payable_entitlements(cycle, low, high),
            cycle.id,
        )


class Payment(models.Model):
    _inherit = "g2p.payment"

    def _send_where(self, payments, operation=None):
        return super()._send_where(
            SQL(
                """
                SELECT payment.id
                  FROM g2p_payment AS payment
                  JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                 WHERE payment.id IN (%s) AND t.on_hold IS NOT TRUE
                """,
                payments,
            ),
            operation,
        )

    def _fail_ended(self, cycle, operation):
        """Payments that have not left, of entitlements that are on hold, fail too."""
        count = super()._fail_ended(cycle, operation)
        self.env.cr.execute(
            SQL(
                """
                WITH failed AS (
                    UPDATE g2p_payment AS payment
                       SET state = 'reconciled', status = 'failed', status_is_final = TRUE, status_datetime = %(now)s,
                           status_reason = %(reason)s, write_uid = %(uid)s, write_date = %(now)s
                      FROM g2p_entitlement AS t
                     WHERE t.cycle_id = %(cycle)s AND t.on_hold AND payment.entitlement_id = t.id
                       AND payment.state = 'issued' AND payment.status IS NULL
                 RETURNING payment.id, payment.status_reason
                )
                %(history)s
                """,
                cycle=cycle.id,
                reason=self.env._("The entitlement is on hold"),
                uid=self.env.uid,
                now=self.env.cr.now(),
                history=self._history_sql(
                    SQL("SELECT id, 'issued', 'reconciled', status_reason FROM failed"), operation
                ),
            )
        )
        count += self.env.cr.rowcount
        self._forget()
        return count

    def _finalize(self, source, key, operation=None):
        """Where a payment comes back unpaid whose member has left meanwhile, the entitlement is cancelled at once."""
        result = super()._finalize(source, key, operation)
        self.env["g2p.entitlement"]._leave_where(
            SQL(
                """
                t.on_hold AND EXISTS (
                    SELECT FROM g2p_program_membership AS membership
                     WHERE membership.program_id = t.program_id AND membership.partner_id = t.partner_id
                       AND membership.state = ANY(%s)
                )
                """,
                list(LEFT_STATES),
            ),
            ("approved",),
            "cancelled",
            key,
            reason=self.env._("Left the program"),
            operation=operation,
        )
        return result
