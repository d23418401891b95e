from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import DeduplicationCase

MODELS = (
    "g2p.registry.deduplication",
    "g2p.registry.duplicate",
    "g2p.registry.duplicate.pair",
    "g2p.registrant.merge",
    "g2p.registrant.merge.line",
)
READERS = ("admin", "registrar", "manager", "auditor")


@tagged("post_install", "-at_install")
class TestAccess(DeduplicationCase):
    def registry_set(self, *areas):
        people = [self.individual(f"Person {number}", area_id=area.id) for number, area in enumerate(areas)]
        number = f"X123{self.env['g2p.registry.duplicate'].search_count([])}567"
        for partner in people:
            self.document(partner, number)
        self.settings.write({"use_names": False})
        self.settings.with_user(self.registrar).action_deduplicate()
        return self.env["g2p.registry.duplicate"].search([("partner_ids", "in", people[0].ids)])

    def test_roles(self):
        for role, user in self.users.items():
            for model in MODELS:
                with self.subTest(f"{role} {model}"):
                    self.assertEqual(self.env[model].with_user(user).has_access("read"), role in READERS)
        for user in (self.outsider, self.portal):
            for model in MODELS:
                self.assertFalse(self.env[model].with_user(user).has_access("read"))

    def test_areas_and_hidden_members(self):
        mine, other = self.env["g2p.area"].create([{"name": "Mine"}, {"name": "Other"}])
        record = self.registry_set(mine, other)
        elsewhere = self.registry_set(other, other) - record
        self.registrar.g2p_area_ids = mine
        seen = self.env["g2p.registry.duplicate"].with_user(self.registrar).search([])
        self.assertIn(record, seen)
        self.assertNotIn(elsewhere, seen)
        comparison = record.with_user(self.registrar).comparison
        self.assertEqual((len(comparison["members"]), comparison["hidden"]), (1, 1))
        with self.assertRaises(UserError):
            record.with_user(self.registrar).action_keep(record.partner_ids.filtered(lambda p: p.area_id == other).id)

    def test_numbers_are_masked_for_who_does_not_correct_them(self):
        area = self.env["g2p.area"].create({"name": "Mine"})
        record = self.registry_set(area, area)

        def documents(user):
            record.invalidate_recordset()
            lines = {line["label"]: line["values"] for line in record.with_user(user).comparison["lines"]}
            return lines["IDs"]

        self.assertEqual(documents(self.registrar), ["Kebele card: X1230567"] * 2)
        self.assertEqual(documents(self.manager), ["Kebele card: •••••567"] * 2)
        self.assertEqual(documents(self.users["auditor"]), ["Kebele card: •••••567"] * 2)

    def test_sets_are_not_edited(self):
        area = self.env["g2p.area"].create({"name": "Mine"})
        record = self.registry_set(area, area)
        for values in ({"state": "resolved"}, {"survivor_id": False}, {"partner_ids": [(5,)]}, {"decided_by_id": 1}):
            with self.subTest(values), self.assertRaises(AccessError):
                record.with_user(self.registrar).write(values)
        with self.assertRaises(AccessError):
            record.pair_ids.with_user(self.registrar).write({"state": "different"})
        record.with_user(self.registrar).write({"comment": "Seen"})
        for role in ("manager", "auditor"):
            with self.subTest(role), self.assertRaises(AccessError):
                record.with_user(self.users[role]).action_not_duplicate()
