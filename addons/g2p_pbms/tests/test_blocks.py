"""One list of what blocks an entitlement, asked by every way to approve, prepare, send and pay it."""

import base64
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import SQL

from odoo.addons.g2p_programs.tests.money import MoneyCase
from odoo.addons.g2p_programs.tools import blocks


@tagged("post_install", "-at_install")
class TestBlocks(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deposit(10_000)
        cls.entitlement = cls.env["g2p.entitlement"]

    # What makes each block hold for the household Large. A block without a cause here fails the first test.

    def cause_disabled(self):
        self.large._disable("Died")

    def cause_paused(self):
        self.env.flush_all()
        self.env.cr.execute("UPDATE g2p_entitlement SET on_hold = TRUE WHERE partner_id = %s", [self.large.id])
        self.env.invalidate_all()

    def cause_no_account(self):
        self.large.bank_ids.unlink()

    def cause_account_changed(self):
        self.large.bank_ids.acc_number = "THIEF-1"

    def cause_collector_changed(self):
        """Of a household that was to be paid at the desk from the beginning."""
        self.large.bank_ids.unlink()
        self.large.group_membership_ids[0].kind = self.role("alternate")
        self.env.flush_all()
        self.env.cr.execute("UPDATE g2p_program SET no_account_policy = 'desk' WHERE id = %s", [self.grant.id])
        self.env.cr.execute(
            "UPDATE g2p_entitlement SET approved_account = '' WHERE partner_id = %s AND approved_account IS NOT NULL",
            [self.large.id],
        )
        self.env.invalidate_all()

    def cause_program_paused(self):
        self.grant.with_user(self.manager).pause_program("Fraud is looked into", "hold")

    def causes(self):
        """Those that hold for one household; who holds the whole program is refused at each button (test_pause)."""
        codes = [code for code in self.entitlement._blocks() if code != "program_paused"]
        return {code: getattr(self, f"cause_{code}") for code in codes}

    # Cycles up to where a block comes in

    def validated(self):
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        return cycle

    def prepared(self):
        cycle = self.validated()
        cycle.prepare_payment()
        return cycle

    def desk(self):
        self.grant.payment_managers.unlink()
        self.env["g2p.program.payment.manager.cash"].create({"name": "Desk", "program_id": self.grant.id})

    def role(self, name):
        return self.env.ref(f"g2p_registry_base.group_membership_kind_{name}")

    def both(self):
        """One person who is a registrar and of finance: who may do all of it, but not all of it alone."""
        registrar = self.users["registrar"]
        registrar.group_ids += self.env.ref("g2p_programs.g2p_finance_validator")
        return registrar

    def due(self, cycle):
        return self.entitlements(cycle).filtered(lambda one: one.partner_id == self.large)

    def paid(self, cycle):
        return self.payments(cycle).filtered(lambda one: one.status == "paid").partner_id

    def mark(self, **values):
        return self.env["g2p.payment.mark.wizard"].with_user(self.finance).create({"status": "paid", **values}).mark()

    def test_each_block_has_its_cause_here_and_its_words(self):
        for code, block in self.entitlement._blocks().items():
            with self.subTest(code):
                self.assertTrue(callable(getattr(self, f"cause_{code}", None)))
                self.assertTrue(block.words)
                self.assertTrue(set(block.stops) <= set(blocks.ALWAYS))
        selection = dict(self.entitlement._fields["left_out_reason"]._description_selection(self.env))
        self.assertEqual(set(selection), {"fund_shortage", *self.entitlement._blocks()})
        self.assertTrue(set(self.entitlement._blocks()) <= set(self.env["g2p.cycle"]._bulk_outcomes()))

    def each(self, act):
        """The blocks that stop an act, each in a world of its own."""
        for code, cause in self.causes().items():
            if act in self.entitlement._blocks()[code].stops:
                with self.subTest(act=act, block=code):
                    savepoint = self.env.cr.savepoint(flush=True)
                    try:
                        yield code, cause
                    finally:
                        self.env.flush_all()
                        savepoint.close(rollback=True)
                        self.env.invalidate_all()

    def test_it_is_not_approved_and_the_reason_stands_on_it(self):
        for code, cause in self.each(blocks.APPROVE):
            cycle = self.approved_cycle()
            cause()
            cycle.with_user(self.finance).validate_entitlement()
            self.assertEqual(self.counts(cycle, "approve_entitlements"), {"approved": 2, code: 1})
            self.assertEqual((self.due(cycle).state, self.due(cycle).left_out_reason), ("pending_validation", code))
            self.assertEqual(self.due(cycle).blocked_now, self.entitlement._blocks()[code].words)
            self.assertEqual(self.figures(), (10_000, 220, 0))

    def test_it_is_not_prepared_and_is_on_the_work_list(self):
        for code, cause in self.each(blocks.PREPARE):
            cycle = self.validated()
            cause()
            cycle.prepare_payment()
            self.assertEqual(self.counts(cycle, "prepare_payments"), {"prepared": 2, code: 1})
            self.assertEqual((self.due(cycle).left_out_reason, cycle.exceptions_count), (code, 1))
            self.assertEqual(self.due(cycle).blocked_now, self.entitlement._blocks()[code].words)
            self.assertEqual(self.entitlement.search(cycle.action_view_held_back()["domain"]), self.due(cycle))
            with self.assertRaisesRegex(UserError, "on hold|held back"):
                cycle.with_user(self.finance)._mark_payments("paid")
                cycle.mark_distributed()

    def test_it_is_not_sent_with_the_cycle_nor_with_its_batch(self):
        for way in ("cycle", "batch"):
            for code, cause in self.each(blocks.SEND):
                cycle = self.prepared()
                cause()
                if way == "cycle":
                    cycle.send_payment()
                    self.assertEqual(self.counts(cycle, "send"), {"sent": 2, code: 1})
                else:
                    cycle.payment_batch_ids.with_user(self.manager).send_payment()
                stopped = self.due(cycle).payment_ids
                self.assertEqual(
                    (stopped.status, stopped.status_reason), ("failed", self.entitlement._blocks()[code].words)
                )
                self.assertEqual((self.due(cycle).state, self.due(cycle).left_out_reason), ("approved", code))
                # It is not made again as it was.
                cycle.prepare_payment()
                self.assertEqual(self.due(cycle).payment_ids, stopped)

    def test_it_is_not_recorded_as_paid_while_it_has_not_left(self):
        def by_file(cycle):
            lines = [f"{payment.name},paid,{payment.amount_issued}" for payment in self.payments(cycle)]
            record = (
                self.env["g2p.payment.reconciliation"]
                .with_user(self.finance)
                .create(
                    {
                        "file": base64.b64encode("\n".join(["reference,status,amount", *lines]).encode()),
                        "filename": "a.csv",
                    }
                )
            )
            record.action_check()
            self.assertEqual((record.blocked_count, record.not_sent_count, record.matched_count), (1, 2, 0))
            record.action_apply()

        ways = {
            "cycle": lambda cycle: self.mark(cycle_id=cycle.id),
            "batch": lambda cycle: self.mark(batch_id=cycle.payment_batch_ids.id),
            "selection": lambda cycle: self.mark(payment_ids=[Command.set(self.payments(cycle).ids)]),
            "file": by_file,
        }
        for name, way in ways.items():
            for code, cause in self.each(blocks.PAY):
                cycle = self.prepared()
                cause()
                action = way(cycle)
                if name == "file":
                    # No payer tells what came of the others, which have not left either.
                    self.assertFalse(self.paid(cycle))
                    continue
                self.assertEqual(self.paid(cycle), self.small + self.empty, name)
                self.assertEqual(self.figures(), (10_000, 160, 220))
                if name in ("batch", "selection"):
                    self.assertIn(self.entitlement._blocks()[code].words, action["params"]["message"])

    def test_it_is_not_handed_out_at_the_desk(self):
        self.desk()
        for way in ("single", "batch", "mark"):
            for code, cause in self.each(blocks.DESK):
                cycle = self.prepared()
                cycle.send_payment()
                cause()
                if way == "single":
                    for entitlement in self.entitlements(cycle) - self.due(cycle):
                        entitlement.with_user(self.finance).prepare_and_send_payment_cash()
                    with self.assertRaisesRegex(UserError, self.entitlement._blocks()[code].words):
                        self.due(cycle).with_user(self.finance).prepare_and_send_payment_cash()
                    self.assertFalse(self.due(cycle).with_user(self.finance).show_payment_prepare)
                elif way == "batch":
                    action = cycle.payment_batch_ids.with_user(self.finance).action_record_cash_payment()
                    self.assertIn(self.entitlement._blocks()[code].words, action["params"]["message"])
                else:
                    self.mark(cycle_id=cycle.id)
                self.assertEqual(self.paid(cycle), self.small + self.empty, way)
                self.assertEqual(self.figures(), (10_000, 160, 220))

    def test_what_was_sent_and_paid_elsewhere_is_a_fact(self):
        cycle = self.prepared()
        cycle.send_payment()
        self.large._disable("Died after the payment")
        self.mark(cycle_id=cycle.id)
        self.assertEqual(self.paid(cycle), self.families)
        self.assertEqual(self.figures(), (10_000, 0, 380))

    def test_a_plug_in_adds_a_reason_and_every_step_asks_it(self):
        original = type(self.entitlement)._blocks

        def with_grievance(entitlement):
            condition = SQL("t.partner_id = %s", self.large.id)
            return {**original(entitlement), "grievance": blocks.Block("A complaint is open", condition)}

        with patch.object(type(self.entitlement), "_blocks", with_grievance):
            cycle = self.approved_cycle()
            cycle.with_user(self.finance).validate_entitlement()
            self.assertEqual(self.counts(cycle, "approve_entitlements"), {"approved": 2, "grievance": 1})
        cycle.with_user(self.finance).validate_entitlement()
        cycle.prepare_payment()
        with patch.object(type(self.entitlement), "_blocks", with_grievance):
            cycle.send_payment()
            self.assertEqual(self.counts(cycle, "send"), {"sent": 2, "grievance": 1})
        self.assertEqual(self.due(cycle).payment_ids.status_reason, "A complaint is open")

    # No account

    def test_who_has_no_account_is_paid_at_the_desk_where_the_program_says_so(self):
        self.payer.no_account_policy = "desk"
        self.large.bank_ids.unlink()
        cycle = self.prepared()
        self.assertEqual(self.counts(cycle, "prepare_payments"), {"prepared": 2, "desk": 1})
        payment = self.due(cycle).payment_ids
        self.assertEqual((payment.payout, payment.batch_id.is_cash_desk), ("desk", True))
        self.assertEqual(set((self.payments(cycle) - payment).mapped("payout")), {"account"})
        self.assertNotEqual(payment.batch_id, (self.payments(cycle) - payment).batch_id)
        self.due(cycle).with_user(self.finance).prepare_and_send_payment_cash()
        self.assertEqual((payment.status, self.figures()), ("paid", (10_000, 220, 160)))
        with self.assertRaisesRegex(UserError, "not waiting for a cash payment"):
            self.entitlements(cycle)[1].with_user(self.finance).prepare_and_send_payment_cash()

    def test_an_account_that_comes_later_is_confirmed_and_then_paid(self):
        self.large.bank_ids.unlink()
        cycle = self.prepared()
        self.assertEqual(self.due(cycle).left_out_reason, "no_account")
        self.bank_account(self.large, "NEW-1")
        cycle.prepare_payment()
        self.assertEqual(
            (self.due(cycle).left_out_reason, self.due(cycle).current_account), ("account_changed", "NEW-1 · Large")
        )
        self.due(cycle).with_user(self.finance).confirm_account()
        self.assertEqual((cycle.exceptions_count, cycle.unpaid_count), (0, 1))
        cycle.prepare_payment()
        self.assertEqual(self.due(cycle).payment_ids.account_number, "NEW-1")

    # Another account

    def test_another_account_is_confirmed_by_who_did_not_make_it(self):
        cycle = self.prepared()
        first = self.due(cycle).payment_ids
        registrar = self.users["registrar"]
        self.large.bank_ids.with_user(registrar).write({"acc_number": "NEW-2", "change_reason": "A new card"})
        due = self.due(cycle)
        self.assertTrue(due.account_changed)
        self.assertEqual((due.approved_account, due.current_account), ("ET-Large · Large", "NEW-2 · Large"))
        for role in ("registrar", "manager", "approver", "validator", "auditor", "support"):
            with self.subTest(role), self.assertRaises(AccessError):
                due.with_user(self.users[role]).confirm_account()
        registrar.group_ids += self.env.ref("g2p_programs.g2p_finance_validator")
        with self.assertRaisesRegex(AccessError, "You made or changed"):
            due.with_user(registrar).confirm_account()
        due.with_user(self.finance).confirm_account()
        self.assertEqual((due.account_changed, due.approved_account), (False, "NEW-2 · Large"))
        self.assertEqual(due.account_confirmed_by, self.finance)
        # What was prepared for the old account is not sent.
        self.assertEqual((first.status, first.status_reason), ("failed", "Another account was confirmed"))
        cycle.prepare_payment()
        self.assertEqual((due.payment_ids - first).account_number, "NEW-2")
        self.env.cr.execute(
            """
            SELECT reason FROM g2p_state_history WHERE res_model = 'g2p.entitlement' AND res_id = %s ORDER BY id DESC LIMIT 1
            """,
            [due.id],
        )
        self.assertEqual(self.env.cr.fetchone(), ("Another account was confirmed: ET-Large · Large → NEW-2 · Large",))
        with self.assertRaisesRegex(UserError, "Nothing was done"):
            due.with_user(self.finance).confirm_account()

    def test_another_way_to_another_account_is_noticed_too(self):
        """A second account made primary, another holder, another bank, another recipient of the household."""
        member = self.large.group_membership_ids[0]
        head = self.env.ref("g2p_registry_base.group_membership_kind_head")
        principal = self.env.ref("g2p_registry_base.group_membership_kind_principal")
        member.kind = head
        self.bank_account(member.individual, "HEAD-1")
        other = self.large.group_membership_ids[1]
        self.bank_account(other.individual, "OTHER-1")

        def to_principal():
            self.large.bank_ids.unlink()
            other.kind = principal

        changes = {
            "primary": lambda: self.bank_account(self.large, "SECOND-1", is_primary=True),
            "holder": lambda: self.large.bank_ids.write({"acc_holder_name": "Somebody else"}),
            "bank": lambda: self.large.bank_ids.write(
                {"bank_id": self.env["res.bank"].create({"name": "Other bank"}).id}
            ),
            "removed": lambda: self.large.bank_ids.unlink(),
            "recipient": to_principal,
        }
        for name, change in changes.items():
            with self.subTest(name):
                savepoint = self.env.cr.savepoint(flush=True)
                cycle = self.validated()
                change()
                self.env.flush_all()
                cycle.prepare_payment()
                self.assertEqual(self.counts(cycle, "prepare_payments"), {"prepared": 2, "account_changed": 1})
                savepoint.close(rollback=True)
                self.env.invalidate_all()

    def test_an_account_that_is_gone_is_confirmed_before_the_desk_pays(self):
        """Where the program pays at the desk who has no account, archiving it is no way to fetch the money there."""
        self.payer.no_account_policy = "desk"
        registrar = self.both()
        ways = {
            "archived": lambda account: account.write({"active": False, "change_reason": "Closed"}),
            "deleted": lambda account: account.with_context(g2p_reason="Closed").unlink(),
        }
        for name, way in ways.items():
            with self.subTest(name):
                savepoint = self.env.cr.savepoint(flush=True)
                cycle = self.validated()
                way(self.large.bank_ids.with_user(registrar))
                due = self.due(cycle)
                with self.assertRaisesRegex(UserError, "account was changed"):
                    due.with_user(self.finance).prepare_and_send_payment_cash()
                cycle.prepare_payment()
                self.assertEqual(self.counts(cycle, "prepare_payments"), {"prepared": 2, "account_changed": 1})
                self.assertEqual((due.account_changed, due.current_account, due.payment_ids.ids), (True, False, []))
                with self.assertRaisesRegex(AccessError, "somebody else"):
                    due.with_user(registrar).confirm_account()
                due.with_user(self.finance).confirm_account()
                self.assertEqual((due.account_changed, due.approved_account), (False, ""))
                cycle.prepare_payment()
                self.assertEqual(due.payment_ids.payout, "desk")
                self.env.cr.execute(
                    "SELECT reason FROM g2p_state_history WHERE res_model = 'g2p.entitlement' AND res_id = %s"
                    " ORDER BY id DESC LIMIT 1",
                    [due.id],
                )
                self.assertEqual(
                    self.env.cr.fetchone(), ("Another account was confirmed: ET-Large · Large → at the desk",)
                )
                self.env.flush_all()
                savepoint.close(rollback=True)
                self.env.invalidate_all()

    def test_an_account_that_is_gone_is_not_confirmed_where_no_desk_pays(self):
        cycle = self.validated()
        self.large.bank_ids.unlink()
        cycle.prepare_payment()
        self.assertEqual(self.counts(cycle, "prepare_payments"), {"prepared": 2, "no_account": 1})
        with self.assertRaisesRegex(UserError, "Nothing was done"):
            self.due(cycle).with_user(self.finance).confirm_account()

    # Somebody else collects

    def test_who_collects_at_the_desk_is_who_was_to_collect_when_it_was_approved(self):
        self.desk()
        members = self.large.group_membership_ids
        members[0].kind = self.role("head")
        collector = members[0].individual.name
        registrar = self.both()
        changes = {
            "alternate": lambda: members[1]
            .with_user(registrar)
            .write({"kind": [Command.link(self.role("alternate").id)]}),
            "principal": lambda: members[1]
            .with_user(registrar)
            .write({"kind": [Command.link(self.role("principal").id)]}),
            "by the household": lambda: self.large.with_user(registrar).write(
                {
                    "group_membership_ids": [
                        Command.update(members[2].id, {"kind": [Command.link(self.role("alternate").id)]})
                    ]
                }
            ),
            "left": lambda: members[0].with_user(registrar).action_end(),
            "removed": lambda: members[0].with_user(registrar).unlink(),
            "disabled": lambda: members[0].individual.with_user(registrar)._disable("Said to have moved"),
        }
        for name, change in changes.items():
            with self.subTest(name):
                savepoint = self.env.cr.savepoint(flush=True)
                cycle = self.validated()
                due = self.due(cycle)
                self.assertFalse(due.blocked_now)
                change()
                self.env.flush_all()
                self.env.invalidate_all()
                self.assertEqual((due.collector_changed, due.approved_collector), (True, collector))
                with self.assertRaisesRegex(UserError, "Who collects"):
                    due.with_user(self.finance).prepare_and_send_payment_cash()
                cycle.prepare_payment()
                self.assertEqual(self.counts(cycle, "prepare_payments"), {"prepared": 2, "collector_changed": 1})
                for user in (
                    *(self.users[role] for role in ("manager", "approver", "validator", "support")),
                    registrar,
                ):
                    with self.assertRaises(AccessError):
                        due.with_user(user).confirm_collector()
                with self.assertRaisesRegex(UserError, "Nothing was done"):
                    due.with_user(self.finance).confirm_account()
                due.with_user(self.finance).confirm_collector()
                self.assertFalse(due.blocked_now)
                cycle.prepare_payment()
                payment = due.payment_ids
                self.assertEqual(
                    " / ".join(filter(None, (payment.collector_name, payment.alternate_name))),
                    due.current_collector or "",
                )
                self.env.flush_all()
                savepoint.close(rollback=True)
                self.env.invalidate_all()

    def test_who_collects_matters_where_somebody_collects(self):
        """What goes to the household's own account goes there whoever its head is."""
        cycle = self.validated()
        self.large.group_membership_ids[0].kind = self.role("head")
        cycle.prepare_payment()
        self.assertEqual(self.counts(cycle, "prepare_payments"), {"prepared": 3})

    def test_who_had_a_part_in_another_account_does_not_confirm_it(self):
        """The other account needn't be theirs: who archived the old one, or made its owner head, has led the money there."""
        members = self.large.group_membership_ids
        members[0].kind = self.role("head")
        for member in members[:2]:
            self.bank_account(member.individual, f"OLD-{member.id}")
        registrar, both = self.users["registrar"].copy({"login": "registrar 2"}), self.both()

        def archived(by):
            self.large.bank_ids.with_user(by).write({"active": False, "change_reason": "Closed"})

        def deleted(by):
            self.large.bank_ids.with_user(by).with_context(g2p_reason="Closed").unlink()

        def role(by):
            members[1].with_user(by).kind = self.role("principal")

        def removed(by):
            members[0].with_user(by).unlink()
            members[1].with_user(registrar).kind = self.role("head")

        for name, deeds in {
            "archived": [archived],
            "deleted": [deleted],
            "archived and role": [archived, role],
            "role": [lambda by: archived(registrar), role],
            "member removed": [lambda by: archived(registrar), removed],
            "then changed by another": [archived, lambda by: role(registrar)],
        }.items():
            with self.subTest(name):
                savepoint = self.env.cr.savepoint(flush=True)
                cycle = self.validated()
                for deed in deeds:
                    deed(both)
                self.env.flush_all()
                self.env.invalidate_all()
                due = self.due(cycle)
                self.assertTrue(due.account_changed)
                with self.assertRaisesRegex(AccessError, "somebody else"):
                    due.with_user(both).confirm_account()
                due.with_user(self.finance).confirm_account()
                self.assertFalse(due.account_changed)
                self.env.flush_all()
                savepoint.close(rollback=True)
                self.env.invalidate_all()

    # What the payment says

    def test_the_payment_names_who_collects_and_keeps_it(self):
        first, second, third = self.large.group_membership_ids[:3]
        kinds = {
            name: self.env.ref(f"g2p_registry_base.group_membership_kind_{name}")
            for name in ("head", "principal", "alternate")
        }
        first.kind = kinds["head"]
        third.kind = kinds["alternate"]
        savepoint = self.env.cr.savepoint(flush=True)
        payment = self.due(self.prepared()).payment_ids
        self.assertEqual(
            (payment.collector_name, payment.alternate_name), (first.individual.name, third.individual.name)
        )
        savepoint.close(rollback=True)
        self.env.invalidate_all()
        second.kind = kinds["principal"]
        self.large.bank_ids.acc_holder_name = "Holder"
        cycle = self.prepared()
        payment = self.due(cycle).payment_ids
        self.assertEqual(payment.collector_name, second.individual.name)
        cycle.send_payment()
        second.individual.name = "Renamed"
        self.large.name = "Renamed too"
        self.large.bank_ids.write({"acc_number": "OTHER", "acc_holder_name": "Thief"})
        [line] = [
            line
            for line in "".join(cycle.payment_batch_ids.with_user(self.manager)._export_lines()).splitlines()
            if payment.name in line
        ]
        for text in ("Large", "Holder", "ET-Large", payment.collector_name, payment.alternate_name):
            self.assertIn(text, line)
        for text in ("Renamed", "Thief", "OTHER"):
            self.assertNotIn(text, line)

    def test_who_is_due_is_not_archived_without_a_reason(self):
        cycle = self.validated()
        with self.assertRaisesRegex(UserError, "disable the registrant, with the reason"):
            self.large.with_user(self.users["registrar"]).write({"active": False})
        self.assertEqual(self.due(cycle).blocked_now, False)
        self.due(cycle).with_user(self.finance)._reject("rejected3", "Died")
        self.large.with_user(self.users["registrar"]).write({"active": False})
        self.assertFalse(self.large.active)
