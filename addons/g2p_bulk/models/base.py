from odoo import api, models

from ..tools import blanks


class Base(models.AbstractModel):
    _inherit = "base"

    def _auto_init(self):
        result = super()._auto_init()
        blanks.refuse(self.env.cr, self)
        return result

    @api.model
    def _sql_error_to_message(self, exc):
        return blanks.message(self, exc.diag.constraint_name) or super()._sql_error_to_message(exc)
