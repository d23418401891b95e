"""Who may not read funds is told nothing of them."""

from odoo.tests import tagged

from .test_attacks import REFUSED
from .test_guards import ROLES, GuardCase


@tagged("post_install", "-at_install")
class TestFundsAreSecret(GuardCase):
    """Who may not read funds is told nothing of them: no figure, no sentence, no scenario."""

    AMOUNT = 987654
    MARK = ("987654", "987,654", "987 654")

    def setUp(self):
        super().setUp()
        self.deposit(self.AMOUNT)
        self.cycle = self.new_cycle()
        self.cycle.prepare_entitlement()
        self.cycle.to_approve()
        self.scenario = self.env["g2p.program.scenario"].create({"name": "What if", "program_id": self.grant.id})
        self.env.flush_all()
        self.blind = [role for role in ROLES if not self.may(self.users[role], "g2p.fund.account", "read")]

    def test_some_may_and_some_may_not(self):
        self.assertEqual(set(self.blind), {"registrar", "validator", "approver", "support"})
        for role in ("manager", "finance", "auditor"):
            for record in (self.grant, self.cycle, self.scenario):
                [answer] = self.rpc(self.users[role], record, "read", ["fund_available"])
                self.assertEqual(answer["fund_available"], self.AMOUNT, f"{role} {record}")

    def test_the_fields_are_refused(self):
        for role in self.blind:
            user = self.users[role]
            for record, names in (
                (self.grant, ("fund_posted", "fund_reserved", "fund_disbursed", "fund_available", "paid_this_year")),
                (self.cycle, ("fund_available", "fund_short")),
                (self.scenario, ("fund_available", "cycles_affordable")),
            ):
                for name in names:
                    with self.subTest(f"{role}: {record}.{name}"):
                        error, _text = self.outcome(user, record, "read", [name])
                        self.assertIsInstance(error, REFUSED)
                        error, _text = self.outcome(user, record, "web_read", {name: {}})
                        self.assertIsInstance(error, REFUSED)

    def test_no_question_and_no_refusal_tells_it(self):
        for role in self.blind:
            user = self.users[role]
            for step in ("submit", "approve", "validate", "prepare", "send", "distribute", "end", "cancel", "repair"):
                with self.subTest(f"{role}: {step}"):
                    _error, text = self.outcome(user, self.cycle, "action_confirm", context={"cycle_step": step})
                    self.assertFalse([mark for mark in self.MARK if mark in text])
            for view in ("form", "list", "kanban"):
                for record in (self.grant, self.cycle, self.scenario):
                    if self.may(user, record, "read"):
                        _error, text = self.outcome(user, record._name, "get_views", [[False, view]])
                        self.assertNotIn('"fund_available\\"', text)
