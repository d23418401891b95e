"""What something was decided by stays as it was: papers of decisions, files that were applied, what people said about a record.

The web client's own routes act as superuser once they have checked who wrote a message or brought a file, so being superuser
is no way past these guards. The product itself says so by an object that no request can carry, see :data:`OPEN`.
"""

from odoo import SUPERUSER_ID, api, models
from odoo.exceptions import AccessError

# In the context: this is the product handing papers over, or a record going with all that hangs on it. A request carries
# JSON, in which there is no such object.
OPEN = {"g2p_evidence": object()}
# In the context: the system itself writes a note, such as what has changed, or that somebody is out of office.
SYSTEM = {"g2p_system_note": object()}
# In the context: the code has found the people it names by their right to read the record; they aren't asked for one by one.
READERS = {"g2p_known_readers": object()}
# What an attachment is, and where it belongs. Not: its description, or the token by which it is shown.
PAPER = {
    "raw",
    "datas",
    "db_datas",
    "store_fname",
    "checksum",
    "mimetype",
    "name",
    "type",
    "url",
    "public",
    "res_model",
    "res_id",
    "res_field",
    "company_id",
}
# What a message says, who said it, when and about what.
MESSAGE = {
    "body",
    "subject",
    "author_id",
    "author_guest_id",
    "email_from",
    "date",
    "model",
    "res_id",
    "message_type",
    "subtype_id",
    "parent_id",
    "attachment_ids",
    "tracking_value_ids",
    "is_internal",
    "create_uid",
    "create_date",
}


def is_open(env):
    return env.context.get("g2p_evidence") is OPEN["g2p_evidence"]


def is_system(env):
    """Whether the system writes this note, not a person; superuser mode says nothing of it, the uid does."""
    return env.uid == SUPERUSER_ID or env.context.get("g2p_system_note") is SYSTEM["g2p_system_note"]


def are_readers(env):
    return env.context.get("g2p_known_readers") is READERS["g2p_known_readers"]


def kept(env, model, ids):
    """The records among these whose messages are evidence, whoever asks."""
    if not model or model not in env or not issubclass(env.registry[model], env.registry["mail.thread"]):
        return env["base"].browse()
    # sudo: asked for the guard alone; nothing is shown
    return env[model].sudo().browse({id_ for id_ in ids if id_})._messages_stay()


class EvidenceMixin(models.AbstractModel):
    """A model whose files are evidence. It says from when on, by `_evidence_locked`; the guards are here."""

    _name = "g2p.evidence.mixin"
    _description = "Evidence"

    def _evidence_locked(self):
        """Those of these records whose papers stay as they are: can't be changed, deleted, added to."""
        return self

    def _check_evidence(self):
        if not is_open(self.env) and (locked := self._evidence_locked()):
            # Whoever may not see the record is not told its name; attachments' guards come here as superuser.
            named = locked[0].sudo(False)
            raise AccessError(
                self.env._(
                    "%(name)s is evidence: its files can't be changed, deleted or added to any more. What is wrong is put "
                    "right by a new one.",
                    name=named.display_name if named.has_access("read") else self._description,
                )
            )

    def write(self, vals):
        if any(
            (field := self._fields.get(name)) is not None
            and field.store
            and (field.type == "binary" or field.comodel_name == "ir.attachment")
            for name in vals
        ):
            self.check_access("write")
            self._check_evidence()
        return super().write(vals)

    def unlink(self):
        self.check_access("unlink")
        self._check_evidence()
        return super().unlink()


class IrAttachment(models.Model):
    _inherit = "ir.attachment"

    @api.model_create_multi
    def create(self, vals_list):
        attachments = super().create(vals_list)
        attachments._check_papers()
        return attachments

    def write(self, vals):
        touched = PAPER & set(vals)
        if touched:
            self._check_papers()
            self._check_said()
        result = super().write(vals)
        if touched & {"res_model", "res_id"}:
            self._check_papers()
        return result

    def unlink(self):
        self._check_papers()
        self._check_said()
        return super().unlink()

    def _check_papers(self):
        """Files of records that are evidence; the product itself writes the file of a record before it is."""
        if is_open(self.env):
            return
        # sudo: where they belong is asked for the guard alone; nothing is shown
        for res_model, papers in self.sudo().grouped("res_model").items():
            if not res_model or res_model not in self.env:
                continue
            records = self.env[res_model].sudo()
            if issubclass(type(records), self.env.registry["g2p.evidence.mixin"]):
                records.browse({paper.res_id for paper in papers if paper.res_id}).exists()._check_evidence()
        # Files that a record of evidence points to, and that hang on no record.
        if loose := self.sudo().filtered(lambda paper: not paper.res_model or not paper.res_id):
            for name in self.env.registry.descendants(["g2p.evidence.mixin"], "_inherit"):
                records = self.env[name].sudo()
                for field in records._fields.values() if not records._abstract else ():
                    if field.type == "many2one" and field.store and field.comodel_name == "ir.attachment":
                        records.search([(field.name, "in", loose.ids)])._check_evidence()

    def _check_handed_to(self, records):
        """Papers that somebody gives to records of the suite are their own, and hang on nothing yet, or on these records: whatever
        belongs elsewhere stays there, however readable it is."""
        if self.env.su:
            return  # the code knows what it does
        # sudo: where they belong and who brought them is asked for the guard alone; nothing is shown
        papers = self.sudo()
        given = papers.filtered(lambda paper: paper.res_model != records._name or paper.res_id not in records.ids)
        free = given.filtered(lambda paper: not paper.res_id and paper.create_uid == self.env.user)
        # sudo: as above
        said = self.env["mail.message"].sudo().search([("attachment_ids", "in", free.ids)]).attachment_ids
        if given - free or free & said:
            raise AccessError(
                self.env._(
                    "A paper that belongs to another record, or that somebody else brought, can't be given to %(model)s: it "
                    "stays where it is. Upload it yourself.",
                    model=records._description,
                )
            )
        free._check_papers()

    def _check_said(self):
        """Files that came with a message stay with it."""
        if is_open(self.env) or not self:
            return
        # sudo: as above
        self.env["mail.message"].sudo().search([("attachment_ids", "in", self.ids)])._check_stays()
