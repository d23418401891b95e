from psycopg2 import IntegrityError

from odoo.exceptions import UserError, ValidationError
from odoo.tests import TransactionCase, tagged
from odoo.tools import mute_logger


@tagged("post_install", "-at_install")
class TestConfiguration(TransactionCase):
    def test_households_families_and_heads_are_there(self):
        self.assertEqual(self.env.ref("g2p_registry_base.group_kind_household").name, "Household")
        self.assertEqual(self.env.ref("g2p_registry_base.group_kind_family").name, "Family")
        self.assertTrue(self.env.ref("g2p_registry_base.group_membership_kind_head").is_unique)

    def test_the_head_can_be_neither_edited_nor_deleted(self):
        head = self.env.ref("g2p_registry_base.group_membership_kind_head")
        with self.assertRaises(UserError):
            head.write({"is_unique": False})
        with self.assertRaises(UserError):
            head.unlink()
        own = self.env["g2p.group.membership.kind"].create({"name": "Recipient"})
        own.name = "Chair of the group"
        own.unlink()

    @mute_logger("odoo.sql_db")
    def test_names_are_unique_whatever_their_case(self):
        for model, values in (
            ("g2p.id.type", {"name": "Passport"}),
            ("g2p.registrant.tags", {"name": "Urban"}),
            ("g2p.group.kind", {"name": "Cooperative"}),
            ("g2p.group.membership.kind", {"name": "Recipient"}),
            ("g2p.area.kind", {"name": "Ward"}),
            ("gender.type", {"code": "Code", "value": "one"}),
        ):
            with self.subTest(model):
                self.env[model].create(values)
                again = {key: value.upper() if value != "one" else "two" for key, value in values.items()}
                with self.assertRaises(IntegrityError), self.env.cr.savepoint():
                    self.env[model].create(again)

    def test_several_may_be_created_at_once(self):
        types = self.env["g2p.id.type"].create([{"name": "Passport"}, {"name": "Voter card"}])
        self.assertEqual(types.mapped("is_unique"), [True, True])

    def test_areas_nest_to_any_depth(self):
        parent = self.env["g2p.area"]
        for name in ("Country", "Region", "Zone", "Woreda", "Kebele"):
            parent = self.env["g2p.area"].create({"name": name, "code": f"T-{name}", "parent_id": parent.id})
        self.assertEqual(parent.complete_name, "Country / Region / Zone / Woreda / Kebele")
        top = self.env["g2p.area"].search([("code", "=", "T-Country")])
        self.assertEqual(len(self.env["g2p.area"].search([("id", "child_of", top.id)])), 5)
        with self.assertRaises(UserError):
            top.parent_id = parent

    def test_an_area_is_shown_from_the_place_outwards_and_found_so(self):
        areas = self.env["g2p.area"]
        country = areas.create({"name": "Testland", "code": "T-TL"})
        district = areas.create({"name": "Middle District", "code": "T-MD", "parent_id": country.id})
        ward, other = areas.create(
            [
                {"name": "Ward 3", "code": "T-W3", "parent_id": district.id},
                {"name": "Ward 4", "code": "T-W4", "parent_id": district.id},
            ]
        )
        shown = "Ward 3, Middle District, Testland"
        self.assertEqual(ward.display_name, shown)
        self.assertEqual(areas.name_search(shown, operator="="), [(ward.id, shown)])
        for text in ("ward 3, middle", "Ward 3, Testland", "T-W3", "Testland / Middle District / Ward 3"):
            with self.subTest(text):
                self.assertEqual(areas.name_search(text), [(ward.id, shown)])
        self.assertEqual(
            areas.search([("display_name", "ilike", "middle district, testland")]), district | ward | other
        )
        country.name = "Newland"
        self.assertEqual(ward.display_name, "Ward 3, Middle District, Newland")

    @mute_logger("odoo.sql_db")
    def test_an_area_code_is_unique(self):
        self.env["g2p.area"].create({"name": "One", "code": "T-1"})
        with self.assertRaises(IntegrityError), self.env.cr.savepoint():
            self.env["g2p.area"].create({"name": "Two", "code": "T-1"})

    def test_a_pattern_must_be_readable(self):
        with self.assertRaises(ValidationError):
            self.env["g2p.id.type"].create({"name": "Broken", "id_validation": "[0-9"})

    def test_a_gender_in_use_keeps_its_value(self):
        gender = self.env["gender.type"].create({"code": "Third", "value": "third"})
        person = self.env["res.partner"].create({"is_registrant": True, "given_name": "A", "gender": "third"})
        with self.assertRaises(UserError):
            gender.value = "x"
        with self.assertRaises(UserError):
            gender.unlink()
        gender.active = False
        self.assertEqual(person.gender, "third")

    def test_every_declared_constraint_and_index_is_in_the_database(self):
        self.env.cr.execute("SELECT conname FROM pg_constraint UNION SELECT indexname FROM pg_indexes")
        existing = {name for (name,) in self.env.cr.fetchall()}
        for model in self.env.registry.values():
            records = self.env[model._name]
            if model._abstract or not model._auto:
                continue
            for table_object in model._table_objects.values():
                if table_object._module == "g2p_registry_base":
                    self.assertIn(table_object.full_name(records), existing)
