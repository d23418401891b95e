from odoo import models

from ..tools import roles


class IrActionsServer(models.Model):
    """What the scheduler runs is a server action too, which anybody who may write some record of its model could run."""

    _inherit = "ir.actions.server"

    def _can_execute_action_on_records(self, records):
        if (
            self.usage == "ir_cron"
            and self.model_id.model in self.env
            and self.env[self.model_id.model]._guard_is_suite()
        ):
            refusal = self.env._("Scheduled work is run by the scheduler, or by an administrator of the system.")
            # As who it is: whoever calls it acts as superuser by then. The scheduler is the system's own user.
            roles.check(self.env(su=False), "base.group_system", refusal=refusal)
        return super()._can_execute_action_on_records(records)
