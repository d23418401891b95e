from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    import_maker_checker = fields.Boolean(
        string="Imports are confirmed by somebody else",
        config_parameter="g2p_registry_base.import_maker_checker",
        help="Who uploaded a file of registrants can't confirm it.",
    )
    import_folder = fields.Char(
        string="Folder for large files",
        config_parameter="g2p_registry_base.import_folder",
        help="Files in this folder of the server can be imported without being uploaded. Empty: none can.",
    )
