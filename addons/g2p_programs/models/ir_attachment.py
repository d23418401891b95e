from odoo import models
from odoo.exceptions import AccessError

CHANGE = "g2p.membership.change"


class IrAttachment(models.Model):
    _inherit = "ir.attachment"

    # Documents of changes of members: on them somebody was put out of a program, so they stay as they were.

    def write(self, vals):
        self._check_change_documents()
        return super().write(vals)

    def unlink(self):
        self._check_change_documents()
        return super().unlink()

    def _check_change_documents(self):
        # sudo: only to see which of these belong to a change
        if not self.env.su and any(attachment.res_model == CHANGE and attachment.res_id for attachment in self.sudo()):
            raise AccessError(
                self.env._(
                    "Documents of a change of members stay as they are: record a new change with the right ones."
                )
            )
