from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.tools import SQL

from .evidence import MESSAGE, OPEN, are_readers, is_open, is_system, kept


class MailMessage(models.Model):
    """What is said about a record of the suite is evidence: said in one's own name, now, to who may read the record, and for good.

    Superuser is no way round, since the web client's route, the composer for many and templates write messages as superuser
    with what the user gave them. Who speaks is the user of the environment.
    """

    _inherit = "mail.message"

    @api.model_create_multi
    def create(self, vals_list):
        about = [(self._given("model", vals), self._given("res_id", vals)) for vals in vals_list]
        stays = {
            (record._name, record.id)
            for model in {model for model, _res_id in about}
            for record in kept(self.env, model, [int(res_id or 0) for name, res_id in about if name == model])
        }
        if not stays:
            return super().create(vals_list)
        spoken = [
            vals | self._spoken(vals) if (model, int(res_id or 0)) in stays else vals
            for (model, res_id), vals in zip(about, vals_list, strict=True)
        ]
        context = {key: value for key, value in self.env.context.items() if key != "default_tracking_value_ids"}
        messages = super(MailMessage, self.with_env(self.env(context=context))).create(spoken)
        messages._check_told()
        return messages.with_env(self.env)

    @api.model
    def _given(self, name, vals):
        """The value that a creation will take: the one given, else a default by context, else the user's own."""
        if name in vals:
            return vals[name]
        if (key := f"default_{name}") in self.env.context:
            return self.env.context[key]
        return self.env["ir.default"]._get_model_defaults(self._name).get(name)

    @api.model
    def _spoken(self, vals):
        """Who says it, and when, of a message that stays."""
        values = {}
        if not is_system(self.env):
            author = self.env.user.partner_id
            values |= {
                "author_id": author.id,
                "email_from": author.email_formatted,
                "tracking_value_ids": False,
                "outgoing_email_to": False,
            }
        elif self._given("message_type", vals) == "email":
            # Whom an e-mail names as its sender is what the e-mail says; its address is kept.
            values["author_id"] = False
        elif self.env.context.get("g2p_system_note"):
            return values
        return values | {"author_guest_id": False, "date": fields.Datetime.now()}

    def write(self, vals):
        if MESSAGE & set(vals):
            self._check_stays(vals)
        result = super().write(vals)
        if {"model", "res_id"} & set(vals):
            self._check_stays()  # nothing that was said elsewhere comes to be said here
        if "partner_ids" in vals:
            self._check_told()
        return result

    def unlink(self):
        self._check_stays()
        return super().unlink()

    def _kept(self):
        """Of these messages, those that are evidence, by the record that they are about: [(record, messages)]."""
        found = []
        # sudo: what they are about is asked for the guard alone
        for model, messages in (
            self.sudo().filtered(lambda message: message.model and message.res_id).grouped("model").items()
        ):
            by_record = messages.grouped("res_id")
            there = self.env[model].sudo().browse(by_record).exists().ids if model in self.env else ()
            found += [(record, by_record[record.id]) for record in kept(self.env, model, there)]
        return found

    def _check_stays(self, vals=None):
        """What was said about a record of the suite is neither changed nor deleted, by nobody."""
        if is_open(self.env):
            return
        for record, messages in self._kept():
            if vals is None or any(message._would_change(vals) for message in messages):
                # sudo: the kind of record, in words
                raise AccessError(
                    self.env._(
                        "What was said about %(kind)s is on record: it can't be edited or deleted. Write another message.",
                        kind=self.env["ir.model"]._get(record._name).sudo().name,
                    )
                )

    def _would_change(self, vals):
        return any(
            self._fields[name].convert_to_cache(vals[name], self)
            != self._fields[name].convert_to_cache(self[name], self)
            if self._fields[name].type not in ("many2many", "one2many")
            else bool(vals[name])
            for name in MESSAGE & set(vals)
        )

    def _check_told(self):
        """Whoever is named as recipient reads the message: only who may read the record."""
        if are_readers(self.env):
            return
        # sudo: the recipients of messages that the user has just written
        for record, messages in self.sudo().filtered("partner_ids")._kept():
            if blind := messages.partner_ids - record._readers_among(messages.partner_ids):
                record.with_env(self.env)._refuse_to_tell(blind)


class MailMail(models.Model):
    _inherit = "mail.mail"

    @api.model_create_multi
    def create(self, vals_list):
        """An e-mail that tells about a message gives it its own subject where it has none: nothing of what was said changes."""
        if self.env.su:
            for vals in vals_list:
                message = self.env["mail.message"].browse(vals.get("mail_message_id") or [])
                if vals.get("subject") and message and not message.subject:
                    message.with_context(**OPEN).write({"subject": vals["subject"]})
        mails = super().create(vals_list)
        if not is_system(self.env):
            # E-mails without a message before them are written by the composer for many, and by templates.
            mails.browse(
                mail.id for mail, vals in zip(mails, vals_list, strict=True) if not vals.get("mail_message_id")
            )._check_told()
        return mails

    def _check_told(self):
        # sudo: the recipients of e-mails that the user is about to send
        for mail in self.sudo().filtered("recipient_ids"):
            for record in kept(self.env, mail.model, [mail.res_id]):
                if blind := mail.recipient_ids - record._readers_among(mail.recipient_ids):
                    record.with_env(self.env)._refuse_to_tell(blind)


