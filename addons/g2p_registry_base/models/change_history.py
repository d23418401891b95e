from odoo import api, models


class ChangeHistory(models.Model):
    _inherit = "g2p.change.history"
    # What is on record of a person is as personal as what it was.
    _personal_fields = dict.fromkeys(("old_value", "new_value", "old_text", "new_text"), "identity")

    @api.model
    def _sees_gone(self, name):
        """Of a registrant who was deleted nobody knows the area any more: who is limited to some does not see them."""
        return super()._sees_gone(name) and not self.env.user.g2p_area_ids

    @api.model
    def _kind_words(self, model):
        return self.env._("Registrant") if model == "res.partner" else super()._kind_words(model)
