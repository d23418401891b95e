import base64
import binascii

from odoo import fields, models
from odoo.exceptions import UserError

from odoo.addons.g2p_bulk.tools import table_file

from ..tools.constants import GROUP_MANAGER


class EligibilityListLoad(models.TransientModel):
    """Takes a file of IDs or references, which replaces the lines of a list manager."""

    _name = "g2p.eligibility.list.load"
    _description = "Load an eligibility list"

    manager_id = fields.Many2one("g2p.program_membership.manager.list", required=True, ondelete="cascade")
    file = fields.Binary("CSV or XLSX file", attachment=False)
    file_name = fields.Char()
    encoding = fields.Selection(
        [table_file.AUTO, *table_file.ENCODINGS], required=True, default="auto", help=table_file.ENCODING_HELP
    )
    id_type_id = fields.Many2one(
        "g2p.id.type", "ID type of all lines", help="Used where the file has no column with the type."
    )

    def action_load(self):
        """Button: read the file, find the registrants, and say how many were found; a large file in the background."""
        self.ensure_one()
        manager = self.manager_id
        manager.program_id._check_can(GROUP_MANAGER)
        manager.check_access("write")
        manager._check_loadable()
        if not self.file:
            raise UserError(self.env._("Choose a file."))
        try:
            content = base64.b64decode(self.file, validate=True)
        except binascii.Error as error:
            raise UserError(self.env._("The file did not arrive whole: choose it again.")) from error
        # sudo: role and access were checked above; a file of no record is read by who brought it and by the step, which
        # removes it
        attachment = (
            self.env["ir.attachment"]
            .sudo()
            .with_context(g2p_no_text_index=True)
            .create({"name": self.file_name or self.env._("a file"), "raw": content})
        )
        operation = manager.program_id._bulk_step("load_list")._start_on(
            manager.program_id,
            {
                "manager": manager.id,
                "attachment": attachment.id,
                "file_name": self.file_name,
                "encoding": self.encoding,
                "id_type": self.id_type_id.name,
            },
        )
        if operation.state != "done":
            return operation._notification()
        return {
            "type": "ir.actions.act_window",
            "name": manager.name,
            "res_model": manager._name,
            "res_id": manager.id,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
        }
