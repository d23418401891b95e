from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import ProgramsCase


@tagged("post_install", "-at_install")
class TestCycle(ProgramsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.grant = cls.program()
        cls.people = [cls.individual(f"Person {number}", birth_place="Adama") for number in range(4)]
        for person in cls.people[:3]:
            cls.member(cls.grant, person, "enrolled")
        cls.member(cls.grant, cls.people[3], "paused")
        cls.grant.get_manager(cls.grant.MANAGER_ENTITLEMENT).amount_per_cycle = 100
        cls.grant.create_new_cycle()
        cls.cycle = cls.grant.cycle_ids.with_user(cls.manager)

    def cycle_states(self, cycle):
        cycle.cycle_membership_ids.invalidate_recordset()
        return {member.partner_id: member.state for member in cycle.cycle_membership_ids}

    def approvable(self):
        """The cycle, prepared and submitted by the manager."""
        self.cycle.prepare_entitlement()
        self.cycle.to_approve()
        return self.cycle

    def test_a_new_cycle_holds_the_enrolled_members(self):
        self.assertEqual(self.cycle_states(self.cycle), dict.fromkeys(self.people[:3], "enrolled"))
        self.assertEqual(self.cycle.members_count, 3)

    def test_copying_again_adds_only_who_is_new(self):
        self.grant.program_membership_ids.filtered(lambda m: m.state == "paused")._transition("enrolled")
        self.cycle.copy_beneficiaries_from_program()
        self.assertEqual(self.operation(self.cycle, "copy").counts, {"copied": 1})
        self.cycle.copy_beneficiaries_from_program()
        self.assertEqual(self.cycle.members_count, 4)

    def test_verifying_touches_this_cycle_only(self):
        self.grant.with_user(self.manager).create_new_cycle()
        other = self.grant.cycle_ids - self.cycle
        other.cycle_membership_ids.filtered(lambda m: m.partner_id == self.people[0])._transition("exited")
        self.grant.get_managers(self.grant.MANAGER_ELIGIBILITY)[
            0
        ].eligibility_domain = f"[('id', '!=', {self.people[1].id})]"
        before = self.cycle_states(other), self.states(self.grant)
        self.cycle.check_eligibility()
        self.assertEqual(self.cycle_states(self.cycle)[self.people[1]], "not_eligible")
        self.assertEqual(self.cycle_states(self.cycle)[self.people[0]], "enrolled")
        self.assertEqual((self.cycle_states(other), self.states(self.grant)), before)
        self.assertEqual((self.cycle.members_count, self.cycle.not_eligible_count), (2, 1))

    def test_who_is_not_eligible_any_more_loses_the_draft_entitlement(self):
        self.cycle.prepare_entitlement()
        self.grant.get_managers(self.grant.MANAGER_ELIGIBILITY)[
            0
        ].eligibility_domain = f"[('id', '!=', {self.people[1].id})]"
        self.cycle.check_eligibility()
        entitlements = self.env["g2p.entitlement"].search([("cycle_id", "=", self.cycle.id)])
        self.assertEqual(
            {entitlement.partner_id: entitlement.state for entitlement in entitlements},
            {self.people[0]: "draft", self.people[1]: "cancelled", self.people[2]: "draft"},
        )

    def test_the_preparer_can_not_approve(self):
        self.manager.group_ids += self.env.ref("g2p_programs.g2p_program_cycle_approver")
        cycle = self.approvable()
        self.assertFalse(cycle.can_approve)
        with self.assertRaisesRegex(AccessError, "somebody else"):
            cycle.approve()
        self.assertEqual(cycle.state, "to_approve")
        cycle.with_user(self.users["approver"]).approve()
        self.assertEqual((cycle.state, cycle.approved_by), ("approved", self.users["approver"]))
        self.assertTrue(cycle.approved_date)

    def test_only_the_approver_group_approves(self):
        cycle = self.approvable()
        for role in ("validator", "finance", "registrar", "support", "auditor"):
            with self.subTest(role), self.assertRaises(AccessError):
                cycle.with_user(self.users[role]).approve()
        self.assertEqual(cycle.state, "to_approve")

    def test_no_approver_group_no_approval(self):
        self.grant.get_manager(self.grant.MANAGER_CYCLE).sudo().approver_group_id = False
        with self.assertRaisesRegex(AccessError, "No approver group"):
            self.approvable().with_user(self.users["approver"]).approve()

    def test_state_and_approver_are_not_writable(self):
        for values in ({"state": "approved"}, {"approved_by": self.manager.id}, {"prepared_by": False}):
            with self.subTest(values), self.assertRaises(AccessError):
                self.cycle.write(values)
        with self.assertRaises(AccessError):
            self.cycle.cycle_membership_ids[0].write({"state": "exited"})

    def test_approvers_press_buttons_but_do_not_edit(self):
        for role in ("approver", "finance", "validator"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.cycle.with_user(self.users[role]).write({"end_date": "2099-01-01"})

    def test_only_a_draft_cycle_changes(self):
        cycle = self.approvable()
        for method in ("copy_beneficiaries_from_program", "check_eligibility", "prepare_entitlement", "to_approve"):
            with self.subTest(method), self.assertRaises(UserError):
                getattr(cycle, method)()
        with self.assertRaises(UserError):
            cycle.write({"end_date": "2099-01-01"})
        with self.assertRaises(UserError):
            cycle.cycle_membership_ids[0].unlink()
        cycle.reset_draft()
        self.assertEqual(cycle.state, "draft")
        self.assertEqual(
            set(self.env["g2p.entitlement"].search([("cycle_id", "=", cycle.id)]).mapped("state")), {"draft"}
        )

    def test_submitting_needs_entitlements(self):
        with self.assertRaisesRegex(UserError, "prepare them first"):
            self.cycle.to_approve()

    def test_deleting(self):
        with self.assertRaisesRegex(UserError, "beneficiaries"):
            self.cycle.unlink()
        self.cycle.prepare_entitlement()
        with self.assertRaisesRegex(UserError, "entitlement"):
            self.cycle.cycle_membership_ids[0].unlink()
        with self.assertRaisesRegex(UserError, "entitlements"):
            self.cycle.unlink()

    def test_a_beneficiary_added_by_hand_must_be_enrolled(self):
        with self.assertRaisesRegex(UserError, "not an enrolled member"):
            self.env["g2p.cycle.membership"].with_user(self.manager).create(
                {"cycle_id": self.cycle.id, "partner_id": self.people[3].id}
            )

    def test_cancelling_cancels_the_entitlements(self):
        cycle = self.approvable()
        cycle.mark_cancelled()
        self.assertEqual(cycle.state, "cancelled")
        self.assertEqual(
            set(self.env["g2p.entitlement"].search([("cycle_id", "=", cycle.id)]).mapped("state")), {"cancelled"}
        )

    def test_statements_do_not_grow_with_the_beneficiaries(self):
        counts = {}
        for size in (10, 1_000, 20_000):  # the first run fills caches
            program = self.program(f"Size {size}")
            low, high = self.many_registrants(size)
            program.get_managers(program.MANAGER_ELIGIBILITY)[
                0
            ].eligibility_domain = f"[('id', '>=', {low}), ('id', '<=', {high})]"
            program.get_manager(program.MANAGER_PROGRAM).copy_last_cycle_on_new_cycle = False
            self.statements(program, "import_eligible_registrants", "import_eligible")
            program.create_new_cycle()
            cycle = program.cycle_ids
            counts[size] = [
                self.statements(cycle, "copy_beneficiaries_from_program", "copy"),
                self.statements(cycle, "check_eligibility", "verify"),
            ]
            self.assertEqual(cycle.members_count, size)
        self.assertEqual(counts[1_000], counts[20_000])
