from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from odoo.addons.g2p_programs.tests.common import ProgramsCase


@tagged("post_install", "-at_install")
class TestConsent(ProgramsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sharing = (
            cls.env["g2p.example.sharing"]
            .with_user(cls.manager)
            .create({"program_id": cls.program().id, "receiver": "Ministry of Health", "purpose": "Free insurance"})
        )

    def request(self):
        return self.sharing.sudo().approval_request_ids

    def test_a_list_is_given_when_somebody_else_agrees(self):
        self.sharing.action_share()
        self.assertFalse(self.sharing.shared_on)
        request = self.request()
        self.assertEqual((request.kind_code, request.state), ("example_sharing", "waiting"))
        with self.assertRaises(UserError), self.cr.savepoint():
            request.with_user(self.manager).action_approve(None, request.digest)
        request.with_user(self.users["validator"]).action_approve(None, request.digest)
        self.assertTrue(self.sharing.shared_on)
        with self.assertRaisesRegex(UserError, "already"):
            self.sharing.action_share()

    def test_another_receiver_is_not_what_was_asked_for(self):
        self.sharing.action_share()
        self.sharing.receiver = "A shop"
        self.assertEqual(self.request().state, "void")
        self.assertFalse(self.sharing.shared_on)

    def test_others_do_not_ask(self):
        with self.assertRaises(AccessError):
            self.sharing.with_user(self.users["validator"]).action_share()
