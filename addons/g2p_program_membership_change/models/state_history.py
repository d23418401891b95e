from odoo import api, fields, models


class StateHistory(models.Model):
    """The change by which a row of history came about, with its remark."""

    _inherit = "g2p.state.history"

    membership_change_id = fields.Many2one(
        "g2p.membership.change", "Change", compute="_compute_membership_change_id", help="With remark and documents."
    )
    remark = fields.Text(related="membership_change_id.remark")

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
