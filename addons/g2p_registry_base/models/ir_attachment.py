from odoo import api, models
from odoo.exceptions import AccessError
from odoo.fields import Domain

from .area_file import MIXIN


class IrAttachment(models.Model):
    _inherit = "ir.attachment"

    @api.model
    def _index(self, bin_data, file_type, checksum=None):
        """Files of people are not indexed: the index would hold their rows a second time, for everybody's search, and making
        it takes several times the file's size in memory."""
        if self.env.context.get("g2p_no_text_index"):
            return None
        return super()._index(bin_data, file_type, checksum=checksum)

    def _people_files(self):
        """The models whose files are kept from users who are limited to areas: none where the user is not."""
        # sudo: the user's own areas
        if self.env.su or not self.env.user.sudo().g2p_area_ids:
            return []
        return [name for name in self.env.registry.descendants([MIXIN], "_inherit") if not self.env[name]._abstract]

    def _check_access(self, operation):
        result = super()._check_access(operation)
        forbidden = self.browse()
        for model in self._people_files():
            # sudo: only to see which of these are files of such records, and who brought them
            files = self.sudo().filtered(lambda file, model=model: file.res_model == model and file.res_id)
            records = self.env[model].browse(files.mapped("res_id")).exists()
            others = records.filtered(lambda record: not record._may_have_files())
            forbidden |= files.filtered(lambda file, others=others: file.res_id in others.ids).with_env(self.env)
        if not forbidden:
            return result
        told, _error = result or (self.browse(), None)
        return told | forbidden, lambda: AccessError(
            self.env._("This file holds people of other areas than yours: only who brought it may have it.")
        )

    @api.model
    def _search(self, domain, offset=0, limit=None, order=None, *, active_test=True, bypass_access=False):
        for model in [] if bypass_access else self._people_files():
            # sudo: one's own records, by who made them
            own = self.env[model].sudo()._search([("create_uid", "=", self.env.uid)])
            domain = Domain(domain) & (Domain("res_model", "!=", model) | Domain("res_id", "in", own))
        return super()._search(domain, offset, limit, order, active_test=active_test, bypass_access=bypass_access)
