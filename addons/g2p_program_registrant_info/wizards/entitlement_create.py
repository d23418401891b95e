from odoo import fields, models


class EntitlementCreateWizard(models.TransientModel):
    _inherit = "g2p.entitlement.create.wizard"

    assessment_id = fields.Many2one(
        "g2p.program.assessment",
        "From the assessment",
        readonly=True,
        ondelete="cascade",
        help="What an officer found: it is shown with the entitlement that it led to.",
    )

    def create_entitlement(self):
        """The assessment is noted as what led to the entitlement."""
        action = super().create_entitlement()
        assessment = self.assessment_id
        if assessment and not assessment.entitlement_id:
            assessment.check_access("read")
            entitlements = self.env["g2p.entitlement"].search(action["domain"])
            made = entitlements.filtered(
                lambda entitlement: entitlement.partner_id == assessment.program_membership_id.partner_id
                and entitlement.program_id == assessment.program_id
            )[:1]
            # sudo: both may be read; an assessment is fixed but for what it led to, which the database lets be noted once
            assessment.sudo().entitlement_id = made
        return action
