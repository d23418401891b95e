"""What moves applications as sets: they follow entitlements and payments, and take entitlements along when rejected."""

import uuid

from odoo import api, models
from odoo.tools import SQL


class RegistrantInfo(models.Model):
    _inherit = "g2p.program.registrant_info"

    @api.model
    def _link_entitlements(self, entitlements):
        """The latest open application of a member, and their assessments, belong to the entitlement made for them.

        :param SQL entitlements: condition over `g2p_entitlement AS entitlement`. Of several, the first counts. An
            application keeps its entitlement as long as that one may still be paid.
        """
        self.env.flush_all()
        first = SQL(
            """
            SELECT DISTINCT ON (entitlement.program_id, entitlement.partner_id)
                   entitlement.id, entitlement.program_id, entitlement.partner_id
              FROM g2p_entitlement AS entitlement
             WHERE %s AND entitlement.state = 'draft'
             ORDER BY entitlement.program_id, entitlement.partner_id, entitlement.id
            """,
            entitlements,
        )
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_program_registrant_info AS application
                   SET entitlement_id = first.id
                  FROM (%s) AS first
                 WHERE application.is_latest AND application.state IN ('active', 'inprogress')
                   AND application.program_id = first.program_id AND application.registrant_id = first.partner_id
                   AND NOT EXISTS (
                       SELECT FROM g2p_entitlement AS alive
                        WHERE alive.id = application.entitlement_id
                          AND alive.state NOT IN ('cancelled', 'rejected1', 'rejected2', 'rejected3', 'expired')
                   )
                """,
                first,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_program_assessment AS assessment
                   SET entitlement_id = first.id
                  FROM (%s) AS first
                  JOIN g2p_program_membership AS membership
                    ON membership.program_id = first.program_id AND membership.partner_id = first.partner_id
                 WHERE assessment.program_membership_id = membership.id AND assessment.entitlement_id IS NULL
                """,
                first,
            )
        )
        self.invalidate_model(["entitlement_id"], flush=False)
        self.env["g2p.program.assessment"].invalidate_model(["entitlement_id"], flush=False)

    @api.model
    def _complete_where(self, entitlements, operation=None):
        """In progress → completed, where the application's entitlement meets a condition.

        :param SQL entitlements: over `g2p_entitlement AS entitlement`.
        """
        return self._transition_where(
            SQL(
                """
                t.entitlement_id IN (
                    SELECT entitlement.id FROM g2p_entitlement AS entitlement WHERE %s
                )
                """,
                entitlements,
            ),
            "completed",
            operation=operation,
            from_state="inprogress",
        )

    def _reject(self, reason):
        """Open and assessed → rejected, with what was prepared for the applicant and is not approved yet."""
        self._check_can_assess()
        self._check_can_be_rejected()
        entitlement = self.env["g2p.entitlement"].sudo()  # sudo: role and access were checked above
        # cycles of which something is taken back count again
        cycles = self.sudo().entitlement_id.cycle_id
        key = str(uuid.uuid4())
        entitlement._leave_where(
            SQL(
                """
                EXISTS (
                    SELECT FROM g2p_program_registrant_info AS application
                      JOIN g2p_entitlement AS linked ON linked.id = application.entitlement_id
                     WHERE application.id = ANY(%s) AND t.cycle_id = linked.cycle_id AND t.partner_id = linked.partner_id
                )
                """,
                self.ids,
            ),
            ("draft", "pending_validation"),
            "rejected3",
            key,
            reason=reason,
        )
        self.env["g2p.fund.hold"].sudo()._settle(key, reference=reason)
        cycles._refresh_counters()
        self._transition("rejected", reason)
        return True
