from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import ProgramsCase


@tagged("post_install", "-at_install")
class TestEnrollment(ProgramsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.in_adama = cls.individual("Adama", birth_place="Adama")
        cls.in_gondar = cls.individual("Gondar", birth_place="Gondar")
        cls.grant = cls.program()
        cls.grant.get_managers(cls.grant.MANAGER_ELIGIBILITY)[0].write(
            {"name": "Born in Adama", "eligibility_domain": "[('birth_place', '=', 'Adama')]"}
        )

    def test_import_brings_in_who_is_eligible(self):
        self.grant.import_eligible_registrants("draft")
        self.assertEqual(self.states(self.grant), {self.in_adama: "draft"})
        self.grant.import_eligible_registrants("draft")
        self.assertEqual(self.grant.beneficiaries_count, 1)

    def test_enrolment_says_why_not(self):
        self.member(self.grant, self.in_adama)
        gondar = self.member(self.grant, self.in_gondar)
        self.grant.enroll_eligible_registrants()
        self.assertEqual(self.states(self.grant), {self.in_adama: "enrolled", self.in_gondar: "not_eligible"})
        self.assertEqual(gondar.reason, "Does not meet the conditions of “Born in Adama”")
        self.assertEqual(self.operation(self.grant, "enroll").counts, {"enrolled": 1, "not_eligible": 1})
        self.assertEqual((self.grant.eligible_beneficiaries_count, self.grant.not_eligible_count), (1, 1))

    def test_a_second_run_changes_nothing(self):
        self.member(self.grant, self.in_adama)
        self.member(self.grant, self.in_gondar)
        self.grant.enroll_eligible_registrants()
        history = self.env["g2p.state.history"].search_count([])
        dates = self.grant.program_membership_ids.mapped("enrollment_date")
        self.grant.enroll_eligible_registrants()
        self.assertEqual(self.env["g2p.state.history"].search_count([]), history)
        self.assertEqual(self.grant.program_membership_ids.mapped("enrollment_date"), dates)
        self.assertEqual(self.operation(self.grant, "enroll").counts, {"already": 1, "not_eligible": 1})

    def test_who_left_was_paused_or_is_a_duplicate_stays_so(self):
        for state in ("exited", "paused", "duplicated"):
            for place in ("Adama", "Gondar"):
                partner = self.individual(f"{state} {place}", birth_place=place)
                self.member(self.grant, partner, state)
        before = self.states(self.grant)
        self.member(self.grant, self.in_adama)
        self.grant.enroll_eligible_registrants()
        self.grant.verify_eligibility()
        self.assertEqual(self.states(self.grant), {**before, self.in_adama: "enrolled"})

    def test_verify_looks_at_enrolled_and_not_eligible_only(self):
        moved_away = self.member(self.grant, self.individual("Away", birth_place="Gondar"), "enrolled")
        came_back = self.member(self.grant, self.individual("Back", birth_place="Adama"), "not_eligible")
        draft = self.member(self.grant, self.in_adama)
        self.grant.verify_eligibility()
        self.assertEqual((moved_away.state, came_back.state, draft.state), ("not_eligible", "enrolled", "draft"))

    def test_a_disabled_registrant_is_not_enrolled(self):
        member = self.member(self.grant, self.in_adama)
        self.in_adama.write({"disabled": fields.Datetime.now(), "disabled_reason": "Died"})
        self.grant.enroll_eligible_registrants()
        self.assertEqual(member.state, "not_eligible")
        self.assertIn("disabled", member.reason)

    def test_managers_are_intersected_and_the_first_refusal_is_the_reason(self):
        self.env["g2p.program_membership.manager.phone_number"].create({"name": "Phone", "program_id": self.grant.id})
        phone = self.individual("Phone", birth_place="Adama", phone_number_ids=[(0, 0, {"phone_no": "+251911234567"})])
        neither = self.member(self.grant, self.in_gondar)
        no_phone = self.member(self.grant, self.in_adama)
        both = self.member(self.grant, phone)
        self.grant.enroll_eligible_registrants()
        self.assertEqual((neither.state, no_phone.state, both.state), ("not_eligible", "not_eligible", "enrolled"))
        self.assertEqual(no_phone.reason, "Has no phone number in use")
        self.assertIn("Born in Adama", neither.reason)

    def test_id_document(self):
        id_type = self.env["g2p.id.type"].create({"name": "Kebele card"})
        today = fields.Date.today()
        values = {"birth_place": "Adama"}
        holder = self.individual("Holder", **values, reg_ids=[(0, 0, {"id_type": id_type.id, "value": "K-1"})])
        expired = self.individual(
            "Expired",
            **values,
            reg_ids=[(0, 0, {"id_type": id_type.id, "value": "K-2", "expiry_date": today - timedelta(days=1)})],
        )
        manager = self.env["g2p.program_membership.manager.id_dedup"].create(
            {"name": "ID", "program_id": self.grant.id, "id_type_ids": [(6, 0, id_type.ids)]}
        )
        self.env.flush_all()
        self.env.cr.execute(manager._eligible_registrants())
        self.assertEqual({row[0] for row in self.env.cr.fetchall()} & {holder.id, expired.id}, {holder.id})

    def test_buttons_of_one_member(self):
        member = self.member(self.grant, self.in_gondar).with_user(self.users["validator"])
        answer = member.verify_eligibility()
        self.assertEqual(member.state, "draft", "verifying a draft member changes nothing")
        self.assertIn("Born in Adama", answer["params"]["message"])
        member.enroll_eligible_registrants()
        self.assertEqual(member.state, "not_eligible")
        member.back_to_draft()
        self.assertEqual((member.state, member.reason), ("draft", False))
        with self.assertRaises(UserError):
            member.back_to_draft()

    def test_an_officer_of_one_district_leaves_nobody_of_another_out(self):
        areas = self.env["g2p.area"].create([{"name": "North", "code": "T-N"}, {"name": "South", "code": "T-S"}])
        self.in_adama.area_id = areas[0]
        south = self.individual("South", birth_place="Adama", area_id=areas[1].id)
        self.member(self.grant, self.in_adama)
        self.member(self.grant, south)
        officer = self.users["validator"]
        officer.g2p_area_ids = areas[0]
        self.assertEqual(
            self.env["g2p.program_membership"]
            .with_user(officer)
            .search([("program_id", "=", self.grant.id)])
            .partner_id,
            self.in_adama,
        )
        self.grant.with_user(officer).enroll_eligible_registrants()
        self.assertEqual(self.states(self.grant), {self.in_adama: "enrolled", south: "enrolled"})

    def test_roles(self):
        self.member(self.grant, self.in_adama)
        for role in ("registrar", "support", "auditor", "finance"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.grant.with_user(self.users[role]).enroll_eligible_registrants()
        member = self.grant.program_membership_ids
        for field, value in (("state", "enrolled"), ("enrollment_date", "2020-01-01 00:00:00"), ("reason", "x")):
            with self.subTest(field), self.assertRaises(AccessError):
                member.with_user(self.manager).write({field: value})

    def test_add_to_program_wizard(self):
        disabled = self.individual("Disabled", disabled=fields.Datetime.now(), disabled_reason="Moved")
        known = self.individual("Known")
        self.member(self.grant, known)
        partners = self.in_adama | disabled | known
        wizard = (
            self.env["g2p.assign.program.wizard"]
            .with_user(self.users["registrar"])
            .with_context(active_model="res.partner", active_ids=partners.ids)
            .create({"program_id": self.grant.id})
        )
        message = wizard.assign_registrant()["params"]["message"]
        self.assertEqual(self.states(self.grant), {self.in_adama: "draft", known: "draft"})
        self.assertIn("Added 1", message)
        self.assertIn("Already members: 1", message)
        self.assertIn("disabled, archived or of another company: 1", message)

    def test_statements_do_not_grow_with_the_members(self):
        counts = {}
        for size in (10, 1_000, 20_000):  # the first run fills caches
            program = self.program(f"Size {size}")
            low, high = self.many_registrants(size + 1)
            program.get_managers(program.MANAGER_ELIGIBILITY)[
                0
            ].eligibility_domain = f"[('id', '>=', {low}), ('id', '<=', {high}), ('id', '!=', {low})]"
            counts[size] = [
                self.statements(program, "import_eligible_registrants", "import_eligible", "draft"),
                self.statements(program, "enroll_eligible_registrants", "enroll"),
                self.statements(program, "verify_eligibility", "verify"),
                self.statements(program, "deduplicate_beneficiaries", "deduplicate"),
            ]
            self.assertEqual(program.eligible_beneficiaries_count, size)
        self.assertEqual(counts[1_000], counts[20_000])
