from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import SQL

from .common import ApplicationCase


@tagged("post_install", "-at_install")
class TestApplicationMoney(ApplicationCase):
    """What becomes of applications and assessments on the way from entitlement to payment."""

    def prepared(self):
        """The three families applied, were enrolled, and have a draft entitlement each."""
        self.deposit(1000)
        self.made = {family: self.apply(family) for family in self.families}
        self.finding = self.assess(self.made[self.large])
        self.grant.with_user(self.validator).enroll_eligible_registrants()
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        return cycle

    def approved(self, cycle):
        cycle.to_approve()
        cycle.with_user(self.approver).approve()
        cycle.with_user(self.finance).validate_entitlement()

    def states(self):
        return [self.made[family].state for family in self.families]

    def test_entitlements_know_the_application_and_the_assessments(self):
        cycle = self.prepared()
        large, small, _empty = self.entitlements(cycle)
        self.assertEqual(self.made[self.large].entitlement_id, large)
        self.assertEqual(self.made[self.small].entitlement_id, small)
        self.assertEqual(large.assessment_ids, self.finding)
        comment = (
            self.env["g2p.program.assessment.wizard"]
            .with_user(self.finance)
            .create({"entitlement_id": large.id, "remarks": "Amount agreed with the village"})
        )
        comment.action_add()
        self.assertEqual(large.assessment_ids.sorted("id").mapped("is_comment"), [False, True])

    def test_payment_completes_the_application(self):
        cycle = self.prepared()
        self.approved(cycle)
        self.assertEqual(self.states(), ["inprogress"] * 3)
        cycle.prepare_payment()
        cycle.send_payment()
        payments = self.payments(cycle)
        paid, failed = payments[0], payments[1]
        self.env["g2p.payment"].sudo()._finalize_now(SQL("SELECT %s", paid.id), "paid")
        self.env["g2p.payment"].sudo()._finalize_now(
            SQL("SELECT %s", failed.id), "failed", "No such account", confirmed=True
        )
        self.assertEqual(self.states(), ["completed", "inprogress", "inprogress"])
        self.assertEqual(self.history(self.made[self.large])[-1], ("inprogress", "completed", None))
        cycle.with_user(self.finance)._mark_payments("paid")
        self.assertEqual(self.states(), ["completed", "inprogress", "completed"])

    def test_where_nothing_is_paid_approval_completes_it(self):
        cycle = self.prepared()
        self.env.cr.execute(
            "UPDATE g2p_entitlement SET settlement = 'none', is_cash_entitlement = FALSE WHERE id = %s",
            [self.entitlements(cycle)[0].id],
        )
        self.env.invalidate_all()
        self.approved(cycle)
        self.assertEqual(self.states(), ["completed", "inprogress", "inprogress"])

    def test_a_program_without_payment_manager_completes_at_approval(self):
        cycle = self.prepared()
        self.grant.payment_managers.unlink()
        self.approved(cycle)
        self.assertEqual(self.states(), ["completed"] * 3)

    def test_rejecting_takes_back_what_was_prepared(self):
        cycle = self.prepared()
        large, small, _empty = self.entitlements(cycle)
        self.made[self.large].with_user(self.validator)._reject("Owns land")
        self.assertEqual((large.state, small.state), ("rejected3", "draft"))
        self.assertEqual(self.history(large)[-1], ("draft", "rejected3", "Owns land"))
        self.assertEqual(cycle.entitlements_count, 2)

    def test_rejecting_leaves_what_was_approved(self):
        cycle = self.prepared()
        self.approved(cycle)
        self.made[self.large].with_user(self.validator)._reject("Owns land")
        self.assertEqual(self.entitlements(cycle)[0].state, "approved")
        self.assertEqual(self.figures(), (1000, 380, 0))

    def test_a_second_cycle_leaves_the_application_with_its_first_entitlement(self):
        cycle = self.prepared()
        first = self.made[self.large].entitlement_id
        self.approved(cycle)
        other = self.new_cycle()
        other.prepare_entitlement()
        self.assertEqual(self.made[self.large].entitlement_id, first)
        with self.assertRaises(UserError):
            self.apply(self.large)

    def test_statements_do_not_depend_on_the_number_of_applications(self):
        counted = []
        for number in (2, 3, 30):
            program = self.program(f"Grant {number}", "group")
            families = [self.household(f"Family {number} {index}") for index in range(number)]
            for family in families:
                self.apply(family, program=program)
            self.grant.invalidate_recordset()
            enroll = self.statements(program.with_user(self.validator), "enroll_eligible_registrants", "enroll")
            ending = self.statements(program.with_user(self.manager), "end_program", "close_applications")
            counted.append((enroll, ending))
        _warm, few, many = counted
        self.assertEqual(few, many)