class MailTrackingValue(models.Model):
    _inherit = "mail.tracking.value"

    @api.model_create_multi
    def create(self, vals_list):
        values = super().create(vals_list)
        if not is_system(values.env):
            # sudo: where they belong is asked for the guard alone
            values.sudo().mail_message_id._check_stays()
        return values

    def write(self, vals):
        # sudo: where they belong is asked for the guard alone
        self.sudo().mail_message_id._check_stays()
        return super().write(vals)

    def unlink(self):
        self.sudo().mail_message_id._check_stays()  # sudo: as above
        return super().unlink()


class MailNotification(models.Model):
    _inherit = "mail.notification"

    @api.model_create_multi
    def create(self, vals_list):
        notifications = super().create(vals_list)
        notifications._check_may_read()
        return notifications

    def write(self, vals):
        result = super().write(vals)
        if {"mail_message_id", "res_partner_id"} & set(vals):
            self._check_may_read()
        return result

    def _check_may_read(self):
        """Whoever is notified of a message can read it: nobody notifies themself, or others, of what they may not read."""
        if self.env.su:
            return  # who is notified was found before, see `_notify_get_recipients`
        # sudo: what the messages are about is asked for the guard alone
        for notification in self.sudo():
            for record, _messages in notification.mail_message_id._kept():
                if blind := notification.res_partner_id - record._readers_among(notification.res_partner_id):
                    record.with_env(self.env)._refuse_to_tell(blind)


class MailScheduledMessage(models.Model):
    _inherit = "mail.scheduled.message"

    @api.model_create_multi
    def create(self, vals_list):
        planned = super().create(vals_list)
        planned._say_oneself()
        return planned

    def write(self, vals):
        if not is_system(self.env) and self._kept().filtered(lambda message: message.create_uid != self.env.user):
            raise AccessError(self.env._("This will be said in somebody else's name: only they can change it."))
        result = super().write(vals)
        if "author_id" in vals:
            self._say_oneself()
        return result

    def _kept(self):
        # sudo: what they are about is asked for the guard alone
        return self.sudo().filtered(lambda message: kept(self.env, message.model, [message.res_id]))

    def _say_oneself(self):
        """It is posted by who planned it."""
        for message in self._kept():
            if message.author_id != message.create_uid.partner_id:
                super(MailScheduledMessage, message).write({"author_id": message.create_uid.partner_id.id})
        return self


class MailFollowers(models.Model):
    _inherit = "mail.followers"

    @api.model_create_multi
    def create(self, vals_list):
        followers = super().create(vals_list)
        followers._check_may_read()
        return followers

    def write(self, vals):
        result = super().write(vals)
        if {"res_model", "res_id", "partner_id"} & set(vals):
            self._check_may_read()
        return result

    @api.model
    def _insert_followers(self, res_model, res_ids, partner_ids, *args, **kwargs):
        """Of who is made a follower on the way (authors, people in charge), those follow who may read; who does it has asked
        for their own right."""
        insert = super()._insert_followers
        own = set(partner_ids or ()) <= {self.env.user.partner_id.id}
        stays = kept(self.env, res_model, () if own else res_ids)
        for record in stays:
            if readers := record._readers_among(self.env["res.partner"].browse(partner_ids)):
                insert(res_model, record.ids, readers.ids, *args, **kwargs)
        rest = set(res_ids) - set(stays.ids)
        return insert(res_model, list(rest), partner_ids, *args, **kwargs) if rest else None

    # Who reads who follows what: labels of records are read as superuser, and would name what nobody may see.

    @api.model
    def _search(self, domain, offset=0, limit=None, order=None, *, bypass_access=False, **kwargs):
        """One's own, and those of records that the user may read."""
        if self.env.su or bypass_access:
            return super()._search(domain, offset, limit, order, bypass_access=bypass_access, **kwargs)
        found = super()._search(domain, **kwargs)
        found.order = None
        models = self.env.execute_query(found.select(SQL("DISTINCT %s", SQL.identifier(found.table, "res_model"))))
        history = self.env["g2p.state.history"]
        readable = Domain("partner_id", "=", self.env.user.partner_id.id) | Domain.OR(
            Domain("res_model", "=", name) & Domain.custom(to_sql=history._readable_sql(self.env[name]))
            for [name] in models
            if name in self.env and self.env[name].has_access("read")
        )
        return super()._search(Domain(domain) & readable, offset, limit, order, **kwargs)

    def _check_access(self, operation):
        result = super()._check_access(operation)
        if operation != "read" or not any(self._ids) or (result and result[0] == self):
            return result
        # sudo: what is followed is asked for the guard alone
        others = self.sudo().filtered(lambda follower: follower.partner_id != self.env.user.partner_id)
        forbidden = self.browse()
        for model, followers in others.grouped("res_model").items():
            ids = followers.mapped("res_id")
            readable = self.env[model].browse(ids).exists()._filtered_access("read").ids if model in self.env else ()
            forbidden |= followers.filtered(lambda follower, seen=readable: follower.res_id not in seen).with_env(
                self.env
            )
        if not forbidden:
            return result
        told, _error = result or (self.browse(), None)
        return told | forbidden, lambda: AccessError(
            self.env._("Who follows a record is told to who may read it: this one is out of your reach.")
        )

    def _check_may_read(self):
        """Whoever follows a record is told what happens to it: only who may read it. Superuser's code has asked, see
        `_insert_followers`."""
        if self.env.su:
            return
        # sudo: what is followed is asked for the guard alone
        for follower in self.sudo():
            for record in kept(self.env, follower.res_model, [follower.res_id]):
                if not record._readers_among(follower.partner_id):
                    record.with_env(self.env)._refuse_to_tell(follower.partner_id)
