from odoo import api, fields, models
from odoo.tools import SQL


class Entitlement(models.Model):
    _inherit = "g2p.entitlement"

    registrant_info_ids = fields.One2many("g2p.program.registrant_info", "entitlement_id", string="Application")
    # The name by which OpenG2P's clients know it
    program_registrant_info_ids = fields.One2many(
        "g2p.program.registrant_info", "entitlement_id", string="Applications"
    )
    assessment_ids = fields.One2many("g2p.program.assessment", "entitlement_id", string="Assessments")

    @api.model_create_multi
    def create(self, vals_list):
        entitlements = super().create(vals_list)
        self.env["g2p.program.registrant_info"]._link_entitlements(SQL("entitlement.id = ANY(%s)", entitlements.ids))
        return entitlements

    def action_add_assessment(self):
        """Button: say something about the entitlement."""
        self.ensure_one()
        self.check_access("read")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Add an assessment"),
            "res_model": "g2p.program.assessment.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_entitlement_id": self.id},
        }
