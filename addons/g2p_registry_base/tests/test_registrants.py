from datetime import timedelta

from dateutil.relativedelta import relativedelta
from psycopg2 import IntegrityError

from odoo import Command, fields
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import Form, TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.g2p_bulk.tests.statements import counting_statements


@tagged("post_install", "-at_install")
class TestRegistrants(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partners = cls.env["res.partner"]
        cls.almaz, cls.dawit = cls.partners.create(
            [
                {"is_registrant": True, "family_name": "Tesfaye", "given_name": "Almaz", "addl_name": "Bekele"},
                {"is_registrant": True, "family_name": "Tesfaye", "given_name": "Dawit"},
            ]
        )
        cls.household = cls.partners.create({"is_registrant": True, "is_group": True, "name": "Tesfaye household"})

    def test_a_name_is_made_of_its_parts_on_create(self):
        self.assertEqual(self.almaz.name, "TESFAYE, ALMAZ BEKELE")
        self.assertEqual(self.dawit.complete_name, "TESFAYE, DAWIT")
        one_name = self.partners.create({"is_registrant": True, "given_name": "  Selam "})
        self.assertEqual(one_name.name, "SELAM")

    def test_what_was_typed_for_somebody_not_found_is_their_name(self):
        for typed, name in (
            ("almaz bekele tesfaye", "TESFAYE, ALMAZ BEKELE"),
            ("Tesfaye,  Almaz Bekele", "TESFAYE, ALMAZ BEKELE"),
            ("almaz", "ALMAZ"),
            ("Tesfaye,", "TESFAYE"),
        ):
            with self.subTest(typed):
                form = Form(
                    self.partners.with_context(default_name=typed, default_is_registrant=True, default_is_group=False),
                    "g2p_registry_base.g2p_individual_view_form",
                )
                self.assertEqual(form.save().name, name)
        group = self.partners.with_context(default_name="Old mill", default_is_registrant=True, default_is_group=True)
        self.assertEqual(group.default_get(["name", "family_name", "given_name"]), {"name": "Old mill"})

    def test_a_name_is_made_of_its_parts_on_write_of_several(self):
        (self.almaz | self.dawit).write({"family_name": "Girma"})
        self.assertEqual(self.almaz.name, "GIRMA, ALMAZ BEKELE")
        self.assertEqual(self.dawit.name, "GIRMA, DAWIT")

    def test_a_name_does_not_part_from_its_parts(self):
        self.almaz.write({"name": "Somebody else"})
        self.assertEqual(self.almaz.name, "TESFAYE, ALMAZ BEKELE")

    def test_groups_and_contacts_keep_the_name_they_are_given(self):
        self.household.write({"name": "Household 7"})
        self.assertEqual(self.household.name, "Household 7")
        contact = self.partners.create({"name": "Water office"})
        contact.write({"name": "Water bureau"})
        self.assertEqual(contact.name, "Water bureau")

    def test_registrants_start_today_in_the_current_company(self):
        self.assertEqual(self.almaz.registration_date, fields.Date.context_today(self.almaz))
        self.assertEqual(self.almaz.company_id, self.env.company)
        self.assertFalse(self.partners.create({"name": "Contact"}).company_id)

    def test_dates_in_the_future_are_refused(self):
        tomorrow = fields.Date.today() + timedelta(days=2)
        for field in ("birthdate", "registration_date"):
            with self.subTest(field=field), self.assertRaises(ValidationError):
                self.almaz.write({field: tomorrow})

    def test_the_id_and_the_household_stand_under_the_name(self):
        self.assertFalse(self.almaz.identified_as)
        self.household.group_membership_ids = [Command.create({"individual": self.almaz.id})]
        card = self.env["g2p.id.type"].create({"name": "Card"})
        self.almaz.reg_ids = [Command.create({"id_type": card.id, "value": "T-17"})]
        self.env.invalidate_all()
        self.assertRegex(self.almaz.identified_as, "T-17 · Tesfaye household$")
        reader = new_test_user(self.env, "reader of names", groups="g2p_registry_base.group_g2p_support")
        self.env["ir.model.access"].search([("model_id.model", "=", "g2p.reg.id")]).active = False
        self.assertEqual(self.almaz.with_user(reader).identified_as, "Tesfaye household")

    def test_age_is_shown_and_searched_by_birth_date(self):
        today = fields.Date.context_today(self.almaz)
        self.assertEqual(self.almaz.age, "Birth date unknown")
        self.almaz.birthdate = today - relativedelta(years=18)
        self.dawit.birthdate = today - relativedelta(years=18) + timedelta(days=1)
        self.assertEqual((self.almaz.age, self.dawit.age), ("18", "17"))
        both = [("id", "in", (self.almaz | self.dawit).ids)]
        for operator, value, expected in (
            (">=", 18, self.almaz),
            (">", 17, self.almaz),
            ("<", 18, self.dawit),
            ("<=", 17, self.dawit),
            ("=", 18, self.almaz),
            ("in", [17, 18], self.almaz | self.dawit),
            ("!=", 18, self.dawit),
        ):
            with self.subTest(operator=operator, value=value):
                self.assertEqual(self.partners.search([*both, ("age", operator, value)]), expected)

    @mute_logger("odoo.sql_db")
    def test_the_database_refuses_a_negative_income_and_registration_before_birth(self):
        for statement in (
            "UPDATE res_partner SET income = -1 WHERE id = %s",
            "UPDATE res_partner SET birthdate = '2000-01-02', registration_date = '2000-01-01' WHERE id = %s",
        ):
            with self.subTest(statement), self.assertRaises(IntegrityError), self.env.cr.savepoint():
                self.env.cr.execute(statement, [self.almaz.id])

    def test_disabling_asks_a_reason_and_is_noted(self):
        wizard = self.env["g2p.disable.registrant.wizard"].create(
            {"partner_ids": [Command.set((self.almaz | self.dawit).ids)], "disabled_reason": "Moved abroad"}
        )
        wizard.disable_registrant()
        self.assertTrue(self.almaz.disabled and self.dawit.disabled)
        self.assertEqual(self.almaz.disabled_by, self.env.user)
        self.assertEqual(self.almaz.disabled_reason, "Moved abroad")
        self.assertIn("Moved abroad", self.almaz.message_ids[0].body)
        self.assertIn(self.almaz, self.partners.search([("is_registrant", "=", True)]), "disabled stays visible")
        self.almaz.enable_registrant()
        self.assertFalse(self.almaz.disabled or self.almaz.disabled_by or self.almaz.disabled_reason)

    def test_the_disabled_fields_are_not_written_by_hand(self):
        registrar = new_test_user(self.env, "t_clara", groups="g2p_registry_base.group_g2p_registrar")
        almaz = self.almaz.with_user(registrar)
        with self.assertRaises(AccessError):
            almaz.write({"disabled": fields.Datetime.now()})
        with self.assertRaises(AccessError):
            self.partners.with_user(registrar).create(
                {"is_registrant": True, "given_name": "Hana", "disabled": fields.Datetime.now()}
            )
        almaz._disable("Duplicate")
        with self.assertRaises(AccessError):
            almaz.write({"disabled": False})

    def test_additional_info_is_edited_as_json(self):
        self.almaz.additional_g2p_info_text = '{"Home Owned": "yes"}'
        self.assertEqual(self.almaz.additional_g2p_info, {"Home Owned": "yes"})
        for wrong in ("{", "[1, 2]"):
            with self.subTest(wrong), self.assertRaises(ValidationError):
                self.almaz.additional_g2p_info_text = wrong

    def test_gender_is_one_of_the_registrys(self):
        self.almaz.gender = "female"
        with self.assertRaises(ValidationError):
            self.almaz.gender = "unheard of"
        self.env["gender.type"].create({"code": "Non-binary", "value": "non-binary"})
        self.almaz.gender = "non-binary"

    def test_creating_many_with_phones_and_ids_costs_no_statement_each(self):
        """What a registrar may choose is checked for all at once: area, ID type, household of each."""
        registrar = new_test_user(self.env, "t_many", groups="g2p_registry_base.group_g2p_registrar")
        id_type = self.env["g2p.id.type"].create({"name": "Card of many"})
        areas = self.env["g2p.area"].create([{"name": f"Many {n}", "code": f"MANY{n}"} for n in range(200)])
        numbers = iter(range(10**6))

        def created(count_of):
            self.env.invalidate_all()
            people = self.partners.with_user(registrar).with_context(tracking_disable=True)
            with counting_statements(self.env.cr) as count:
                people.create(
                    [
                        {
                            "is_registrant": True,
                            "family_name": "Many",
                            "given_name": f"Person {number}",
                            "area_id": areas[index].id,
                            "phone_number_ids": [Command.create({"phone_no": f"+2547{number:08}"})],
                            "reg_ids": [Command.create({"id_type": id_type.id, "value": f"MANY-{number}"})],
                        }
                        for index in range(count_of)
                        for number in [next(numbers)]
                    ]
                )
            return count.statements

        created(5)
        few, many = created(10), created(100)
        self.assertEqual(few, many)
        # Odoo inserts a hundred rows a statement: into each of the tables once more.
        self.assertLess(created(200), many + 8)
