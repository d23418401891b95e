from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import ProgramsCase


@tagged("post_install", "-at_install")
class TestEntitlementByHand(ProgramsCase):
    def setUp(self):
        super().setUp()
        program = self.program()
        program.get_manager(program.MANAGER_ENTITLEMENT).amount_per_cycle = 10
        self.code = self.env["g2p.benefit.codes"].create(
            {"benefit_mnemonic": "HARDSHIP", "measurement_unit": program.currency_id.name}
        )
        self.abebe, self.zewditu = self.individual("Abebe"), self.individual("Zewditu")
        for person in (self.abebe, self.zewditu):
            self.member(program, person, "enrolled")
        program.create_new_cycle()
        self.grant, self.cycle = program, program.cycle_ids.with_user(self.manager)

    def wizard(self, user=None, **values):
        members = self.cycle.cycle_membership_ids
        return (
            self.env["g2p.entitlement.create.wizard"]
            .with_user(user or self.manager)
            .create(
                {
                    "cycle_id": self.cycle.id,
                    "cycle_membership_ids": [(6, 0, members.filtered(lambda m: m.partner_id == self.abebe).ids)],
                    "initial_amount": 25,
                    "reason": "Decision of the appeal board",
                    **values,
                }
            )
        )

    def test_a_draft_that_no_rule_gives_says_why_and_waits_for_somebody_else(self):
        self.wizard().create_entitlement()
        entitlement = self.cycle.entitlement_ids
        self.assertEqual((entitlement.partner_id, entitlement.initial_amount), (self.abebe, 25))
        self.assertIn("Decision of the appeal board", entitlement.amount_reason)
        self.assertEqual((entitlement.amount_set_by, entitlement.create_uid), (self.manager, self.manager))
        self.assertTrue(entitlement.is_manual)
        self.assertEqual(self.cycle.total_amount, 25)

    def test_it_stands_beside_what_the_rule_gives_where_its_benefit_is_another(self):
        self.grant.benefit_code_line_ids = [(0, 0, {"benefit_code_id": self.code.id, "max_quantity": 30})]
        rule = self.env["g2p.benefit.codes"].create(
            {"benefit_mnemonic": "RULE", "measurement_unit": self.grant.currency_id.name}
        )
        self.grant.benefit_code_line_ids = [(0, 0, {"benefit_code_id": rule.id})]
        self.grant.get_manager(self.grant.MANAGER_ENTITLEMENT).benefit_code_id = rule
        self.wizard(benefit_code_id=self.code.id).create_entitlement()
        self.cycle.prepare_entitlement()
        amounts = sorted((t.partner_id.family_name, t.initial_amount) for t in self.cycle.entitlement_ids)
        self.assertEqual(amounts, [("Abebe", 10), ("Abebe", 25), ("Zewditu", 10)])
        with self.assertRaisesRegex(UserError, "at most"):
            other = self.cycle.cycle_membership_ids.filtered(lambda member: member.partner_id == self.zewditu)
            self.wizard(
                benefit_code_id=self.code.id, initial_amount=31, cycle_membership_ids=[(6, 0, other.ids)]
            ).create_entitlement()

    def test_goods_are_given_by_hand_as_a_quantity(self):
        rice = self.env["g2p.benefit.codes"].create(
            {
                "benefit_mnemonic": "RICE",
                "benefit_type": "COMMODITY",
                "measurement_unit": "kilogram",
                "decimal_places": 1,
            }
        )
        with self.assertRaisesRegex(UserError, "none of the benefits"), self.cr.savepoint():
            self.wizard(benefit_code_id=rice.id, quantity=25).create_entitlement()
        self.grant.benefit_code_line_ids = [(0, 0, {"benefit_code_id": rice.id, "max_quantity": 30})]
        wizard = self.wizard(benefit_code_id=rice.id, quantity=25.26)
        self.assertTrue(wizard.is_quantity)
        self.assertIn(rice, wizard.cash_benefit_code_ids)
        wizard.create_entitlement()
        given = self.cycle.entitlement_ids
        self.assertEqual(
            (given.quantity, given.initial_amount, given.settlement, given.is_cash_entitlement),
            (25.3, 0, "none", False),
        )
        self.assertTrue(given.is_manual)
        self.assertEqual((self.cycle.total_amount, self.cycle.drafts_count), (0, 1), "no money")
        other = self.cycle.cycle_membership_ids.filtered(lambda member: member.partner_id == self.zewditu)
        for quantity, said in ((0, "quantity above 0"), (-1, "quantity above 0"), (30.1, "at most")):
            with self.assertRaisesRegex(UserError, said), self.cr.savepoint():
                self.wizard(
                    benefit_code_id=rice.id, quantity=quantity, cycle_membership_ids=[(6, 0, other.ids)]
                ).create_entitlement()
        with self.assertRaisesRegex(UserError, "the quantity stays"):
            given.with_user(self.manager).write({"initial_amount": 5, "reason": "Another amount"})
        with self.assertRaises(AccessError):
            given.with_user(self.manager).write({"quantity": 26})

    def test_the_rules_are_the_models_own(self):
        """What a wizard asks, a call from outside, an import and a command on the cycle are asked too."""
        self.grant.benefit_code_line_ids = [(0, 0, {"benefit_code_id": self.code.id, "max_quantity": 30})]
        foreign = self.env["g2p.benefit.codes"].create(
            {"benefit_mnemonic": "FOREIGN", "measurement_unit": self.grant.currency_id.name}
        )
        model = self.env["g2p.entitlement"].with_user(self.manager)
        vals = {
            "partner_id": self.abebe.id,
            "cycle_id": self.cycle.id,
            "initial_amount": 25,
            "benefit_code_id": self.code.id,
        }
        told = {**vals, "reason": "Decision of the appeal board"}
        header = ["cycle_id/.id", "partner_id/.id", "initial_amount"]
        line = [str(self.cycle.id), str(self.abebe.id), "25"]
        self.assertFalse(model.load(header, [line])["ids"], "an import has a reason in each line")
        for refused, words in (
            (vals, "Say why"),
            ({**told, "reason": "  "}, "Say why"),
            ({**told, "initial_amount": 31}, "at most"),
            ({**told, "benefit_code_id": foreign.id}, "none of the cash benefits"),
        ):
            with self.subTest(words), self.assertRaisesRegex(UserError, words), self.cr.savepoint():
                model.create(refused)
            with self.subTest(words, way="command"), self.assertRaisesRegex(UserError, words), self.cr.savepoint():
                self.cycle.write({"entitlement_ids": [(0, 0, {k: v for k, v in refused.items() if k != "cycle_id"})]})
        made = model.create(told)
        self.assertTrue(made.is_manual)
        self.assertEqual(made.amount_set_by, self.manager)
        self.assertIn("Decision of the appeal board", made.amount_reason)
        for refused, words in (
            ({"initial_amount": 20}, "Say why"),
            ({"transfer_fee": 1}, "Say why"),
            ({"initial_amount": 20, "reason": " "}, "Say why"),
            ({"initial_amount": 31, "reason": "More"}, "at most"),
        ):
            with self.subTest(words), self.assertRaisesRegex(UserError, words), self.cr.savepoint():
                made.write(refused)
            with self.subTest(words, way="command"), self.assertRaisesRegex(UserError, words), self.cr.savepoint():
                self.cycle.write({"entitlement_ids": [(1, made.id, refused)]})
        made.write({"initial_amount": 20, "reason": "Half the month abroad"})
        self.assertRegex(made.amount_reason, "25.00.*20.00.*Half the month abroad")

    def test_the_same_benefit_is_not_given_twice(self):
        self.wizard().create_entitlement()
        self.cycle.prepare_entitlement()
        self.assertEqual(len(self.cycle.entitlement_ids), 2, "the one by hand stays, the other is computed")
        with self.assertRaisesRegex(UserError, "has this already"):
            self.wizard().create_entitlement()

    def test_what_it_refuses(self):
        for values, words in (
            ({"reason": " "}, "Say why"),
            ({"initial_amount": 0}, "above 0"),
            ({"benefit_code_id": self.code.id}, "none of the cash benefits"),
            ({"cycle_membership_ids": [(5,)]}, "at least one"),
            ({"cycle_membership_ids": [(5,)], "partner_id": self.individual("Stranger").id}, "not an enrolled"),
        ):
            with self.subTest(**values), self.assertRaisesRegex(UserError, words), self.cr.savepoint():
                self.wizard(**values).create_entitlement()
        self.cycle.prepare_entitlement()
        self.cycle.to_approve()
        with self.assertRaises(UserError):
            self.wizard().create_entitlement()

    def test_only_a_program_manager_adds_and_corrects(self):
        for role in ("validator", "approver", "finance", "registrar", "support", "auditor"):
            with self.subTest(role=role), self.assertRaises(AccessError):
                self.wizard(self.users[role]).create_entitlement()

    def test_a_correction_says_from_what_to_what_by_whom_and_why(self):
        self.cycle.prepare_entitlement()
        entitlement = self.cycle.entitlement_ids[0]
        wizard = (
            self.env["g2p.entitlement.correct.wizard"]
            .with_user(self.manager)
            .with_context(active_model="g2p.entitlement", active_ids=entitlement.ids)
            .create({"initial_amount": 7, "reason": "Half the month abroad"})
        )
        wizard.action_correct()
        self.assertEqual((entitlement.initial_amount, entitlement.amount_set_by), (7, self.manager))
        self.assertRegex(entitlement.amount_reason, "10.00.*7.00.*Half the month abroad")
        with self.assertRaises(AccessError):
            entitlement.with_user(self.manager).amount_reason = "Nothing"
        self.cycle.to_approve()
        with self.assertRaisesRegex(UserError, "Only draft"):
            wizard.action_correct()
