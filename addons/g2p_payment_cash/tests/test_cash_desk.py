from lxml import etree

from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.tests import new_test_user, tagged
from odoo.tools import SQL

from odoo.addons.g2p_programs.tests.money import MoneyCase

SHOWN = {
    "code",
    "beneficiary_name",
    "collector_name",
    "alternate_name",
    "program_name",
    "amount",
    "currency_id",
    "state",
    "why_held",
    "search_text",
}


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
        pressed = {button.get("name") for button in arch.iter("button")} | {arch.get("action")}
        self.assertEqual(pressed, {"action_hand_out"}, "nothing is paid by a slip of the thumb: it asks to whom first")

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

    def found(self, text, user=None):
        return self.desk(user, [("search_text", "ilike", text)])

    def test_one_box_finds_by_code_and_by_names_in_any_order_and_with_slips(self):
        arch = etree.fromstring(self.env["g2p.cash.desk"].get_view(view_type="search")["arch"])
        self.assertEqual([field.get("name") for field in arch.iter("field")], ["search_text"], "Enter takes the first")
        large, small, empty = self.desk()
        for text in (large.code, large.code[:8] + "%", "member LARGE", "large", "larg", "2 Large"):
            with self.subTest(text):
                self.assertIn(large, self.found(text))
        self.assertEqual(self.found(small.code), small)
        self.assertEqual(self.found("1 member larg"), large, "by who collects")
        self.assertEqual(self.found("lrage"), large, "a slip")
        self.assertEqual(self.found("smalll"), small)
        for text in ("nobody", "%", "_", "\x00", "member 4"):
            with self.subTest(text):
                self.assertFalse(self.found(text))

    def test_an_id_or_phone_finds_who_may_collect_and_nobody_else(self):
        head, alternate = (self.large.group_membership_ids[place].individual for place in (1, 2))
        child = self.large.group_membership_ids[4].individual
        stranger = self.individual("Nobody", "Due")
        self.env.company.country_id = self.env.ref("base.ke")
        of_kind = {
            kind: self.env["g2p.id.type"].create({"name": f"Paper of a {kind}", "target_type": kind})
            for kind in ("group", "individual")
        }
        for number, person in enumerate((self.small, head, alternate, child, stranger)):
            self.env["g2p.reg.id"].create(
                {
                    "partner_id": person.id,
                    "id_type": of_kind["group" if person.is_group else "individual"].id,
                    "value": f"KE-77 00{number}",
                }
            )
            self.env["g2p.phone.number"].create({"partner_id": person.id, "phone_no": f"+25471234560{number}"})
        large, small, _empty = self.desk()
        for number, row in enumerate((small, large, large, large.browse(), large.browse())):
            for text in (f"KE-77 00{number}", f"ke7700{number}", f"+254 712 345 60{number}", f"071234560{number}"):
                with self.subTest(text):
                    self.assertEqual(self.found(text), row)
                    self.assertEqual(self.found(text, self.finance), row)
        for part in ("KE-77", "KE-77 00", "7700", "345600", "712345", "KE-77 0", "KE-77 00_"):
            with self.subTest(part):
                self.assertFalse(self.found(part), "no part of a number finds anybody")
        for role in ("manager", "support"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.found("KE-77 001", self.users[role])
        north = self.env["g2p.area"].create({"name": "N", "code": "D-N"})
        self.cashier.g2p_area_ids = north
        self.assertFalse(self.found("KE-77 001"), "nobody who is due elsewhere")

    def test_names_are_found_by_their_index(self):
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        found = self.env["g2p.payment"]._desk_named([["large"]])
        self.env.flush_all()
        plan = self.env.execute_query(
            SQL(
                "EXPLAIN SELECT payment.id FROM g2p_payment AS payment WHERE %s AND %s",
                self.env["g2p.payment"]._on_desk(),
                found,
            )
        )
        self.assertIn("g2p_payment_desk_names_idx", str(plan))

    def test_what_is_handed_out_is_recorded_with_who_collected(self):
        row = self.desk()[0]
        asked = row.action_hand_out()
        self.assertEqual((asked["res_id"], asked["target"]), (row.id, "new"))
        self.assertRegex(asked["name"], r"Hand .*156\.80.* to")
        told = row.action_pay()["params"]
        self.assertRegex(told["message"], r"^.*156\.80.* handed to LARGE, MEMBER 1\.$")
        self.assertEqual(told["next"]["target"], "main", "the search is over")
        payment = self.payments(self.cycle)[0]
        self.assertEqual((payment.status, payment.status_reason), ("paid", "Cash, collected by LARGE, MEMBER 1"))
        self.assertEqual((payment.collected_by, payment.handed_out_by), ("LARGE, MEMBER 1", self.cashier))
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
        payment = self.payments(self.cycle)[0]
        self.assertEqual(payment.status_reason, "Cash, collected by LARGE, MEMBER 2")
        self.assertEqual(payment.collected_by, "LARGE, MEMBER 2")

    def test_a_cashier_lists_what_they_handed_out(self):
        other = new_test_user(self.env, login="other_cashier", groups="g2p_payment_cash.g2p_cashier")
        large, small, _empty = self.desk()
        code = large.code
        large.action_pay()
        small.with_user(other).action_pay()
        action = self.env.ref("g2p_payment_cash.g2p_cash_handed_action")
        self.assertIn("search_default_today", action.context)
        handed = self.env["g2p.cash.handed"]
        mine = handed.with_user(self.cashier).search([("handed_on", ">=", "today")])
        self.assertEqual(
            [(row.code, row.beneficiary_name, row.collected_by, row.program_name, row.amount) for row in mine],
            [(code, "Large", "LARGE, MEMBER 1", "Family Grant", 156.8)],
        )
        self.assertEqual(mine.handed_out_by, self.cashier)
        self.assertFalse(handed.with_user(self.cashier).search([("handed_on", "<", "today")]))
        self.assertEqual(len(handed.with_user(other).search([])), 1)
        self.assertEqual(len(handed.with_user(self.finance).search([])), 2)
        for role in ("manager", "support", "registrar"):
            with self.subTest(role), self.assertRaises(AccessError):
                handed.with_user(self.users[role]).search([])

    def test_what_is_held_back_is_said_without_the_reason_and_is_not_paid(self):
        self.large._disable("Died")
        row = self.desk()[0]
        self.assertEqual((row.state, row.why_held), ("held", "Ask the office"))
        with self.assertRaisesRegex(UserError, "ask the office") as caught:
            row.action_pay()
        self.assertNotIn("disabled", str(caught.exception))
        self.assertEqual(self.figures(), (1000, 380, 0))

    def test_what_a_pause_of_the_program_holds_back_is_said(self):
        self.env["g2p.program.pause.wizard"].with_user(self.manager).create(
            {"program_id": self.grant.id, "pause_mode": "hold", "reason": "Audit"}
        ).action_confirm()
        self.assertEqual(set(self.desk().mapped("why_held")), {"The program is paused"})

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
        self.assertFalse(
            self.env["g2p.cash.desk"].with_user(self.cashier).search(Domain("search_text", "ilike", "Large"))
        )
