"""The counters of programs and cycles are kept by what changes them, and equal the truth after every step."""

import base64

from odoo import fields
from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import tagged

from odoo.addons.g2p_bulk.tests.statements import counting_statements
from odoo.addons.g2p_programs.tests.money import MoneyCase

PROGRAM_TRUTH = """
    SELECT COUNT(*) AS beneficiaries_count,
           COUNT(*) FILTER (WHERE state = 'enrolled') AS eligible_beneficiaries_count,
           COUNT(*) FILTER (WHERE state = 'draft') AS draft_count,
           COUNT(*) FILTER (WHERE state = 'not_eligible') AS not_eligible_count,
           COUNT(*) FILTER (WHERE state = 'duplicated') AS duplicated_count,
           COUNT(*) FILTER (WHERE state = 'paused') AS paused_count,
           COUNT(*) FILTER (WHERE state = 'exited') AS exited_count
      FROM g2p_program_membership WHERE program_id = %s
"""
LIVE = "state NOT IN ('cancelled', 'rejected1', 'rejected2', 'rejected3', 'expired')"
WAITING = "state IN ('draft', 'pending_validation')"
# Each counter by a question of its own, so that a mistake in the product's one statement is not repeated here.
CYCLE_TRUTH = {
    "members_count": "SELECT COUNT(*) FROM g2p_cycle_membership WHERE cycle_id = %s AND state = 'enrolled'",
    "not_eligible_count": "SELECT COUNT(*) FROM g2p_cycle_membership WHERE cycle_id = %s AND state = 'not_eligible'",
    "entitlements_count": f"SELECT COUNT(*) FROM g2p_entitlement WHERE cycle_id = %s AND {LIVE}",
    "total_amount": f"SELECT SUM(initial_amount) FROM g2p_entitlement WHERE cycle_id = %s AND {LIVE}",
    "drafts_count": "SELECT COUNT(*) FROM g2p_entitlement WHERE cycle_id = %s AND state = 'draft'",
    "unprepared_count": """
        SELECT COUNT(*) FROM g2p_cycle_membership AS member
         WHERE cycle_id = %s AND state = 'enrolled' AND COALESCE(reason, '') = ''
           AND partner_id NOT IN (
                SELECT partner_id FROM g2p_entitlement WHERE cycle_id = member.cycle_id AND state <> 'cancelled'
           )""",
    "pending_count": "SELECT COUNT(*) FROM g2p_entitlement WHERE cycle_id = %s AND state IN ('draft', 'pending_validation')",
    "pending_amount": "SELECT SUM(initial_amount) FROM g2p_entitlement WHERE cycle_id = %s AND state IN ('draft', 'pending_validation')",
    "approved_count": "SELECT COUNT(*) FROM g2p_entitlement WHERE cycle_id = %s AND state IN ('approved', 'trans2FSP', 'rdpd2ben')",
    "approved_amount": "SELECT SUM(initial_amount) FROM g2p_entitlement WHERE cycle_id = %s AND state IN ('approved', 'trans2FSP', 'rdpd2ben')",
    "left_out_count": f"SELECT COUNT(*) FROM g2p_entitlement WHERE cycle_id = %s AND left_out_reason <> '' AND {WAITING}",
    "left_out_amount": f"SELECT SUM(initial_amount) FROM g2p_entitlement WHERE cycle_id = %s AND left_out_reason <> '' AND {WAITING}",
    "payments_count": "SELECT COUNT(*) FROM g2p_payment WHERE cycle_id = %s AND COALESCE(status, '') <> 'failed'",
    "payments_amount": "SELECT SUM(amount_issued) FROM g2p_payment WHERE cycle_id = %s AND COALESCE(status, '') <> 'failed'",
    "sent_count": "SELECT COUNT(*) FROM g2p_payment WHERE cycle_id = %s AND state = 'sent' AND status IS NULL",
    "sent_amount": "SELECT SUM(amount_issued) FROM g2p_payment WHERE cycle_id = %s AND state = 'sent' AND status IS NULL",
    "unsent_count": "SELECT COUNT(*) FROM g2p_payment WHERE cycle_id = %s AND state = 'issued' AND status IS NULL",
    "paid_count": "SELECT COUNT(*) FROM g2p_payment WHERE cycle_id = %s AND status = 'paid'",
    "paid_amount": "SELECT SUM(amount_paid) FROM g2p_payment WHERE cycle_id = %s AND status = 'paid'",
    "fee_amount": "SELECT SUM(payment_fee) FROM g2p_payment WHERE cycle_id = %s AND status = 'paid'",
    "failed_count": "SELECT COUNT(*) FROM g2p_payment WHERE cycle_id = %s AND status = 'failed' AND state = 'reconciled'",
    "failed_amount": "SELECT SUM(amount_issued) FROM g2p_payment WHERE cycle_id = %s AND status = 'failed' AND state = 'reconciled'",
    "exceptions_count": """
        SELECT COUNT(*) FROM g2p_entitlement
         WHERE cycle_id = %s AND state = 'approved' AND left_out_reason <> ''
           AND id NOT IN (SELECT entitlement_id FROM g2p_payment WHERE COALESCE(status, '') <> 'failed')""",
    "unpaid_count": """
        SELECT COUNT(*) FROM g2p_entitlement AS entitlement
         WHERE cycle_id = %s AND state = 'approved' AND left_out_reason IS NULL
           AND id NOT IN (SELECT entitlement_id FROM g2p_payment WHERE COALESCE(status, '') <> 'failed')
           AND partner_id IN (SELECT id FROM res_partner WHERE active AND disabled IS NULL)""",
}


