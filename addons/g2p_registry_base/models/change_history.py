from odoo import api, models


class ChangeHistory(models.Model):
    _inherit = "g2p.change.history"

    @api.model
    def _sees_gone(self, name):
        """Of a registrant who was deleted nobody knows the area any more: who is limited to some does not see them."""
        return super()._sees_gone(name) and not self.env.user.g2p_area_ids
