from odoo import models
from odoo.exceptions import AccessError

from .area_file import PeopleFile


class IrBinary(models.AbstractModel):
    _inherit = "ir.binary"

    def _record_to_stream(self, record, field_name):
        if isinstance(record._fields.get(field_name), PeopleFile) and not record._may_have_files():
            raise AccessError(
                self.env._("This file holds people of other areas than yours: only who brought it may have it.")
            )
        return super()._record_to_stream(record, field_name)
