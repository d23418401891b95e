from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from odoo.addons.g2p_bulk.tests.statements import counting_statements

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
        program.deduplication_managers.unlink()
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
        self.assertIn(
            "g2p.deduplication.manager.phone_number",
            [manager._name for manager in program.get_managers(program.MANAGER_DEDUPLICATION)],
        )

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
        self.assertEqual((one.state, same.state), ("draft", "draft"), "spouses share a phone: an officer decides")
        self.assertFalse(self.sets(program).survivor_id)

    def test_a_sign_between_two_proofs_makes_the_whole_set_wait(self):
        program, (first, second, other) = self.by_id("A1", "A1", "B1")
        phone = self.env["g2p.deduplication.manager.phone_number"].create({"name": "Phone", "program_id": program.id})
        for partner in (second.partner_id, other.partner_id):
            partner.phone_number_ids = [(0, 0, {"phone_no": "+251911234567"})]
        program.deduplicate_beneficiaries()
        self.assertEqual([member.state for member in (first, second, other)], ["draft"] * 3)
        self.assertEqual(self.operation(program, "deduplicate").counts, {"waiting": 3})
        phone.needs_decision = False
        program.deduplicate_beneficiaries()
        self.assertEqual([member.state for member in (first, second, other)], ["draft", "duplicated", "duplicated"])

    # What a new program compares, and what its answer says

    def test_a_program_for_individuals_finds_the_same_id_from_its_first_day(self):
        program = self.program()
        models = [manager._name for manager in program.get_managers(program.MANAGER_DEDUPLICATION)]
        self.assertNotIn("g2p.deduplication.manager.default", models)
        documents = [(0, 0, {"id_type": self.id_type.id, "value": "A1"})]
        members = [self.member(program, self.individual(name, reg_ids=documents)) for name in ("Abebe", "Zewditu")]
        told = program.deduplicate_beneficiaries()["params"]["text"]
        self.assertEqual({member.state for member in members}, {"draft", "duplicated"})
        self.assertIn("Compared by ID, phone", told)
        self.assertIn("among 2. Duplicated: 1.", told)
        self.assertEqual(program.last_deduplication_result, told)

    def test_a_program_for_groups_looks_for_shared_members_first(self):
        program = self.program(target_type="group")
        models = [manager._name for manager in program.get_managers(program.MANAGER_DEDUPLICATION)]
        self.assertEqual(
            models[:3],
            [f"g2p.deduplication.manager.{kind}" for kind in ("default", "id_dedup", "phone_number")],
        )

    def test_every_default_can_find_somebody(self):
        for target_type in ("individual", "group"):
            program = self.program(target_type, target_type=target_type)
            for manager in program.get_managers(program.MANAGER_DEDUPLICATION):
                self.assertFalse(manager._cannot_match(), manager._name)

    def test_no_duplicates_says_by_what_it_looked(self):
        program, __ = self.by_id("A1", "B1", "C1")
        self.assertEqual(program.deduplicate_beneficiaries()["params"]["text"], "No duplicates by ID among 3.")

    def test_a_rule_that_can_match_nobody_is_refused(self):
        program = self.program()
        with self.assertRaisesRegex(ValidationError, "it would find nobody"):
            self.env["g2p.deduplication.manager.default"].create({"name": "Shared", "program_id": program.id})
        self.id_type.target_type = "group"
        with self.assertRaisesRegex(ValidationError, "Individuals can't have them"):
            self.env["g2p.deduplication.manager.id_dedup"].create(
                {"name": "Card", "program_id": program.id, "supported_id_document_types": [(6, 0, self.id_type.ids)]}
            )
        households = self.program("Households", target_type="group")
        with self.assertRaisesRegex(ValidationError, "shared member"):
            households.target_type = "individual"

    def test_a_program_whose_rules_can_match_nobody_says_so(self):
        program, __ = self.by_id("A1")
        [manager] = program.get_managers(program.MANAGER_DEDUPLICATION)
        manager.supported_id_document_types = self.id_type
        self.id_type.target_type = "group"
        with self.assertRaisesRegex(UserError, "it would find nobody"):
            program.deduplicate_beneficiaries()

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


