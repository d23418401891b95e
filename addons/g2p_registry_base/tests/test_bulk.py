from odoo import Command
from odoo.tests import TransactionCase, tagged

from odoo.addons.g2p_bulk.tests.statements import counting_statements


@tagged("post_install", "-at_install")
class TestBulk(TransactionCase):
    """Creating and writing many registrants costs statements by the hundred rows, never by the row."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.id_type = cls.env["g2p.id.type"].create({"name": "Bulk ID"})
        cls.area = cls.env["g2p.area"].create({"name": "Bulk area", "code": "BULK"})

    def registrants(self, prefix, number):
        return [
            {
                "is_registrant": True,
                "family_name": f"Family {i % 97}",
                "given_name": f"{prefix} {i}",
                "birthdate": "1990-01-01",
                "area_id": self.area.id,
                "reg_ids": [Command.create({"id_type": self.id_type.id, "value": f"{prefix}-{i}"})],
                "phone_number_ids": [Command.create({"phone_no": f"+2519{i:08}"})],
                "bank_ids": [Command.create({"acc_number": f"{prefix}{i}"})],
            }
            for i in range(number)
        ]

    def test_creating_registrants_with_ids_phones_and_accounts(self):
        self.env["res.partner"].create(self.registrants("warm", 5))
        with counting_statements(self.env.cr) as thousand:
            self.env["res.partner"].create(self.registrants("one", 1000))
        with counting_statements(self.env.cr) as two_thousand:
            partners = self.env["res.partner"].create(self.registrants("two", 2000))
        self.assertLessEqual(two_thousand.statements, 2.2 * thousand.statements)
        self.assertLessEqual(thousand.statements, 150)
        self.assertEqual(len(partners.reg_ids), 2000)
        self.assertEqual(partners[7].name, "FAMILY 7, TWO 7")
        self.assertEqual(len(partners.bank_ids.filtered("is_primary")), 2000)

    def test_creating_households_with_members(self):
        people = self.env["res.partner"].create(self.registrants("member", 1500))
        head = self.env.ref("g2p_registry_base.group_membership_kind_head")

        def households(members):
            return [
                {
                    "is_registrant": True,
                    "is_group": True,
                    "name": f"Household {first.id}",
                    "group_membership_ids": [
                        Command.create({"individual": first.id, "kind": [Command.link(head.id)]}),
                        Command.create({"individual": second.id}),
                    ],
                }
                for first, second in zip(members[::2], members[1::2], strict=True)
            ]

        with counting_statements(self.env.cr) as some:
            self.env["res.partner"].create(households(people[:500]))
        with counting_statements(self.env.cr) as more:
            groups = self.env["res.partner"].create(households(people[500:]))
        self.assertLessEqual(more.statements, 2.2 * some.statements)
        self.assertLessEqual(more.statements, 120)
        self.assertEqual(set(groups.mapped("z_ind_grp_num_individuals")), {2})

    def test_renaming_and_disabling_many(self):
        partners = self.env["res.partner"].create(self.registrants("write", 1000))
        with counting_statements(self.env.cr) as some:
            partners[:300].write({"addl_name": "X"})
            partners[:300]._disable("Test")
        with counting_statements(self.env.cr) as more:
            partners[300:].write({"addl_name": "Y"})
            partners[300:]._disable("Test")
        self.assertLessEqual(more.statements, 2.4 * some.statements)
        self.assertLessEqual(more.statements, 100)
        self.assertEqual(partners[301].name, "FAMILY 10, WRITE 301 Y")
