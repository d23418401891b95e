"""Cycles that were moved on over an unfinished step, as they may stand in a database of before: *Repair*, and what it says."""

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .money import MoneyCase


@tagged("post_install", "-at_install")
class TestCycleRepair(MoneyCase):
    def stuck(self, state, entitlements, reasons=False):
        """A cycle of three families in a state that its set does not fit: {family: state of the entitlement}."""
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        self.env.flush_all()
        for family in self.families:
            due = self.entitlements(cycle).filtered(lambda due, family=family: due.partner_id == family)
            if family not in entitlements:
                self.env.cr.execute("DELETE FROM g2p_entitlement WHERE id = %s", [due.id])
            else:
                due._transition(entitlements[family])
        self.env.cr.execute(
            "UPDATE g2p_cycle SET state = %s, approved_by = %s WHERE id = %s", [state, self.approver.id, cycle.id]
        )
        self.env.invalidate_all()
        cycle._refresh_counters()
        self.assertTrue(cycle.needs_repair)
        self.assertEqual(cycle.next_action, "repair")
        self.assertIn("press Repair", cycle.next_step)
        return cycle

    def question(self, cycle):
        return cycle.with_context(cycle_step="repair").action_confirm()["params"]

    def states(self, cycle):
        return {due.partner_id: due.state for due in self.entitlements(cycle)}

    def repair(self, cycle):
        params = self.question(cycle)
        self.assertEqual(params["method"], "action_repair")
        cycle.action_repair()
        self.env.invalidate_all()
        self.assertFalse(cycle.needs_repair)
        with self.assertRaisesRegex(UserError, "nothing to repair"):
            cycle.action_repair()
        return params["message"]

    def test_an_approved_cycle_with_drafts_and_people_who_were_never_looked_at(self):
        cycle = self.stuck("approved", {self.large: "pending_validation", self.small: "draft"})
        finance = cycle.with_user(self.finance)
        with self.assertRaisesRegex(UserError, "1 beneficiaries of .* were never looked at.*Press Repair"):
            finance.validate_entitlement()
        message = self.repair(cycle)
        self.assertIn("1 entitlements that are still drafts are sent for approval", message)
        self.assertIn("1 beneficiaries were never looked at", message)
        self.assertEqual(self.counts(cycle, "repair"), {"submitted": 1, "named": 1})
        self.assertEqual(set(self.states(cycle).values()), {"pending_validation"})
        place = cycle.cycle_membership_ids.filtered(lambda place: place.partner_id == self.empty)
        self.assertEqual((place.state, place.reason), ("enrolled", "Never looked at before the cycle was approved"))
        self.deposit(1000)
        finance.validate_entitlement()
        self.assertEqual(set(self.states(cycle).values()), {"approved"})

    def test_a_cycle_that_waits_with_people_who_were_never_looked_at_goes_back(self):
        cycle = self.stuck("to_approve", {self.large: "pending_validation", self.small: "draft"})
        with self.assertRaisesRegex(UserError, "1 beneficiaries of .* were never looked at"):
            cycle.with_user(self.approver).approve()
        self.assertIn("goes back to draft", self.repair(cycle))
        self.assertEqual((cycle.state, set(self.states(cycle).values())), ("draft", {"draft"}))
        self.assertEqual(cycle.next_action, "prepare")
        with self.assertRaisesRegex(UserError, "press Prepare entitlements"):
            cycle.to_approve()
        cycle.prepare_entitlement()
        cycle.to_approve()
        cycle.with_user(self.approver).approve()
        self.assertEqual(len(self.states(cycle)), 3)

    def test_a_cycle_that_waits_with_drafts(self):
        cycle = self.stuck("to_approve", {self.large: "pending_validation", self.small: "draft", self.empty: "draft"})
        with self.assertRaisesRegex(UserError, "2 entitlements of .* are still drafts"):
            cycle.with_user(self.approver).approve()
        self.repair(cycle)
        cycle.with_user(self.approver).approve()

    def test_a_draft_cycle_with_entitlements_that_wait(self):
        cycle = self.stuck("draft", {self.large: "pending_validation", self.small: "draft", self.empty: "draft"})
        with self.assertRaisesRegex(UserError, "wait for approval still"):
            cycle.to_approve()
        self.repair(cycle)
        cycle.to_approve()

    def test_a_distributed_cycle_with_drafts_is_opened_again(self):
        cycle = self.stuck(
            "distributed", {self.large: "rdpd2ben", self.small: "draft", self.empty: "pending_validation"}
        )
        with self.assertRaisesRegex(UserError, "drafts"):
            cycle.mark_ended()
        self.assertIn("goes back to approved", self.repair(cycle))
        self.assertEqual(cycle.state, "approved")
        self.assertEqual(self.states(cycle)[self.small], "pending_validation")
        with self.assertRaisesRegex(UserError, "2 entitlements of .* wait for approval, and nobody has decided"):
            cycle.mark_distributed()

    def test_an_ended_cycle_names_who_was_not_paid(self):
        cycle = self.stuck("ended", {self.large: "rdpd2ben", self.small: "draft"})
        self.assertIn("1 drafts and 0 entitlements that nobody has decided on are cancelled", self.repair(cycle))
        self.assertEqual(self.states(cycle), {self.large: "rdpd2ben", self.small: "cancelled"})

    def test_a_cancelled_cycle_releases_what_is_left(self):
        self.deposit(1000)
        cycle = self.stuck(
            "cancelled", {self.large: "draft", self.small: "pending_validation", self.empty: "cancelled"}
        )
        self.repair(cycle)
        self.assertEqual(set(self.states(cycle).values()), {"cancelled"})
        self.assertEqual(self.figures()[1:], (0, 0))

    def test_only_the_manager_repairs(self):
        cycle = self.stuck("to_approve", {self.large: "pending_validation", self.small: "draft", self.empty: "draft"})
        for role in ("finance", "validator", "approver", "registrar", "support", "auditor"):
            with self.assertRaises(AccessError):
                cycle.with_user(self.users[role]).action_repair()

    def test_whoever_joins_after_prepare_is_prepared_before_the_cycle_goes_on(self):
        cycle = self.new_cycle(self.large + self.small)
        cycle.prepare_entitlement()
        self.member(self.grant, self.empty, "enrolled")
        cycle.copy_beneficiaries_from_program()
        self.assertEqual((cycle.unprepared_count, cycle.next_action), (1, "prepare"))
        with self.assertRaisesRegex(UserError, "1 beneficiaries .* press Prepare entitlements"):
            cycle.to_approve()
        cycle.prepare_entitlement()
        cycle.to_approve()
