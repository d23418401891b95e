from odoo import api, fields, models
from odoo.exceptions import AccessError, ValidationError
from odoo.tools.mimetypes import guess_mimetype

from odoo.addons.g2p_bulk.models.evidence import is_open

APPLICATION = "g2p.program.registrant_info"
KEPT = (
    "raw",
    "datas",
    "db_datas",
    "store_fname",
    "res_model",
    "res_id",
    "res_field",
    "type",
    "url",
    "public",
    "mimetype",
)
MIMETYPES = ("application/pdf", "image/png", "image/jpeg", "image/webp", "image/gif")
MAX_MEGABYTES = 10


class IrAttachment(models.Model):
    """Documents: of a type, of a kind that can be shown safely, of a bearable size. Those of an application change while it is
    open; those of registrants and programs stay as they are: a new one is added, and administrators remove."""

    _inherit = "ir.attachment"

    g2p_document_tag_id = fields.Many2one(
        "g2p.document.tag", "Document type", ondelete="restrict", index="btree_not_null"
    )

    g2p_valid_until = fields.Date("Valid until", help="Such as the last day of an identity card.")

    @api.model_create_multi
    def create(self, vals_list):
        attachments = super().create(vals_list)
        attachments._check_documents()
        return attachments

    def write(self, vals):
        self._refuse_change_of_documents(vals)
        if vals.keys() & {"raw", "datas", "res_model", "res_id", "mimetype", "type", "url", "name"}:
            self._check_documents()
        result = super().write(vals)
        self._check_documents()
        return result

    def unlink(self):
        self._check_open_applications()
        return super().unlink()

    @api.ondelete(at_uninstall=False)
    def _unlink_documents_by_administrators(self):
        """Also where the web client's route removes as superuser: it is the user who is asked."""
        if is_open(self.env) or self.env.user.has_group("g2p_registry_base.group_g2p_admin"):
            return
        if self._documents_of_records():
            raise AccessError(
                self.env._(
                    "Only an administrator removes documents of registrants and programs. Add a new one instead, or say until "
                    "when the old one is valid."
                )
            )

    def _documents_of_records(self):
        """The documents among these that belong to records with documents, other than applications."""
        names = {
            name
            for name in self.env.registry.descendants(["g2p.document.mixin"], "_inherit")
            if not self.env[name]._abstract
        } - {APPLICATION}
        # sudo: only to see which of these are documents
        return self.sudo().filtered(
            lambda file: file.res_model in names and file.res_id and file.g2p_document_tag_id and not file.res_field
        )

    def _refuse_change_of_documents(self, vals):
        """What was shown once is not another paper tomorrow, nor an ordinary file."""
        if is_open(self.env) or not (
            vals.keys() & set(KEPT) or ("g2p_document_tag_id" in vals and not vals["g2p_document_tag_id"])
        ):
            return
        if self._documents_of_records():
            raise AccessError(
                self.env._("A document stays as it is, with its registrant or program: add a new one instead.")
            )

    def _check_documents(self):
        documents = self._check_open_applications() | self._documents_of_records()
        limit = int(
            # sudo: a number of the configuration, of no interest to access rights
            self.env["ir.config_parameter"].sudo().get_param("g2p_program_registrant_info.max_document_mb")
            or MAX_MEGABYTES
        )
        for document in documents:
            if document.type != "binary":
                raise ValidationError(self.env._("A document is a file, not a link."))
            if document.public:
                raise ValidationError(self.env._("A document is not for everybody to read."))
            if document.file_size > limit * 1024 * 1024:
                raise ValidationError(
                    self.env._(
                        "%(name)s is too large: a document may have %(limit)s MB. Scan it with fewer dots per inch.",
                        name=document.name,
                        limit=limit,
                    )
                )
            # by its bytes: the name and the type that somebody gives may say anything
            if guess_mimetype(document.raw or b"") not in MIMETYPES or document.mimetype not in MIMETYPES:
                raise ValidationError(
                    self.env._("%s can't be taken: documents are PDF files or pictures.", document.name)
                )

    def _check_open_applications(self):
        """The documents of applications among these, which must be open unless the system itself acts."""
        # sudo: only to see which of these are documents of applications
        documents = self.sudo().filtered(lambda attachment: attachment.res_model == APPLICATION and attachment.res_id)
        applications = self.env[APPLICATION].browse(set(documents.mapped("res_id"))).exists()
        if not self.env.su and applications.filtered(lambda application: not application._may_be_edited()):
            raise AccessError(
                self.env._("Documents of this application can't be changed any more, or only by who assesses it.")
            )
        return documents
