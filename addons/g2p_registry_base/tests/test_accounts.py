from lxml import etree
from psycopg2 import IntegrityError

from odoo import Command
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger


@tagged("post_install", "-at_install")
class TestAccounts(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.almaz = cls.env["res.partner"].create(
            {
                "is_registrant": True,
                "given_name": "Almaz",
                "bank_ids": [
                    Command.create({"acc_number": "1000"}),
                    Command.create({"acc_number": "0911", "account_type": "mobile_wallet", "provider": "Telebirr"}),
                ],
            }
        )
        cls.bank_account, cls.wallet = cls.almaz.bank_ids

    def test_the_first_account_is_primary_until_another_is_chosen(self):
        self.assertEqual((self.bank_account.is_primary, self.wallet.is_primary), (True, False))
        self.wallet.is_primary = True
        self.assertEqual((self.bank_account.is_primary, self.wallet.is_primary), (False, True))
        third = self.env["res.partner.bank"].create(
            {"partner_id": self.almaz.id, "acc_number": "3000", "is_primary": True}
        )
        self.assertEqual((third.is_primary, self.wallet.is_primary), (True, False))

    @mute_logger("odoo.sql_db")
    def test_the_same_account_twice_is_refused_in_words(self):
        with self.assertRaises(IntegrityError) as refused, self.env.cr.savepoint():
            self.bank_account.copy({"acc_number": "10 00", "partner_id": self.almaz.id})
        said = self.env["res.partner.bank"]._sql_error_to_message(refused.exception)
        self.assertIn("has this account already", said)

    def test_a_line_that_is_not_saved_yet_can_be_taken_away(self):
        """A saved account is set out of use instead, and stays on record."""
        for view in ("group", "individual"):
            arch = self.env["res.partner"].get_view(self.env.ref(f"g2p_registry_base.g2p_{view}_view_form").id)["arch"]
            [control] = etree.fromstring(arch).xpath("//field[@name='bank_ids']/list/control/delete")
            self.assertEqual(control.get("invisible"), "id")

    def test_there_is_always_one_primary_account(self):
        self.bank_account.is_primary = False
        self.assertTrue(self.bank_account.is_primary or self.wallet.is_primary)
        self.bank_account.is_primary = True
        self.bank_account.action_archive()
        self.assertEqual((self.bank_account.is_primary, self.wallet.is_primary), (False, True))

    @mute_logger("odoo.sql_db")
    def test_the_database_keeps_one_primary_account(self):
        self.env.flush_all()
        with self.assertRaises(IntegrityError), self.env.cr.savepoint():
            self.env.cr.execute("UPDATE res_partner_bank SET is_primary = TRUE WHERE id = %s", [self.wallet.id])

    def test_contacts_accounts_are_left_alone(self):
        contact = self.env["res.partner"].create({"name": "Shop", "bank_ids": [Command.create({"acc_number": "5"})]})
        self.assertFalse(contact.bank_ids.is_primary)

    def test_a_wallet_has_no_bank(self):
        bank = self.env["res.bank"].create({"name": "Bank"})
        with self.assertRaises(ValidationError):
            self.wallet.bank_id = bank

    def test_the_iban_is_computed_where_there_is_one(self):
        dutch, german, ethiopian = self.env["res.bank"].create(
            [
                {"name": "Dutch bank", "bic": "ABNANL2A", "country": self.env.ref("base.nl").id},
                {"name": "German bank", "bic": "COBADEFF", "country": self.env.ref("base.de").id},
                {"name": "Ethiopian bank", "bic": "CBETETAA", "country": self.env.ref("base.et").id},
            ]
        )
        self.assertFalse(self.bank_account.iban)
        self.bank_account.write({"acc_number": "DE89 3704 0044 0532 0130 00"})
        self.assertEqual(self.bank_account.iban, "DE89370400440532013000")
        self.bank_account.write({"acc_number": "532013000", "bank_id": german.id})
        self.assertFalse(self.bank_account.iban, "this BIC stands for many bank codes")
        self.bank_account.clearing_number = "37040044"
        self.assertEqual(self.bank_account.iban, "DE89370400440532013000")
        self.bank_account.write({"acc_number": "0417164300", "bank_id": dutch.id, "clearing_number": False})
        self.assertEqual(self.bank_account.iban, "NL91ABNA0417164300")
        self.bank_account.write({"acc_number": "1000", "bank_id": ethiopian.id})
        self.assertFalse(self.bank_account.iban)

    def test_a_registrar_adds_banks_and_renames_none(self):
        """Banks are everybody's: what one office writes, the payments of all others would name."""
        user = new_test_user(self.env, "bank_registrar", groups="g2p_registry_base.group_g2p_registrar")
        bank = self.env["res.bank"].with_user(user).create({"name": "Village bank"})
        with self.assertRaises(AccessError), self.env.cr.savepoint():
            bank.write({"bic": "EVILXXXX"})
        with self.assertRaises(AccessError), self.env.cr.savepoint():
            bank.unlink()
