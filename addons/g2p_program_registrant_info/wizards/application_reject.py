from odoo import api, fields, models


class ApplicationRejectWizard(models.TransientModel):
    _name = "g2p.application.reject.wizard"
    _description = "Reject Applications"

    registrant_info_ids = fields.Many2many("g2p.program.registrant_info", string="Applications", readonly=True)
    count = fields.Integer(compute="_compute_count")
    reason = fields.Char(required=True)

    @api.depends("registrant_info_ids")
    def _compute_count(self):
        for wizard in self:
            wizard.count = len(wizard.registrant_info_ids)

    def action_reject(self):
        self.ensure_one()
        self.registrant_info_ids._reject(self.reason)
        return {"type": "ir.actions.client", "tag": "soft_reload"}
