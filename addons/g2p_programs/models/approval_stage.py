from odoo import api, models


class ApprovalStage(models.Model):
    _inherit = "g2p.approval.stage"

    @api.model
    def _selection_scope(self):
        return [*super()._selection_scope(), ("g2p.program", self.env._("Program"))]
