from odoo import models

from ..tools.constants import GROUP_VALIDATOR


class CountersMixin(models.AbstractModel):
    """Counters in columns: kept by the operations that change what they count, and counted again by a button.

    A model that has them defines `_refresh_counters`, one statement a table whatever the number of rows.
    """

    _name = "g2p.counters.mixin"
    _description = "Counters that can be counted again"

    def action_refresh_counters(self):
        """Button: count again, from the tables."""
        self._check_can(GROUP_VALIDATOR)
        self.check_access("write")
        self._refresh_counters()
        return True
