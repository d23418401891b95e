from odoo import api, models


class ApprovalStage(models.Model):
    _inherit = "g2p.approval.stage"

    _name_once = models.UniqueIndex(
        "(kind_id, scope, name) WHERE active AND scope IS NOT NULL", "It has a stage of this name already."
    )

    @api.model
    def _selection_scope(self):
        return [*super()._selection_scope(), ("g2p.program", self.env._("Program"))]
