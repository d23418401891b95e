from odoo import SUPERUSER_ID, models
from odoo.exceptions import AccessError


class IrActionsServer(models.Model):
    """What the scheduler runs is a server action too, which anybody who may write some record of its model could run."""

    _inherit = "ir.actions.server"

    def _can_execute_action_on_records(self, records):
        if (
            self.usage == "ir_cron"
            and self.env.uid != SUPERUSER_ID
            and self.model_id.model in self.env
            and self.env[self.model_id.model]._guard_is_suite()
            and not self.env.user.has_group("base.group_system")
        ):
            raise AccessError(
                self.env._("Scheduled work is run by the scheduler, or by an administrator of the system.")
            )
        return super()._can_execute_action_on_records(records)
