from odoo import models
from odoo.exceptions import AccessError


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
        user = self.env.user
        if not (
            self.env.su or user.has_group("g2p_registry_base.group_g2p_admin") or user.has_group("base.group_system")
        ):
            raise AccessError(
                self.env._(
                    "Payments go by a bank's name and BIC: an administrator changes them. You can add a bank that is missing."
                )
            )
