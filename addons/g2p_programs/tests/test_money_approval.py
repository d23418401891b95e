from decimal import Decimal

import psycopg2

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .money import MoneyCase


@tagged("post_install", "-at_install")
class TestMoneyApproval(MoneyCase):
    def states(self, cycle):
        return [entitlement.state for entitlement in self.entitlements(cycle)]

    def test_approval_reserves_the_money_and_gives_reference_numbers(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        entitlements = self.entitlements(cycle)
        self.assertEqual(self.states(cycle), ["approved"] * 3)
        self.assertEqual(self.counts(cycle, "approve_entitlements"), {"approved": 3})
        self.assertEqual(self.figures(), (1000, 380, 0))
        self.assertEqual(set(entitlements.mapped("approved_by")), {self.finance})
        self.assertEqual((cycle.approved_count, cycle.approved_amount, cycle.pending_count), (3, 380, 0))
        self.assertEqual(len(set(entitlements.mapped("ern"))), 3)
        for entitlement in entitlements:
            self.assertRegex(entitlement.ern, r"^\d{10,}$")
            self.assertEqual(int(entitlement.ern) % 97, 1)

    def test_approving_again_changes_nothing(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        before = self.entitlements(cycle).read(["ern", "write_date"])
        cycle.with_user(self.finance).validate_entitlement()
        self.assertFalse(self.counts(cycle, "approve_entitlements"))
        self.assertEqual(self.entitlements(cycle).read(["ern", "write_date"]), before)
        self.assertEqual(self.figures(), (1000, 380, 0))

    def test_a_reference_number_stays_for_ever(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        entitlement = self.entitlements(cycle)[0]
        with self.assertRaises(psycopg2.Error), self.cr.savepoint(), mute_logger("odoo.sql_db"):
            self.env.cr.execute("UPDATE g2p_entitlement SET ern = '1' WHERE id = %s", [entitlement.id])
        entitlement._transition("pending_validation")
        ern = entitlement.ern
        self.env["g2p.fund.account"]._of(self.grant, self.grant.currency_id)._release(160)
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual((entitlement.state, entitlement.ern), ("approved", ern))
        self.assertEqual(self.figures(), (1000, 380, 0))

    def test_too_little_money_approves_nothing_under_all(self):
        self.deposit(379.99)
        cycle = self.approved_cycle()
        with self.assertRaisesRegex(UserError, "short by.*0.01"):
            cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual(self.states(cycle), ["pending_validation"] * 3)
        self.assertEqual(self.figures(), (Decimal("379.99"), 0, 0))

    def test_priority_approves_exactly_the_affordable_prefix(self):
        self.terms.write({"shortage_policy": "priority", "priority_order": "amount_asc"})
        self.deposit(250)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        states = {entitlement.partner_id: entitlement.state for entitlement in self.entitlements(cycle)}
        self.assertEqual(states, {self.empty: "approved", self.small: "approved", self.large: "pending_validation"})
        self.assertEqual(self.counts(cycle, "approve_entitlements"), {"approved": 2, "fund_shortage": 1})
        self.assertEqual(self.figures(), (250, 220, 0))
        left_out = self.entitlements(cycle).filtered("left_out_reason")
        self.assertEqual((left_out.partner_id, cycle.left_out_count), (self.large, 1))

    def test_priority_is_strict_a_smaller_amount_does_not_jump_the_queue(self):
        self.terms.write({"shortage_policy": "priority", "priority_order": "amount_desc"})
        self.deposit(261)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        states = {entitlement.partner_id: entitlement.state for entitlement in self.entitlements(cycle)}
        # 160 fits, 120 does not, and 100 would but comes after it
        self.assertEqual(
            states, {self.large: "approved", self.small: "pending_validation", self.empty: "pending_validation"}
        )
        self.assertEqual(self.figures(), (261, 160, 0))

    def test_priority_by_enrollment_and_by_household(self):
        self.terms.write({"shortage_policy": "priority"})
        cycle = self.approved_cycle()
        order = [self.small, self.empty, self.large]
        for days, family in enumerate(order):
            membership = self.grant.program_membership_ids.filtered(lambda m, family=family: m.partner_id == family)
            membership.sudo().write({"enrollment_date": fields.Datetime.add(fields.Datetime.now(), days=days - 10)})
        self.deposit(120)
        cycle.with_user(self.finance).validate_entitlement()
        approved = self.entitlements(cycle).filtered(lambda e: e.state == "approved")
        self.assertEqual(approved.partner_id, self.small)
        with self.assertRaisesRegex(UserError, "wait for approval"):
            self.terms.entitlement_validation_group_id = self.env.ref("g2p_programs.g2p_program_manager")
        self.terms.priority_order = "household_desc"
        self.assertIn("Largest household first", self.grant.message_ids[0].body)
        self.deposit(160)
        cycle.with_user(self.finance).validate_entitlement()
        approved = self.entitlements(cycle).filtered(lambda e: e.state == "approved")
        self.assertEqual(approved.partner_id, self.small + self.large)

    def test_who_was_left_out_is_tried_again(self):
        self.terms.write({"shortage_policy": "priority", "priority_order": "amount_asc"})
        self.deposit(250)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        self.deposit(130)
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual(self.states(cycle), ["approved"] * 3)
        self.assertFalse(self.entitlements(cycle).filtered("left_out_reason"))
        self.assertEqual(cycle.left_out_count, 0)
        self.assertEqual(self.figures(), (380, 380, 0))

    def test_no_money_at_all_leaves_everybody_out_under_priority(self):
        self.terms.shortage_policy = "priority"
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual(self.counts(cycle, "approve_entitlements"), {"fund_shortage": 3})
        self.assertEqual(self.figures(), (0, 0, 0))

    def test_the_preparer_cannot_approve_whatever_their_roles(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        self.manager.group_ids += self.env.ref("g2p_programs.g2p_finance_validator")
        entitlements = self.entitlements(cycle).with_user(self.manager)
        with self.assertRaisesRegex(AccessError, "You prepared"):
            cycle.validate_entitlement()
        with self.assertRaisesRegex(AccessError, "You prepared"):
            entitlements.approve_entitlement()
        wizard = (
            self.env["g2p.multi.entitlement.approval.wizard"]
            .with_user(self.manager)
            .with_context(active_model="g2p.entitlement", active_ids=entitlements.ids)
            .create({})
        )
        with self.assertRaisesRegex(AccessError, "You prepared"):
            wizard.approve_selected()
        self.assertEqual(self.states(cycle), ["pending_validation"] * 3)

    def test_an_entitlement_made_by_the_approver_waits_for_somebody_else(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        self.env.cr.execute(
            "UPDATE g2p_entitlement SET create_uid = %s WHERE cycle_id = %s AND partner_id = %s",
            [self.finance.id, cycle.id, self.large.id],
        )
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual(self.counts(cycle, "approve_entitlements"), {"approved": 2, "own_preparation": 1})
        self.assertEqual(self.figures(), (1000, 220, 0))

    def test_who_is_disabled_is_left_out_and_no_money_is_reserved(self):
        self.deposit(220)
        cycle = self.approved_cycle()
        self.large._disable("Died")
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual(self.counts(cycle, "approve_entitlements"), {"approved": 2, "disabled": 1})
        self.assertEqual(self.entitlements(cycle).mapped("left_out_reason"), ["disabled", False, False])
        self.assertEqual((self.figures(), cycle.left_out_count), ((220, 220, 0), 1))
        self.env.cr.execute("UPDATE res_partner SET disabled = NULL WHERE id = %s", [self.large.id])
        self.large.invalidate_recordset()
        self.deposit(160)
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual((self.states(cycle), cycle.left_out_count), (["approved"] * 3, 0))

    def test_who_edited_an_amount_approves_nothing_of_the_cycle(self):
        self.deposit(1000)
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        entitlement = self.entitlements(cycle)[0]
        with self.assertRaises(AccessError):
            entitlement.with_user(self.manager).amount_set_by = self.users["admin"]
        entitlement.with_user(self.users["admin"]).with_context(g2p_reason="Bank fee").transfer_fee = 1
        self.assertEqual(entitlement.amount_set_by, self.users["admin"])
        cycle.to_approve()
        cycle.with_user(self.approver).approve()
        with self.assertRaisesRegex(AccessError, "set amounts in it"):
            cycle.with_user(self.users["admin"]).validate_entitlement()
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual(self.states(cycle), ["approved"] * 3)

    def test_a_step_moves_nothing_once_the_cycle_has_moved_on(self):
        self.deposit(1000)
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        operation = self.operation(cycle, "prepare")

        def run(step):
            target = cycle.sudo()
            return sum(target._bulk_step(step)._chunk(target, operation, 0, 2**31 - 1).values())

        self.assertEqual([run(step) for step in ("submit", "cancel_entitlements")], [0, 0])
        cycle.to_approve()
        steps = ("prepare", "withdraw", "approve_entitlements", "cancel_entitlements")
        self.assertEqual([run(step) for step in steps], [0] * 4)
        self.assertEqual(self.states(cycle), ["pending_validation"] * 3)
        cycle.with_user(self.approver).approve()
        self.assertEqual([run(step) for step in ("prepare", "withdraw", "cancel_entitlements")], [0] * 3)
        self.assertEqual(self.states(cycle), ["pending_validation"] * 3)

    def test_maker_checker_can_be_switched_off(self):
        self.env["ir.config_parameter"].sudo().set_param("g2p_programs.maker_checker", "False")
        self.deposit(1000)
        cycle = self.approved_cycle()
        self.manager.group_ids += self.env.ref("g2p_programs.g2p_finance_validator")
        cycle.validate_entitlement()
        self.assertEqual(self.states(cycle), ["approved"] * 3)

    def test_only_the_validation_group_approves_members_by_implication_included(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        for role in ("validator", "approver", "registrar", "support", "auditor"):
            with self.assertRaises(AccessError):
                cycle.with_user(self.users[role]).validate_entitlement()
        cycle.with_user(self.users["admin"]).validate_entitlement()
        self.assertEqual(self.states(cycle), ["approved"] * 3)

    def test_nothing_is_approved_before_the_cycle_is(self):
        self.deposit(1000)
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        with self.assertRaises(UserError):
            cycle.with_user(self.finance).validate_entitlement()
        cycle.to_approve()
        with self.assertRaises(UserError):
            self.entitlements(cycle).with_user(self.finance).approve_entitlement()

    def test_a_selection_is_approved_by_the_same_rules(self):
        self.deposit(200)
        cycle = self.approved_cycle()
        large, small, empty = self.entitlements(cycle)
        wizard = (
            self.env["g2p.multi.entitlement.approval.wizard"]
            .with_user(self.finance)
            .with_context(active_model="g2p.entitlement", active_ids=(large + small).ids)
            .create({})
        )
        self.assertEqual((wizard.waiting_count, wizard.waiting_amount), (2, 280))
        with self.assertRaisesRegex(UserError, "short by"):
            wizard.approve_selected()
        large.with_user(self.finance).approve_entitlement()
        self.assertEqual(self.states(cycle), ["approved", "pending_validation", "pending_validation"])
        self.assertEqual(self.figures(), (200, 160, 0))
        with self.assertRaisesRegex(UserError, "wait for approval"):
            (large + empty).with_user(self.finance).approve_entitlement()

    def test_automatic_approval_is_the_cycle_approvers(self):
        self.deposit(1000)
        manager = self.grant.get_manager(self.grant.MANAGER_CYCLE)
        # An administrator decides that one approval is enough, not who prepares.
        manager.with_user(self.users["admin"]).auto_approve_entitlements = True
        cycle = self.approved_cycle()
        self.assertEqual(self.states(cycle), ["approved"] * 3)
        self.assertEqual(self.figures(), (1000, 380, 0))

    def test_rejecting_releases_the_money(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        large, small, _empty = self.entitlements(cycle)
        wizard = (
            self.env["g2p.entitlement.reject.wizard"]
            .with_user(self.finance)
            .create({"entitlement_ids": [(6, 0, large.ids)], "state": "rejected1", "reason": "Said no"})
        )
        wizard.reject()
        self.assertEqual((large.state, self.figures()), ("rejected1", (1000, 220, 0)))
        with self.assertRaises(AccessError):
            small.with_user(self.manager)._reject("rejected3", "x")

    def test_cancelling_the_cycle_releases_the_money(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        cycle.prepare_payment()
        cycle.mark_cancelled()
        self.assertEqual(self.states(cycle), ["cancelled"] * 3)
        self.assertEqual(set(self.payments(cycle).mapped("status")), {"failed"})
        self.assertEqual(self.figures(), (1000, 0, 0))
        self.assertEqual((cycle.entitlements_count, cycle.total_amount), (0, 0))

    def test_what_nobody_pays_in_time_expires_and_releases_the_money(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        large, small, empty = self.entitlements(cycle)
        yesterday = fields.Date.subtract(fields.Date.today(), days=1)
        cycle.prepare_payment()
        self.payments(cycle)[1:].with_user(self.manager).unlink()
        self.env.cr.execute(
            "UPDATE g2p_entitlement SET valid_from = %s, valid_until = %s WHERE id = ANY(%s)",
            [yesterday, yesterday, (large + small).ids],
        )
        self.env["g2p.entitlement"].invalidate_model()
        self.env["g2p.entitlement"]._cron_expire()
        # large has a live payment
        self.assertEqual([large.state, small.state, empty.state], ["approved", "expired", "approved"])
        self.assertEqual(self.figures(), (1000, 260, 0))

    def test_a_failed_chunk_releases_its_money_and_resuming_reserves_again(self):
        self.env["ir.config_parameter"].sudo().set_param("g2p_bulk.chunk_size", 1)
        self.deposit(380)
        cycle = self.approved_cycle()
        step = self.env.registry["g2p.cycle.step.approve_entitlements"]
        original = step._chunk
        broken = self.small.id

        def failing(self, cycle, operation, low, high):
            if low < broken <= high:
                raise UserError("The disk is full")
            return original(self, cycle, operation, low, high)

        self.patch(step, "_chunk", failing)
        with mute_logger("odoo.addons.g2p_bulk.models.bulk_operation"):
            cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual(self.states(cycle), ["approved", "pending_validation", "approved"])
        self.assertEqual(self.figures(), (380, 260, 0))
        self.patch(step, "_chunk", original)
        self.operation(cycle, "approve_entitlements").with_user(self.finance).action_resume()
        self.assertEqual(self.states(cycle), ["approved"] * 3)
        self.assertEqual(self.figures(), (380, 380, 0))
