"""Every count of every operation opens exactly the rows that it counts."""

import base64

from odoo import fields
from odoo.tests import tagged

from odoo.addons.g2p_bulk.models.bulk_chunk import CHANGED, ERROR, MOVED_ON, NOT_RUN
from odoo.addons.g2p_program_membership_change.tests.life import LifeCase

from .test_order import OrderCase

# Of these nothing is kept: the parts of the work that had any are shown instead.
BY_PARTS = {CHANGED, ERROR, NOT_RUN, MOVED_ON}


@tagged("post_install", "-at_install")
class TestDeclaredOutcomes(OrderCase):
    def test_every_declared_outcome_knows_its_rows_in_a_step(self):
        """A new outcome that opens nothing fails here."""
        wrong = []
        for name in self.targets():
            target = self.env[name].search([], limit=1) or self.make(name)
            steps = target._bulk_steps()
            known = set()
            for step in steps:
                operation = self.unfinished(target, step, "cancelled").sudo()
                operation.params = {
                    "model": 0,
                    "manager": 0,
                    "settings": "",
                    "states": [],
                    "state": "draft",
                    "status": "paid",
                }
                for outcome in target._bulk_outcomes():
                    rows = operation._rows(outcome)
                    if rows:
                        known.add(outcome)
                        self.assertTrue(hasattr(self.env[rows[0]], "_search_operation_outcome"), rows[0])
            wrong += [f"{name}: {outcome}" for outcome in set(target._bulk_outcomes()) - known - BY_PARTS]
        self.assertEqual(sorted(wrong), [])

    def make(self, name):
        program = self.grant
        return {
            "g2p.program": lambda: program,
            "g2p.cycle": lambda: self.new_cycle(),
            "g2p.membership.change": lambda: self.env["g2p.membership.change"].create(
                {"program_id": program.id, "user_id": self.manager.id, "kind": "exit", "date": fields.Date.today()}
            ),
            "g2p.payment.reconciliation": lambda: self.env["g2p.payment.reconciliation"].create({}),
            "g2p.registrant.import": lambda: self.env["g2p.registrant.import"].create({"name": "a.csv"}),
            "g2p.program.scenario": lambda: self.env["g2p.program.scenario"].create(
                {"name": "Try", "program_id": program.id}
            ),
        }[name]()


