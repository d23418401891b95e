from datetime import date

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged

from .test_import_scale import ImportCase

INDIVIDUALS = [
    {"name": "works", "string": "Works", "type": "boolean"},
    {"name": "animals", "string": "Animals", "type": "integer"},
    {"name": "land", "string": "Land", "type": "float"},
    {"name": "story", "string": "Story", "type": "char"},
    {"name": "since", "string": "Lives here since", "type": "date"},
    {"name": "water", "string": "Water", "type": "selection", "selection": [["well", "A well"], ["tap", "A tap"]]},
    {"name": "goods", "string": "Goods", "type": "tags", "tags": [["radio", "Radio", 1], ["bike", "Bicycle", 2]]},
    {"name": "origin", "string": "Origin", "type": "many2one", "comodel": "g2p.area"},
    {"name": "line", "string": "Income", "type": "separator"},
]
GROUPS = [
    {"name": "roof", "string": "Roof", "type": "selection", "selection": [["thatch", "Thatch"], ["tin", "Tin"]]},
    {"name": "rooms", "string": "Rooms", "type": "integer"},
    {"name": "poor", "string": "Disabled member", "type": "boolean"},
    {"name": "band", "string": "Income band", "type": "integer"},
]


@tagged("post_install", "-at_install")
class TestImportAnswers(ImportCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        schemas = cls.env["g2p.registrant.schema"]
        schemas.search([("company_id", "=", cls.env.company.id)]).unlink()
        for target_type, questions in (("individual", INDIVIDUALS), ("group", GROUPS)):
            schemas.create(
                {
                    "target_type": target_type,
                    "company_id": cls.env.company.id,
                    "attributes_definition": questions,
                }
            )
        cls.area = cls.env["g2p.area"].create({"name": "Origin", "code": "ANS-1"})

    def answers(self, partner):
        partner.invalidate_recordset()
        return {
            name: value for name, value in (partner.registrant_attributes._values or {}).items() if value is not None
        }

    def stored(self, partner):
        """As the database has them."""
        self.env.flush_all()
        self.cr.execute("SELECT registrant_attributes FROM res_partner WHERE id = %s", [partner.id])
        return self.cr.fetchone()[0]

    def test_a_column_named_like_a_question_answers_it(self):
        rows = [
            ["Full name", "Works", "Animals", "Land", "Story", "Lives here since", "Water", "Goods", "Origin", "Else"],
            ["Ann Sow", "Yes", "3", "1.5", "Long", "2020-02-29", "A well", "radio; Bicycle", "ANS-1", "x"],
            ["Ben Sow", "0", "", "", "", "", "tap", "", "", ""],
        ]
        record = self.imported(rows)
        self.assertFalse(self.refused(record))
        ann, ben = record.line_ids.sorted("row_number").partner_id.sorted("id")
        self.assertEqual(
            self.stored(ann),
            {
                "works": True,
                "animals": 3,
                "land": 1.5,
                "story": "Long",
                "since": "2020-02-29",
                "water": "well",
                "goods": ["radio", "bike"],
                "origin": self.area.id,
            },
        )
        self.assertEqual(self.stored(ben), {"works": False, "water": "tap"}, "what is empty is not answered")
        self.assertEqual(ann.additional_g2p_info, {"Else": "x"})
        # the answers are such as a person could have given
        ann._check_answers("registrant_attributes")

    def test_answers_of_a_wrong_type_are_refused_with_the_others(self):
        record = self.new_import(
            [
                ["Full name", "Works", "Animals", "Land", "Lives here since", "Water", "Goods", "Origin"],
                ["Ann Sow", "perhaps", "2.5", "wide", "soon", "river", "radio;car", "Mars"],
            ]
        )
        record.action_check()
        column, reason = self.refused(record)[2]
        self.assertEqual(column, "Works, Animals, Land, Lives here since, Water, Goods, Origin")
        for words in (
            "Works: is neither yes nor no: perhaps",
            "Animals: is not a whole number: 2.5",
            "Land: is not a number: wide",
            "Lives here since: is not a date",
            "Water: is none of the choices: river",
            "Goods: holds what is none of the tags: radio;car",
            "Origin: is no area of the registry: Mars",
        ):
            self.assertIn(words, reason)

    def test_a_number_that_may_be_two_is_asked_for(self):
        rows = [["Full name", "Land"], ["Ann Sow", "1,234"]]
        with self.assertRaisesRegex(UserError, "Column “Land”: 1,234 may be two numbers"):
            self.new_import(rows).action_check()
        record = self.imported(rows, decimal_mark=",")
        self.assertEqual(self.stored(record.line_ids.partner_id), {"land": 1.234})

    def test_values_of_the_file_mean_what_the_mapping_says(self):
        mapping = self.mapping(
            {
                "Name": {"target": "full_name"},
                "HH": {"target": "household"},
                "Role": {"target": "role"},
                "Disability": {"target": "disability", "value_map": "not_disabled = no\nDisabled=yes\nunknown ="},
                "Sex": {"target": "gender", "value_map": "F = Female\nM = Male"},
                "Roof": {"target": "group_attribute", "question": "roof", "value_map": "grass = Thatch"},
                "Earns": {
                    "target": "group_attribute",
                    "question": "band",
                    "value_map": "0_5000 = 2500\n5000_10000 = 7500",
                },
                "Works": {"target": "attribute", "question": "works"},
            }
        )
        record = self.imported(
            [
                ["Name", "HH", "Role", "Disability", "Sex", "Roof", "Earns", "Works"],
                ["Ann Sow", "H1", "", "NOT_DISABLED", "f", "tin", "5000_10000", "yes"],
                ["Ben Sow", "H1", "Head", "disabled", "M", "grass", "", "no"],
                ["Cat Sow", "H2", "", "unknown", "F", "", "0_5000", ""],
            ],
            mapping_id=mapping.id,
        )
        self.assertFalse(self.refused(record))
        ann, ben, cat = record.line_ids.sorted("row_number").mapped("partner_id")
        self.assertEqual((ann | ben | cat).mapped("disability"), ["no", "yes", False])
        self.assertEqual(ann.gender, "female")
        first, second = ann.individual_membership_ids.group, cat.individual_membership_ids.group
        self.assertEqual(self.stored(first), {"roof": "thatch", "band": 7500}, "the head's answer comes first")
        self.assertEqual(self.stored(second), {"band": 2500})
        self.assertEqual(self.stored(ben), {"works": False})
        for wrong in ("nothing", "a = 1\nA = 2"):
            with self.assertRaises(ValidationError):
                mapping.line_ids[3].value_map = wrong

    def test_a_household_that_is_known_keeps_its_answers_unless_the_import_updates(self):
        code = self.env.ref("g2p_registry_base.id_type_registrant")
        columns = {
            "Name": {"target": "full_name"},
            "ID": {"target": "id", "id_type_id": self.national.id},
            "HH": {"target": "household", "id_type_id": code.id},
            "Roof": {"target": "group_attribute", "question": "roof"},
            "Rooms": {"target": "group_attribute", "question": "rooms"},
        }
        mapping = self.mapping(columns)
        header = list(columns)
        self.imported([header, ["Ann Sow", "A1", "HX", "Tin", ""]], mapping_id=mapping.id)
        record = self.imported([header, ["Ben Sow", "A2", "HX", "Thatch", "2"]], mapping_id=mapping.id)
        group = record.line_ids.partner_id.individual_membership_ids.group
        self.assertEqual(self.stored(group), {"roof": "tin", "rooms": 2})
        self.imported(
            [header, ["Ben Sow", "A2", "HX", "Thatch", "3"]],
            mapping_id=mapping.id,
            existing_policy="update",
            match_id_type_id=self.national.id,
        )
        self.assertEqual(self.stored(group), {"roof": "thatch", "rooms": 3})

    def test_answers_of_who_is_registered_are_updated(self):
        rows = [["Full name", "National ID", "Works", "Animals"], ["Ann Sow", "N1", "yes", "3"]]
        person = self.imported(rows).line_ids.partner_id
        rows[1][2:] = ["", "4"]
        self.imported(rows, existing_policy="update", match_id_type_id=self.national.id)
        self.assertEqual(self.stored(person), {"works": True, "animals": 4}, "what is empty stays as it was")

    def test_groups_answer_their_own_questions(self):
        record = self.imported([["name", "Roof", "Rooms"], ["Sow", "Tin", "2"]], target_type="group")
        self.assertEqual(self.stored(record.line_ids.partner_id), {"roof": "tin", "rooms": 2})

    def test_ids_expire(self):
        rows = [
            ["Full name", "National ID", "National ID expiry date"],
            ["Ann Sow", "N1", "2031-12-31"],
            ["Ben Sow", "", "2031-12-31"],
            ["Cat Sow", "N3", ""],
        ]
        record = self.imported(rows)
        self.assertIn("an ID that the row doesn't hold", self.refused(record)[3][1])
        ann, cat = record.line_ids.sorted("row_number").partner_id.sorted("id")
        self.assertEqual((ann.reg_ids.expiry_date, cat.reg_ids.expiry_date), (date(2031, 12, 31), False))
        rows = [rows[0], ["Ann Sow", "N1", ""], ["Cat Sow", "N3", "2030-01-01"]]
        self.imported(rows, existing_policy="update", match_id_type_id=self.national.id)
        (ann | cat).reg_ids.invalidate_recordset()
        self.assertEqual((ann.reg_ids.expiry_date, cat.reg_ids.expiry_date), (date(2031, 12, 31), date(2030, 1, 1)))
        mapping = self.mapping(
            {"N": {"target": "full_name"}, "E": {"target": "id_expiry", "id_type_id": self.national.id}}
        )
        with self.assertRaisesRegex(UserError, "needs a column with the ID itself"):
            self.new_import([["N", "E"], ["A", "2030-01-01"]], mapping_id=mapping.id).action_check()

    def test_relationships_come_by_the_other_ones_id(self):
        guardian, sibling = self.env["g2p.relationship"].create(
            [
                {"name": "guardian of", "name_inverse": "ward of", "source_type": "i", "destination_type": "i"},
                {"name": "sibling of", "name_inverse": "sibling of", "bidirectional": True},
            ]
        )
        mapping = self.mapping(
            {
                "Name": {"target": "full_name"},
                "ID": {"target": "id", "id_type_id": self.national.id},
                "Ward": {"target": "related_id", "id_type_id": self.national.id, "relationship_id": guardian.id},
                "Sibling": {"target": "related_id", "id_type_id": self.national.id, "relationship_id": sibling.id},
            }
        )
        header = ["Name", "ID", "Ward", "Sibling"]
        child = self.imported([header, ["Kid Sow", "K1", "", ""]], mapping_id=mapping.id).line_ids.partner_id
        record = self.imported(
            [header, ["Ann Sow", "A1", "K1", "K1"], ["Ben Sow", "B1", "none", ""]], mapping_id=mapping.id
        )
        self.assertIn("no registrant whom this relationship fits: none", self.refused(record)[3][1])
        ann = record.line_ids.filtered(lambda line: line.row_number == 2).partner_id
        relations = self.env["g2p.reg.rel"].search([("source", "=", ann.id)])
        self.assertEqual((relations.destination, relations.relation), (child, guardian | sibling))
        # the same again adds nothing, from either end
        self.imported(
            [header, ["Ann Sow", "A1", "K1", ""], ["Kid Sow", "K1", "", "A1"]],
            mapping_id=mapping.id,
            existing_policy="update",
            match_id_type_id=self.national.id,
        )
        everything = self.env["g2p.reg.rel"].search([("source", "in", (ann | child).ids)])
        self.assertEqual(everything, relations)
        record.action_undo()
        self.assertFalse(ann.exists() or relations.exists())
        self.assertTrue(child.exists())

    def test_a_related_registrant_of_another_area_is_not_found(self):
        relation = self.env["g2p.relationship"].create({"name": "friend of", "name_inverse": "friend of"})
        mapping = self.mapping(
            {
                "Name": {"target": "full_name"},
                "Area": {"target": "area_code"},
                "Friend": {"target": "related_id", "id_type_id": self.national.id, "relationship_id": relation.id},
            }
        )
        self.imported([["Full name", "National ID"], ["Far Away", "F1"]])
        self.registrar.g2p_area_ids = self.area
        record = self.new_import([["Name", "Area", "Friend"], ["Ann Sow", "ANS-1", "F1"]], mapping_id=mapping.id)
        record.action_check()
        self.assertIn("no registrant whom", self.refused(record)[2][1])

    def test_a_mapping_that_fits_no_question_any_more_says_so(self):
        mapping = self.mapping({"N": {"target": "full_name"}, "R": {"target": "attribute", "question": "roof"}})
        with self.assertRaisesRegex(UserError, "Column R: this question is not asked of these registrants"):
            self.new_import([["N", "R"], ["A", "tin"]], mapping_id=mapping.id).action_check()
        with self.assertRaises(ValidationError):
            self.mapping({"N": {"target": "full_name"}, "Q": {"target": "attribute"}})
        with self.assertRaises(ValidationError):
            self.mapping({"N": {"target": "full_name"}, "Q": {"target": "attribute", "question": "nothing"}})

    # -- who keeps mappings

    def test_registrars_keep_mappings_of_their_own(self):
        columns = [Command.create({"column": "N", "target": "full_name"})]
        mappings = self.env["g2p.registrant.import.mapping"]
        mine = mappings.with_user(self.registrar).create({"name": "My census", "line_ids": columns})
        self.assertEqual(mine.company_id, self.env.company)
        mine.line_ids.write({"column": "Name"})
        record = self.new_import([["Name"], ["Ann Sow"]], mapping_id=mine.id)
        record.action_check()
        self.assertEqual(record.ok_count, 1)
        shared = mappings.create({"name": "For all", "company_id": False, "line_ids": columns})
        colleague = new_test_user(self.env, "t_map_2", groups="g2p_registry_base.group_g2p_registrar")
        support = new_test_user(self.env, "t_map_3", groups="g2p_registry_base.group_g2p_support")
        self.assertEqual(mine.with_user(colleague).name, "My census", "colleagues use it")
        for user, mapping in ((colleague, mine), (self.registrar, shared), (support, mine), (support, shared)):
            for attempt in (
                lambda mapping: mapping.write({"name": "Mine now"}),
                lambda mapping: mapping.line_ids.write({"column": "X"}),
                lambda mapping: mapping.write({"line_ids": columns}),
                lambda mapping: mapping.unlink(),
                lambda mapping: mapping.line_ids.unlink(),
            ):
                with self.assertRaises(AccessError):
                    attempt(mapping.with_user(user))
        with self.assertRaises(AccessError):
            mappings.with_user(self.registrar).create({"name": "All", "company_id": False})
        with self.assertRaises(AccessError):
            mine.with_user(self.registrar).company_id = False
        with self.assertRaises(AccessError):
            mine.line_ids.with_user(self.registrar).mapping_id = shared
        mappings.with_user(self.registrar).create({"name": "Short-lived", "line_ids": columns}).unlink()

    def test_mappings_of_another_company_are_not_seen(self):
        other = self.env["res.company"].create({"name": "Other ministry"})
        stranger = new_test_user(
            self.env,
            "t_map_4",
            groups="g2p_registry_base.group_g2p_registrar",
            company_id=other.id,
            company_ids=[Command.set(other.ids)],
        )
        mine = self.mapping({"N": {"target": "full_name"}})
        twin = mine.with_user(stranger).sudo(False).env["g2p.registrant.import.mapping"]
        self.assertFalse(twin.search([("id", "=", mine.id)]))
        self.assertFalse(
            self.env["g2p.registrant.import.mapping.line"].with_user(stranger).search([("mapping_id", "=", mine.id)])
        )
        twin.create({"name": mine.name})  # the same name says nothing of the other company
        with self.assertRaises(AccessError):
            self.new_import([["N"], ["A"]], user=stranger, mapping_id=mine.id).action_check()
