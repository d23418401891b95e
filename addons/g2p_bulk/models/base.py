from odoo import api, models

from ..tools import blanks, migration


class Base(models.AbstractModel):
    _inherit = "base"

    def _auto_init(self):
        result = super()._auto_init()
        blanks.refuse(self.env.cr, self)
        return result

    @api.model
    def _load_records(self, data_list, update=False):
        """What an addon has taken over from another one stays as people have left it, although it is installed just now."""
        names = [data["xml_id"] for data in data_list if data.get("xml_id")]
        update = update or migration.is_taken_over(self.env.cr, self.env.context.get("install_module"), names)
        return super()._load_records(data_list, update)

    @api.model
    def _sql_error_to_message(self, exc):
        return blanks.message(self, exc.diag.constraint_name) or super()._sql_error_to_message(exc)
