from odoo import models

from ..tools.constants import GROUP_APPROVER, GROUP_FINANCE, GROUP_MANAGER, GROUP_VALIDATOR


class ResUsers(models.Model):
    _inherit = "res.users"

    def _g2p_home_action(self):
        """Who approves begins with the cycles, who runs programs with the programs."""
        if self.has_group(GROUP_MANAGER):
            return "g2p_programs.g2p_program_action"
        if self.has_group(GROUP_FINANCE) or self.has_group(GROUP_APPROVER):
            return "g2p_programs.g2p_cycle_action"
        if self.has_group(GROUP_VALIDATOR):
            return "g2p_programs.g2p_program_action"
        return super()._g2p_home_action()
