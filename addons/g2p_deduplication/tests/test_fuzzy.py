from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.errors import CheckViolation

from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from .common import DeduplicationCase


@tagged("post_install", "-at_install")
class TestFuzzy(DeduplicationCase):
    def members(self, program, *people):
        """(family, given, birth date, other values) → memberships"""
        return [
            self.member(program, self.individual(family, given, birthdate=born, **values))
            for family, given, born, values in people
        ]

    def found(self, *people, target_type="individual", **values):
        """The sets, as sets of the people's numbers."""
        program, manager = self.only("fuzzy", target_type, **values)
        members = self.members(program, *people)
        program.deduplicate_beneficiaries()
        number = {member.id: place for place, member in enumerate(members)}
        records = self.env["g2p.program.membership.duplicate"].search([("program_id", "=", program.id)])
        self.manager_record, self.found_program = manager, program
        return {frozenset(number[member.id] for member in record.beneficiary_ids) for record in records}

    def test_a_typing_error_is_found_and_told(self):
        sets = self.found(
            ("Tadesse", "Akinyi", "1990-05-05", {}),
            ("Tadesse", "Akinyii", "1990-05-05", {}),
            ("Bekele", "Mwende", "1990-05-05", {}),
        )
        self.assertEqual(sets, {frozenset((0, 1))})
        pair = self.env["g2p.program.membership.duplicate.pair"].search([("program_id", "=", self.found_program.id)])
        # Trigrams of “akinyi”: 7, of “akinyii”: 8, in common 6, of 9 in all: 67 %; but both sound AKN: 75 %.
        # Score: 60 % of 75 and 40 % of 100.
        self.assertEqual(pair.evidence, "Similar name and date of birth: names alike by 75 %, same date of birth")
        self.assertEqual(pair.score, 85)

    def test_the_order_of_the_names_and_accents_do_not_matter(self):
        sets = self.found(("Ngũgĩ", "José", "1990-05-05", {}), ("Jose", "NGUGI", "1990-05-05", {}))
        self.assertEqual(sets, {frozenset((0, 1))})

    def test_other_scripts(self):
        sets = self.found(
            ("ፀሐይ", "አበበ", "1990-05-05", {}),  # the same names, with letters of the same sound
            ("ጸሀይ", "ዐበበ", "1990-05-05", {}),
            ("أحمد", "فاطمة", "1985-02-02", {}),  # with and without marks
            ("احمد", "فَاطِمه", "1985-02-02", {}),
            ("تسفاي", "مريم", "1985-02-02", {}),
        )
        self.assertEqual(sets, {frozenset((0, 1)), frozenset((2, 3))})

    def test_birth_dates(self):
        """3 days apart at most: 2 days → 100 × (0.6 + 0.4 × (1 − 2/4)) = 80."""
        sets = self.found(
            ("Tadesse", "Akinyi", "1990-05-05", {}),
            ("Tadesse", "Akinyi", "1990-05-07", {}),
            ("Bekele", "Mwende", "1990-05-05", {}),
            ("Bekele", "Mwende", "1990-05-08", {}),  # 3 days: a score of 70
            ("Girma", "Kebede", "1990-05-05", {}),
            ("Girma", "Kebede", False, {}),  # unknown: 60 + 40 × 0.4 = 76
        )
        self.assertEqual(sets, {frozenset((0, 1))})
        lower = self.found(
            ("Girma", "Kebede", "1990-05-05", {"area_id": self.area().id}),
            ("Girma", "Kebede", False, {"area_id": self.area().id}),
            minimum_score=75,
        )
        self.assertEqual(lower, {frozenset((0, 1))}, "an unknown date stands in nobody's way")

    def test_approximate_dates(self):
        """A year apart at most, and they count like a missing one: 60 + 40 × 0.4 = 76."""
        people = (
            ("Tadesse", "Akinyi", "1990-05-05", {"birthdate_not_exact": True}),
            ("Tadesse", "Akinyi", "1990-11-05", {}),
            ("Bekele", "Mwende", "1990-05-05", {}),
            ("Bekele", "Mwende", "1990-11-05", {}),
        )
        self.assertEqual(self.found(*people), set())
        self.assertEqual(self.found(*people, minimum_score=76), {frozenset((0, 1))})

    def area(self, name="Ward", parent=None):
        areas = self.env["g2p.area"]
        return areas.search([("name", "=", name)], limit=1) or areas.create(
            {"name": name, "parent_id": parent and parent.id}
        )

    def test_areas(self):
        district = self.area("District")
        ward, other = self.area("Ward A", district), self.area("Ward B", district)
        people = [
            ("Tadesse", "Akinyi", "1990-05-05", {"area_id": area and area.id}) for area in (district, ward, other, None)
        ]
        self.assertEqual(self.found(*people[:3], area_rule="any"), {frozenset((0, 1, 2))})
        self.assertEqual(self.found(*people[1:3], area_rule="within"), set())
        self.assertEqual(self.found(*people[:2], area_rule="within"), {frozenset((0, 1))})
        self.assertEqual(self.found(*people[:2], area_rule="same"), set())
        self.assertEqual(self.found(people[1], people[3], area_rule="same"), {frozenset((0, 1))})

    def test_twins_and_siblings_are_not_the_same(self):
        sets = self.found(
            ("Poudel", "Meena", "1990-05-05", {}),
            ("Poudel", "Leela", "1990-05-05", {}),
            ("Hassan", "Amina", "1990-05-05", {"gender": "female"}),
            ("Hassan", "Amin", "1990-05-05", {"gender": "male"}),
        )
        self.assertEqual(sets, set())

    def test_second_given_names(self):
        sets = self.found(
            ("Kiprono", "Daniel", "1990-05-05", {"addl_name": "Otieno"}),
            ("Kiprono", "Daniel", "1990-05-05", {}),
            ("Juma", "Peter", "1990-05-05", {"addl_name": "Baraka"}),
            ("Juma", "Peter", "1990-05-08", {"addl_name": "Salim"}),
        )
        self.assertEqual(sets, {frozenset((0, 1))})

    def test_households_by_their_people(self):
        program, __ = self.only("fuzzy", "group")
        names = [("Tadesse", "Akinyi"), ("Tadesse", "Akinyii"), ("Tadesse", "Akinyi")]
        people = [self.individual(*name, birthdate="1990-05-05") for name in names]
        one = self.household("One", people[0] | people[2])
        two = self.household("Two", people[1])
        alone = self.household("One", self.individual("Other", "Person", birthdate="1990-05-05"))
        for group in (one, two, alone):
            self.member(program, group)
        program.deduplicate_beneficiaries()
        record = self.env["g2p.program.membership.duplicate"].search([("program_id", "=", program.id)])
        self.assertEqual(record.beneficiary_ids.partner_id, one | two, "a name of a household tells nothing")

    def test_many_alike_are_parted_and_counted(self):
        """60 people of one name, and birth dates 40 days apart: at most 10 are compared each with each, so the pairs grow
        with the people. The two that are the same are next to each other in order of birth dates."""
        program, manager = self.only("fuzzy", largest_block=10)
        low, high = self.many_registrants(60)
        self.env.cr.execute(
            SQL(
                """
                UPDATE res_partner SET family_name = 'Tadesse', given_name = 'Akinyi', gender = NULL, area_id = NULL,
                       birthdate = DATE '1990-01-01' + 2 * (id - %s) / 60
                 WHERE id BETWEEN %s AND %s
                """,
                low,
                low,
                high,
            )
        )
        self.env.invalidate_all()
        program.import_eligible_registrants("draft")
        program.deduplicate_beneficiaries()
        manager.invalidate_recordset()
        self.assertEqual(manager.parted_count, 60)
        self.env.cr.execute(
            "SELECT COUNT(*), MAX(members) FROM (SELECT COUNT(*) AS members FROM fuzzy_block GROUP BY key, part) AS b"
        )
        blocks, largest = self.env.cr.fetchone()
        self.assertGreater(blocks, 5)
        self.assertLessEqual(largest, 10)

    @mute_logger("odoo.sql_db")
    def test_thresholds_have_limits(self):
        for values in (
            {"name_similarity": 10},
            {"minimum_score": 101},
            {"birthdate_days": -1},
            {"largest_block": 5000},
        ):
            with self.subTest(values), self.assertRaises(CheckViolation), self.cr.savepoint():
                self.only("fuzzy", **values)

    def test_pairs_are_symmetrical(self):
        """Who is found does not depend on who was registered first."""
        names = st.sampled_from(["Akinyi", "Akinyii", "Akini", "Mwende", "Mwendwa", "ፀሐይ", "ጸሐይ", "Ann", "Anne"])
        dates = st.sampled_from(["1990-05-05", "1990-05-06", "1990-05-09", "1991-05-05", False])
        person = st.tuples(names, names, dates)

        @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(person, min_size=2, max_size=7))
        def check(people):
            with self.cr.savepoint() as savepoint:
                rows = [(*one, {}) for one in people]
                forwards = self.found(*rows)
                backwards = self.found(*reversed(rows))
                last = len(rows) - 1
                self.assertEqual(forwards, {frozenset(last - number for number in found) for found in backwards})
                savepoint.rollback()
            self.env.invalidate_all()

        check()

    def test_statements_do_not_grow_with_people(self):
        counts = []
        for people in (10, 200):
            program, __ = self.only("fuzzy")
            self.many_registrants(people, prefix=f"Person {people} ")
            program.import_eligible_registrants("draft")
            for __ in range(2):  # the first finds the program in memory, the second fills what is kept of access rules
                self.statements(program, "deduplicate_beneficiaries", "deduplicate")
            counts.append(self.statements(program, "deduplicate_beneficiaries", "deduplicate"))
        self.assertEqual(counts[0], counts[1])
