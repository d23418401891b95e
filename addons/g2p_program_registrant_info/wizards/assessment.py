from odoo import fields, models


class AssessmentWizard(models.TransientModel):
    """Remarks on an application, a member without one, or an entitlement; the answers are shown beside."""

    _name = "g2p.program.assessment.wizard"
    _description = "Assess an Application"

    registrant_info_id = fields.Many2one("g2p.program.registrant_info", "Application", readonly=True)
    program_membership_id = fields.Many2one("g2p.program_membership", "Beneficiary", readonly=True)
    entitlement_id = fields.Many2one("g2p.entitlement", readonly=True)
    answers_text = fields.Text(related="registrant_info_id.answers_text")
    remarks = fields.Text(required=True)

    def action_add(self):
        """Write the assessment in the user's own rights."""
        self.ensure_one()
        if self.registrant_info_id:
            self.registrant_info_id._check_can_assess()
        self.env["g2p.program.assessment"].create(
            {
                "remarks": self.remarks,
                "registrant_info_id": self.registrant_info_id.id,
                "program_membership_id": self.program_membership_id.id,
                "entitlement_id": self.entitlement_id.id,
            }
        )
        return {"type": "ir.actions.act_window_close"}
