from odoo.tests import tagged

from .money import MoneyCase


@tagged("post_install", "-at_install")
class TestSearch(MoneyCase):
    """Lists find the row of a person by what people say of them, and by the numbers that papers name."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.company.country_id = cls.env.ref("base.ke")
        cls.id_type = cls.env.ref("g2p_registry_base.id_type_national")
        cls.kamala = cls.individual("Xrana", "Xkamala")
        cls.kamala.write(
            {
                "reg_ids": [(0, 0, {"id_type": cls.id_type.id, "value": "SRCH-0098-77"})],
                "phone_number_ids": [(0, 0, {"phone_no": "0712 345 678"})],
            }
        )
        cls.home = cls.household("Xrana home", [cls.kamala])
        cls.bank_account(cls.home, "XACC 4711-22")
        cls.cycle = cls.paid_out(cls.home + cls.large)
        cls.payment = cls.env["g2p.payment"].search([("cycle_id", "=", cls.cycle.id), ("partner_id", "=", cls.home.id)])

    def test_lists_find_the_right_person(self):
        """The household by its name, and by the ID and the phone of a member, as each role that reads the list."""
        for model in ("g2p.program_membership", "g2p.cycle.membership", "g2p.entitlement", "g2p.payment"):
            for role in ("manager", "finance", "auditor"):
                rows = self.env[model].with_user(self.users[role])
                for text in (
                    "xrana home",
                    "home Xrana",
                    "xrnaa",
                    "SRCH009877",
                    "srch-0098",
                    "+254 712 345678",
                    "0712345678",
                ):
                    for field in {"partner_id", "search_text"} & rows._fields.keys():
                        with self.subTest(model=model, role=role, text=text, field=field):
                            found = rows.search([(field, "ilike", text)])
                            self.assertEqual(found.partner_id, self.home)

    def test_duplicates_are_found_by_either_person(self):
        twin = self.individual("Xrana", "Xkamala")
        program = self.program("Search people")
        members = [self.member(program, person) for person in (self.kamala, twin)]
        duplicate = (
            self.env["g2p.program.membership.duplicate"]
            .sudo()
            .create(
                {
                    "program_id": program.id,
                    "survivor_id": members[0].id,
                    "beneficiary_ids": [(6, 0, [member.id for member in members])],
                }
            )
        )
        rows = self.env["g2p.program.membership.duplicate"].with_user(self.manager)
        for text in ("Xkamala Xrana", "SRCH-0098", "0712345678"):
            with self.subTest(text):
                self.assertEqual(rows.search([("beneficiary_ids.partner_id", "ilike", text)]), duplicate)

    def test_payments_are_found_by_every_number_of_a_paper(self):
        payment = self.payment.sudo()
        payment.bank_reference = "BNK-778899"
        payment.batch_id.external_batch_ref = "Payer 2026/17"
        payments = self.env["g2p.payment"].with_user(self.finance)
        for text in (
            payment.name,
            payment.name[:8],
            payment.name.upper(),
            "BNK-778899",
            "bnk-7788",
            payment.entitlement_id.code,
            payment.entitlement_id.ern,
            "XACC 4711-22",
        ):
            with self.subTest(text):
                self.assertEqual(payments.search([("search_text", "ilike", text)]), payment)
        for text in (payment.batch_id.name, payment.batch_id.reference, "payer 2026/17"):
            with self.subTest(text):
                self.assertEqual(payments.search([("search_text", "ilike", text)]), payment.batch_id.payment_ids)
        self.assertFalse(payments.search([("search_text", "ilike", "BNK-%")]))

    def test_entitlements_are_found_by_number_and_code(self):
        entitlement = self.payment.entitlement_id
        entitlements = self.env["g2p.entitlement"].with_user(self.finance)
        for text in (entitlement.ern, entitlement.code, entitlement.code[:8]):
            with self.subTest(text):
                self.assertEqual(entitlements.search([("search_text", "ilike", text)]), entitlement)

    def test_numbers_open_no_row_of_another_area(self):
        area, other = self.env["g2p.area"].create([{"name": n, "code": n} for n in ("Search here", "Search there")])
        self.home.area_id = other
        self.finance.g2p_area_ids = area
        for model in ("g2p.entitlement", "g2p.payment"):
            for text in (self.payment.name, self.payment.entitlement_id.code, "0712345678", "Xrana"):
                with self.subTest(model=model, text=text):
                    self.assertFalse(self.env[model].with_user(self.finance).search([("search_text", "ilike", text)]))