@tagged("post_install", "-at_install")
class TestCounters(MoneyCase):
    def check(self, step, cycle=None):
        """Every counter as it stands in the database equals a plain count; of `cycle` too, if there is one."""
        self.env.flush_all()
        with self.subTest(step):
            self.env.cr.execute(PROGRAM_TRUTH, [self.grant.id])
            [truth] = self.env.cr.dictfetchall()
            self.env.cr.execute(f"SELECT {', '.join(truth)} FROM g2p_program WHERE id = %s", [self.grant.id])
            self.assertEqual(self.env.cr.dictfetchall(), [truth])
        if cycle:
            truth = {}
            for counter, question in CYCLE_TRUTH.items():
                self.env.cr.execute(question, [cycle.id])
                truth[counter] = self.env.cr.fetchone()[0] or 0
            self.env.cr.execute(f"SELECT {', '.join(truth)} FROM g2p_cycle WHERE id = %s", [cycle.id])
            [row] = self.env.cr.dictfetchall()
            with self.subTest(step, cycle=cycle.name):
                self.assertEqual({counter: value or 0 for counter, value in row.items()}, truth)

    def test_every_counter_of_a_cycle_is_checked(self):
        counters = {name for name in self.env["g2p.cycle"]._protected_fields if name.endswith(("_count", "_amount"))}
        self.assertEqual(counters, set(CYCLE_TRUTH))

    def test_members(self):
        grant = self.grant.with_user(self.manager)
        grant.import_eligible_registrants("draft")
        self.check("import")
        self.assertEqual(grant.draft_count, grant.beneficiaries_count)
        self.assertGreaterEqual(grant.draft_count, 3)
        members = self.env["g2p.program_membership"].with_user(self.manager).search([("program_id", "=", grant.id)])
        members.filtered(lambda member: member.partner_id == self.large).enroll_eligible_registrants()
        self.check("enrol one")
        grant.enroll_eligible_registrants()
        self.check("enrol all")
        rule = grant.get_manager(grant.MANAGER_ELIGIBILITY)
        rule.eligibility_domain = '[("z_ind_grp_num_individuals", ">", 0)]'
        grant.verify_eligibility()
        self.check("verify")
        self.assertGreaterEqual(grant.not_eligible_count, 1)
        lonely = members.filtered(lambda member: member.partner_id == self.empty)
        lonely.back_to_draft()
        self.check("back to draft")
        lonely.unlink()
        self.check("unlink")
        self.env["g2p.program_membership"].with_user(self.manager).create(
            {"program_id": grant.id, "partner_id": self.empty.id}
        )
        self.check("add by hand")
        # Two households with the same person: one of them is set aside.
        twin = self.household("Twin", self.large.group_membership_ids.individual[:1])
        wizard = self.env["g2p.assign.program.wizard"].with_user(self.manager)
        wizard.create({"program_id": grant.id, "partner_ids": [Command.set(twin.ids)]}).assign_registrant()
        self.check("assign")
        grant.deduplicate_beneficiaries()
        self.check("deduplicate")
        self.assertEqual(grant.duplicated_count, 1)
        self.env["g2p.program.membership.duplicate"].with_user(self.manager).search(
            [("program_id", "=", grant.id)]
        ).action_not_duplicate()
        self.check("not a duplicate")
        self.assertEqual(grant.duplicated_count, 0)
        self.large._disable("Moved away")
        grant.verify_eligibility()
        self.check("disabled and verified")

    def test_entitlements(self):
        cycle = self.new_cycle()
        self.check("copy", cycle)
        self.assertEqual(cycle.members_count, 3)
        self.empty._disable("Moved away")
        cycle.check_eligibility()
        self.check("verify", cycle)
        self.assertEqual((cycle.members_count, cycle.not_eligible_count), (2, 1))
        self.empty.enable_registrant()
        cycle.check_eligibility()
        self.check("verify again", cycle)
        cycle.prepare_entitlement()
        self.check("prepare", cycle)
        self.assertEqual((cycle.entitlements_count, cycle.total_amount), (3, 380))
        self.entitlements(cycle)[0].with_user(self.manager).unlink()
        self.check("delete a draft", cycle)
        self.assertEqual((cycle.entitlements_count, cycle.total_amount), (2, 220))
        cycle.prepare_entitlement()
        self.check("prepare again", cycle)
        cycle.to_approve()
        self.check("submit", cycle)
        cycle.reset_draft()
        self.check("back to draft", cycle)
        cycle.to_approve()
        cycle.with_user(self.approver).approve()
        self.check("approve the cycle", cycle)
        # 300 reaches two of three (120 + 100, or 160 + 120), and 380 not at all.
        self.terms.shortage_policy = "priority"
        self.deposit(300)
        cycle.with_user(self.finance).validate_entitlement()
        self.check("approve what the fund reaches", cycle)
        self.assertEqual(cycle.left_out_count, 1)
        self.deposit(1000)
        cycle.with_user(self.finance).validate_entitlement()
        self.check("approve the rest", cycle)
        self.assertEqual((cycle.left_out_count, cycle.approved_amount), (0, 380))
        self.large._disable("Died")
        self.check("disable whom to pay", cycle)
        self.assertEqual(cycle.unpaid_count, 2)
        self.large.enable_registrant()
        self.check("enable whom to pay", cycle)
        self.assertEqual(cycle.unpaid_count, 3)
        self.entitlements(cycle).filtered(lambda one: one.partner_id == self.small).with_user(self.finance)._reject(
            "rejected3", "Moved away"
        )
        self.check("reject", cycle)
        self.assertEqual((cycle.entitlements_count, cycle.approved_count), (2, 2))
        cycle.mark_cancelled()
        self.check("cancel", cycle)
        self.assertEqual((cycle.entitlements_count, cycle.total_amount), (0, 0))

    def test_payments(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        cycle.prepare_payment()
        self.check("prepare", cycle)
        self.assertEqual((cycle.payments_count, cycle.unsent_count, cycle.exceptions_count), (3, 3, 0))
        cycle.payment_batch_ids.with_user(self.manager).unlink()
        self.check("delete a batch", cycle)
        self.assertEqual((cycle.payments_count, cycle.unpaid_count), (0, 3))
        cycle.prepare_payment()
        self.payments(cycle)[0].with_user(self.manager).unlink()
        self.check("delete a payment", cycle)
        cycle.prepare_payment()
        cycle.send_payment()
        self.check("send", cycle)
        self.assertEqual(cycle.sent_count, 3)
        first, second, third = self.payments(cycle)
        wizard = self.env["g2p.payment.mark.wizard"].with_user(self.finance)
        wizard.sudo().create({"payment_ids": [Command.set(first.ids)], "status": "failed", "reason": "Closed"}).mark()
        self.check("mark as failed", cycle)
        self.assertEqual((cycle.failed_count, cycle.unpaid_count), (1, 1))
        lines = [
            "Payment reference,Status,Amount,Date,Bank reference",
            f"{second.name},paid,{second.amount_issued},{fields.Date.today()},A",
            f"{third.name},failed,{third.amount_issued},{fields.Date.today()},B",
        ]
        statement = (
            self.env["g2p.payment.reconciliation"]
            .with_user(self.finance)
            .create({"file": base64.b64encode("\n".join(lines).encode()), "filename": "bank.csv"})
        )
        statement.action_check()
        statement.action_apply()
        self.check("reconcile", cycle)
        self.assertEqual((cycle.paid_count, cycle.failed_count, cycle.unpaid_count), (1, 2, 2))
        cycle.prepare_payment()
        self.check("prepare those that failed", cycle)
        cycle.payment_batch_ids.filtered(lambda batch: not batch.batch_has_started).with_user(
            self.manager
        ).send_payment()
        self.check("send a batch", cycle)
        cycle.with_user(self.finance)._mark_payments("paid")
        self.check("mark all as paid", cycle)
        self.assertEqual((cycle.paid_count, cycle.failed_count, cycle.unpaid_count), (3, 2, 0))

    def test_counting_again_repairs_what_is_wrong(self):
        cycle = self.paid_out()
        self.env.cr.execute(
            "UPDATE g2p_program SET beneficiaries_count = 77, draft_count = -1 WHERE id = %s", [self.grant.id]
        )
        self.env.cr.execute(
            "UPDATE g2p_cycle SET members_count = 77, total_amount = 1, sent_count = NULL WHERE id = %s", [cycle.id]
        )
        self.env.invalidate_all()
        for record in (self.grant, cycle):
            for role in ("registrar", "support", "auditor"):
                with self.subTest(record._name, role=role), self.assertRaises(AccessError):
                    record.with_user(self.users[role]).action_refresh_counters()
        self.assertEqual((self.grant.beneficiaries_count, cycle.members_count), (77, 77))
        (self.grant | self.grant).with_user(self.users["validator"]).action_refresh_counters()
        cycle.with_user(self.users["validator"]).action_refresh_counters()
        self.check("counted again", cycle)

    def test_both_forms_offer_to_count_again(self):
        for model in ("g2p.program", "g2p.cycle"):
            for role, offered in (("validator", True), ("manager", True), ("auditor", False)):
                bindings = self.env["ir.actions.actions"].with_user(self.users[role]).get_bindings(model)
                names = [action["name"] for action in bindings.get("action", ())]
                with self.subTest(model, role=role):
                    self.assertEqual("Count again" in names, offered)

    def test_counting_takes_the_same_statements_whatever_the_size(self):
        cycle = self.new_cycle([self.large])
        counts = []
        for size in (10, 1000):
            low, high = self.many_registrants(size, is_group=True, prefix=f"Counted{size}-")
            self.env.cr.execute(
                """
                INSERT INTO g2p_program_membership (partner_id, program_id, state)
                SELECT id, %(program)s, 'enrolled' FROM generate_series(%(low)s, %(high)s) AS id;
                INSERT INTO g2p_cycle_membership (partner_id, cycle_id, state)
                SELECT id, %(cycle)s, 'enrolled' FROM generate_series(%(low)s, %(high)s) AS id
                """,
                {"program": self.grant.id, "cycle": cycle.id, "low": low, "high": high},
            )
            with counting_statements(self.env.cr) as count:
                self.grant._refresh_counters()
                cycle.sudo()._refresh_counters()
            counts.append(count.statements)
            self.check(f"{size} more", cycle)
        self.assertEqual(*counts)
        self.assertLessEqual(counts[0], 6)
