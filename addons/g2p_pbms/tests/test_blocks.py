"""One list of what blocks an entitlement, asked by every way to approve, prepare, send and pay it."""

import base64
from pathlib import Path
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.modules.migration import load_script
from odoo.tests import tagged
from odoo.tools import SQL

from odoo.addons.g2p_programs.tests.money import MoneyCase
from odoo.addons.g2p_programs.tools import blocks
from odoo.addons.g2p_registry_base.models.res_partner import NAME_PARTS

# Fields of an account that may change after the approval, and why. Any other that there is, or will be, has to be compared.
ACCOUNT_MAY_CHANGE = {
    "partner_id": "whose it is is chosen once, and refused later",
    "sanitized_acc_number": "made of the number",
    "note": "words for the office; no payer reads them",
    "sequence": "the order on the screen; which one is primary is asked",
    "is_primary": "the only one stays primary; another one is another account, see below",
    "allow_out_payment": "Odoo's own leave for suppliers, which no payment here asks",
    "currency_id": "what is paid has the currency of the entitlement",
    "changed_at": "says when it changed; the database writes it",
    "changed_by": "as above",
}
# What a payment keeps of who is paid, and by what of the registry it is known; see `test_what_a_payment_keeps…`.
KEPT = {
    "account_id": "account",
    "account_number": "account",
    "account_holder": "account",
    "bank_name": "account",
    "beneficiary_name": "name",
    "collector_name": "name",
    "alternate_name": "name",
}


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
            "UPDATE g2p_entitlement SET approved_account = '', approved_payee = ''"
            " WHERE partner_id = %s AND approved_account IS NOT NULL",
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

    # The same account by the look of it, and the same person by the number

    def each_change(self, changes, *arguments):
        """Each change in a world of its own, in which a cycle was approved."""
        for name, change in changes.items():
            with self.subTest(name):
                savepoint = self.env.cr.savepoint(flush=True)
                try:
                    cycle = self.validated()
                    self.assertFalse(self.due(cycle).blocked_now)
                    change(*arguments)
                    self.env.flush_all()
                    self.env.invalidate_all()
                    yield name, cycle, self.due(cycle)
                finally:
                    self.env.flush_all()
                    savepoint.close(rollback=True)
                    self.env.invalidate_all()

    def assert_held(self, cycle, due, code, confirm):
        """Held at each step until somebody confirms it who had no part in it; then paid as it is now."""
        other = "collector_changed" if code == "account_changed" else "account_changed"
        self.assertEqual((due[code], due[other]), (True, False))
        self.assertEqual(due.blocked_now, self.entitlement._blocks()[code].words)
        cycle.prepare_payment()
        self.assertEqual(self.counts(cycle, "prepare_payments"), {"prepared": 2, code: 1})
        with self.assertRaisesRegex(AccessError, "somebody else"):
            getattr(due.with_user(self.users["registrar"]), confirm)()
        getattr(due.with_user(self.finance), confirm)()
        self.assertFalse(due.blocked_now)
        cycle.prepare_payment()
        self.assertEqual(due.payment_ids.status, False)

    def test_every_field_of_an_account_is_held_when_it_changes(self):
        account = self.large.bank_ids
        account.write({"provider": "Wallet", "clearing_number": "12"})
        registrar = self.both()

        def value(field):
            if field.type == "many2one":
                return self.env[field.comodel_name].create({"name": "Other"}).id
            if field.type == "selection":
                return next(key for key, _label in field.selection if key != account[field.name])
            return not account[field.name] if field.type == "boolean" else "Other"

        automatic = {"id", "create_uid", "create_date", "write_uid", "write_date"}
        changes = {
            name: lambda field=field: account.with_user(registrar).write(
                {field.name: value(field), "change_reason": "Said so"}
            )
            for name, field in account._fields.items()
            if field.store and field.column_type and not field.related and name not in {*automatic, *ACCOUNT_MAY_CHANGE}
        }
        self.assertLessEqual({"acc_number", "acc_holder_name", "account_type", "bank_id", "provider"}, set(changes))
        for name, cycle, due in self.each_change(changes):
            if name == "active":
                # It is gone: there is nothing to confirm.
                self.assertEqual(due.blocked_now, self.entitlement._blocks()["no_account"].words)
            else:
                self.assert_held(cycle, due, "account_changed", "confirm_account")

    def test_what_moves_from_one_field_of_an_account_to_another_is_held(self):
        account, bank = self.large.bank_ids, self.env["res.bank"].create({"name": "Union"})
        registrar = self.both()
        for before, after in (
            ({"provider": "Pay"}, {"acc_number": "ET-Large · Pay", "provider": False}),
            ({"bank_id": bank.id}, {"acc_holder_name": "Union · Large", "bank_id": False}),
            ({"bank_id": bank.id}, {"provider": "Union", "bank_id": False}),
            ({"acc_holder_name": "Large"}, {"provider": "Large", "acc_holder_name": ""}),
        ):
            account.write({"provider": False, "bank_id": False, "acc_holder_name": "Large", **before})

            def change(after=after):
                account.with_user(registrar).write({**after, "change_reason": "Said so"})

            for _name, cycle, due in self.each_change({str(after): change}):
                self.assert_held(cycle, due, "account_changed", "confirm_account")

    def renames(self, partner, by):
        """Every way to call a registrant otherwise."""
        names = ("name",) if partner.is_group else NAME_PARTS
        return {
            f"{partner.name}: {name}": lambda name=name: partner.with_user(by).write(
                {
                    name: f"Evil {name}",
                    "change_reason": "Said so",
                    **({"name": "EVIL, MALLORY"} if name == "given_name" else {}),
                }
            )
            for name in names
        }

    def test_who_is_called_otherwise_does_not_collect_at_the_desk(self):
        self.desk()
        head, alternate = self.large.group_membership_ids[:2]
        head.kind, alternate.kind = self.role("head"), self.role("alternate")
        registrar = self.both()
        parts = {part: self.renames(part, registrar) for part in (self.large, head.individual, alternate.individual)}
        shown = "Large", f"{head.individual.name} / {alternate.individual.name}"
        for part, changes in parts.items():
            for _name, cycle, due in self.each_change(changes):
                self.assertEqual((due.approved_name, due.approved_collector), shown)
                self.assertNotEqual((due.current_name, due.current_collector), shown)
                with self.assertRaisesRegex(UserError, "name of who receives it"):
                    due.with_user(self.finance).prepare_and_send_payment_cash()
                self.assert_held(cycle, due, "collector_changed", "confirm_collector")
                payment = due.payment_ids
                self.assertIn(part.name, (payment.beneficiary_name, payment.collector_name, payment.alternate_name))
                [row] = self.env["g2p.cash.desk"].with_user(self.finance).search([("code", "=", due.ern)])
                self.assertEqual(
                    (row.beneficiary_name, f"{row.collector_name} / {row.alternate_name}"),
                    (due.current_name, due.current_collector),
                )
                self.env.cr.execute(
                    "SELECT reason FROM g2p_state_history WHERE res_model = 'g2p.entitlement' AND res_id = %s"
                    " ORDER BY id DESC LIMIT 1",
                    [due.id],
                )
                [told] = self.env.cr.fetchone()
                before, after = told.split(" → ")
                self.assertIn("Large/LARGE, MEMBER 0/LARGE, MEMBER 1 (", before)
                self.assertIn(part.name, after)

    def test_who_is_called_otherwise_is_not_paid_on_an_account_either(self):
        """The payer's file names the beneficiary. Who else is named there changes nothing: it goes to the account."""
        registrar = self.both()
        self.large.bank_ids.acc_holder_name = "Holder"
        head = self.large.group_membership_ids[0]
        head.kind = self.role("head")
        for _name, cycle, due in self.each_change(self.renames(self.large, registrar)):
            self.assert_held(cycle, due, "collector_changed", "confirm_collector")
            self.assertEqual(due.payment_ids.beneficiary_name, self.large.name)
        for _name, cycle, _due in self.each_change(self.renames(head.individual, registrar)):
            cycle.prepare_payment()
            self.assertEqual(self.counts(cycle, "prepare_payments"), {"prepared": 3})
        cycle = self.prepared()
        self.large.with_user(registrar).name = "Evil"
        cycle.send_payment()
        self.assertEqual(self.counts(cycle, "send"), {"sent": 2, "collector_changed": 1})

    def test_who_is_called_otherwise_and_has_an_account_in_that_name_is_confirmed_in_both(self):
        """The holder goes with the name, as it is written on the account or as none is."""
        (rename,) = self.renames(self.large, self.users["registrar"]).values()
        for holder in ("Large", False):
            self.large.bank_ids.acc_holder_name = holder
            for _name, _cycle, due in self.each_change({str(holder): rename}):
                due = due.with_user(self.finance)
                self.assertEqual((due.account_changed, due.collector_changed), (True, True))
                self.assertEqual(
                    (due.approved_account, due.current_account), ("ET-Large · Large", "ET-Large · Evil name")
                )
                due.confirm_account()
                self.assertEqual((due.account_changed, due.collector_changed), (False, True))
                due.confirm_collector()
                self.assertFalse(due.blocked_now)

    def test_what_a_payment_keeps_of_who_is_paid_is_compared(self):
        """A new column of this kind has to be compared, and named here."""
        payment = self.env["g2p.payment"]
        texts = {
            name
            for name in payment._protected_fields
            if name in payment._fields
            and (name.split("_")[0] in ("account", "bank", "beneficiary", "collector", "alternate", "payee"))
        }
        self.assertEqual(texts, {*KEPT, "bank_reference"})  # the reference is what the payer says later
        desk = set(self.env["g2p.cash.desk"]._depends["g2p.payment"])
        self.assertLessEqual({name for name in desk if name.endswith("_name")}, set(KEPT))

    def test_what_the_system_spells_anew_is_no_other_name(self):
        self.desk()
        head = self.large.group_membership_ids[0]
        head.kind = self.role("head")
        self.env.flush_all()
        self.env.cr.execute("UPDATE res_partner SET name = initcap(name) WHERE id = %s", [head.individual.id])
        self.env.invalidate_all()

        def recomputed():
            partners = self.large + head.individual
            self.env.add_to_compute(partners._fields["name"], partners)
            self.env.add_to_compute(partners._fields["complete_name"], partners)
            self.assertEqual(head.individual.name, "LARGE, MEMBER 0")

        def forgotten():
            """Approved before any of this was kept."""
            self.env.cr.execute(
                "UPDATE g2p_entitlement SET approved_payee = NULL, approved_names = NULL, approved_collectors = NULL"
            )
            self.large.name = "Renamed"
            self.large.bank_ids.acc_number = "OTHER"

        for _name, cycle, due in self.each_change({"recomputed": recomputed, "forgotten": forgotten}):
            self.assertFalse(due.blocked_now)
            cycle.prepare_payment()
            self.assertEqual(self.counts(cycle, "prepare_payments"), {"prepared": 3})

    def test_what_was_approved_before_fields_and_names_were_kept_is_compared_from_the_upgrade_on(self):
        """Nothing is held by the upgrade, nothing that was held is set free, and what changes later is held."""
        path = Path(__file__).parents[2] / "g2p_programs/migrations/19.0.3.0.0/end-approved-payee.py"
        head, other = self.large.group_membership_ids[:2]
        head.kind = self.role("head")
        self.large.bank_ids.acc_holder_name = "Holder"

        def upgrade():
            self.env.flush_all()
            self.env.cr.execute("UPDATE g2p_entitlement SET approved_payee = NULL, approved_names = NULL")
            load_script(str(path), "approved_payee").migrate(self.env.cr, "19.0.2.0.0")
            self.env.invalidate_all()

        def nothing():
            upgrade()

        def held():
            self.large.bank_ids.acc_number = "OTHER"
            upgrade()

        def later():
            upgrade()
            self.large.bank_ids.acc_number = "OTHER"

        def named():
            upgrade()
            self.large.name = "Renamed"

        expected = {
            "nothing": {"prepared": 3},
            "held": {"prepared": 2, "account_changed": 1},
            "later": {"prepared": 2, "account_changed": 1},
            "named": {"prepared": 2, "collector_changed": 1},
        }
        changes = {"nothing": nothing, "held": held, "later": later, "named": named}
        for name, cycle, _due in self.each_change(changes):
            cycle.prepare_payment()
            self.assertEqual(self.counts(cycle, "prepare_payments"), expected[name])

        def collector():
            head.kind, other.kind = [Command.clear()], self.role("head")
            upgrade()

        self.desk()
        for _name, _cycle, due in self.each_change({"collector": collector, "nothing": nothing}):
            self.assertEqual(due.approved_collector, head.individual.name)
            self.assertEqual(due.collector_changed, head.kind != self.role("head"))

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