@tagged("post_install", "-at_install")
class TestDecisions(ProgramsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.id_type = cls.env["g2p.id.type"].create({"name": "Kebele card", "is_unique": False})
        cls.validator = cls.users["validator"]

    def world(self, *values, policy="oldest"):
        """A program with an ID manager, a member for each of the values, and its sets after a run."""
        program = self.program(f"Program {self.env['g2p.program'].search_count([])}")
        program.survivor_policy = policy
        program.deduplication_managers.unlink()
        self.env["g2p.deduplication.manager.id_dedup"].create({"name": "ID", "program_id": program.id})
        members = [
            self.member(
                program,
                self.individual(f"Member {number}", reg_ids=[(0, 0, {"id_type": self.id_type.id, "value": value})]),
            )
            for number, value in enumerate(values)
        ]
        program.deduplicate_beneficiaries()
        return program, members

    def sets(self, program, *states):
        return self.env["g2p.program.membership.duplicate"].search(
            [("program_id", "=", program.id), ("state", "in", states or ("duplicate",))]
        )

    def states_of(self, members):
        self.env.invalidate_all()
        return [member.state for member in members]

    def test_every_pair_has_its_evidence(self):
        program, members = self.world("A1", "A1", "A1", "B")
        pairs = self.sets(program).pair_ids
        self.assertEqual(
            {(pair.member_a_id, pair.member_b_id) for pair in pairs},
            {(members[0], members[1]), (members[0], members[2]), (members[1], members[2])},
        )
        self.assertEqual(set(pairs.mapped("evidence")), {"The same ID document: Kebele card"})
        self.assertEqual(set(pairs.mapped("score")), {100})

    def test_a_value_of_many_is_not_paired_each_with_each(self):
        """12 with one number: the first with each of the other 11, not 66 pairs."""
        program, __ = self.world(*["A1"] * 12)
        self.assertEqual(len(self.sets(program).pair_ids), 11)
        self.assertEqual(self.sets(program).members_count, 12)

    def test_values_of_signs_only_are_not_compared(self):
        program, __ = self.world("-", " . -", "/")
        self.assertFalse(self.sets(program))

    def test_the_most_complete_record_stays(self):
        program, members = self.world("A1", "A1", policy="complete")
        self.assertEqual(self.states_of(members), ["draft", "duplicated"], "they are equally complete: the older stays")
        program, members = self.world("B1", policy="complete")
        fuller = self.individual(
            "Fuller", birthdate="1990-01-01", reg_ids=[(0, 0, {"id_type": self.id_type.id, "value": "B1"})]
        )
        members.append(self.member(program, fuller))
        program.deduplicate_beneficiaries()
        self.assertEqual(self.states_of(members), ["duplicated", "draft"])

    def test_nobody_is_marked_until_an_officer_chooses(self):
        program, members = self.world("A1", "A1", "B", policy="manual")
        self.assertEqual(self.states_of(members), ["draft"] * 3)
        self.assertEqual(self.operation(program, "deduplicate").counts, {"waiting": 2, "unique": 1})
        record = self.sets(program).with_user(self.validator)
        with self.assertRaisesRegex(UserError, "Nobody is suggested to stay in 1"):
            record.action_accept()
        record.action_keep(members[1].id)
        self.assertEqual(self.states_of(members), ["duplicated", "draft", "draft"])
        self.assertEqual(program.duplicated_count, 1)
        program.deduplicate_beneficiaries()
        self.assertEqual(self.states_of(members), ["duplicated", "draft", "draft"], "the choice stays")
        self.assertEqual(record.decided_by_id, self.validator)

    def test_a_choice_goes_before_the_rule_when_somebody_joins(self):
        program, members = self.world("A1", "A1")
        self.sets(program).with_user(self.validator).action_keep(members[1].id)
        joins = self.individual("Joins", reg_ids=[(0, 0, {"id_type": self.id_type.id, "value": "A1"})])
        members.append(self.member(program, joins, "enrolled"))
        program.deduplicate_beneficiaries()
        self.assertEqual(self.states_of(members), ["duplicated", "draft", "duplicated"])
        self.assertFalse(self.sets(program).decided_by_id, "and it waits for a decision again")

    def test_accept_and_refuse_many_in_as_many_statements(self):
        program, members = self.world(*[f"A{number // 2}" for number in range(20)])
        records = self.sets(program).with_user(self.validator)
        self.assertEqual(len(records), 10)

        def statements(some, method):
            self.env.invalidate_all()
            with counting_statements(self.cr) as count:
                getattr(some, method)()
            return count.statements

        records[0].action_accept()
        self.assertEqual(statements(records[1], "action_accept"), statements(records[2:4], "action_accept"))
        records[4].action_not_duplicate()
        self.assertEqual(self.states_of(members).count("duplicated"), 9)
        self.assertEqual(
            statements(records[5], "action_not_duplicate"), statements(records[6:9], "action_not_duplicate")
        )
        self.assertEqual(self.states_of(members).count("duplicated"), 5)
        with self.assertRaisesRegex(UserError, "decided already"):
            records[6].action_not_duplicate()

    def test_who_was_paused_is_paused_again(self):
        program, members = self.world("A1", "B1")
        members[1]._transition("paused")
        members[1].partner_id.reg_ids.value = "A1"
        members[0]._transition("enrolled")
        program.deduplicate_beneficiaries()
        self.assertEqual(self.states_of(members), ["enrolled", "duplicated"])
        self.sets(program).with_user(self.validator).action_not_duplicate()
        self.assertEqual(self.states_of(members), ["enrolled", "paused"])

    def test_a_corrected_document_frees_the_member(self):
        program, members = self.world("A1", "A1")
        members[0].partner_id.reg_ids.value = "C3"
        program.deduplicate_beneficiaries()
        self.assertEqual(self.states_of(members), ["draft", "draft"])
        self.assertEqual(self.sets(program, "resolved").beneficiary_ids, members[0] | members[1])
        self.assertFalse(self.sets(program))

    def test_a_set_that_falls_apart_leaves_each_part_its_own(self):
        """One with Two by one document, Two with Three by another: when Two gives up the first, One is free."""
        program, members = self.world("A1", "A1", "B1")
        other = self.env["g2p.id.type"].create({"name": "Other", "is_unique": False})
        shared = [
            self.env["g2p.reg.id"].create({"partner_id": member.partner_id.id, "id_type": other.id, "value": "Z"})
            for member in members[1:]
        ]
        program.deduplicate_beneficiaries()
        self.assertEqual(self.sets(program).members_count, 3)
        members[0].partner_id.reg_ids.value = "Q"
        program.deduplicate_beneficiaries()
        self.assertEqual(self.sets(program).beneficiary_ids, members[1] | members[2])
        self.assertEqual(self.states_of(members)[0], "draft")
        shared[0].unlink()
        program.deduplicate_beneficiaries()
        self.assertEqual(self.states_of(members), ["draft"] * 3)

    def test_a_pair_told_apart_stays_apart(self):
        program, members = self.world("A1", "A1")
        pair = self.sets(program).pair_ids
        pair.with_user(self.validator).action_different()
        self.assertEqual(self.states_of(members), ["draft", "draft"])
        self.assertEqual(self.sets(program, "not_duplicate").members_count, 0)
        program.deduplicate_beneficiaries()
        self.assertFalse(self.sets(program))
        self.assertEqual(pair.state, "different")
        # A third with the same document makes a set of all, without that pair.
        joins = self.individual("Joins", reg_ids=[(0, 0, {"id_type": self.id_type.id, "value": "A1"})])
        third = self.member(program, joins)
        program.deduplicate_beneficiaries()
        record = self.sets(program)
        self.assertEqual(record.members_count, 3)
        self.assertEqual(len(record.pair_ids), 2)
        self.assertIn(third, record.beneficiary_ids)

    def test_one_of_three_told_apart(self):
        program, members = self.world("A1", "A1", "A1")
        pairs = self.sets(program).pair_ids
        for pair in pairs.filtered(lambda pair: members[2] in pair.member_a_id | pair.member_b_id):
            pair.with_user(self.validator).action_different()
        self.assertEqual(self.states_of(members), ["draft", "duplicated", "draft"])
        self.assertEqual(self.sets(program).beneficiary_ids, members[0] | members[1])
        program.deduplicate_beneficiaries()
        self.assertEqual(self.states_of(members), ["draft", "duplicated", "draft"])

    def test_who_may_decide(self):
        program, members = self.world("A1", "A1")
        record = self.sets(program)
        for role in ("support", "auditor", "registrar", "finance"):
            for method, args in (("action_keep", [members[0].id]), ("action_accept", []), ("action_not_duplicate", [])):
                with self.subTest(f"{role} {method}"), self.assertRaises(AccessError):
                    getattr(record.with_user(self.users[role]), method)(*args)
            with self.subTest(role), self.assertRaises(AccessError):
                record.pair_ids.with_user(self.users[role]).action_different()
        outside = self.member(program, self.individual("Outside"))
        with self.assertRaisesRegex(UserError, "one of the members"):
            record.with_user(self.validator).action_keep(outside.id)
        with self.assertRaises(AccessError):
            record.with_user(self.validator).write({"survivor_id": members[1].id})

    def test_side_by_side(self):
        program, members = self.world("AB123456", "AB123456")
        members[0].partner_id.write({"gender": "female", "birthdate": "1990-01-01"})
        record = self.sets(program)
        comparison = record.with_user(self.validator).comparison
        self.assertEqual([member["id"] for member in comparison["members"]], [members[0].id, members[1].id])
        self.assertEqual([member["stays"] for member in comparison["members"]], [True, False])
        lines = {line["label"]: line for line in comparison["lines"]}
        self.assertTrue(lines["Name"]["differs"])
        self.assertEqual(lines["IDs"]["values"], ["Kebele card: •••••456"] * 2)
        self.assertFalse(lines["IDs"]["differs"])
        self.assertEqual(lines["Gender"]["values"][1], "")
        self.assertTrue(comparison["open"])
        self.assertFalse(record.with_user(self.users["support"]).comparison["open"])

    def test_the_next_set(self):
        program, __ = self.world("A1", "A1", "B1", "B1")
        first, second = self.sets(program).with_user(self.validator)
        self.assertEqual(first.action_next()["res_id"], second.id)
        second.action_not_duplicate()
        self.assertEqual(first.action_next()["params"]["message"], "No other set waits for a decision.")
