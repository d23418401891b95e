import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    phone_regex = fields.Char(
        string="Phone number pattern",
        config_parameter="g2p_registry.phone_regex",
        help="A regular expression that numbers must match to count as valid, as people write them.",
    )

    least_told = fields.Integer(
        string="Smallest number told",
        config_parameter="g2p_registry_base.least_told",
        default=5,
        help="Users limited to areas are told “fewer than” this number instead of smaller counts of who meets conditions.",
    )

    @api.constrains("phone_regex")
    def _check_phone_regex(self):
        for settings in self.filtered("phone_regex"):
            try:
                re.compile(settings.phone_regex)
            except re.error as error:
                raise ValidationError(self.env._("The phone number pattern can't be read: %s", error)) from error

    def action_refresh_indicators(self):
        return self.env.ref("g2p_registry_base.registry").action_refresh_indicators()
