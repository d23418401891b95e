from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import ProgramsCase

CRON = "g2p_programs.cron_auto_enrol"


@tagged("post_install", "-at_install")
class TestAutoEnrol(ProgramsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["g2p.program"].search([]).sudo().write({"auto_enrol": False})
        cls.grant = cls.program()
        cls.default = cls.grant.get_managers(cls.grant.MANAGER_ELIGIBILITY)[0]
        cls.default.eligibility_domain = "[('birth_place', '=', 'Adama')]"
        cls.before = cls.individual("Before", birth_place="Adama")
        cls.grant.auto_enrol = True

    def run_cron(self):
        self.env.flush_all()
        self.env["g2p.program"]._cron_auto_enrol()
        self.grant.invalidate_recordset()

    def noted(self):
        return self.env["g2p.auto.enrol.queue"].search([("program_id", "=", self.grant.id)]).partner_id

    def test_new_registrants_are_enrolled(self):
        adama = self.individual("Adama", birth_place="Adama")
        gondar = self.individual("Gondar", birth_place="Gondar")
        silent = self.individual("Silent")
        self.household("Household")
        self.env["res.partner"].create({"name": "A company"})
        self.assertEqual(self.noted(), adama | gondar | silent)
        self.assertEqual(self.grant.auto_enrol_waiting, 3)
        self.run_cron()
        self.assertEqual(self.states(self.grant), {adama: "enrolled", gondar: "not_eligible", silent: "draft"})
        members = {member.partner_id: member for member in self.grant.program_membership_ids}
        self.assertTrue(members[adama].enrollment_date)
        self.assertEqual(members[gondar].reason, "Does not meet the conditions of “Everybody”")
        self.assertEqual(members[silent].eligibility_verdict, "unknown")
        self.assertFalse(self.noted())
        self.assertEqual(
            self.operation(self.grant, "auto_enrol").counts, {"enrolled": 1, "not_eligible": 1, "unknown": 1}
        )
        self.assertEqual((self.grant.eligible_beneficiaries_count, self.grant.beneficiaries_count), (1, 3))
        history = self.env["g2p.state.history"].search(
            [("res_model", "=", "g2p.program_membership"), ("res_id", "in", [m.id for m in members.values()])]
        )
        self.assertEqual(len(history), 3)
        self.run_cron()
        self.assertEqual(len(self.states(self.grant)), 3, "a second run has nothing to do")

    def test_who_is_not_eligible_leaves_no_trace_if_asked(self):
        self.grant.auto_enrol_delete_ineligible = True
        adama = self.individual("Adama", birth_place="Adama")
        self.individual("Gondar", birth_place="Gondar")
        silent = self.individual("Silent")
        self.run_cron()
        self.assertEqual(self.states(self.grant), {adama: "enrolled", silent: "draft"})
        self.assertEqual(self.operation(self.grant, "auto_enrol").counts["not_eligible"], 1)

    def test_only_who_matches_is_looked_at(self):
        self.grant.auto_enrol_domain = "[('gender', '!=', False)]"
        self.individual("No gender", birth_place="Adama")
        gender = self.env["gender.type"]._selection()[0][0]
        known = self.individual("Known", birth_place="Adama", gender=gender)
        self.run_cron()
        self.assertEqual(self.states(self.grant), {known: "enrolled"})
        self.assertEqual(self.operation(self.grant, "auto_enrol").counts, {"enrolled": 1, "passed": 1})
        with self.assertRaises(ValidationError):
            self.grant.auto_enrol_domain = "[('nothing', '=', 1)]"

    def test_members_are_left_as_they_are(self):
        adama = self.individual("Adama", birth_place="Adama")
        exited = self.member(self.grant, adama, "exited")
        disabled = self.individual("Disabled", birth_place="Adama")
        disabled.write({"disabled": fields.Datetime.now(), "disabled_reason": "Died"})
        self.run_cron()
        self.assertEqual(exited.state, "exited")
        self.assertEqual(self.operation(self.grant, "auto_enrol").counts, {"passed": 2})

    def test_every_channel_is_noted_by_the_database(self):
        low, high = self.many_registrants(5)
        self.assertEqual(len(self.noted()), 5)
        contact = self.env["res.partner"].create({"name": "Contact", "birth_place": "Adama"})
        contact.is_registrant = True
        self.env.flush_all()
        self.assertIn(contact, self.noted())
        self.run_cron()
        self.assertEqual(len(self.states(self.grant)), 6)
        self.assertLessEqual(set(range(low, high + 1)), {partner.id for partner in self.states(self.grant)})

    def test_programs_that_do_not_ask_are_not_told(self):
        other = self.program("Other")
        draft = self.env["g2p.program"].create({"name": "Draft", "target_type": "individual", "auto_enrol": True})
        self.individual("Adama", birth_place="Adama")
        for program in (other, draft):
            self.assertFalse(self.env["g2p.auto.enrol.queue"].search_count([("program_id", "=", program.id)]))
        triggers = self.env["ir.cron.trigger"].search_count([("cron_id", "=", self.env.ref(CRON).id)])
        self.grant.auto_enrol = False
        self.env.flush_all()
        self.individual("Later", birth_place="Adama")
        self.assertEqual(self.env["ir.cron.trigger"].search_count([("cron_id", "=", self.env.ref(CRON).id)]), triggers)
        self.assertEqual(len(self.noted()), 1)

    def test_registration_has_the_schedule_run_soon(self):
        before = self.env["ir.cron.trigger"].search_count([("cron_id", "=", self.env.ref(CRON).id)])
        self.env["res.partner"].with_user(self.users["registrar"]).create(
            {"is_registrant": True, "family_name": "New", "given_name": "One"}
        )
        self.assertGreater(self.env["ir.cron.trigger"].search_count([("cron_id", "=", self.env.ref(CRON).id)]), before)

    @mute_logger("odoo.addons.g2p_bulk.models.bulk_operation", "odoo.addons.g2p_programs.models.program.program")
    def test_a_failure_never_stops_registration_and_shows_on_the_program(self):
        other = self.program("Other", auto_enrol=True)
        other.get_managers(other.MANAGER_ELIGIBILITY)[0].eligibility_domain = "[]"
        self.grant.eligibility_managers.unlink()
        adama = self.individual("Adama", birth_place="Adama")
        self.run_cron()
        self.assertEqual(self.operation(self.grant, "auto_enrol").state, "failed")
        self.assertIn("no eligibility manager", self.grant.auto_enrol_error)
        self.assertEqual(self.noted(), adama, "what is not done yet stays noted")
        self.assertEqual(self.states(other), {adama: "enrolled"}, "the other program's are enrolled")
        operation = self.operation(self.grant, "auto_enrol")
        self.run_cron()
        self.assertEqual(self.operation(self.grant, "auto_enrol"), operation, "it waits for somebody")
        self.env["g2p.program_membership.manager.default"].create({"name": "All", "program_id": self.grant.id})
        operation.action_resume()
        self.grant.invalidate_recordset()
        self.assertFalse(self.grant.auto_enrol_error)
        self.assertEqual(self.states(self.grant), {adama: "enrolled"})

    def test_statements_do_not_grow_with_the_registrants(self):
        self.default.eligibility_domain = "[]"
        counts = []
        for size in (1_000, 1_000, 3_000):  # the first run fills caches
            self.many_registrants(size)
            counts.append(self.statements(self.env["g2p.program"], "_cron_auto_enrol", "auto_enrol"))
        self.assertEqual(counts[1], counts[2])
        self.assertEqual(len(self.states(self.grant)), 5_000)

    def test_roles(self):
        for role in ("registrar", "validator", "finance", "auditor", "support"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.grant.with_user(self.users[role]).write({"auto_enrol": False})
        for role in ("registrar", "finance", "auditor", "support"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.grant.with_user(self.users[role]).action_auto_enrol()
        adama = self.individual("Adama", birth_place="Adama")
        self.grant.with_user(self.users["validator"]).action_auto_enrol()
        self.assertEqual(self.states(self.grant), {adama: "enrolled"})

    # Exit of who loses eligibility

    def test_auto_exit(self):
        moved = self.member(self.grant, self.individual("Moved", birth_place="Gondar"), "enrolled")
        stays = self.member(self.grant, self.before, "enrolled")
        refused = self.member(self.grant, self.individual("Refused", birth_place="Gondar"), "not_eligible")
        silent = self.member(self.grant, self.individual("Silent"), "enrolled")
        self.grant.auto_exit = True
        self.grant.verify_eligibility()
        self.assertEqual(
            [member.state for member in (moved, stays, refused, silent)],
            ["exited", "enrolled", "not_eligible", "enrolled"],
        )
        self.assertTrue(moved.exit_date)
        self.assertEqual(moved.reason, "Does not meet the conditions of “Everybody”")
        self.assertEqual(
            self.operation(self.grant, "verify").counts,
            {"exited": 1, "already": 1, "not_eligible": 1, "unknown": 1},
        )
        row = self.env["g2p.state.history"].search(
            [("res_model", "=", moved._name), ("res_id", "=", moved.id), ("to_state", "=", "exited")]
        )
        self.assertEqual((row.from_state, row.reason), ("enrolled", moved.reason))

    def test_enrolling_exits_nobody(self):
        self.grant.auto_exit = True
        moved = self.member(self.grant, self.individual("Moved", birth_place="Gondar"), "enrolled")
        self.grant.enroll_eligible_registrants()
        self.assertEqual(moved.state, "not_eligible")

    def test_one_member_exits_by_verification(self):
        self.grant.auto_exit = True
        moved = self.member(self.grant, self.individual("Moved", birth_place="Gondar"), "enrolled")
        answer = moved.with_user(self.users["validator"]).verify_eligibility()
        self.assertEqual(moved.state, "exited")
        self.assertIn("exited: 1", answer["params"]["message"])

    def test_a_trigger_that_fails_to_wake_the_schedule_is_no_matter(self):
        """The schedule runs every ten minutes anyway: what the database noted is found."""
        with patch.object(type(self.env["g2p.program"]), "_auto_enrol_soon", lambda model: None):
            adama = self.individual("Adama", birth_place="Adama")
        self.run_cron()
        self.assertEqual(self.states(self.grant), {adama: "enrolled"})
