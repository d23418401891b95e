from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from odoo.addons.g2p_bulk.tests.statements import counting_statements

from .common import DeduplicationCase


@tagged("post_install", "-at_install")
class TestRegistry(DeduplicationCase):
    def run_registry(self, **values):
        self.settings.write({"use_ids": True, "use_phones": True, "use_accounts": True, "use_names": False, **values})
        self.settings.with_user(self.registrar).action_deduplicate()
        self.settings.invalidate_recordset()

    def sets_of(self, *partners):
        """The sets with any of these registrants."""
        ids = [partner.id for partner in partners]
        return self.env["g2p.registry.duplicate"].search([("partner_ids", "in", ids), ("state", "=", "duplicate")])

    def test_by_each_of_the_ways(self):
        one, two, three, four, five = (self.individual(name) for name in ("One", "Two", "Three", "Four", "Five"))
        self.document(one, "AB 1")
        self.document(two, "ab-1")
        self.phone(two, "+251911234567")
        self.phone(three, "+251 911 234567")
        self.account(four, "77")
        self.account(five, "7 7")
        self.run_registry()
        records = self.sets_of(one, two, three, four, five).sorted("members_count")
        self.assertEqual(
            [set(record.partner_ids.ids) for record in records], [{four.id, five.id}, {one.id, two.id, three.id}]
        )
        self.assertEqual(
            sorted(records[1].pair_ids.mapped("evidence")),
            ["The same ID document: Kebele card", "The same phone number"],
        )
        self.assertNotIn("AB", records[1].evidence)
        self.assertEqual(self.settings.open_count, 2)
        self.assertTrue(self.settings.last_run)
        operation = self.operation(self.settings, "deduplicate")
        self.assertEqual(operation.counts["waiting"], 5)
        self.assertEqual(sum(operation.counts.values()), operation.planned)

    def test_types_of_documents(self):
        one, two = self.individual("One"), self.individual("Two")
        for partner in (one, two):
            self.document(partner, "X1")
        self.run_registry(id_type_ids=[(6, 0, self.other_type.ids)])
        self.assertFalse(self.sets_of(one, two))
        self.run_registry(id_type_ids=[(5,)])
        self.assertTrue(self.sets_of(one, two))

    def test_groups(self):
        settings = self.env.ref("g2p_deduplication.registry_deduplication_group")
        settings.company_id = self.env.company
        person, other = self.individual("Person"), self.individual("Other")
        one, two = self.household("One", person), self.household("Two", person | other)
        three = self.household("Three")
        self.phone(three, "+251911234567")
        self.phone(other, "+251911234567")
        settings.with_user(self.registrar).action_deduplicate()
        self.assertEqual(self.sets_of(one).partner_ids, one | two | three)

    def test_nobody_is_changed_and_the_fuller_record_is_suggested(self):
        one = self.individual("Same", "Person")
        two = self.individual("Same", "Person", gender="female", birthdate="1990-01-01")
        for partner in (one, two):
            self.document(partner, "X1")
        self.run_registry()
        record = self.sets_of(one)
        self.assertEqual(record.survivor_id, two)
        self.assertFalse(one.disabled or two.disabled)
        record.with_user(self.registrar).action_keep(one.id)
        self.assertEqual((record.survivor_id, record.decided_by_id), (one, self.registrar))
        self.run_registry()
        self.assertEqual((record.survivor_id, record.decided_by_id), (one, self.registrar), "the decision stays")

    def test_decisions_are_remembered(self):
        people = [self.individual(name) for name in ("One", "Two", "Three")]
        for partner in people[:2]:
            self.document(partner, "X1")
        self.run_registry()
        self.sets_of(people[0]).with_user(self.registrar).action_not_duplicate()
        self.run_registry()
        self.assertFalse(self.sets_of(*people))
        self.document(people[2], "X1")
        self.run_registry()
        self.assertEqual(self.sets_of(*people).members_count, 3)

    def test_a_corrected_document_closes_the_set(self):
        one, two = self.individual("One"), self.individual("Two")
        document = self.document(one, "X1")
        self.document(two, "X1")
        self.run_registry()
        record = self.sets_of(one)
        document.value = "X2"
        self.run_registry()
        self.assertEqual(record.state, "resolved")
        self.assertFalse(record.pair_ids)

    def test_next_set(self):
        for pair in range(2):
            for member in range(2):
                self.document(self.individual(f"Person {pair}{member}"), f"X{pair}")
        self.run_registry()
        first, second = self.env["g2p.registry.duplicate"].search([("state", "=", "duplicate")], limit=2)
        action = first.with_user(self.registrar).action_next()
        self.assertEqual(action["res_id"], second.id)
        self.env["g2p.registry.duplicate"].search([("id", "!=", first.id)]).with_user(self.registrar).filtered(
            lambda record: record.state == "duplicate"
        ).action_not_duplicate()
        self.assertEqual(first.with_user(self.registrar).action_next()["tag"], "display_notification")

    def test_several_sets_at_once_in_as_many_statements(self):
        for pair in range(6):
            for member in range(2):
                self.document(self.individual(f"Person {pair}{member}"), f"X{pair}")
        self.run_registry()
        records = (
            self.env["g2p.registry.duplicate"].search([("state", "=", "duplicate")], limit=6).with_user(self.registrar)
        )

        def statements(some):
            self.env.invalidate_all()
            with counting_statements(self.cr) as count:
                some.action_not_duplicate()
            return count.statements

        records[0].action_not_duplicate()
        self.assertEqual(statements(records[1]), statements(records[2:]))

    def test_who_may(self):
        for role in ("validator", "support", "finance", "approver", "auditor", "manager"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.settings.with_user(self.users[role]).action_deduplicate()
        with self.assertRaises(AccessError):
            self.settings.with_user(self.registrar).write({"use_names": False})
        self.settings.with_user(self.admin).write({"use_names": False})
        self.settings.write(dict.fromkeys(("use_ids", "use_phones", "use_accounts", "use_names"), False))
        with self.assertRaisesRegex(UserError, "Nothing is compared"):
            self.settings.with_user(self.registrar).action_deduplicate()
