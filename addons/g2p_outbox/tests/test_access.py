from unittest.mock import patch

from psycopg2.errors import CheckViolation

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged
from odoo.tools import SQL, mute_logger

from .common import OutboxCase


@tagged("post_install", "-at_install")
class TestAccess(OutboxCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        user = "base.group_user"
        cls.system = new_test_user(cls.env, login="outbox system", groups=f"{user},base.group_system")
        cls.admin = new_test_user(cls.env, login="outbox admin", groups=f"{user},g2p_outbox.group_g2p_outbox_admin")
        cls.manager = new_test_user(
            cls.env, login="outbox manager", groups=f"{user},g2p_outbox.group_g2p_outbox_manager"
        )
        cls.viewer = new_test_user(cls.env, login="outbox viewer", groups=f"{user},g2p_bulk.group_g2p_bulk_user")
        cls.nobody = new_test_user(cls.env, login="outbox nobody", groups=user)

    def test_a_secret_is_set_and_never_shown(self):
        channel = self.channel.with_user(self.system)
        channel.new_secret = "other"
        self.assertEqual(self.channel.sudo().secret, "other")
        self.assertTrue(channel.has_secret)
        for user in (self.system, self.admin, self.manager, self.viewer):
            channel = self.channel.with_user(user)
            channel.invalidate_recordset()
            with self.subTest(user.login):
                with self.assertRaises(AccessError):
                    channel.read(["secret"])
                with self.assertRaises(AccessError):
                    channel.search([("secret", "=like", "o%")])
                with self.assertRaises(AccessError):
                    channel.write({"secret": "mine"})
                if user == self.system:
                    self.assertEqual(channel.read(["new_secret"])[0]["new_secret"], False)
                    self.assertEqual(channel.export_data(["new_secret"])["datas"], [[""]])
                else:
                    with self.assertRaises(AccessError):
                        channel.write({"new_secret": "mine"})
        with self.assertRaises(AccessError):
            self.channel.with_user(self.system).export_data(["secret"])
        self.assertFalse(self.channel.copy().sudo().secret)

    def test_the_history_of_changes_knows_that_it_changed_and_not_to_what(self):
        self.channel.with_user(self.system).new_secret = "an0ther"
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                "SELECT field, new_value FROM g2p_change_history WHERE res_model = 'g2p.outbox.channel' AND res_id = %s",
                self.channel.id,
            )
        )
        rows = self.env.cr.fetchall()
        self.assertIn("secret", {name for name, _value in rows})
        self.assertNotIn("an0ther", str(rows))
        self.assertNotIn("s3cret", str(rows))

    def test_another_address_does_not_get_the_secret(self):
        self.channel.with_user(self.admin).write({"url": self.remote.url})
        self.assertEqual(self.channel.sudo().secret, "s3cret")
        self.channel.with_user(self.admin).write({"url": "https://elsewhere.example.org"})
        self.assertFalse(self.channel.sudo().secret)

    def test_an_address_that_is_refused_takes_no_secret_away(self):
        """Not even within the transaction, which whoever called may go on with."""
        try:
            self.channel.with_user(self.admin).write({"url": "ftp://elsewhere.example.org"})
        except ValidationError:
            self.assertEqual(self.channel.sudo().secret, "s3cret")
        else:
            self.fail("an address of another kind is refused")

    def test_an_address_with_its_own_secret_keeps_that(self):
        self.channel.with_user(self.system).write({"url": "https://elsewhere.example.org", "new_secret": "theirs"})
        self.assertEqual(self.channel.sudo().secret, "theirs")

    def test_an_address_is_for_who_sets_it_up(self):
        for user in (self.manager, self.viewer):
            with self.subTest(user.login), self.assertRaises(AccessError):
                self.channel.with_user(user).read(["url"])
        for url in ("ftp://x.org", "https://me:word@x.org", "https://", "https://x.org/a b", "https://x.org:0/"):
            with self.subTest(url), self.assertRaises(ValidationError):
                self.channel.with_user(self.admin).url = url

    def test_an_inner_address_is_not_called_whatever_the_channel_says(self):
        self.env["ir.config_parameter"].set_param("g2p_outbox.inner_networks", "10.0.0.0/8")
        _partners, batch = self.sent()
        self.assertEqual((batch.state, batch.fate), ("waiting", "none"))
        self.assertIn("not allowed", batch.last_error)
        self.assertFalse(self.remote.calls)

    def test_inner_networks_are_a_setting_of_the_system(self):
        settings = self.env["res.config.settings"].with_user(self.system)
        settings.create({"outbox_inner_networks": "10.1.0.0/16, 127.0.0.1"}).execute()
        self.assertEqual(len(self.channel._allowed_networks()), 2)
        with self.assertRaisesRegex(ValidationError, "Networks look like"):
            settings.create({"outbox_inner_networks": "everything"})
        with self.assertRaises(AccessError):
            self.env["res.config.settings"].with_user(self.admin).create(
                {"outbox_inner_networks": "10.0.0.0/8"}
            ).execute()

    def test_who_pauses(self):
        with self.assertRaises(AccessError):
            self.channel.with_user(self.viewer).action_pause()
        self.channel.with_user(self.manager).action_pause()
        self.assertTrue(self.channel.paused)
        for user in (self.manager, self.admin):
            with self.subTest(user.login), self.assertRaises(AccessError):
                self.channel.with_user(user).write({"paused": False})
        self.channel.with_user(self.manager).action_resume()

    def test_figures_and_evidence_are_not_written(self):
        _partners, batch = self.sent(send=["busy"])
        for record, values in (
            (self.channel, {"failures": 0}),
            (self.channel, {"open_until": False}),
            (batch, {"state": "done"}),
            (batch, {"fate": "none"}),
            (batch.message_ids, {"outcome": "delivered"}),
            (batch.attempt_ids, {"outcome": "delivered"}),
        ):
            for user in (self.system, self.admin, self.manager, self.viewer):
                with self.subTest(f"{record._name} {values} {user.login}"), self.assertRaises(AccessError):
                    record.with_user(user).write(values)
        for record in (batch, batch.message_ids, batch.attempt_ids):
            with self.assertRaises(AccessError):
                record.with_user(self.system).unlink()

    def test_without_a_role_nothing_is_seen(self):
        for model in ("channel", "batch", "message", "attempt", "decision"):
            with self.subTest(model), self.assertRaises(AccessError):
                self.env[f"g2p.outbox.{model}"].with_user(self.nobody).search([])

    def test_other_companies_see_nothing(self):
        _partners, batch = self.sent(send=["busy"])
        other = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            login="outbox stranger",
            groups="base.group_user,g2p_outbox.group_g2p_outbox_admin",
            company_id=other.id,
            company_ids=[fields.Command.set(other.ids)],
        )
        for record in (self.channel, batch, batch.message_ids, batch.attempt_ids):
            with self.subTest(record._name):
                self.assertFalse(record.with_user(stranger).search([]))
                with self.assertRaises(AccessError):
                    record.with_user(stranger).read(["display_name"])
        with self.assertRaises(AccessError):
            self.channel.with_user(stranger).action_pause()

    def test_a_used_channel_stays_and_keeps_its_kind(self):
        self.assertEqual(self.make_channel(name="Unused").with_user(self.admin).unlink(), True)
        self.queue(self.partners(1))
        with self.assertRaisesRegex(UserError, "archive it"):
            self.channel.with_user(self.admin).unlink()
        self.channel.kind = "none"  # its module goes
        self.channel.kind = "test"
        known = self.registry["g2p.outbox.channel"]._fields["kind"]._selection
        with patch.dict(known, {"other": "Other"}), self.assertRaisesRegex(UserError, "another channel"):
            self.channel.with_user(self.admin).kind = "other"

    def test_limits_are_limits(self):
        for values in (
            {"at_once": 0},
            {"at_once": 1000},
            {"timeout_seconds": 0},
            {"timeout_seconds": 100_000},
            {"batch_size": 0},
            {"tries_most": 0},
            {"longest_wait_seconds": 1},
        ):
            with self.subTest(values), mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation):
                self.channel.with_user(self.admin).write(values)
                self.env.flush_all()

    def test_the_record_is_opened_with_ones_own_rights(self):
        partners, batch = self.sent()
        message = batch.message_ids
        self.assertEqual(message.action_open_record()["res_id"], partners.id)
        hidden = self.env["res.partner"].create(
            {"name": "Hidden", "company_id": self.env["res.company"].create({"name": "E"}).id}
        )
        self.env.cr.execute(SQL("UPDATE g2p_outbox_message SET res_id = %s WHERE id = %s", hidden.id, message.id))
        self.env.invalidate_all()
        with self.assertRaises(AccessError):
            message.with_user(self.viewer).action_open_record()
