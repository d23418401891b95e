import base64
import binascii

from odoo import fields, models
from odoo.exceptions import UserError

from odoo.addons.g2p_programs.tools.constants import GROUP_MANAGER

from ..tools.model_files import PMTReader


class PMTImport(models.TransientModel):
    """A file becomes a draft: a model as it was exported, or the coefficients of a regression."""

    _name = "g2p.pmt.import"
    _description = "Import a proxy means test"

    program_id = fields.Many2one("g2p.program", required=True, ondelete="cascade")
    file = fields.Binary(attachment=False)
    file_name = fields.Char()

    def action_import(self):
        """Make the draft, or say in a sentence why not; then nothing is made."""
        self.ensure_one()
        self.program_id._check_can(GROUP_MANAGER)
        self.program_id.check_access("write")
        if not self.file:
            raise UserError(self.env._("Choose a file."))
        try:
            content = base64.b64decode(self.file, validate=True)
        except binascii.Error as error:
            raise UserError(self.env._("The file could not be read: choose it again.")) from error
        model = self.env["g2p.pmt.model"].create(PMTReader(self.program_id).read(content, self.file_name or ""))
        return {
            "type": "ir.actions.act_window",
            "res_model": model._name,
            "res_id": model.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }
