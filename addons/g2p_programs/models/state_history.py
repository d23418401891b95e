from odoo import api, fields, models


class StateHistory(models.Model):
    _inherit = "g2p.state.history"

    from_label = fields.Char("From state", compute="_compute_labels")
    to_label = fields.Char("To state", compute="_compute_labels")

    @api.depends("res_model", "from_state", "to_state")
    def _compute_labels(self):
        """States as people read them."""
        for res_model, rows in self.grouped("res_model").items():
            field = self.env[res_model]._fields.get("state") if res_model in self.env else None
            labels = dict(field._description_selection(self.env)) if field else {}
            for row in rows:
                row.from_label = labels.get(row.from_state, row.from_state)
                row.to_label = labels.get(row.to_state, row.to_state)
