from odoo import models

from ..tools.applying import program_of


class ManagerSourceMixin(models.AbstractModel):
    _inherit = "g2p.manager.source.mixin"

    def _proposal_is_open(self):
        return super()._proposal_is_open() or program_of(self.env) == self.program_id
