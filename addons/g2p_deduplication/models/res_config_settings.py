from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .registrant_merge import UNDO_DAYS


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    merge_undo_days = fields.Integer(
        "Days in which a merge can be undone",
        config_parameter="g2p_deduplication.undo_days",
        default=UNDO_DAYS,
    )

    @api.constrains("merge_undo_days")
    def _check_merge_undo_days(self):
        if any(not 1 <= settings.merge_undo_days <= 3650 for settings in self):
            raise ValidationError(self.env._("Merges can be undone for 1 to 3,650 days."))
