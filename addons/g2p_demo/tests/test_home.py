import json

from odoo.tests import HttpCase, tagged

# Where the web client begins, by the login of the demo country
HOMES = {
    "admin": "g2p_programs.g2p_program_action",
    "registrar": "g2p_registry_base.g2p_individual_action",
    "validator": "g2p_programs.g2p_program_action",
    "manager": "g2p_programs.g2p_program_action",
    "approver": "g2p_programs.g2p_cycle_action",
    "finance": "g2p_programs.g2p_cycle_action",
    "finance2": "g2p_programs.g2p_cycle_action",
    "cashier": "g2p_payment_cash.g2p_cash_desk_action",
    "support": "g2p_registry_base.g2p_individual_action",
    "auditor": "g2p_registry_base.g2p_individual_action",
}


@tagged("post_install", "-at_install")
class TestHome(HttpCase):
    def home_of(self, login):
        self.authenticate(login, login)
        answer = self.url_open(
            "/web/session/get_session_info",
            data=json.dumps({"params": {}}),
            headers={"Content-Type": "application/json"},
        )
        return answer.json()["result"]["home_action_id"]

    def test_people_begin_where_their_role_works(self):
        for login, action in HOMES.items():
            with self.subTest(login=login):
                self.assertEqual(self.home_of(login), self.env.ref(action).id)

    def test_a_home_action_that_was_chosen_stays(self):
        chosen = self.env.ref("g2p_programs.g2p_payment_action")
        self.env["res.users"].search([("login", "=", "finance")]).action_id = chosen.id
        self.assertEqual(self.home_of("finance"), chosen.id)

    def test_who_has_no_role_begins_where_odoo_begins(self):
        self.env["res.users"].create(
            {
                "login": "stranger",
                "name": "Stranger",
                "password": "stranger-stranger",
                "group_ids": [(6, 0, self.env.ref("base.group_user").ids)],
            }
        )
        self.authenticate("stranger", "stranger-stranger")
        self.assertFalse(self.env["res.users"].search([("login", "=", "stranger")])._g2p_home_action())
