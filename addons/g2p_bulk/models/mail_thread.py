from odoo import api, models
from odoo.exceptions import AccessError

from ..tools import roles
from .evidence import OPEN, SYSTEM, are_readers, is_system, kept


class MailThread(models.AbstractModel):
    """Messages about records of the suite are evidence, and are told to who may read the record; see `mail.message`."""

    _inherit = "mail.thread"

    def _messages_stay(self):
        """Those of these records whose messages are evidence: records of the suite."""
        return self if self._name.startswith("g2p.") else self.browse()

    def unlink(self):
        # A record that may be deleted goes with its messages.
        if self._messages_stay():
            return super(MailThread, self.with_context(**OPEN)).unlink()
        return super().unlink()

    # In whose name

    def _message_compute_author(self, author_id=None, email_from=None):
        """E-mails about a message name its author as well."""
        if not is_system(self.env) and self._messages_stay():
            author_id = email_from = None
        return super()._message_compute_author(author_id, email_from)

    def _message_track(self, fields_iter, initial_values_dict):
        return super(MailThread, self.with_context(**SYSTEM))._message_track(fields_iter, initial_values_dict)

    def _notify_thread_with_out_of_office(self, message, recipients_data, msg_vals=False, **kwargs):
        return super(MailThread, self.with_context(**SYSTEM))._notify_thread_with_out_of_office(
            message, recipients_data, msg_vals, **kwargs
        )

    @api.model
    def message_process(
        self, model, message, custom_values=None, save_original=False, strip_attachments=False, thread_id=None
    ):
        """What comes in by e-mail is posted by the system: for the mail server's script, which an administrator sets up."""
        refusal = self.env._("E-mails come in by the mail server, which an administrator sets up.")
        roles.check(self.env, "base.group_system", refusal=refusal)
        return super().message_process(model, message, custom_values, save_original, strip_attachments, thread_id)

    # To whom

    def _readers_among(self, partners):
        """Those of the partners who may be told about this record: people with a user of the house who may read it. Registrants
        may be told about themselves."""
        self.ensure_one()
        # sudo: who the partners are, and what their own users may read; nothing of it is shown
        readers = partners.browse()
        for partner in partners.sudo():
            users = partner.user_ids.filtered(lambda user: user.active and user._is_internal())
            if (self._name, self.id) == ("res.partner", partner.id) or any(
                self.with_user(user).with_context(allowed_company_ids=user.company_ids.ids).has_access("read")
                for user in users
            ):
                readers |= partner
        return readers.with_env(partners.env)

    def _refuse_to_tell(self, partners):
        # A name only to who may see it.
        seen = partners.sudo(False)._filtered_access("read")
        # sudo: the kind of record, in words
        raise AccessError(
            self.env._(
                "%(who)s may not read %(kind)s that this is about, and can't be told of it. Leave them out, or ask an "
                "administrator for their right.",
                who=", ".join(seen.mapped("name")) or self.env._("Somebody"),
                kind=self.env["ir.model"]._get(self._name).sudo().name,
            )
        )

    def _check_told(self, partner_ids):
        """Refuse to tell people who may not read the record, where a person names them: by RPC, or in the web client, which
        posts as superuser. Of those whom code names, who may read is told."""
        if self.env.su and "message_post_store" not in self.env.context:
            return
        partners = self.env["res.partner"].browse(partner_ids or ())
        for record in kept(self.env, self._name, self.ids) if partners else ():
            if blind := partners - record._readers_among(partners):
                record.with_env(self.env)._refuse_to_tell(blind)

    def message_post(self, **kwargs):
        if stays := self._messages_stay():
            if (partner_ids := kwargs.get("partner_ids")) and not are_readers(self.env):
                self._check_told(partner_ids)
                kwargs["partner_ids"] = stays._readers_among(self.env["res.partner"].browse(partner_ids)).ids
            if kwargs.get("message_type") == "email":
                kwargs["author_id"] = False  # see `mail.message`
        return super().message_post(**kwargs)

    def message_notify(self, *, model=False, res_id=False, partner_ids=False, **kwargs):
        record = self or (kept(self.env, model, [res_id]).with_env(self.env) if model and res_id else self)
        stays = record and record._messages_stay()
        if stays and partner_ids:
            record._check_told(partner_ids)
            partner_ids = stays._readers_among(self.env["res.partner"].browse(partner_ids)).ids
            if not is_system(self.env):
                kwargs |= {"author_id": None, "email_from": None}
        return super().message_notify(model=model, res_id=res_id, partner_ids=partner_ids, **kwargs)

    def message_subscribe(self, partner_ids=None, subtype_ids=None):
        if partner_ids and set(partner_ids) != {self.env.user.partner_id.id}:
            self.check_access("write")
            self._check_told(partner_ids)
        return super().message_subscribe(partner_ids, subtype_ids)

    def _notify_get_recipients(self, message, msg_vals=False, **kwargs):
        """Followers who lost sight of a record, and addresses without anybody who may read it, are told nothing."""
        recipients = super()._notify_get_recipients(message, msg_vals, **kwargs)
        if not recipients or not self._messages_stay():
            return recipients
        readers = {*((msg_vals or {}).get("partner_ids") or ())} if are_readers(self.env) else set()
        asked = [one["id"] for one in recipients if one["id"] and one["id"] not in readers]
        readers |= {*self._readers_among(self.env["res.partner"].browse(asked)).ids}
        return [one for one in recipients if one["id"] in readers]
