from odoo import api, fields, models

from odoo.addons.g2p_bulk.tools import roles


class Registry(models.Model):
    """The registry as a whole: the one record that work on all registrants is done on."""

    _name = "g2p.registry"
    _inherit = ["g2p.bulk.mixin", "g2p.change.mixin"]
    _description = "Registry"

    name = fields.Char(required=True, translate=True)

    def action_refresh_indicators(self):
        """Compute the household figures of all groups anew; those that are right already are not written."""
        refusal = self.env._("Only an administrator may have the household figures computed anew.")
        roles.check(self.env, "g2p_registry_base.group_g2p_admin", refusal=refusal)
        return self._bulk_start("refresh_indicators")._notification()

    @api.model
    def _cron_refresh_indicators(self):
        """Ages move with the calendar, and memberships end by it."""
        # One that still runs, or was stopped, brings them up to date too.
        registry = self.env.ref("g2p_registry_base.registry")
        if not self.env["g2p.bulk.operation"]._active_operation(registry, "refresh_indicators"):
            registry._bulk_start("refresh_indicators")
