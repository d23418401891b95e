from odoo import models

from ..tools import redaction


class IrLogging(models.Model):
    _inherit = "ir.logging"

    def _register_hook(self):
        """No data of people in the server's log: also where something has set up logging anew since the module was loaded."""
        result = super()._register_hook()
        redaction.install()
        return result
