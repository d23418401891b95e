from odoo import fields, models


class ProgramMembershipDuplicate(models.Model):
    _inherit = "g2p.program.membership.duplicate"

    survivor_partner_id = fields.Many2one(related="survivor_id.partner_id", string="Stays")
    member_names = fields.Char("Duplicates", compute="_compute_member_names")

    def _compute_member_names(self):
        """Names of the members, as far as the user may see them."""
        for duplicate in self:
            duplicate.member_names = " / ".join(duplicate.beneficiary_ids.partner_id.mapped("name"))
