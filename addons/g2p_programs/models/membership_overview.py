"""What the screens of a member show of the registrant behind it."""

from odoo import fields, models
from odoo.tools import SQL


class ProgramMembership(models.Model):
    _inherit = "g2p.program_membership"

    birthdate = fields.Date(related="partner_id.birthdate")
    registration_date = fields.Date(related="partner_id.registration_date")
    household_size = fields.Integer("Members of the group", related="partner_id.z_ind_grp_num_individuals")
    household_id = fields.Many2one("res.partner", "Group", compute="_compute_household_id")

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
