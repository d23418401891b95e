"""What somebody may not read does not come back by what hangs on it: labels, groups, searches and fields of whatever model."""

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.g2p_programs.tests.money import MoneyCase

PERSON, HOUSE = "Zzyzxperson", "Quuxhouse"
# Models by which a secret came back, or would: the planting is in each of them.
PLANTED = {
    "discuss.channel",
    "discuss.channel.member",
    "ir.attachment",
    "mail.activity",
    "mail.link.preview",
    "mail.mail",
    "mail.message",
    "mail.message.link.preview",
    "mail.message.reaction",
    "mail.notification",
    "mail.scheduled.message",
    "mail.tracking.value",
    "res.partner",
}


@tagged("post_install", "-at_install")
class TestToldNowhere(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.north, cls.south = cls.env["g2p.area"].create([{"name": "North"}, {"name": "South"}])
        cls.colleague = new_test_user(
            cls.env,
            login="colleague",
            email="colleague@example.com",
            groups="g2p_programs.g2p_program_manager,g2p_registry_base.group_g2p_registrar",
        )
        cls.chief = new_test_user(
            cls.env,
            login="chief",
            groups="g2p_programs.g2p_program_manager,g2p_registry_base.group_g2p_registrar,base.group_system",
        )
        cls.person = cls.household(f"{PERSON} Family", [cls.individual(PERSON, "Member")], area_id=cls.south.id)
        cls.person.group_membership_ids.individual.area_id = cls.south
        cls.house = cls.program(f"{HOUSE} Grant", "group")
        cls.member(cls.house, cls.person, "enrolled")
        cls.member(cls.grant, cls.person, "enrolled")
        cls.plant(cls.person, PERSON)
        cls.plant(cls.house, HOUSE)
        cls.limited = new_test_user(
            cls.env,
            login="limited",
            groups="g2p_programs.g2p_program_manager,g2p_programs.g2p_finance_validator,"
            "g2p_registry_base.group_g2p_registrar,g2p_registry_base.group_g2p_auditor",
        )
        cls.limited.g2p_area_ids = cls.north
        cls.env.flush_all()

    @classmethod
    def plant(cls, record, secret):
        """A message with a recipient, an e-mail that failed, a follower, and whatever else may hang on a record."""
        env = cls.env(user=cls.chief.id, context=dict(cls.env.context, tracking_disable=False))
        record = record.with_env(env)
        message = record.message_post(
            body=f"About {secret}",
            subject=f"{secret} in short",
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
            partner_ids=cls.colleague.partner_id.ids,
            attachments=[(f"{secret}.txt", b"x")],
        )
        record.message_subscribe(cls.colleague.partner_id.ids)
        record.activity_schedule(
            "mail.mail_activity_data_todo", summary=f"Visit {secret}", note=secret, user_id=cls.colleague.id
        )
        sudo = cls.env
        mail = sudo["mail.mail"].create({"mail_message_id": message.id, "body_html": secret, "email_to": "a@b.c"})
        notification = sudo["mail.notification"].search([("mail_message_id", "=", message.id)], limit=1)
        notification = notification or sudo["mail.notification"].create(
            {"mail_message_id": message.id, "res_partner_id": cls.colleague.partner_id.id}
        )
        notification.write({"mail_mail_id": mail.id, "notification_status": "exception", "failure_reason": secret})
        field = sudo["ir.model.fields"]._get(record._name, "name")
        sudo["mail.tracking.value"].create(
            {
                "mail_message_id": message.id,
                "field_id": field.id,
                "new_value_char": secret,
                "old_value_char": secret,
            }
        )
        sudo["mail.message.reaction"].create(
            {"message_id": message.id, "content": "👍", "partner_id": cls.colleague.partner_id.id}
        )
        preview = sudo["mail.link.preview"].create({"source_url": f"https://example.com/{secret}", "og_title": secret})
        sudo["mail.message.link.preview"].create({"message_id": message.id, "link_preview_id": preview.id})
        env["mail.scheduled.message"].create(
            {
                "model": record._name,
                "res_id": record.id,
                "author_id": cls.chief.partner_id.id,
                "subject": secret,
                "body": secret,
                "scheduled_date": fields.Datetime.add(fields.Datetime.now(), days=3),
            }
        )
        channel = env["discuss.channel"]._create_group(cls.colleague.partner_id.ids, name=f"{secret} among us")
        channel.message_post(body=secret, message_type="comment", subtype_xmlid="mail.mt_comment")
        message.with_user(cls.colleague).toggle_message_starred()

    def told(self, model, secrets):
        """Yield where one of the secrets comes back when everything of a model is asked as its user."""

        def ask(what, call, *args, **kwargs):
            try:
                with self.cr.savepoint(flush=False), mute_logger("odoo.sql_db", "odoo.domains"):
                    answer = call(*args, **kwargs)
            except (AccessError, UserError) as refusal:
                answer = refusal
            except (NotImplementedError, ValueError, TypeError, KeyError) as odd:
                answer = odd  # not a question that the model has an answer to
            text = str(answer)
            # A refused search names what was typed.
            found = [secret for secret in secrets if secret in text and not what.startswith("search ")]
            if found:
                leaks.append((model._name, what, *found))
            return answer

        leaks = []
        try:
            known = model.fields_get(attributes=["type", "store", "groupable", "searchable"])
        except AccessError:
            return leaks
        names = [name for name, field in known.items() if field["type"] not in ("binary", "image")]
        relational = {
            name: {"fields": {"display_name": {}}}
            for name in names
            if known[name]["type"] in ("many2one", "one2many", "many2many")
        }
        rows = ask("search_read", model.search_read, [], names, limit=300)
        if not isinstance(rows, list):
            for name in names:
                ask(f"read {name}", model.search_read, [], [name], limit=300)
        if rows:
            ask("web_search_read", model.web_search_read, [], {"display_name": {}, **relational}, limit=300)
        ask("name_search", model.name_search, "", limit=300)
        if not model._rec_name and not model._rec_names_search:
            names.remove("display_name")  # Odoo finds all of what has no name, whatever was typed
        for name in names:
            kind = known[name]["type"]
            if rows and known[name].get("groupable"):
                day = ":month" if kind in ("date", "datetime") else ""
                ask(f"group {name}", model.formatted_read_group, [], [name + day], ["__count"])
            if known[name].get("searchable") and kind in ("char", "text", "html", "many2one", "many2many"):
                for secret in secrets:
                    if (count := ask(f"search {name}", model.search_count, [(name, "ilike", secret)])) and isinstance(
                        count, int
                    ):
                        leaks.append((model._name, f"search {name}", secret, count))
        return leaks

    def models(self, user):
        for name in sorted(self.env.registry):
            model = self.env[name].with_user(user).with_context(active_test=False)
            if not model._abstract and ".test." not in name and model.has_access("read"):
                yield model

    def assert_nowhere(self, user, *secrets):
        leaks = []
        count = 0
        for model in self.models(user):
            count += 1
            leaks += self.told(model, secrets)
        self.assertFalse(leaks, "\n".join(map(str, leaks)))
        return count

    def test_the_secrets_are_there(self):
        """Else nothing that follows could fail."""
        for name in PLANTED:
            found = self.told(self.env[name], (PERSON, HOUSE))
            with self.subTest(name):
                self.assertTrue(found, name)
        for name in ("mail.notification", "mail.activity", "mail.message"):
            with self.subTest(name, by="a colleague who may"):
                self.assertTrue(self.told(self.env[name].with_user(self.colleague), (PERSON, HOUSE)), name)

    def test_who_has_no_role_reads_neither_people_nor_programs(self):
        self.assertGreater(self.assert_nowhere(self.outsider, PERSON, HOUSE), 50)

    def test_portal_users_read_neither_people_nor_programs(self):
        self.assertGreater(self.assert_nowhere(self.portal, PERSON, HOUSE), 10)

    def test_who_works_in_another_area_reads_nobody_there(self):
        self.assertGreater(self.assert_nowhere(self.limited, PERSON), 100)

    # What Odoo's own screens need

    def test_followers_and_notifications_are_told_to_who_may(self):
        followers = self.env["mail.followers"]
        there = [("res_model", "=", "res.partner"), ("res_id", "=", self.person.id)]
        known = followers.search(there)
        self.assertIn(self.colleague.partner_id, known.partner_id)
        self.assertEqual(followers.with_user(self.chief).search(there), known)
        self.assertEqual(self.person.with_user(self.chief).message_follower_ids, known)
        for stranger in (self.limited, self.outsider):
            self.assertFalse(followers.with_user(stranger).search(there))
        self.assertFalse(followers.with_user(self.outsider).search([("res_model", "=like", "g2p.%")]))
        with self.assertRaisesRegex(AccessError, "out of your reach"):
            known.with_user(self.limited).read(["res_id"])
        # One's own, also of what one lost sight of.
        self.colleague.g2p_area_ids = self.north
        own = followers.with_user(self.colleague).search(there)
        self.assertEqual(own.partner_id, self.colleague.partner_id)
        self.assertEqual(own.read(["res_id"])[0]["res_id"], self.person.id)
        notifications = self.env["mail.notification"]
        about = [("mail_message_id.model", "=", self.house._name)]
        self.assertTrue(notifications.with_user(self.colleague).search(about), "what one is told")
        self.assertTrue(notifications.with_user(self.chief).search(about), "what became of what one said")
        self.assertFalse(notifications.with_user(self.manager).search(about))
