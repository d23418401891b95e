from odoo import api, models


class IrAttachment(models.Model):
    _inherit = "ir.attachment"

    @api.model
    def _index(self, bin_data, file_type, checksum=None):
        """Files of payments are not indexed: the index would hold their lines a second time, for everybody's search,
        and making it takes several times the file's size in memory."""
        if self.env.context.get("g2p_no_text_index"):
            return None
        return super()._index(bin_data, file_type, checksum=checksum)
