from lxml import etree

from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.tests import new_test_user, tagged

from odoo.addons.g2p_programs.tests.money import MoneyCase

SHOWN = {"code", "beneficiary_name", "collector_name", "alternate_name", "amount", "currency_id", "state", "person"}


@tagged("post_install", "-at_install")
class TestCashDesk(MoneyCase):
    """A cashier hands out what is due, and sees nothing else."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deposit(1000)
        cls.grant.payment_managers.unlink()
        cls.env["g2p.program.payment.manager.cash"].create({"name": "Desk", "program_id": cls.grant.id})
        cls.cashier = new_test_user(cls.env, login="cashier_of_the_desk", groups="g2p_payment_cash.g2p_cashier")
        kinds = {
            name: cls.env.ref(f"g2p_registry_base.group_membership_kind_{name}")
            for name in ("head", "principal", "alternate")
        }
        head, principal, alternate = cls.large.group_membership_ids[:3]
        head.kind, principal.kind, alternate.kind = kinds["head"], kinds["principal"], kinds["alternate"]
        cls.cycle = cls.approved_cycle()
        cls.cycle.with_user(cls.finance).validate_entitlement()
        cls.cycle.prepare_payment()
        cls.cycle.send_payment()

    def desk(self, user=None, domain=()):
        return self.env["g2p.cash.desk"].with_user(user or self.cashier).search(list(domain), order="id")

    def test_on_a_phone_what_is_due_stands_on_cards(self):
        action = self.env.ref("g2p_payment_cash.g2p_cash_desk_action")
        self.assertIn("kanban", action.view_mode.split(","), "a phone takes the cards of an action by itself")
        arch = etree.fromstring(self.env["g2p.cash.desk"].get_view(view_type="kanban")["arch"])
        shown = {field.get("name") for field in arch.iterfind("templates//field")}
        self.assertLessEqual({"code", "amount", "state", "beneficiary_name"}, shown)
        self.assertEqual(len(arch.findall("templates//button[@confirm]")), 2, "nothing is paid by a slip of the thumb")

    def test_the_list_names_what_the_act_needs_and_nothing_else(self):
        model = self.env["g2p.cash.desk"].with_user(self.cashier)
        self.assertEqual(set(model.fields_get()) - {"id", "display_name"}, SHOWN)
        large = self.desk()[0]
        entitlement = self.entitlements(self.cycle)[0]
        self.assertEqual(
            (large.code, large.beneficiary_name, large.collector_name, large.alternate_name, large.amount, large.state),
            (entitlement.ern, "Large", "LARGE, MEMBER 1", "LARGE, MEMBER 2", 156.8, "due"),
        )
        for name in ("company_id", "area_id"):
            with self.subTest(name), self.assertRaises(AccessError):
                large.read([name])
        for name in (
            "g2p.payment",
            "g2p.entitlement",
            "g2p.payment.batch",
            "g2p.cycle",
            "g2p.program",
            "g2p.fund.account",
        ):
            with self.subTest(name), self.assertRaises(AccessError):
                self.env[name].with_user(self.cashier).search([], limit=1).read()
        self.assertFalse(self.env["res.partner"].with_user(self.cashier).search([("id", "in", self.families.ids)]))
        with self.assertRaises(AccessError):
            self.large.with_user(self.cashier).read(["name"])

    def test_a_person_is_found_by_code_and_by_name(self):
        row = self.desk()[1]
        self.assertEqual(self.desk(domain=[("code", "=", row.code)]), row)
        self.assertEqual(self.desk(domain=[("person", "ilike", "smal")]), row)

    def test_what_is_handed_out_is_recorded_with_who_collected(self):
        row = self.desk()[0]
        row.action_pay()
        payment = self.payments(self.cycle)[0]
        self.assertEqual((payment.status, payment.status_reason), ("paid", "Cash, collected by LARGE, MEMBER 1"))
        self.assertEqual((payment.write_uid, payment.entitlement_id.state), (self.cashier, "rdpd2ben"))
        self.assertEqual(self.figures(), (1000, 220, 160))
        self.assertEqual(len(self.desk()), 2)
        for again in (row.action_pay, row.action_pay_alternate):
            with self.assertRaises(UserError):
                again()
        with self.assertRaisesRegex(UserError, "no alternate recipient"):
            self.desk()[0].action_pay_alternate()
        self.desk().action_pay()
        self.assertEqual((self.cycle.state, self.figures()), ("distributed", (1000, 0, 380)))

    def test_the_alternate_recipient_collects(self):
        self.desk()[0].action_pay_alternate()
        self.assertEqual(self.payments(self.cycle)[0].status_reason, "Cash, collected by LARGE, MEMBER 2")

    def test_what_is_held_back_is_said_without_the_reason_and_is_not_paid(self):
        self.large._disable("Died")
        row = self.desk()[0]
        self.assertEqual(row.state, "held")
        with self.assertRaisesRegex(UserError, "ask the office") as caught:
            row.action_pay()
        self.assertNotIn("disabled", str(caught.exception))
        self.assertEqual(self.figures(), (1000, 380, 0))

    def test_other_areas_and_companies_are_not_there(self):
        north, south = self.env["g2p.area"].create([{"name": "N", "code": "D-N"}, {"name": "S", "code": "D-S"}])
        self.large.area_id, (self.small + self.empty).area_id = north, south
        rows = self.desk()
        self.cashier.g2p_area_ids = north
        self.assertEqual(self.desk().mapped("beneficiary_name"), ["Large"])
        with self.assertRaises(AccessError):
            rows.with_user(self.cashier)[1].action_pay()
        company = self.env["res.company"].create({"name": "Other ministry"})
        stranger = new_test_user(
            self.env,
            login="stranger_cashier",
            groups="g2p_payment_cash.g2p_cashier",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        self.assertFalse(self.desk(stranger))
        with self.assertRaises(AccessError):
            rows.with_user(stranger).action_pay()

    def test_only_cashiers_and_finance_hand_out(self):
        rows = self.desk()
        for role in ("manager", "registrar", "support", "auditor", "validator", "approver"):
            with self.subTest(role), self.assertRaises(AccessError):
                rows.with_user(self.users[role]).action_pay()
        rows[0].with_user(self.finance).action_pay()
        self.assertEqual(self.payments(self.cycle)[0].status, "paid")

    def test_what_goes_to_an_account_is_not_on_the_desk(self):
        self.assertEqual(len(self.desk()), 3)
        self.env.cr.execute("UPDATE g2p_payment SET payout = 'account' WHERE cycle_id = %s", [self.cycle.id])
        rows = self.desk().browse(self.payments(self.cycle).ids)
        self.assertFalse(self.desk())
        with self.assertRaises(UserError):
            rows.with_user(self.cashier).action_pay()
        self.assertFalse(self.env["g2p.cash.desk"].with_user(self.cashier).search(Domain("person", "ilike", "Large")))
