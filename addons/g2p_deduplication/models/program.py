from odoo import models


class Program(models.Model):
    _inherit = "g2p.program"

    def _default_managers(self):
        """A new program compares accounts and names too."""
        _ = self.env._
        return [
            *super()._default_managers(),
            (
                self.MANAGER_DEDUPLICATION,
                "g2p.deduplication.manager.bank_account",
                {"name": _("Bank account or wallet")},
            ),
            (self.MANAGER_DEDUPLICATION, "g2p.deduplication.manager.fuzzy", {"name": _("Similar name")}),
        ]
