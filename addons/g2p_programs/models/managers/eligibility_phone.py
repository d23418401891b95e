from odoo import models
from odoo.tools import SQL

from ...tools.explain import fact


class PhoneNumberEligibilityManager(models.Model):
    """Registrants that have a phone number in use."""

    _name = "g2p.program_membership.manager.phone_number"
    _description = "Eligibility by phone number"
    _inherit = "g2p.program_membership.manager"

    _reason_code = "no_phone"

    def _criterion(self):
        return SQL(
            """
            EXISTS (
                    SELECT
                      FROM g2p_phone_number AS phone
                     WHERE phone.partner_id = base.registrant_id
                       AND phone.disabled IS NULL
                   )
            """
        )

    def _reason_detail(self):
        return self._or_conditions(self.env._("Has no phone number in use"))

    def _criterion_facts(self, registrant_ids):
        """How many numbers are in use; never the numbers."""
        # sudo: a count only, of registrants whom the caller may read
        counts = dict(
            self.env["g2p.phone.number"]
            .sudo()
            ._read_group(
                [("partner_id", "in", list(registrant_ids)), ("disabled", "=", False)], ["partner_id"], ["__count"]
            )
        )
        counts = {partner.id: count for partner, count in counts.items()}
        return {
            registrant_id: fact(
                self.env,
                code="phone",
                label=self.env._("Phone numbers in use"),
                operator=">=",
                wanted="1",
                actual=str(counts.get(registrant_id, 0)),
                verdict="yes" if counts.get(registrant_id) else "no",
            )
            for registrant_id in registrant_ids
        }
