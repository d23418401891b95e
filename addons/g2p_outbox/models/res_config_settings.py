from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..tools import transport


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    outbox_inner_networks = fields.Char(
        "Inner networks that channels may call",
        config_parameter="g2p_outbox.inner_networks",
        help="Such as 10.20.0.0/16, 10.30.1.5. Nothing else inside is called, whatever address a channel has. "
        "127.0.0.1/32 allows this machine, without https too: for tests.",
    )

    @api.constrains("outbox_inner_networks")
    def _check_outbox_inner_networks(self):
        for settings in self:
            try:
                transport.parse_networks(settings.outbox_inner_networks or "")
            except ValueError as error:
                raise ValidationError(
                    self.env._("Networks look like 10.20.0.0/16, separated by commas. Nothing was changed.")
                ) from error