@tagged("post_install", "-at_install")
class TestOutcomes(LifeCase):
    """Real runs with many outcomes: each count is compared with the list it opens."""

    def check(self, record, step):
        operation = self.operation(record.with_env(self.env), step)
        operation.invalidate_recordset()
        self.assertTrue(operation, step)
        for outcome, count in operation.counts.items():
            action = operation.action_open_outcome(outcome)
            if outcome in BY_PARTS:
                self.assertEqual(action["res_model"], "g2p.bulk.chunk")
                self.assertTrue(self.env["g2p.bulk.chunk"].search_count(action["domain"]))
                continue
            rows = self.env[action["res_model"]].with_context(**action["context"]).search_count(action["domain"])
            with self.subTest(step, outcome=outcome):
                self.assertEqual(rows, count, f"{step} {outcome}: {action['res_model']}")
        return operation.counts

    def test_a_program_and_its_cycle(self):
        manager, finance = self.grant.with_user(self.manager), self.finance
        eligibility = self.grant.get_manager(self.grant.MANAGER_ELIGIBILITY)
        eligibility.eligibility_domain = '[("name", "in", ["Large", "Small", "Empty", "Poor", "Late"])]'
        poor, rich = self.household("Poor"), self.household("Rich")
        self.member(self.grant, rich, "enrolled")
        manager.import_eligible_registrants("draft")
        self.assertEqual(self.check(self.grant, "import_eligible"), {"imported": 1})
        manager.deduplicate_beneficiaries()
        self.check(self.grant, "deduplicate")
        manager.enroll_eligible_registrants()
        counts = self.check(self.grant, "enroll")
        self.assertEqual(counts, {"enrolled": 1, "already": 3, "not_eligible": 1})
        manager.verify_eligibility()
        self.check(self.grant, "verify")

        cycle = self.new_cycle(self.families)
        self.check(cycle, "copy")
        cycle.check_eligibility()
        self.check(cycle, "verify")
        poor.disabled = fields.Datetime.now()
        self.terms.amount_per_cycle = 0
        cycle.prepare_entitlement()
        counts = self.check(cycle, "prepare")
        self.assertEqual(counts, {"prepared": 2, "disabled": 1, "no_amount": 1})
        cycle.prepare_entitlement()
        self.check(cycle, "prepare")
        cycle.to_approve()
        self.check(cycle, "submit")
        cycle.reset_draft()
        self.check(cycle, "withdraw")
        cycle.to_approve()
        cycle.with_user(self.approver).approve()
        self.terms.shortage_policy = "priority"
        self.deposit(60)
        cycle.with_user(finance).validate_entitlement()
        counts = self.check(cycle, "approve_entitlements")
        self.assertEqual(counts, {"approved": 1, "fund_shortage": 1})
        self.deposit(1000)
        cycle.with_user(finance).validate_entitlement()
        self.check(cycle, "approve_entitlements")
        cycle.prepare_payment()
        self.check(cycle, "prepare_payments")
        cycle.send_payment()
        self.check(cycle, "send")
        lines = [f"{payment.name},paid,{payment.amount_issued},," for payment in self.payments(cycle)[:1]]
        text = "\n".join(["Payment reference,Status,Amount,Date,Bank reference", *lines, "unknown,paid,1,,", ",,,,"])
        record = (
            self.env["g2p.payment.reconciliation"]
            .with_user(finance)
            .create({"cycle_id": cycle.id, "file": base64.b64encode(text.encode()), "filename": "bank.csv"})
        )
        record.action_check()
        self.check(record, "match")
        record.action_apply()
        self.check(record, "reconcile")
        self.check(record, "match")
        cycle.with_user(finance)._mark_payments("failed", "Closed")
        self.assertIn("left", self.check(cycle, "reconcile"))
        cycle.sudo()._mark_payments("failed", "Closed")
        self.check(cycle, "reconcile")

        change = self.change(self.of(*self.families), "pause")
        self.check(change, "apply")
        change.with_user(self.manager).action_reverse()
        self.check(change, "reverse")
        cancelled = self.new_cycle(self.large)
        cancelled.prepare_entitlement()
        cancelled.mark_cancelled()
        self.check(cancelled, "cancel_entitlements")

    def test_auto_enrolment(self):
        self.grant.write({"auto_enrol": True, "auto_enrol_domain": '[("name", "like", "New")]'})
        self.grant.get_manager(self.grant.MANAGER_ELIGIBILITY).eligibility_domain = '[("name", "=", "New one")]'
        self.env.flush_all()
        for name in ("New one", "New two", "Other"):
            self.household(name)
        self.env.flush_all()
        self.grant.with_user(self.manager).action_auto_enrol()
        self.assertEqual(self.check(self.grant, "auto_enrol"), {"enrolled": 1, "not_eligible": 1, "passed": 1})

    def test_the_registry(self):
        registry = self.env.ref("g2p_registry_base.registry")
        self.env.flush_all()
        self.env.cr.execute("UPDATE g2p_group_indicator SET size = 99 WHERE group_id = %s", [self.large.id])
        self.env.invalidate_all()
        registry.action_refresh_indicators()
        self.assertEqual(self.check(registry, "refresh_indicators")["refreshed"], 1)
        settings = self.env.ref("g2p_deduplication.registry_deduplication_individual")
        settings.action_deduplicate()
        self.check(settings, "deduplicate")

    def test_an_import(self):
        registrar = self.users["registrar"]
        text = "Family name,Gender\nRana,Female\nRai,Unheard of\n"
        record = (
            self.env["g2p.registrant.import"]
            .with_user(registrar)
            .create({"name": "a.csv", "file": base64.b64encode(text.encode())})
        )
        record.action_check()
        self.check(record, "check")
        record.action_import()
        self.check(record, "import")
        self.check(record, "check")
        record.action_undo()
        self.check(record, "undo")

    def test_a_scenario(self):
        scenario = (
            self.env["g2p.program.scenario"]
            .with_user(self.manager)
            .create({"name": "Try", "program_id": self.grant.id})
        )
        self.household("Beside")
        scenario.action_simulate()
        self.check(scenario, "simulate")

    def test_what_a_count_opens_is_what_the_user_may_see(self):
        manager = self.grant.with_user(self.manager)
        self.household("Poor")
        manager.import_eligible_registrants()
        operation = self.operation(self.grant, "import_eligible")
        domain = operation.action_open_outcome("imported")["domain"]
        members = self.env["g2p.program_membership"]
        self.assertTrue(members.with_user(self.manager).search_count(domain))
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = self.users["validator"].copy(
            {"login": "stranger", "company_id": company.id, "company_ids": [(6, 0, company.ids)]}
        )
        self.assertFalse(members.with_user(stranger).search_count(domain))
        self.assertFalse(self.env["g2p.entitlement"].search_count(domain), "rows of another model")
