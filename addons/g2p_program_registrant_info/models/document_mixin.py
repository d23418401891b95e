from odoo import Command, api, fields, models
from odoo.exceptions import UserError


class DocumentMixin(models.AbstractModel):
    """A record with documents: files of a type, read by who reads the record and added by who may change it."""

    _name = "g2p.document.mixin"
    _description = "Record with Documents"

    document_ids = fields.One2many(
        "ir.attachment", "res_id", "Documents", domain=lambda self: self._document_domain(), copy=False
    )

    @api.model
    def _document_domain(self):
        """Which attachments of the record are documents: those that were given a type. Others hang on messages."""
        return [("res_model", "=", self._name), ("g2p_document_tag_id", "!=", False)]

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._with_documents(vals) for vals in vals_list])

    def write(self, vals):
        return super().write(self._with_documents(vals))

    @api.model
    def _with_documents(self, vals):
        """Documents come new, change or go; those of other records are not taken over."""
        if "document_ids" not in vals:
            return vals
        commands = []
        for command in vals["document_ids"]:
            if command[0] == Command.CREATE:
                commands.append(Command.create({**command[2], "res_model": self._name}))
            elif command[0] == Command.UNLINK:
                commands.append(Command.delete(command[1]))
            elif command[0] in (Command.UPDATE, Command.DELETE):
                commands.append(command)
            else:
                raise UserError(self.env._("Documents are added, changed or removed one by one."))
        return {**vals, "document_ids": commands}
