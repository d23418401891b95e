from odoo import api, fields, models


class StateHistory(models.Model):
    _inherit = "g2p.state.history"

    from_label = fields.Char("From state", compute="_compute_labels")
    to_label = fields.Char("To state", compute="_compute_labels")
    membership_change_id = fields.Many2one(
        "g2p.membership.change", "Change", compute="_compute_membership_change_id", help="With remark and documents."
    )
    remark = fields.Text(related="membership_change_id.remark")

    @api.depends("res_model", "from_state", "to_state")
    def _compute_labels(self):
        """States as people read them."""
        for res_model, rows in self.grouped("res_model").items():
            field = self.env[res_model]._fields.get("state") if res_model in self.env else None
            labels = dict(field._description_selection(self.env)) if field else {}
            for row in rows:
                row.from_label = labels.get(row.from_state, row.from_state)
                row.to_label = labels.get(row.to_state, row.to_state)

    @api.depends("operation_id")
    def _compute_membership_change_id(self):
        """The change whose operation wrote the row, if the user may see it."""
        changes = self.env["g2p.membership.change"]
        if changes.has_access("read"):
            operations = self.operation_id.ids
            changes = changes.search(
                ["|", ("operation_id", "in", operations), ("reverse_operation_id", "in", operations)]
            )
        by_operation = {change.operation_id.id: change for change in changes}
        by_operation |= {change.reverse_operation_id.id: change for change in changes if change.reverse_operation_id}
        for row in self:
            row.membership_change_id = by_operation.get(row.operation_id.id, False)
