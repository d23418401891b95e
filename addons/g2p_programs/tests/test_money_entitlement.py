import psycopg2

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .money import MoneyCase


@tagged("post_install", "-at_install")
class TestMoneyEntitlement(MoneyCase):
    def amounts(self, cycle):
        return {
            entitlement.partner_id: (entitlement.initial_amount, entitlement.transfer_fee)
            for entitlement in self.entitlements(cycle)
        }

    def test_a_household_gets_the_base_and_up_to_three_members_with_the_fee_inside(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        self.assertEqual(self.amounts(cycle), {self.large: (160, 3.2), self.small: (120, 2.4), self.empty: (100, 2.0)})
        entitlement = self.entitlements(cycle)[0]
        self.assertEqual(entitlement.balance, 156.8)
        self.assertEqual(
            entitlement.computation,
            {"base": 100.0, "per_member": 20.0, "members": 5, "max_members": 3, "fee_pct": 2.0, "fee": 3.2},
        )
        self.assertEqual((entitlement.state, entitlement.ern, entitlement.create_uid), ("draft", False, self.manager))
        self.assertEqual((cycle.entitlements_count, cycle.total_amount), (3, 380))

    def test_a_member_with_two_roles_is_one_person_and_who_left_or_is_disabled_is_none(self):
        link = self.large.group_membership_ids
        kinds = self.env["g2p.group.membership.kind"].create([{"name": "Cook"}, {"name": "Carer"}])
        link[0].kind = kinds
        link[1].ended_date = fields.Datetime.now()
        link[2].individual.disabled = fields.Datetime.now()
        link[3].action_end()
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        self.assertEqual(self.amounts(cycle)[self.large], (140, 2.8))

    def test_preparing_again_changes_nothing(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        before = self.entitlements(cycle).read(["code", "write_date", "state"])
        cycle.prepare_entitlement()
        self.assertEqual(self.counts(cycle, "prepare"), {"already_prepared": 3})
        self.assertEqual(self.entitlements(cycle).read(["code", "write_date", "state"]), before)

    def test_a_cancelled_entitlement_is_prepared_again_a_rejected_one_is_not(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        large, small, _empty = self.entitlements(cycle)
        large._transition("cancelled")
        small._transition("rejected1")
        cycle.prepare_entitlement()
        self.assertEqual(self.counts(cycle, "prepare"), {"prepared": 1, "already_prepared": 2})

    def test_nothing_due_is_told_to_the_beneficiary_list(self):
        self.terms.write({"amount_per_cycle": 0, "transfer_fee_pct": 0})
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        self.assertEqual(self.counts(cycle, "prepare"), {"prepared": 2, "no_amount": 1})
        reasons = {member.partner_id: member.reason for member in cycle.cycle_membership_ids}
        self.assertEqual(reasons, {self.large: False, self.small: False, self.empty: "Nothing is due"})
        self.terms.amount_per_cycle = 5
        cycle.prepare_entitlement()
        self.assertFalse(cycle.cycle_membership_ids.filtered("reason"))

    def test_a_fee_higher_than_the_amount_is_refused_beneficiary_by_beneficiary(self):
        self.terms.write({"transfer_fee_pct": 0, "transfer_fee_amt": 110})
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        self.assertEqual(self.counts(cycle, "prepare"), {"prepared": 2, "fee_too_high": 1})

    def test_the_disabled_are_left_out(self):
        cycle = self.new_cycle()
        self.small.disabled = fields.Datetime.now()
        cycle.prepare_entitlement()
        self.assertEqual(self.counts(cycle, "prepare"), {"prepared": 2, "disabled": 1})

    def test_the_maximum_of_the_benefit_code_is_a_cap(self):
        code = self.env["g2p.benefit.codes"].create(
            {"benefit_mnemonic": "TESTCASH", "benefit_type": "CASH_DIGITAL", "measurement_unit": "USD"}
        )
        self.grant.benefit_code_line_ids = [(0, 0, {"benefit_code_id": code.id, "max_quantity": 130.5})]
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        self.assertEqual(self.amounts(cycle)[self.large], (130.5, 2.61))
        self.assertEqual(self.entitlements(cycle).benefit_code_id, code)

    def test_fees_are_rounded_half_up(self):
        self.terms.write({"amount_per_cycle": 0.25, "amount_per_individual_in_group": 0, "transfer_fee_pct": 2})
        cycle = self.new_cycle(self.large)
        cycle.prepare_entitlement()
        # 0.25 × 2 % = 0.005
        self.assertEqual(self.amounts(cycle)[self.large], (0.25, 0.01))

    def test_percent_and_amount_of_fee_exclude_each_other(self):
        with self.assertRaisesRegex(UserError, "not both"):
            self.terms.transfer_fee_amt = 1

    def test_amounts_are_edited_in_draft_only_and_by_the_manager_only(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        entitlement = self.entitlements(cycle)[0]
        entitlement.with_user(self.manager).with_context(g2p_reason="Appeal").initial_amount = 150
        self.assertEqual(cycle.total_amount, 370)
        for role in ("finance", "validator", "approver", "registrar", "support", "auditor"):
            with self.assertRaises(AccessError):
                entitlement.with_user(self.users[role]).initial_amount = 1
        with self.assertRaises(UserError):
            entitlement.with_user(self.manager).with_context(g2p_reason="Appeal").transfer_fee = 151
        cycle.to_approve()
        with self.assertRaisesRegex(UserError, "Only draft"):
            entitlement.with_user(self.manager).initial_amount = 170
        with self.assertRaises(psycopg2.Error), self.cr.savepoint(), mute_logger("odoo.sql_db"):
            self.env.cr.execute("UPDATE g2p_entitlement SET initial_amount = 1 WHERE id = %s", [entitlement.id])

    def test_state_and_numbers_cannot_be_written(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        entitlement = self.entitlements(cycle)[0].with_user(self.manager)
        for values in ({"state": "approved"}, {"code": "x"}, {"ern": "1"}, {"left_out_reason": False}):
            with self.assertRaises(AccessError):
                entitlement.write(values)
        with self.assertRaises(UserError):
            entitlement.partner_id = self.small

    def test_one_live_entitlement_per_beneficiary_and_benefit(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        with self.assertRaises(psycopg2.Error), self.cr.savepoint(), mute_logger("odoo.sql_db"):
            self.env["g2p.entitlement"].create(
                {"cycle_id": cycle.id, "partner_id": self.large.id, "initial_amount": 1}
            ).flush_recordset()

    def test_an_entitlement_by_hand_needs_a_beneficiary_of_the_draft_cycle(self):
        cycle = self.new_cycle(self.large + self.small)
        create = self.env["g2p.entitlement"].with_user(self.manager).with_context(g2p_reason="Appeal").create
        entitlement = create({"cycle_id": cycle.id, "partner_id": self.large.id, "initial_amount": 7})
        self.assertEqual((entitlement.program_id, entitlement.currency_id), (self.grant, self.grant.currency_id))
        with self.assertRaisesRegex(UserError, "not an enrolled beneficiary"):
            create({"cycle_id": cycle.id, "partner_id": self.empty.id, "initial_amount": 7})
        with self.assertRaisesRegex(UserError, "1 beneficiaries of .* neither an entitlement nor a reason"):
            cycle.to_approve()
        cycle.prepare_entitlement()
        self.entitlements(cycle).filtered(lambda due: due.partner_id == self.small).with_user(self.manager).unlink()
        cycle.to_approve()
        with self.assertRaises(UserError):
            create({"cycle_id": cycle.id, "partner_id": self.small.id, "initial_amount": 7})

    def test_only_drafts_are_deleted_all_or_nothing(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        entitlements = self.entitlements(cycle)
        entitlements[0]._transition("pending_validation")
        with self.assertRaisesRegex(UserError, "Nothing was deleted"):
            entitlements.with_user(self.manager).unlink()
        self.assertEqual(len(self.entitlements(cycle)), 3)
        left = entitlements[1].partner_id
        entitlements[1].with_user(self.manager).unlink()
        self.assertEqual(cycle.entitlements_count, 2)
        # Who is left without one has that as the reason.
        place = cycle.cycle_membership_ids.filtered(lambda place: place.partner_id == left)
        self.assertIn("was deleted by", place.reason)
        self.assertEqual(cycle.unprepared_count, 0)

    def test_the_cycle_goes_to_approval_and_back_with_its_entitlements(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        cycle.to_approve()
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"pending_validation"})
        cycle.reset_draft()
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"draft"})

    def test_only_the_manager_prepares(self):
        cycle = self.new_cycle()
        for role in ("finance", "validator", "approver", "registrar", "support", "auditor"):
            with self.assertRaises(AccessError):
                cycle.with_user(self.users[role]).prepare_entitlement()
