from odoo.exceptions import UserError
from odoo.tests import TransactionCase, tagged

from odoo.addons.g2p_bulk.tests.statements import counting_statements

HOUSEHOLDS = 80
# Of a table's columns, those that tell rows or moments apart rather than what was entered.
OWN_COLUMNS = {
    "id",
    "create_date",
    "write_date",
    "changed_at",
    "commercial_partner_id",
    "partner_id",
    "group",
    "individual",
    "barcode",
}


@tagged("post_install", "-at_install")
class TestGenerator(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.counts = cls.env["g2p.demo.generator"]._generate(households=HOUSEHOLDS)
        cls.registrants = cls.env["res.partner"].search([("is_registrant", "=", True)], order="id")
        cls.households = cls.registrants.filtered("is_group")
        cls.people = cls.registrants - cls.households

    def test_dates_are_written_day_first(self):
        self.assertEqual(self.env["res.lang"]._get_data(code="en_US").date_format, "%d/%m/%Y")

    def row(self, record):
        """The record as it is stored, without what differs between any two rows."""
        record.flush_recordset()
        self.cr.execute(f'SELECT * FROM "{record._table}" WHERE id = %s', [record.id])
        columns = [column.name for column in self.cr.description]
        row = dict(zip(columns, self.cr.fetchone(), strict=True))
        return {name: value for name, value in row.items() if name not in OWN_COLUMNS}

    def assert_like_one_made_by_hand(self, record, fields):
        """``record`` is stored as the ORM stores a record created with the same values of ``fields``."""
        twin = record.create(self.values(record, fields))
        self.assert_same(self.row(record), self.row(twin))
        return twin

    def values(self, record, fields):
        """What somebody would have entered: the fields that hold something."""
        stored = {"many2one": lambda value: value.id, "properties": lambda value: dict(value._values)}
        return {
            name: stored.get(record._fields[name].type, lambda value: value)(record[name])
            for name in fields
            if record[name] or record._fields[name].type == "boolean"
        }

    def assert_same(self, row, twin):
        different = {name: (value, twin[name]) for name, value in row.items() if value != twin[name]}
        self.assertEqual(different, {})

    def test_eight_households_have_33_members(self):
        self.assertEqual(self.counts["households"], HOUSEHOLDS)
        self.assertEqual(len(self.households), HOUSEHOLDS)
        self.assertEqual(sum(self.households.mapped("z_ind_grp_num_individuals")), 33 * HOUSEHOLDS // 8)

    def test_every_household_has_one_head(self):
        head = self.env.ref("g2p_registry_base.group_membership_kind_head")
        heads = self.env["g2p.group.membership"].search([("kind", "in", head.ids)])
        self.assertEqual(heads.group, self.households)
        self.assertEqual(len(heads), HOUSEHOLDS)
        self.assertLessEqual(max(filter(None, heads.individual.mapped("birthdate"))).year, 2008)

    def test_the_same_seed_makes_the_same_people_on_every_machine(self):
        self.cr.execute(
            """
            SELECT md5(string_agg(concat_ws('|', name, birthdate, gender, income, occupation, phone), ';' ORDER BY ref))
              FROM res_partner WHERE is_registrant
            """
        )
        self.assertEqual(self.cr.fetchone()[0], "099f31c6771557e605dd229910d24f4a")

    def test_households_answer_what_a_means_test_asks(self):
        """The signs of wealth are true for most: the poor have fewer rooms; and all answers are of their types."""
        self.households._check_answers("registrant_attributes")
        self.cr.execute(
            """
            SELECT COUNT(*) FILTER (WHERE poor), AVG(rooms) FILTER (WHERE poor), AVG(rooms) FILTER (WHERE NOT poor)
              FROM (SELECT (registrant_attributes ->> 'known_poor')::boolean AS poor,
                           (registrant_attributes ->> 'rooms')::integer AS rooms
                      FROM res_partner WHERE is_registrant AND is_group) AS household
            """
        )
        poor, rooms_of_poor, rooms_of_others = self.cr.fetchone()
        self.assertGreater(poor, HOUSEHOLDS * 0.25)
        self.assertLess(poor, HOUSEHOLDS * 0.55)
        self.assertLess(rooms_of_poor + 1, rooms_of_others)
        self.assertGreater(sum(self.households.mapped("z_ind_grp_num_disabled")), 0)

    def test_duplicates_of_each_kind_are_planted(self):
        for kind in ("id_typed_differently", "same_phone", "two_households", "similar_name"):
            self.assertGreater(self.counts[kind], 0, kind)
        self.cr.execute(
            """
            SELECT COUNT(*) FROM (SELECT individual FROM g2p_group_membership GROUP BY 1 HAVING COUNT(*) > 1) AS shared
            """
        )
        self.assertEqual(self.cr.fetchone()[0], self.counts["two_households"])
        self.cr.execute(
            """
            SELECT COUNT(*) FROM g2p_reg_id AS typed
              JOIN g2p_reg_id AS original ON original.value = upper(replace(typed.value, '-', ''))
             WHERE typed.value <> original.value AND typed.id_type = original.id_type
            """
        )
        self.assertEqual(self.cr.fetchone()[0], self.counts["id_typed_differently"])

    def test_people_are_stored_as_if_entered_by_hand(self):
        for person in self.people.filtered("income")[:5] + self.people.filtered(lambda person: not person.income)[:5]:
            with self.subTest(person=person.name):
                self.assert_like_one_made_by_hand(
                    person,
                    (
                        "ref is_registrant is_group family_name given_name addl_name birthdate birthdate_not_exact gender "
                        "disability income occupation civil_status area_id registration_date phone"
                    ).split(),
                )

    def test_households_are_stored_as_if_entered_by_hand(self):
        household = self.households[0]
        twin = self.assert_like_one_made_by_hand(
            household.with_context(active_test=True),
            "ref name is_registrant is_group kind area_id registration_date z_ind_grp_num_individuals registrant_attributes".split(),
        )
        self.assertEqual(twin.commercial_partner_id, twin)
        self.assertEqual(household.commercial_partner_id, household)

    def test_what_hangs_on_people_is_stored_as_if_entered_by_hand(self):
        person = self.people.create({"family_name": "Twin", "is_registrant": True})
        for records, fields in (
            (self.people.reg_ids, "id_type value status expiry_date"),
            (self.people.phone_number_ids.filtered("is_valid"), "phone_no country_id date_collected"),
            (
                self.people.phone_number_ids.filtered(lambda phone: not phone.is_valid),
                "phone_no country_id date_collected",
            ),
            (self.people.bank_ids, "acc_number account_type provider bank_id is_primary acc_holder_name"),
        ):
            record = records[:1]
            with self.subTest(model=record._name, value=record.display_name):
                self.assertTrue(record)
                expected = self.row(record)
                values = self.values(record, fields.split())
                if record._name == "g2p.reg.id":
                    record.unlink()
                twin = records.create({**values, "partner_id": person.id})
                self.assert_same(self.row(twin), expected)

    def test_areas_nest(self):
        self.cr.execute(
            """
            SELECT COUNT(*), COUNT(*) FILTER (WHERE ward.code LIKE district.code || '%')
              FROM g2p_area AS ward
              JOIN g2p_area AS district ON district.id = ward.parent_id
              JOIN g2p_area_kind AS kind ON kind.id = ward.kind_id AND kind.name = 'Ward'
             WHERE ward.code LIKE 'DM-%'
            """
        )
        self.assertEqual(self.cr.fetchone(), (60, 60))

    def test_a_registry_with_people_is_left_alone(self):
        with self.assertRaises(UserError):
            self.env["g2p.demo.generator"]._generate(households=1)

    def test_the_number_of_statements_does_not_depend_on_the_size(self):
        counts = []
        for households in (8, 8, 200):  # the first fills caches
            savepoint = self.cr.savepoint()
            self.cr.execute("DELETE FROM res_partner WHERE is_registrant")
            self.env.invalidate_all()
            with counting_statements(self.cr) as count:
                self.env["g2p.demo.generator"]._generate(households=households)
            counts.append(count.statements)
            savepoint.close(rollback=True)
            self.env.invalidate_all()
        self.assertEqual(counts[1], counts[2])
