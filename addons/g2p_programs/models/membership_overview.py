"""What the screens of a member show of the registrant behind it."""

from odoo import api, fields, models
from odoo.tools import SQL


class ProgramMembership(models.Model):
    _inherit = "g2p.program_membership"

    birthdate = fields.Date(related="partner_id.birthdate")
    registration_date = fields.Date(related="partner_id.registration_date")
    household_size = fields.Integer("Members of the group", related="partner_id.z_ind_grp_num_individuals")
    household_id = fields.Many2one("res.partner", "Group", compute="_compute_household_id")
    history_ids = fields.One2many(
        "g2p.state.history",
        "res_id",
        "History",
        domain=[("res_model", "=", "g2p.program_membership")],
        groups="g2p_bulk.group_g2p_bulk_user",
        readonly=True,
    )

    def _compute_household_id(self):
        """The group in which an individual lives now, the latest if there are several: one query."""
        households = {}
        if self.partner_id:
            households = dict(
                self.env.execute_query(
                    SQL(
                        """
                        SELECT DISTINCT ON (link.individual) link.individual, link."group"
                          FROM g2p_group_membership AS link
                         WHERE link.individual = ANY(%s)
                           AND (link.ended_date IS NULL OR link.ended_date > %s)
                         ORDER BY link.individual, link.id DESC
                        """,
                        self.partner_id.ids,
                        fields.Datetime.now(),
                    )
                )
            )
        # The statement above asks no record rules: only groups that the user may see are shown.
        visible = set(self.env["res.partner"].search([("id", "in", list(households.values()))]).ids)
        for membership in self:
            household = households.get(membership.partner_id.id)
            membership.household_id = household if household in visible else False


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
