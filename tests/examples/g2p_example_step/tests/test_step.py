from lxml import etree

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from odoo.addons.g2p_programs.tests.money import MoneyCase


@tagged("post_install", "-at_install")
class TestStep(MoneyCase):
    def setUp(self):
        super().setUp()
        self.cycle = self.new_cycle()
        self.env["g2p.phone.number"].create({"partner_id": self.large.id, "phone_no": "+254712345678"})

    def test_the_step_is_on_the_form_and_asks(self):
        arch = etree.fromstring(self.cycle.get_view(view_type="form")["arch"])
        labels = [button.get("string") for button in arch.iterfind("header/button")]
        self.assertIn("Look for phones", labels)
        self.assertLess(labels.index("Look for phones"), labels.index("Prepare entitlements"))
        asked = self.cycle.with_context(cycle_step="phones").action_confirm()["params"]
        self.assertEqual(asked["method"], "look_for_phones")
        self.assertIn("3 beneficiaries", asked["message"])

    def test_it_moves_and_counts_its_rows(self):
        self.cycle.look_for_phones()
        operation = self.operation(self.cycle, "phones")
        self.assertEqual(operation.counts, {"reachable": 1, "silent": 2})
        action = operation.action_open_outcome("silent")
        members = self.env[action["res_model"]].search(action["domain"])
        self.assertEqual(members.partner_id, self.small + self.empty)

    def test_the_role_is_asked(self):
        with self.assertRaises(AccessError):
            self.cycle.with_user(self.finance).look_for_phones()

    def test_prepare_waits_for_it(self):
        self.cycle.look_for_phones()
        operation = self.operation(self.cycle, "phones").sudo()
        operation.chunk_ids.state = "failed"
        operation.state = "failed"
        with self.assertRaisesRegex(UserError, "Look for phones"):
            self.cycle.prepare_entitlement()
