from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import TransactionCase, new_test_user, tagged


@tagged("post_install", "-at_install")
class TestChanges(TransactionCase):
    """What a registrant was called, on which account they were paid and by which ID they were known is never lost."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = cls.env(context=dict(cls.env.context, no_reset_password=True))
        cls.registrar = new_test_user(cls.env, "changes registrar", groups="g2p_registry_base.group_g2p_registrar")
        cls.person = (
            cls.env["res.partner"]
            .with_user(cls.registrar)
            .create(
                {
                    "is_registrant": True,
                    "family_name": "Rana",
                    "given_name": "Kamala",
                    "bank_ids": [Command.create({"acc_number": "OLD-1"})],
                    "reg_ids": [
                        Command.create(
                            {"id_type": cls.env.ref("g2p_registry_base.id_type_national").id, "value": "CH-1"}
                        )
                    ],
                    "phone_number_ids": [Command.create({"phone_no": "0712000001"})],
                }
            )
        )
        cls.account = cls.person.bank_ids
        cls.env.flush_all()
        # as if it had been registered in another transaction
        cls.env.cr.execute("UPDATE res_partner_bank SET write_date = '2020-01-01' WHERE id = %s", [cls.account.id])
        cls.env.invalidate_all()

    def changes(self, model=None, **values):
        self.env.flush_all()
        found = (
            self.env["g2p.change.history"]
            .sudo()
            .search(
                [("owner_model", "=", "res.partner"), ("owner_id", "=", self.person.id)]
                + ([("res_model", "=", model)] if model else [])
                + [(name, "=", value) for name, value in values.items()]
            )
        )
        return [(c.field, c.old_value, c.new_value, c.user_id, c.reason) for c in found.sorted("id")]

    def test_an_account_keeps_its_old_number(self):
        self.person.write(
            {"bank_ids": [Command.update(self.account.id, {"acc_number": "NEW-2", "change_reason": "Lost card"})]}
        )
        self.assertIn(("acc_number", "OLD-1", "NEW-2", self.registrar, "Lost card"), self.changes("res.partner.bank"))

    def test_one_reason_for_all_that_is_changed_together(self):
        self.person.write(
            {
                "change_reason": "Marriage",
                "family_name": "Thapa",
                "bank_ids": [Command.update(self.account.id, {"acc_holder_name": "Kamala Thapa"})],
                "reg_ids": [Command.update(self.person.reg_ids.id, {"value": "CH-2"})],
                "phone_number_ids": [Command.update(self.person.phone_number_ids.id, {"phone_no": "0712000002"})],
            }
        )
        changes = self.changes()
        for field, old, new in (
            ("family_name", "Rana", "Thapa"),
            ("name", "RANA, KAMALA", "THAPA, KAMALA"),
            ("value", "CH-1", "CH-2"),
            ("phone_no", "0712000001", "0712000002"),
        ):
            with self.subTest(field):
                self.assertIn((field, old, new, self.registrar, "Marriage"), changes)

    def test_an_account_does_not_change_without_a_reason(self):
        for vals in (
            {"acc_number": "NEW"},
            {"acc_holder_name": "X"},
            {"provider": "M"},
            {"active": False},
            {"account_type": "mobile_wallet"},
        ):
            for reason in ({}, {"change_reason": False}, {"change_reason": "  "}):
                with self.subTest(vals=vals, reason=reason), self.assertRaisesRegex(UserError, "Say why"):
                    self.account.write({**vals, **reason})
        self.account.write({"acc_number": "OLD-1"})  # no change
        self.account.write({"sequence": 3})
        self.assertFalse(self.changes("res.partner.bank", field="acc_number"))

    def test_statements_that_nobody_asked_are_on_record_too(self):
        self.env.cr.execute("UPDATE res_partner_bank SET acc_number = 'SQL-3' WHERE id = %s", [self.account.id])
        self.env.cr.execute("DELETE FROM g2p_reg_id WHERE partner_id = %s", [self.person.id])
        self.assertEqual(
            self.changes("res.partner.bank", field="acc_number"),
            [("acc_number", "OLD-1", "SQL-3", self.env["res.users"], False)],
        )
        self.assertEqual(self.changes("g2p.reg.id", operation="unlink", field="value")[0][1], "CH-1")

    def test_a_deleted_account_is_not_lost(self):
        with self.assertRaisesRegex(UserError, "Say why"):
            self.account.unlink()
        self.account.with_context(g2p_reason="Closed").unlink()  # Odoo archives accounts
        self.assertIn(("active", "true", "false", self.registrar, "Closed"), self.changes("res.partner.bank"))
        self.env.cr.execute("DELETE FROM res_partner_bank WHERE id = %s", [self.account.id])
        self.assertEqual(
            [change[:3] for change in self.changes("res.partner.bank", operation="unlink", field="acc_number")],
            [("acc_number", "OLD-1", False)],
        )

    def test_another_primary_account_is_a_change(self):
        other = (
            self.env["res.partner.bank"]
            .with_user(self.registrar)
            .create({"partner_id": self.person.id, "acc_number": "OTHER"})
        )
        since = other.changed_at
        with self.assertRaisesRegex(UserError, "Say why"):
            other.is_primary = True
        with self.assertRaisesRegex(UserError, "Say why"):
            other.create({"partner_id": self.person.id, "acc_number": "THIRD", "is_primary": True})
        other.write({"is_primary": True, "change_reason": "Closer branch"})
        self.assertEqual(
            [(old, new, user) for _field, old, new, user, _why in self.changes("res.partner.bank", field="is_primary")],
            [
                ("false", "true", self.registrar),
                ("true", "false", self.registrar),
                ("false", "true", self.registrar),
            ],
        )
        self.assertGreaterEqual(other.changed_at, since)
        self.assertEqual(other.changed_by, self.registrar)

    def test_since_when_an_account_is_what_it_is_can_not_be_forged(self):
        self.env.cr.execute(
            "UPDATE res_partner_bank SET changed_at = '2020-01-01', changed_by = NULL WHERE id = %s RETURNING changed_at",
            [self.account.id],
        )
        self.assertNotEqual(self.env.cr.fetchone()[0].year, 2020)
        before = self.stamp()
        self.account.with_context(g2p_reason="Test").write({"sequence": 4})
        self.env.flush_all()
        self.assertEqual(self.stamp(), before)
        with self.assertRaises(AccessError):
            self.account.with_context(g2p_reason="Test").write({"provider": "M-Pesa", "changed_at": "2020-01-01"})
        self.account.with_context(g2p_reason="Test").write({"provider": "M-Pesa"})
        self.env.flush_all()
        self.assertGreater(self.stamp()[0], before[0])
        self.assertEqual(self.stamp()[1], self.registrar.id)

    def stamp(self):
        self.env.cr.execute("SELECT changed_at, changed_by FROM res_partner_bank WHERE id = %s", [self.account.id])
        return self.env.cr.fetchone()

    def test_the_registrant_shows_their_changes(self):
        self.person.write({"family_name": "Thapa", "change_reason": "Marriage"})
        self.env.flush_all()
        action = self.person.action_view_changes()
        shown = self.env["g2p.change.history"].with_user(self.registrar).search(action["domain"])
        self.assertIn(("Rana", "Thapa", "Marriage"), [(c.old_text, c.new_text, c.reason) for c in shown])
        area = self.env["g2p.area"].create({"name": "Changes area", "code": "CHANGES"})
        self.registrar.g2p_area_ids = area
        self.assertFalse(self.env["g2p.change.history"].with_user(self.registrar).search(action["domain"]))

    def test_a_change_of_a_registrant_leaves_no_message(self):
        messages = self.person.message_ids
        self.person.write({"family_name": "Thapa", "email": "new@example.org"})
        self.env.flush_all()
        self.env.cr.precommit.run()
        self.assertEqual(self.person.message_ids, messages)
        self.assertFalse(
            self.env["mail.tracking.value"].sudo().search([("mail_message_id", "in", self.person.message_ids.ids)])
        )
