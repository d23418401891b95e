"""What is said about a record of the suite is said in one's own name, now, and told to who may read the record."""

import json
from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.service.model import call_kw
from odoo.tests import HttpCase, JsonRpcException, new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.g2p_bulk.models.evidence import SYSTEM
from odoo.addons.g2p_programs.tests.money import MoneyCase

EMAIL = (
    "From: Chief <chief@example.com>\r\nTo: suite@example.com\r\nSubject: I approve\r\nMessage-Id: <forged@example.com>\r\n"
    "Date: Wed, 01 Jan 2020 10:00:00 +0000\r\nContent-Type: text/plain\r\n\r\nI approve this\r\n"
)


class SaidCase(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cycle = cls.new_cycle()
        cls.chief = new_test_user(
            cls.env, login="said chief", email="chief@example.com", groups="g2p_programs.g2p_program_manager"
        )
        cls.clerk = new_test_user(
            cls.env,
            login="said clerk",
            email="clerk@example.com",
            password="said-clerk-88",
            groups="g2p_programs.g2p_program_manager",
        )
        cls.admin = new_test_user(
            cls.env,
            login="said admin",
            email="admin@example.com",
            groups="base.group_system,base.group_partner_manager,g2p_registry_base.group_g2p_admin,"
            "g2p_programs.g2p_program_manager",
        )
        cls.other_company = cls.env["res.company"].create({"name": "Other ministry"})
        cls.outsider = new_test_user(
            cls.env,
            login="said outsider",
            email="outsider@example.com",
            groups="g2p_programs.g2p_program_manager",
            company_id=cls.other_company.id,
            company_ids=[Command.set(cls.other_company.ids)],
        )
        cls.stranger = cls.env["res.partner"].create({"name": "Stranger", "email": "stranger@example.com"})

    def call(self, user, model, method, /, *args, **kwargs):
        """As a remote client does: nothing but JSON goes in."""
        args, kwargs = json.loads(json.dumps([args, kwargs], default=str))
        return call_kw(self.env(user=user)[model], method, args, kwargs)

    def newest(self, record, known=0):
        return self.env["mail.message"].search(
            [("model", "=", record._name), ("res_id", "=", record.id), ("id", ">", known)], order="id"
        )

    def last_message(self):
        return self.env["mail.message"].search([], order="id desc", limit=1).id

    def threads(self):
        """A record of every model of the suite that has a chatter and is there, and a registrant."""
        yield self.small
        for name, model in sorted(self.env.registry.items()):
            if (
                name.startswith("g2p.")
                and not model._abstract
                and not model._transient
                and ".test." not in name
                and issubclass(model, self.env.registry["mail.thread"])
                and (record := self.env[name].with_user(self.admin).search([], limit=1))
            ):
                yield record


@tagged("post_install", "-at_install")
class TestInWhoseName(SaidCase):
    def forged(self):
        """What a note says about itself, and does not decide."""
        return {
            "author_id": self.chief.partner_id.id,
            "email_from": "chief@example.com",
            "date": "2020-01-01 10:00:00",
            "author_guest_id": self.env["mail.guest"].create({"name": "Guest"}).id,
            "create_date": "2020-01-01 10:00:00",
            "tracking_value_ids": [
                Command.create(
                    {
                        "field_id": self.env["ir.model.fields"]._get("g2p.cycle", "state").id,
                        "old_value_char": "To approve",
                        "new_value_char": "Approved",
                    }
                )
            ],
        }

    def assert_own(self, messages, user):
        self.assertTrue(messages)
        for message in messages:
            self.assertEqual(message.author_id, user.partner_id)
            self.assertEqual(message.email_from, user.partner_id.email_formatted)
            self.assertLess(abs(message.date - fields.Datetime.now()), timedelta(minutes=5))
            self.assertFalse(message.author_guest_id)
            self.assertFalse(message.sudo().tracking_value_ids)
            self.assertLess(abs(message.create_date - fields.Datetime.now()), timedelta(minutes=5))

    def ways(self, record):
        """{name: call as a user}, each of which writes one note about the record."""
        forged = self.forged()
        there = {"model": record._name, "res_id": record.id}
        post = {name: forged[name] for name in ("author_id", "email_from")}
        composer = {
            "model": record._name,
            "res_ids": str(record.ids),
            "subject": "Agreed",
            "body": "<p>I approve this</p>",
            **post,
        }

        def composed(user, mode):
            known = self.call(user, "mail.compose.message", "create", {**composer, "composition_mode": mode})
            ids = known if isinstance(known, list) else [known]
            self.call(user, "mail.compose.message", "action_send_mail", ids)

        def scheduled(user):
            known = self.call(
                user,
                "mail.scheduled.message",
                "create",
                {
                    **there,
                    "author_id": forged["author_id"],
                    "body": "I approve this",
                    "scheduled_date": fields.Datetime.now() + timedelta(hours=1),
                    "notification_parameters": json.dumps({"email_from": forged["email_from"]}),
                },
            )
            planned = self.env["mail.scheduled.message"].browse(known)
            self.assertEqual(planned.author_id, user.partner_id)
            self.call(user, "mail.scheduled.message", "post_message", planned.ids)

        def by_template(user):
            template = self.env["mail.template"].create(
                {
                    "name": "Agreed",
                    "model_id": self.env["ir.model"]._get(record._name).id,
                    "body_html": "<p>I approve this</p>",
                    "auto_delete": False,
                }
            )
            values = {**post, "date": forged["date"], "body": "I approve this"}
            self.call(user, "mail.template", "send_mail", template.ids, record.id, email_values=values)

        defaults = {f"default_{name}": value for name, value in {**forged, **there}.items()}
        return {
            "created": lambda user: self.call(
                user, "mail.message", "create", {**forged, **there, "body": "I approve this"}
            ),
            "created, by context": lambda user: self.call(
                user, "mail.message", "create", {"body": "I approve this"}, context=defaults
            ),
            "loaded": lambda user: self.call(
                user,
                "mail.message",
                "load",
                ["model", "res_id", "author_id/.id", "email_from", "date", "body"],
                [[record._name, str(record.id), str(forged["author_id"]), "x@example.com", forged["date"], "Agreed"]],
            ),
            "posted": lambda user: self.call(
                user,
                record._name,
                "message_post",
                record.ids,
                body="I approve this",
                **{name: forged[name] for name in forged if name != "author_guest_id"},
            ),
            "posted, by context": lambda user: self.call(
                user, record._name, "message_post", record.ids, body="I approve this", context=defaults
            ),
            "notified": lambda user: self.call(
                user,
                record._name,
                "message_notify",
                record.ids,
                body="I approve this",
                partner_ids=self.chief.partner_id.ids,
                date=forged["date"],
                **post,
            ),
            "notified from nowhere": lambda user: self.call(
                user,
                "mail.thread",
                "message_notify",
                [],
                body="I approve this",
                partner_ids=self.chief.partner_id.ids,
                date=forged["date"],
                **there,
                **post,
            ),
            "composed": lambda user: composed(user, "comment"),
            "composed for many": lambda user: composed(user, "mass_mail"),
            "scheduled": scheduled,
            "by a template": by_template,
        }

    def test_by_no_way_in_somebody_elses_name_or_at_another_time(self):
        for name in self.ways(self.cycle):
            for user in (self.clerk, self.admin):
                with self.subTest(name, user=user.login):
                    known = self.last_message()
                    refused = False
                    try:
                        with self.cr.savepoint(), mute_logger("odoo.models"):
                            self.ways(self.cycle)[name](user)
                    except (UserError, ValueError):
                        refused = True
                    messages = self.newest(self.cycle, known)
                    if refused:
                        self.assertFalse(messages)
                    elif name != "loaded" or messages:
                        self.assert_own(messages, user)

    def test_about_every_model_with_a_chatter(self):
        self.paid_out()
        seen = set()
        for record in self.threads():
            with self.subTest(record._name):
                seen.add(record._name)
                known = self.last_message()
                for name in ("created", "created, by context", "posted", "composed"):
                    self.ways(record)[name](self.admin)
                messages = self.newest(record, known)
                self.assertEqual(len(messages), 4)
                self.assert_own(messages, self.admin)
        self.assertLessEqual({"res.partner", "g2p.program", "g2p.cycle", "g2p.program.fund", "g2p.payment.batch"}, seen)

    def test_defaults_of_a_users_own_are_no_way_round(self):
        forged = self.forged()
        for name in ("author_id", "email_from", "date", "author_guest_id"):
            self.env["ir.default"].set("mail.message", name, forged[name], user_id=self.clerk.id)
        self.env["ir.default"].set("mail.message", "model", self.cycle._name, user_id=self.clerk.id)
        self.env["ir.default"].set("mail.message", "res_id", self.cycle.id, user_id=self.clerk.id)
        known = self.last_message()
        self.call(self.clerk, "mail.message", "create", {"body": "I approve this"})
        self.assert_own(self.newest(self.cycle, known), self.clerk)
        self.env["ir.default"].set(
            "mail.message", "tracking_value_ids", forged["tracking_value_ids"], user_id=self.clerk.id
        )
        with self.assertRaises(UserError), self.cr.savepoint():
            self.call(self.clerk, "mail.message", "create", {"body": "I approve this"})

    def test_what_changed_is_written_down_by_the_change_only(self):
        """Odoo's own tracking passes: whoever changed it is its author."""
        cycle, field = self.cycle.sudo(), self.env["ir.model.fields"]._get("g2p.cycle", "state")
        changed = {"field_id": field.id, "old_value_char": "To approve", "new_value_char": "Approved"}
        message = cycle.with_user(self.clerk).message_post(body="I approve this")
        for user in (self.clerk, self.admin):
            with self.assertRaises(UserError), self.cr.savepoint():
                self.call(user, "mail.tracking.value", "create", {**changed, "mail_message_id": message.id})
        self.assertFalse(message.sudo().tracking_value_ids)
        tracked = (
            message.with_user(self.clerk)
            .sudo()
            .with_context(**SYSTEM)
            .create({"model": cycle._name, "res_id": cycle.id, "tracking_value_ids": [Command.create(changed)]})
        )
        self.assertEqual(tracked.tracking_value_ids.new_value_char, "Approved")

    def test_a_tracked_field_is_followed(self):
        program, known = self.cycle.program_id, self.last_message()
        program.with_user(self.admin).with_context(tracking_disable=False).name = "Grant 7"
        self.env.flush_all()
        self.env.cr.precommit.run()
        messages = self.newest(program, known).filtered(lambda message: message.sudo().tracking_value_ids)
        self.assertEqual(messages.sudo().tracking_value_ids.mapped("new_value_char"), ["Grant 7"])
        self.assertEqual(messages.author_id, self.admin.partner_id)

    @mute_logger("odoo.addons.mail.models.mail_thread")
    def test_what_comes_by_email_has_no_author(self):
        """Whom an e-mail names as its sender is what the e-mail says."""
        params = {"thread_id": self.cycle.id}
        for user in (self.clerk, self.chief):
            with self.assertRaises(AccessError), self.cr.savepoint():
                self.call(user, "mail.thread", "message_process", "g2p.cycle", EMAIL, **params)
        known = self.last_message()
        self.call(self.admin, "mail.thread", "message_process", "g2p.cycle", EMAIL, **params)
        message = self.newest(self.cycle, known)
        self.assertEqual(message.message_type, "email")
        self.assertFalse(message.author_id)
        self.assertIn("chief@example.com", message.email_from)
        self.assertLess(abs(message.date - fields.Datetime.now()), timedelta(minutes=5))

    def test_a_record_out_of_an_email_asks_for_the_right_to_make_it(self):
        reader = new_test_user(self.env, login="said reader", groups="g2p_programs.g2p_program_cycle_approver")
        with self.assertRaises(UserError), self.cr.savepoint():
            self.call(reader, "g2p.program", "message_new", {"subject": "Mine", "email_from": "x@example.com"})

    def test_a_note_does_not_move_to_another_record(self):
        contact = self.env["res.partner"].create({"name": "A bank"})
        about_contact = contact.with_user(self.admin).message_post(body="I approve this")
        loose = self.env["mail.message"].with_user(self.admin).create({"body": "I approve this"})
        there = {"model": self.cycle._name, "res_id": self.cycle.id}
        for user in (self.clerk, self.admin):
            for message in (about_contact, loose):
                with self.subTest(user=user.login), self.assertRaises(UserError), self.cr.savepoint():
                    self.call(user, "mail.message", "write", message.ids, there)
        with self.assertRaises(AccessError), self.cr.savepoint():
            contact.with_user(self.admin).message_change_thread(self.cycle.with_user(self.admin))
        self.cycle.with_user(self.chief).message_post(body="I approve this")
        with self.assertRaises(AccessError), self.cr.savepoint():
            self.cycle.with_user(self.clerk).message_change_thread(contact.with_user(self.clerk))
        self.assertEqual(about_contact.res_id, contact.id)

    def test_what_somebody_will_say_is_theirs_to_change(self):
        values = {
            "model": self.cycle._name,
            "res_id": self.cycle.id,
            "author_id": self.chief.partner_id.id,
            "body": "I doubt this",
            "scheduled_date": fields.Datetime.now() + timedelta(hours=1),
        }
        planned = self.env["mail.scheduled.message"].browse(
            self.call(self.chief, "mail.scheduled.message", "create", values)
        )
        for user in (self.clerk, self.admin):
            with self.assertRaises(AccessError), self.cr.savepoint():
                self.call(user, "mail.scheduled.message", "write", planned.ids, {"body": "I approve this"})
        self.call(
            self.chief,
            "mail.scheduled.message",
            "write",
            planned.ids,
            {"author_id": self.clerk.partner_id.id, "body": "I still doubt this"},
        )
        self.assertEqual(planned.author_id, self.chief.partner_id)

    def test_contacts_are_told_as_odoo_does(self):
        contact = self.env["res.partner"].create({"name": "A bank"})
        message = contact.with_user(self.admin).message_post(
            body="Hello", author_id=self.chief.partner_id.id, partner_ids=self.stranger.ids
        )
        self.assertEqual(message.author_id, self.chief.partner_id)
        self.assertEqual(message.partner_ids, self.stranger)


@tagged("post_install", "-at_install")
class TestToWhom(SaidCase):
    def test_who_may_not_read_a_record_does_not_follow_it(self):
        outside = (self.outsider.partner_id | self.stranger).ids
        for record in self.threads():
            for partner in outside if record._name != "res.partner" else [self.outsider.partner_id.id]:
                ways = (
                    (record._name, "message_subscribe", record.ids, [partner]),
                    (record._name, "write", record.ids, {"message_partner_ids": [Command.link(partner)]}),
                    (
                        "mail.followers",
                        "create",
                        {"res_model": record._name, "res_id": record.id, "partner_id": partner},
                    ),
                )
                for model, *call in ways:
                    with self.subTest(record._name, partner=partner, way=model, call=call[0]):
                        with self.assertRaises(UserError), self.cr.savepoint():
                            self.call(self.admin, model, *call)
                        self.assertNotIn(partner, record.message_partner_ids.ids)
        self.call(self.clerk, "g2p.cycle", "message_subscribe", self.cycle.ids, self.chief.partner_id.ids)
        self.assertIn(self.chief.partner_id, self.cycle.message_partner_ids)
        follower = self.cycle.message_follower_ids.filtered(lambda one: one.partner_id == self.chief.partner_id)
        with self.assertRaises(UserError), self.cr.savepoint():
            self.call(self.admin, "mail.followers", "write", follower.ids, {"partner_id": self.stranger.id})

    def test_only_readers_are_told(self):
        for partner in (self.outsider.partner_id, self.stranger):
            told = {"partner_ids": partner.ids}
            there = {"model": self.cycle._name, "res_id": self.cycle.id}
            ways = {
                "posted": ("g2p.cycle", "message_post", self.cycle.ids, {"body": "Hush", **told}),
                "notified": ("g2p.cycle", "message_notify", self.cycle.ids, {"body": "Hush", **told}),
                "from nowhere": ("mail.thread", "message_notify", [], {"body": "Hush", **told, **there}),
            }
            for name, (target, method, ids, kwargs) in ways.items():
                with self.subTest(name, partner=partner.name), self.assertRaises(UserError), self.cr.savepoint():
                    self.call(self.clerk, target, method, ids, **kwargs)
            with self.subTest("created", partner=partner.name), self.assertRaises(UserError), self.cr.savepoint():
                self.call(
                    self.clerk,
                    "mail.message",
                    "create",
                    {**there, "body": "Hush", "partner_ids": [Command.link(partner.id)]},
                )
            with self.subTest("composed", partner=partner.name):
                for mode in ("comment", "mass_mail"):
                    composer = self.call(
                        self.clerk,
                        "mail.compose.message",
                        "create",
                        {
                            "model": "g2p.cycle",
                            "res_ids": str(self.cycle.ids),
                            "composition_mode": mode,
                            "subject": "Hush",
                            "body": "Hush",
                            "partner_ids": [Command.link(partner.id)],
                        },
                    )
                    with self.assertRaises(UserError), self.cr.savepoint():
                        self.call(self.clerk, "mail.compose.message", "action_send_mail", [composer])
        message = self.cycle.with_user(self.clerk).message_post(body="Among us")
        for partner in (self.outsider.partner_id, self.stranger):
            with self.assertRaises(UserError), self.cr.savepoint():
                self.call(self.clerk, "mail.message", "write", message.ids, {"partner_ids": [Command.link(partner.id)]})
        self.assertFalse(message.partner_ids)
        told = self.cycle.with_user(self.clerk).message_post(body="You", partner_ids=self.chief.partner_id.ids)
        self.assertEqual(told.notified_partner_ids, self.chief.partner_id)

    def test_no_address_beside_the_readers(self):
        known = self.env["mail.mail"].search([], order="id desc", limit=1).id
        self.call(
            self.clerk,
            "g2p.cycle",
            "message_post",
            self.cycle.ids,
            body="Hush",
            outgoing_email_to="stranger@example.com",
        )
        self.assertFalse(self.env["mail.mail"].search([("id", ">", known), ("email_to", "ilike", "stranger")]))

    def test_nobody_reads_a_note_by_notifying_themself(self):
        message = self.cycle.with_user(self.clerk).message_post(body="Among us")
        with self.assertRaises(AccessError), self.cr.savepoint():
            self.call(
                self.outsider,
                "mail.notification",
                "create",
                {"mail_message_id": message.id, "res_partner_id": self.outsider.partner_id.id},
            )
        own = self.env["mail.notification"].create(
            {
                "mail_message_id": self.stranger.message_post(body="Hello").id,
                "res_partner_id": self.outsider.partner_id.id,
            }
        )
        with self.assertRaises(UserError), self.cr.savepoint():
            self.call(self.outsider, "mail.notification", "write", own.ids, {"mail_message_id": message.id})
        with self.assertRaises(AccessError):
            message.with_user(self.outsider).read(["body"])

    def test_who_lost_sight_of_a_record_is_told_no_more(self):
        self.cycle.sudo().message_subscribe(self.chief.partner_id.ids)
        self.assertIn(self.chief.partner_id, self.cycle.message_partner_ids)
        self.chief.sudo().write(
            {"company_ids": [Command.set(self.other_company.ids)], "company_id": self.other_company.id}
        )
        message = self.cycle.with_user(self.clerk).message_post(
            body="Among us", message_type="comment", subtype_xmlid="mail.mt_comment"
        )
        self.assertNotIn(self.chief.partner_id, message.notified_partner_ids)

    def test_a_registrant_is_told_about_themself(self):
        self.small.email = "small@example.com"
        message = self.small.with_user(self.admin).message_post(body="Come on Monday", partner_ids=self.small.ids)
        self.assertEqual(message.notified_partner_ids, self.small)


@tagged("post_install", "-at_install")
class TestRoute(SaidCase, HttpCase):
    """The web client posts as superuser."""

    def test_in_ones_own_name_and_to_readers(self):
        self.authenticate("said clerk", "said-clerk-88")
        post = {"body": "I approve this", "message_type": "comment", "subtype_xmlid": "mail.mt_comment"}
        forged = {"author_id": self.chief.partner_id.id, "date": "2020-01-01", "email_from": "chief@example.com"}
        there = {"thread_model": "g2p.cycle", "thread_id": self.cycle.id}
        answer = self.make_jsonrpc_request(
            "/mail/message/post",
            {
                **there,
                "post_data": {**post, **forged},
                "context": {f"default_{name}": value for name, value in forged.items()},
            },
        )
        message = self.env["mail.message"].browse(answer["message_id"])
        self.assertEqual(message.author_id, self.clerk.partner_id)
        self.assertEqual(message.date.date(), fields.Date.today())
        with mute_logger("odoo.http"), self.assertRaisesRegex(JsonRpcException, "AccessError"):
            self.make_jsonrpc_request(
                "/mail/message/post", {**there, "post_data": {**post, "partner_ids": self.stranger.ids}}
            )
