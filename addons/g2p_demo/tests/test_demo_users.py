from odoo.tests import TransactionCase, tagged

from ..models.demo_users import DEMO_USERS


@tagged("post_install", "-at_install")
class TestDemoUsers(TransactionCase):
    def test_there_is_one_user_a_role_who_can_log_in(self):
        for demo in DEMO_USERS:
            with self.subTest(login=demo["login"]):
                user = self.env["res.users"].search([("login", "=", demo["login"])])
                self.assertEqual(len(user), 1)
                for group in demo["groups"]:
                    self.assertTrue(user.has_group(group))
                credential = {"type": "password", "login": demo["login"], "password": demo["login"]}
                user.with_user(user)._check_credentials(credential, {"interactive": True})

    def test_a_local_phone_number_is_understood(self):
        """The people of the demo country have numbers of its company's country."""
        self.env.ref("base.main_company").country_id = False
        self.env["g2p.demo.users"]._name_company()
        phone = self.env["g2p.phone.number"].new({"phone_no": "0712 345 678"})
        self.assertEqual((phone.phone_sanitized, phone.is_valid), ("+254712345678", True))

    def test_creating_them_again_changes_nothing(self):
        before = self.env["res.users"].search_count([])
        self.env["g2p.demo.users"]._create_users()
        self.assertEqual(self.env["res.users"].search_count([]), before)
