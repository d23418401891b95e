from odoo import fields, models
from odoo.exceptions import UserError

from odoo.addons.g2p_programs.tools.constants import GROUP_MANAGER


class Sharing(models.Model):
    """The list of a program's beneficiaries is given to another office, for a purpose, once somebody else agrees."""

    _name = "g2p.example.sharing"
    _description = "Sharing of a list"
    _inherit = ["g2p.change.mixin", "g2p.approval.mixin"]
    _order = "id desc"

    _agreed_fields = ("program_id", "receiver", "purpose")
    _watched_fields = _agreed_fields

    name = fields.Char(related="receiver")
    program_id = fields.Many2one("g2p.program", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="program_id.company_id")
    receiver = fields.Char("Given to", required=True)
    purpose = fields.Char(required=True)
    shared_on = fields.Datetime(readonly=True, copy=False)

    def action_share(self):
        """Button: give the list; where the user prepared it, ask somebody else."""
        self.program_id._check_can(GROUP_MANAGER)
        self.check_access("write")
        return self._approval_submit() or True

    def _approval_kind(self):
        return "example_sharing"

    def _approval_check(self, kind):
        if self.shared_on:
            raise UserError(self.env._("The list was given to %s already.", self.receiver))

    def _approval_figures(self, kind):
        return [{"label": self.env._("Beneficiaries"), "value": self.program_id.beneficiaries_count}]

    def _approval_granted(self, request):
        self.shared_on = fields.Datetime.now()
