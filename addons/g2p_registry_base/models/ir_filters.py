from odoo import api, models

from odoo.addons.g2p_bulk.tools import roles


class IrFilters(models.Model):
    """What everybody's lists leave out, or show first, is said by administrators: a filter of nobody in particular is everybody's,
    and one that is a default hides rows from who does not look."""

    _inherit = "ir.filters"

    @api.model_create_multi
    def create(self, vals_list):
        filters = super().create(vals_list)
        filters._check_shared()
        return filters

    def write(self, vals):
        self._check_shared()
        result = super().write(vals)
        self._check_shared()
        return result

    def unlink(self):
        self._check_shared()
        return super().unlink()

    def _check_shared(self):
        user = self.env.user
        # sudo: whose filters these are; nothing is shown
        if self.sudo().filtered(lambda one: not one.user_ids or (one.is_default and one.user_ids - user)):
            roles.check(
                self.env,
                "g2p_registry_base.group_g2p_admin",
                "base.group_erp_manager",
                refusal=self.env._(
                    "A filter of everybody, or that others begin with, is made and changed by administrators: keep it to yourself."
                ),
            )
