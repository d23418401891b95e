from copy import deepcopy

from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Command
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tests.statements import counting_statements

QUESTIONS = [
    {"name": "rooms", "string": "Rooms", "type": "integer"},
    {"name": "land", "string": "Land", "type": "float"},
    {"name": "electricity", "string": "Electricity", "type": "boolean"},
    {"name": "roof", "string": "Roof", "type": "selection", "selection": [["thatch", "Thatch"], ["tin", "Tin"]]},
    {"name": "visited", "string": "Visited on", "type": "date"},
    {"name": "remark", "string": "Remark", "type": "text"},
    {"name": "goods", "string": "Goods", "type": "tags", "tags": [["radio", "Radio", 1], ["bike", "Bike", 2]]},
    {"name": "market", "string": "Market", "type": "many2one", "comodel": "g2p.area"},
    {"name": "rent", "string": "Rent", "type": "monetary", "currency_field": "currency_id"},
]


@tagged("post_install", "-at_install")
class TestRegistrantAttributes(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.area = cls.env["g2p.area"].create({"name": "Market town", "code": "T-ATTR"})
        cls.schema = cls.env.ref("g2p_registry_base.registrant_schema_group")
        cls.schema.attributes_definition = QUESTIONS
        cls.env.ref("g2p_registry_base.registrant_schema_individual").attributes_definition = [
            {"name": "schooling", "string": "Schooling", "type": "integer"}
        ]
        cls.good = {
            "rooms": 2,
            "land": 1.5,
            "electricity": False,
            "roof": "tin",
            "visited": "2026-02-28",
            "remark": "By the river",
            "goods": ["radio"],
            "market": cls.area.id,
            "rent": 12.5,
        }
        cls.household = cls.group(cls.good)
        cls.silent = cls.group({})

    @classmethod
    def group(cls, answers, **values):
        return cls.env["res.partner"].create(
            {"name": "Household", "is_registrant": True, "is_group": True, "registrant_attributes": answers, **values}
        )

    def test_who_may_change_the_questions_is_offered_it(self):
        """What is asked in all companies is changed by administrators; of one's own company, by its registrars."""
        registrar = new_test_user(self.env, "questions registrar", groups="g2p_registry_base.group_g2p_registrar")
        admin = new_test_user(self.env, "questions admin", groups="g2p_registry_base.group_g2p_admin")
        self.assertTrue(self.household.with_user(admin).may_edit_questions)
        self.assertFalse(self.household.with_user(registrar).may_edit_questions)
        self.schema.create({"target_type": "group", "company_id": self.env.company.id})
        own = self.group({})
        self.assertTrue(own.with_user(registrar).may_edit_questions)
        registrar.g2p_area_ids = self.area
        own.area_id = self.area
        own.invalidate_recordset()
        self.assertFalse(own.with_user(registrar).may_edit_questions, "who works in some areas asks nothing of all")

    def sql(self, partner, name, kind):
        self.env.flush_all()
        value = self.env["res.partner"]._property_sql("partner", "registrant_attributes", name, kind)
        [[answer]] = self.env.execute_query(
            SQL("SELECT %s FROM res_partner AS partner WHERE id = %s", value, partner.id)
        )
        return answer

    def test_answers_are_kept_and_read(self):
        self.assertEqual(self.household.registrant_attributes["rooms"], 2)
        self.assertEqual(self.household.registrant_attributes["market"], self.area)
        person = self.env["res.partner"].create(
            {"is_registrant": True, "given_name": "Almaz", "registrant_attributes": {"schooling": 4}}
        )
        self.assertEqual(person.registrant_attributes["schooling"], 4)
        contact = self.env["res.partner"].create({"name": "Contact"})
        self.assertFalse(contact.registrant_attributes)

    def test_wrong_answers_are_refused_on_every_inlet(self):
        for name, answers, message in (
            ("rooms", ["2", 2.5, True, [2], {"a": 1}], "“Rooms” takes a whole number"),
            ("land", ["much", True], "“Land” takes a number"),
            ("electricity", ["yes", 1], "“Electricity” takes yes or no"),
            ("roof", ["gold", 3, ["tin"]], "“Roof” takes one of its choices"),
            ("visited", ["tomorrow", "2026-02-30", 20260228, "2026-2-3"], "“Visited on” takes a date"),
            ("remark", [5, ["text"]], "“Remark” takes text"),
            ("goods", ["radio", ["gold"], {"radio": 1}], "“Goods” takes some of its tags"),
            ("market", ["Market town", self.area.id + 10**6, True], "“Market” "),
            ("rent", ["12", True], "“Rent” takes a number"),
            ("chairs", [4], "no question named chairs"),
        ):
            for answer in answers:
                with self.subTest(name, answer=answer):
                    with self.assertRaisesRegex(ValidationError, message), self.env.cr.savepoint():
                        self.household.write({"registrant_attributes": {name: answer}})
                    with self.assertRaisesRegex(ValidationError, message), self.env.cr.savepoint():
                        self.group({name: answer})
                    given = [{"name": name, "type": "char", "value": answer}]
                    with self.assertRaisesRegex(ValidationError, message), self.env.cr.savepoint():
                        self.household.write({"registrant_attributes": given})
        with self.assertRaisesRegex(ValidationError, "by the names of their questions"):
            self.group("rooms")
        self.env.invalidate_all()
        self.assertEqual(dict(self.household.registrant_attributes._values), self.good)

    def test_answers_are_searched(self):
        partners = self.env["res.partner"]
        mine = [("id", "in", (self.household | self.silent).ids)]
        for condition in (
            ("registrant_attributes.rooms", ">=", 2),
            ("registrant_attributes.roof", "=", "tin"),
            ("registrant_attributes.goods", "in", ["radio"]),
            ("registrant_attributes.visited", "<", "2026-03-01"),
        ):
            with self.subTest(condition):
                self.assertEqual(partners.search([*mine, condition]), self.household)

    def test_answers_in_sql_are_typed_and_missing_ones_null(self):
        for name, kind, expected in (
            ("rooms", "integer", 2),
            ("land", "float", 1.5),
            ("rent", "monetary", 12.5),
            ("electricity", "boolean", False),
            ("roof", "selection", "tin"),
            ("remark", "text", "By the river"),
            ("goods", "tags", ["radio"]),
            ("market", "many2one", self.area.id),
        ):
            with self.subTest(name):
                self.assertEqual(self.sql(self.household, name, kind), expected)
                self.assertIsNone(self.sql(self.silent, name, kind))
        self.assertEqual(str(self.sql(self.household, "visited", "date")), "2026-02-28")
        self.assertIsNone(self.sql(self.silent, "visited", "date"))

    def test_sql_survives_what_does_not_belong_there(self):
        """Rows written past the ORM, or before a question changed its type, give NULL and no error."""
        self.env.flush_all()
        self.env.cr.execute(
            """
            UPDATE res_partner
            SET registrant_attributes = '{"rooms": "x", "land": false, "electricity": 1, "visited": "2026-02-30", "roof": 3}'
            WHERE id = %s
            """,
            [self.household.id],
        )
        for name, kind in (
            ("rooms", "integer"),
            ("land", "float"),
            ("electricity", "boolean"),
            ("visited", "date"),
            ("roof", "selection"),
            ("market", "many2one"),
            ("goods", "tags"),
        ):
            with self.subTest(name):
                self.assertIsNone(self.sql(self.household, name, kind))
        for text in ("0000-01-01", "2026-13-01", "2026-00-10", "26-01-01", "2025-02-29"):
            self.env.cr.execute(
                "UPDATE res_partner SET registrant_attributes = jsonb_build_object('visited', %s) WHERE id = %s",
                [text, self.household.id],
            )
            with self.subTest(text):
                self.assertIsNone(self.sql(self.household, "visited", "date"))
        with self.assertRaises(ValueError):
            self.env["res.partner"]._property_sql("partner", "registrant_attributes", "rooms", "html")

    def test_questions_of_a_company_of_its_own(self):
        company = self.env["res.company"].create({"name": "Other ministry"})
        theirs = self.group({"rooms": 3}, company_id=company.id)
        self.assertEqual(theirs.registrant_schema_id, self.schema)
        own = self.env["g2p.registrant.schema"].create(
            {
                "target_type": "group",
                "company_id": company.id,
                "attributes_definition": [{"name": "cattle", "string": "Cattle", "type": "integer"}],
            }
        )
        herders = self.group({"cattle": 7}, company_id=company.id)
        self.assertEqual(herders.registrant_schema_id, own)
        self.assertEqual(herders.registrant_attributes["cattle"], 7)
        with self.assertRaises(ValidationError):
            self.group({"rooms": 3}, company_id=company.id)
        mine = [("id", "in", (self.household | herders).ids)]
        self.assertEqual(self.env["res.partner"].search([*mine, ("registrant_schema_id", "=", own.id)]), herders)
        self.assertEqual(
            self.env["res.partner"].search([*mine, ("registrant_schema_id", "=", self.schema.id)]), self.household
        )

    def test_questions_ask_only_what_can_be_checked(self):
        for question in (
            {"name": "a", "string": "A", "type": "many2one", "comodel": "res.users"},
            {"name": "a", "string": "A", "type": "datetime"},
            {"name": "a", "string": "A", "type": "many2many", "comodel": "g2p.area"},
            {"name": "a_html", "string": "A", "type": "html"},
            {"name": "a", "string": "A", "type": "integer", "default": "many"},
        ):
            with self.subTest(question), self.assertRaisesRegex(ValidationError, "“A”"), self.env.cr.savepoint():
                self.schema.attributes_definition = [question]

    def test_who_defines_and_who_answers(self):
        role = "g2p_registry_base.group_g2p_"
        registrar = new_test_user(self.env, "attr_registrar", groups=role + "registrar")
        auditor = new_test_user(self.env, "attr_auditor", groups=role + "auditor")
        admin = new_test_user(self.env, "attr_admin", groups=role + "admin")
        questions = [
            *({**question, "value": self.good[question["name"]]} for question in QUESTIONS),
            {"name": "cattle", "string": "Cattle", "type": "integer", "value": 3, "definition_changed": True},
        ]
        with self.assertRaises(AccessError), self.env.cr.savepoint():
            self.household.with_user(registrar).write({"registrant_attributes": deepcopy(questions)})
        self.household.with_user(admin).write({"registrant_attributes": questions})
        self.assertEqual(self.household.registrant_attributes["cattle"], 3)
        self.assertIn("cattle", [question["name"] for question in self.schema.attributes_definition])
        questions[-1] = {**questions[-1], "value": "many"}
        with self.assertRaisesRegex(ValidationError, "“Cattle” takes a whole number"), self.env.cr.savepoint():
            self.household.with_user(registrar).write({"registrant_attributes": questions})
        self.assertEqual(self.household.with_user(auditor).registrant_attributes["rooms"], 2)
        with self.assertRaises(AccessError):
            self.household.with_user(auditor).write({"registrant_attributes": {"rooms": 1}})
        with self.assertRaises(AccessError):
            self.schema.with_user(auditor).attributes_definition = []

    def test_everybodys_questions_are_not_one_offices(self):
        """Administrators say what everybody is asked; the questions of a company alone are its registrars', in all its areas."""
        registrar = "g2p_registry_base.group_g2p_registrar"
        one = self.env["res.company"].create({"name": "Other ministry"})
        area = self.env["g2p.area"].create({"name": "Somewhere", "code": "ATTR-AREA"})
        user = new_test_user(
            self.env, "attr_other", groups=registrar, company_id=one.id, company_ids=[Command.set(one.ids)]
        )
        limited = new_test_user(self.env, "attr_limited", groups=registrar, g2p_area_ids=[Command.set(area.ids)])
        both = new_test_user(
            self.env, "attr_both", groups=registrar, company_ids=[Command.set(self.env["res.company"].search([]).ids)]
        )
        own = self.env["g2p.registrant.schema"].create({"target_type": "group", "company_id": one.id})
        evil = [{"name": "evil", "string": "Evil", "type": "char"}]
        for who, schema, vals in (
            (user, self.schema, {"attributes_definition": evil}),
            (user, self.schema, {"company_id": one.id}),
            (user, own, {"company_id": False}),
            (limited, self.schema, {"attributes_definition": []}),
            (both, self.schema, {"attributes_definition": []}),
        ):
            with self.subTest(who.login, **vals), self.assertRaises(AccessError), self.env.cr.savepoint():
                schema.with_user(who).write(vals)
        self.assertEqual(len(self.schema.attributes_definition), len(QUESTIONS))
        own.with_user(user).attributes_definition = evil

    def test_creating_many_costs_no_statement_each(self):
        def created(number):
            with counting_statements(self.env.cr) as count:
                self.env["res.partner"].create(
                    [
                        {
                            "name": f"H {i}",
                            "is_registrant": True,
                            "is_group": True,
                            "registrant_attributes": {"rooms": i},
                        }
                        for i in range(number)
                    ]
                )
            return count.statements

        created(2)
        few, many = created(10), created(90)
        self.assertEqual(many, few)
