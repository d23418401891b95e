from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo import fields
from odoo.tests import tagged

from .common import ProgramsCase


@tagged("post_install", "-at_install")
class TestDeduplication(ProgramsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.id_type = cls.env["g2p.id.type"].create({"name": "Kebele card", "is_unique": False})

    def sets(self, program):
        return self.env["g2p.program.membership.duplicate"].search([("program_id", "=", program.id)])

    def by_id(self, *values, target_type="individual"):
        """A program with an ID manager, and one member for each of the ID values."""
        program = self.program(target_type=target_type)
        program.get_managers(program.MANAGER_DEDUPLICATION)[0].unlink()
        self.env["g2p.deduplication.manager.id_dedup"].create({"name": "ID", "program_id": program.id})
        partners = [
            self.individual(f"Member {number}", reg_ids=[(0, 0, {"id_type": self.id_type.id, "value": value})])
            for number, value in enumerate(values)
        ]
        return program, [self.member(program, partner) for partner in partners]

    def test_the_enrolled_one_stays(self):
        program, (first, second, other) = self.by_id("A 1", "a-1", "B1")
        second._transition("enrolled")
        program.deduplicate_beneficiaries()
        self.assertEqual((first.state, second.state, other.state), ("duplicated", "enrolled", "draft"))
        self.assertEqual(self.sets(program).beneficiary_ids, first | second)
        self.assertEqual(self.sets(program).survivor_id, second)
        self.assertEqual(first.reason, "The same ID document")
        self.assertEqual(self.operation(program, "deduplicate").counts, {"duplicated": 1, "kept": 1, "unique": 1})
        self.assertEqual((other.deduplication_status, first.deduplication_status), ("verified", "duplicated"))

    def test_of_several_enrolled_the_earliest_stays(self):
        program, (late, early) = self.by_id("A1", "A1")
        late.sudo().write({"state": "enrolled", "enrollment_date": "2024-05-01 00:00:00"})
        early.sudo().write({"state": "enrolled", "enrollment_date": "2023-05-01 00:00:00"})
        program.deduplicate_beneficiaries()
        self.assertEqual((late.state, early.state), ("duplicated", "enrolled"))

    def test_when_none_is_enrolled_one_still_stays(self):
        program, (first, second) = self.by_id("A1", "A1")
        program.deduplicate_beneficiaries()
        self.assertEqual((first.state, second.state), ("draft", "duplicated"))

    def test_a_second_run_changes_nothing(self):
        program, __ = self.by_id("A1", "A1", "A1")
        program.deduplicate_beneficiaries()
        sets, states = self.sets(program), self.states(program)
        program.deduplicate_beneficiaries()
        self.assertEqual((self.sets(program), self.states(program)), (sets, states))

    def test_enrolling_does_not_undo_it(self):
        program, (first, second) = self.by_id("A1", "A1")
        program.deduplicate_beneficiaries()
        program.enroll_eligible_registrants()
        self.assertEqual((first.state, second.state), ("enrolled", "duplicated"))

    def test_not_duplicates_is_remembered_until_somebody_joins(self):
        program, (first, second) = self.by_id("A1", "A1")
        program.deduplicate_beneficiaries()
        self.sets(program).with_user(self.users["validator"]).action_not_duplicate()
        self.assertEqual((first.state, second.state), ("draft", "draft"))
        program.deduplicate_beneficiaries()
        self.assertEqual((first.state, second.state), ("draft", "draft"))
        joins = self.member(
            program, self.individual("Joins", reg_ids=[(0, 0, {"id_type": self.id_type.id, "value": "A1"})])
        )
        program.deduplicate_beneficiaries()
        self.assertEqual({member.state for member in first | second | joins}, {"draft", "duplicated"})

    def test_when_the_one_who_stayed_leaves_another_gets_the_place(self):
        program, (first, second) = self.by_id("A1", "A1")
        program.deduplicate_beneficiaries()
        first._transition("exited")
        third = self.member(
            program, self.individual("Third", reg_ids=[(0, 0, {"id_type": self.id_type.id, "value": "A1"})])
        )
        program.deduplicate_beneficiaries()
        self.assertEqual(sorted([first.state, second.state, third.state]), ["draft", "duplicated", "exited"])

    def test_expired_and_empty_documents_are_not_compared(self):
        program, members = self.by_id("A1", "A1")
        members[0].partner_id.reg_ids.expiry_date = fields.Date.subtract(fields.Date.today(), days=1)
        program.deduplicate_beneficiaries()
        self.assertFalse(self.sets(program))

    def test_phones(self):
        program = self.program()
        self.env["g2p.deduplication.manager.phone_number"].create({"name": "Phone", "program_id": program.id})

        def owner(name, *numbers, **values):
            lines = [(0, 0, {"phone_no": number, **values}) for number in numbers]
            return self.member(program, self.individual(name, phone_number_ids=lines))

        one = owner("One", "+251911234567")
        same = owner("Same", "+251 911 23 45 67")
        owner("Unknown plan", "+745 5218119193")
        owner("Unknown too", "+745 5218119194")
        owner("Not used any more", "+251911234567", disabled=fields.Datetime.now())
        program.deduplicate_beneficiaries()
        self.assertEqual(self.sets(program).beneficiary_ids, one | same)

    def test_a_person_in_two_households(self):
        program = self.program(target_type="group")
        person, other = self.individual("Shared"), self.individual("Other")
        one = self.member(program, self.household("One", person))
        two = self.member(program, self.household("Two", person | other))
        three = self.member(program, self.household("Three", other))
        alone = self.member(program, self.household("Alone", self.individual("Alone")))
        program.deduplicate_beneficiaries()
        self.assertEqual(self.sets(program).beneficiary_ids, one | two | three, "one set: each shares with the next")
        self.assertEqual([m.state for m in (one, two, three, alone)], ["draft", "duplicated", "duplicated", "draft"])

    def test_who_left_the_household_does_not_count(self):
        program = self.program(target_type="group")
        person = self.individual("Shared")
        one, two = self.household("One", person), self.household("Two")
        one.group_membership_ids.write({"start_date": "2020-01-01 00:00:00", "ended_date": "2021-01-01 00:00:00"})
        two.write({"group_membership_ids": [(0, 0, {"individual": person.id})]})
        self.member(program, one)
        self.member(program, two)
        program.deduplicate_beneficiaries()
        self.assertFalse(self.sets(program))

    def test_two_documents_within_one_household_are_no_duplicates(self):
        program, __ = self.by_id(target_type="group")
        ids = [(0, 0, {"id_type": self.id_type.id, "value": "A1"})]
        self.member(
            program,
            self.household("One", self.individual("Parent", reg_ids=ids) | self.individual("Child", reg_ids=ids)),
        )
        program.deduplicate_beneficiaries()
        self.assertFalse(self.sets(program))

    def test_sets_are_the_connected_components(self):
        """Random links between members, compared with a union-find in Python."""
        members = 12
        partners = [self.individual(f"Random {number}") for number in range(members)]

        @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(st.tuples(st.integers(0, members - 1), st.integers(0, members - 1)), max_size=14))
        def check(links):
            with self.cr.savepoint() as savepoint:
                program, __ = self.by_id()
                for partner in partners:
                    self.member(program, partner)
                parent = list(range(members))

                def root(node):
                    while parent[node] != node:
                        node = parent[node]
                    return node

                for key, (left, right) in enumerate(links):
                    id_type = self.env["g2p.id.type"].create({"name": f"Type {key}", "is_unique": False})
                    for node in {left, right}:
                        self.env["g2p.reg.id"].create(
                            {"partner_id": partners[node].id, "id_type": id_type.id, "value": "X"}
                        )
                    parent[root(left)] = root(right)
                expected = {}
                for node in range(members):
                    expected.setdefault(root(node), set()).add(partners[node].id)
                program.deduplicate_beneficiaries()
                found = {frozenset(record.beneficiary_ids.partner_id.ids) for record in self.sets(program)}
                self.assertEqual(found, {frozenset(ids) for ids in expected.values() if len(ids) > 1})
                states = self.states(program)
                self.assertEqual(
                    sum(state == "duplicated" for state in states.values()),
                    sum(len(ids) - 1 for ids in expected.values()),
                )
                savepoint.rollback()
            self.env.invalidate_all()

        check()
