from odoo import models

from odoo.addons.g2p_bulk.tools import roles


class ResBank(models.Model):
    """A bank's name and BIC are in the files that move money: changed by administrators, and each change is on record. Whoever enters
    accounts may add a bank."""

    _name = "res.bank"
    _inherit = ["res.bank", "g2p.change.mixin"]
    _watched_fields = ("name", "bic", "country", "active")
    _watched_create = True

    def write(self, vals):
        self._check_changes_banks()
        return super().write(vals)

    def unlink(self):
        self._check_changes_banks()
        return super().unlink()

    def _check_changes_banks(self):
        roles.check(
            self.env,
            "g2p_registry_base.group_g2p_admin",
            "base.group_system",
            refusal=self.env._(
                "Payments go by a bank's name and BIC: an administrator changes them. You can add a bank that is missing."
            ),
        )
