"""Two real connections that press at the same moment: money is promised once, and paid once."""

import threading
from contextlib import contextmanager
from unittest.mock import patch

from psycopg2.errors import SerializationFailure

from odoo import api, fields
from odoo.exceptions import UserError
from odoo.modules.registry import Registry
from odoo.service.model import retrying
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import SQL, mute_logger

PREPARER, APPROVER = 2, 1
PATIENCE = 20
NAME = "Grant of two connections"


class ConnectionsCase(TransactionCase):
    """A committed program with two cycles of three people, 100 each; removed at the end."""

    def setUp(self):
        super().setUp()
        with self.connection() as env:
            self.clean(env)
        self.addCleanup(self.clean_up)
        with self.connection(PREPARER) as env:
            partners = env["res.partner"].create(
                [
                    {"is_registrant": True, "name": f"{NAME} {number}", "family_name": NAME, "given_name": str(number)}
                    for number in range(3)
                ]
            )
            program = env["g2p.program"].create(
                {"name": NAME, "target_type": "individual", "no_account_policy": "desk"}
            )
            program._transition("active")
            terms = program.get_manager(program.MANAGER_ENTITLEMENT)
            terms.amount_per_cycle = 100
            env["g2p.program_membership"].create(
                [{"program_id": program.id, "partner_id": partner.id} for partner in partners]
            )._transition("enrolled")
            today = fields.Date.today()
            cycles = env["g2p.cycle"].create(
                [
                    {"name": name, "program_id": program.id, "sequence": number, "start_date": today, "end_date": today}
                    for number, name in enumerate(("First", "Second"), 1)
                ]
            )
            self.program_id, self.terms_id, self.cycle_ids = program.id, terms.id, cycles.ids
        for cycle_id in self.cycle_ids:
            with self.connection(PREPARER) as env:
                cycle = env["g2p.cycle"].browse(cycle_id)
                cycle.copy_beneficiaries_from_program()
                cycle.prepare_entitlement()
                cycle.to_approve()
                cycle._transition("approved")

    @contextmanager
    def connection(self, user=APPROVER):
        with self.registry.cursor() as cr:
            yield api.Environment(cr, user, {"tracking_disable": True}, su=True)

    def clean_up(self):
        with self.connection() as env:
            self.clean(env)

    @staticmethod
    def clean(env):
        """Take away what was committed. The append-only tables need their trigger switched off for it."""
        env.cr.execute("SELECT id, definition_id FROM g2p_program WHERE name = %s", [NAME])
        rows = env.cr.fetchall()
        programs, definitions = [row[0] for row in rows], [row[1] for row in rows]
        env.cr.execute("SELECT id FROM g2p_cycle WHERE program_id = ANY(%s)", [programs])
        cycles = [cycle_id for [cycle_id] in env.cr.fetchall()]
        kept = {
            "g2p_fund_ledger": "g2p_fund_ledger_append_only",
            "g2p_state_history": "g2p_state_history_append_only",
            "g2p_payment": "g2p_payment_kept",
            "g2p_payment_batch": "g2p_payment_batch_kept",
            "g2p_approval_request": "g2p_approval_request_stays",
            "g2p_approval_decision": "g2p_approval_decision_stays",
        }
        for table, trigger in kept.items():
            env.cr.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
        env.cr.execute(
            "SELECT id FROM g2p_approval_request WHERE res_model = 'g2p.cycle' AND res_id = ANY(%s)", [cycles]
        )
        requests = [request_id for [request_id] in env.cr.fetchall()]
        env.cr.execute(
            """
            DELETE FROM g2p_state_history WHERE res_model = 'g2p.approval.request' AND res_id = ANY(%(requests)s);
            DELETE FROM mail_message WHERE model = 'g2p.approval.request' AND res_id = ANY(%(requests)s);
            DELETE FROM mail_activity WHERE res_model = 'g2p.approval.request' AND res_id = ANY(%(requests)s);
            DELETE FROM g2p_approval_decision WHERE request_id = ANY(%(requests)s);
            UPDATE g2p_approval_request SET stage_id = NULL WHERE id = ANY(%(requests)s);
            DELETE FROM g2p_approval_request_stage WHERE request_id = ANY(%(requests)s);
            DELETE FROM g2p_approval_request WHERE id = ANY(%(requests)s);
            """,
            {"requests": requests},
        )
        env.cr.execute(
            """
            DELETE FROM g2p_state_history AS history
             WHERE (res_model = 'g2p.entitlement'
                    AND res_id IN (SELECT id FROM g2p_entitlement WHERE cycle_id = ANY(%(cycles)s)))
                OR (res_model = 'g2p.payment' AND res_id IN (SELECT id FROM g2p_payment WHERE cycle_id = ANY(%(cycles)s)))
                OR (res_model = 'g2p.cycle' AND res_id = ANY(%(cycles)s))
                OR (res_model = 'g2p.cycle.membership'
                    AND res_id IN (SELECT id FROM g2p_cycle_membership WHERE cycle_id = ANY(%(cycles)s)))
                OR (res_model = 'g2p.payment.correction'
                    AND res_id IN (SELECT id FROM g2p_payment_correction WHERE program_id = ANY(%(programs)s)))
                OR (res_model = 'g2p.program' AND res_id = ANY(%(programs)s))
                OR (res_model = 'g2p.program_membership'
                    AND res_id IN (SELECT id FROM g2p_program_membership WHERE program_id = ANY(%(programs)s)));
            DELETE FROM g2p_fund_hold
             WHERE account_id IN (SELECT id FROM g2p_fund_account WHERE program_id = ANY(%(programs)s));
            DELETE FROM g2p_fund_ledger
             WHERE account_id IN (SELECT id FROM g2p_fund_account WHERE program_id = ANY(%(programs)s));
            DELETE FROM g2p_fund_account WHERE program_id = ANY(%(programs)s);
            DELETE FROM g2p_program_fund WHERE program_id = ANY(%(programs)s);
            DELETE FROM g2p_payment_correction WHERE program_id = ANY(%(programs)s);
            DELETE FROM g2p_payment WHERE cycle_id = ANY(%(cycles)s);
            DELETE FROM g2p_payment_batch WHERE cycle_id = ANY(%(cycles)s);
            DELETE FROM g2p_entitlement WHERE cycle_id = ANY(%(cycles)s);
            DELETE FROM g2p_cycle_membership WHERE cycle_id = ANY(%(cycles)s);
            DELETE FROM g2p_bulk_operation WHERE res_model = 'g2p.cycle' AND res_id = ANY(%(cycles)s);
            DELETE FROM mail_message WHERE model = 'g2p.cycle' AND res_id = ANY(%(cycles)s);
            DELETE FROM mail_followers WHERE res_model = 'g2p.cycle' AND res_id = ANY(%(cycles)s);
            DELETE FROM g2p_cycle WHERE id = ANY(%(cycles)s);
            DELETE FROM g2p_program_membership WHERE program_id = ANY(%(programs)s);
            """,
            {"cycles": cycles, "programs": programs},
        )
        for table, trigger in kept.items():
            env.cr.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")
        env.invalidate_all()
        env["g2p.program"].browse(programs)._refresh_counters()
        env["g2p.program"].browse(programs).unlink()
        env["g2p.program.definition"].browse(definitions).exists().unlink()
        env["res.partner"].search([("family_name", "=", NAME)]).unlink()

    def at_once(self, *functions):
        """Run each in a thread with its own connection, as a request would: conflicts are tried again."""
        results = [None] * len(functions)
        barrier = threading.Barrier(len(functions))

        def call(number, function):
            try:
                with self.connection() as env:
                    barrier.wait(PATIENCE)
                    results[number] = retrying(lambda: function(env), env)
            except Exception as error:
                results[number] = error

        threads = [threading.Thread(target=call, args=pair, daemon=True) for pair in enumerate(functions)]
        # The main thread may hold the registry's lock, when it tests at the end of loading modules.
        with patch.object(Registry, "_lock", threading.RLock()), mute_logger("odoo.sql_db", "odoo.service.model"):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
                self.assertFalse(thread.is_alive(), "a connection hangs")
        return results

    def deposit(self, amount):
        with self.connection() as env:
            env["g2p.program.fund"].create({"program_id": self.program_id, "amount": amount}).post_fund()

    def outcome(self):
        """(reserved, approved in the first cycle, approved in the second), after the balance was verified."""
        with self.connection() as env:
            account = env["g2p.fund.account"].search([("program_id", "=", self.program_id)])
            self.assertEqual(account._verify_balance(), [])
            counts = [
                env["g2p.entitlement"].search_count([("cycle_id", "=", cycle_id), ("state", "=", "approved")])
                for cycle_id in self.cycle_ids
            ]
            return account.reserved, counts

    def approve(self, number):
        return lambda env: env["g2p.cycle"].browse(self.cycle_ids[number]).validate_entitlement()


@tagged("post_install", "-at_install")
class TestMoneyConcurrency(ConnectionsCase):
    def test_two_approvals_never_promise_more_than_the_fund(self):
        self.deposit(500)
        results = self.at_once(self.approve(0), self.approve(1))
        refusals = [result for result in results if isinstance(result, Exception)]
        self.assertEqual(len(refusals), 1, results)
        self.assertIsInstance(refusals[0], UserError)
        self.assertIn("short by", str(refusals[0]))
        reserved, counts = self.outcome()
        self.assertEqual((reserved, sorted(counts)), (300, [0, 3]))

    def test_two_approvals_by_priority_share_what_is_there(self):
        self.deposit(500)
        with self.connection() as env:
            # The cycles wait for approval already, when people can't change it any more.
            env.cr.execute(
                "UPDATE g2p_program_entitlement_manager_default SET shortage_policy = 'priority' WHERE id = %s",
                [self.terms_id],
            )
        results = self.at_once(self.approve(0), self.approve(1))
        self.assertFalse([result for result in results if isinstance(result, Exception)], results)
        reserved, counts = self.outcome()
        self.assertEqual((reserved, sorted(counts)), (500, [2, 3]))

    def test_the_same_approval_twice_at_once_approves_once(self):
        self.deposit(500)
        self.at_once(self.approve(0), self.approve(0))
        self.assertEqual(self.outcome(), (300, [3, 0]))

    def test_two_sessions_prepare_one_payment_for_each_entitlement(self):
        self.deposit(600)
        self.at_once(self.approve(0))

        def press(env):
            return env["g2p.cycle"].browse(self.cycle_ids[0]).prepare_payment()

        results = self.at_once(press, press)
        for result in results:
            # One may be told that the other runs; nobody sees a database error.
            if isinstance(result, Exception):
                self.assertIsInstance(result, UserError)
        self.assert_one_payment_each()

    def test_even_without_the_lock_of_the_step_there_is_one_payment(self):
        self.deposit(600)
        self.at_once(self.approve(0))

        def prepare(env):
            cycle = env["g2p.cycle"].browse(self.cycle_ids[0])
            return cycle._payment_manager()._prepare_chunk(cycle, None, None)

        results = self.at_once(prepare, prepare, prepare)
        self.assertEqual(sorted(sum(result.values()) for result in results), [0, 0, 3])
        self.assert_one_payment_each()

    def assert_one_payment_each(self):
        with self.connection() as env:
            payments = env["g2p.payment"].search([("cycle_id", "=", self.cycle_ids[0])])
            entitlements = env["g2p.entitlement"].search([("cycle_id", "=", self.cycle_ids[0])])
            self.assertEqual(payments.entitlement_id, entitlements)
            self.assertEqual(len(payments), 3)
            self.assertEqual(sum(payments.batch_id.mapped("stats_issued_transactions")), 3)

    def test_a_payment_is_not_made_while_its_entitlement_ends(self):
        """Whoever comes first, and whatever the other, who looked before, still believes."""
        self.deposit(600)
        self.at_once(self.approve(0))
        self.at_once(self.approve(1))

        def prepare(env, number):
            cycle = env["g2p.cycle"].browse(self.cycle_ids[number])
            cycle._payment_manager()._prepare_chunk(cycle, None, None)

        def reject(env, number):
            env["g2p.entitlement"].search([("cycle_id", "=", self.cycle_ids[number])])._reject("rejected3", "Fraud")

        with self.connection() as late:
            late.cr.execute("SELECT COUNT(*) FROM g2p_entitlement")
            with self.connection() as early:
                reject(early, 0)
            # The engine tries the range again, and sees that nothing is to be paid.
            with self.assertRaises(SerializationFailure), mute_logger("odoo.sql_db"):
                prepare(late, 0)
            late.cr.rollback()
            late.transaction.reset()
            prepare(late, 0)
        with self.connection() as late:
            late.cr.execute("SELECT COUNT(*) FROM g2p_entitlement")
            with self.connection() as early:
                prepare(early, 1)
            reject(late, 1)
        with self.connection() as env:
            cycle = env["g2p.cycle"].browse(self.cycle_ids[1])
            cycle._bulk_step("prepare_payments")._finish(cycle, env["g2p.bulk.operation"])
        with self.connection() as env:
            payments = env["g2p.payment"].search([("program_id", "=", self.program_id)])
            self.assertEqual((len(payments), set(payments.mapped("status"))), (3, {"failed"}))
            account = env["g2p.fund.account"].search([("program_id", "=", self.program_id)])
            self.assertEqual((account._verify_balance(), account.reserved), ([], 0))

    def test_a_rejection_and_the_end_of_preparing_payments_do_not_miss_each_other(self):
        self.deposit(300)
        self.at_once(self.approve(0))
        with self.connection() as late:
            late.cr.execute("SELECT COUNT(*) FROM g2p_entitlement")
            with self.connection() as early:
                early["g2p.cycle"].browse(self.cycle_ids[0]).prepare_payment()
            entitlements = late["g2p.entitlement"].search([("cycle_id", "=", self.cycle_ids[0])])
            with self.assertRaises(SerializationFailure), mute_logger("odoo.sql_db"):
                entitlements._reject("rejected3", "Fraud")
            late.cr.rollback()
            late.transaction.reset()

    def test_two_confirmations_of_one_payment_charge_the_fund_once(self):
        self.deposit(600)
        self.at_once(self.approve(0))
        with self.connection() as env:
            env["g2p.cycle"].browse(self.cycle_ids[0]).prepare_payment()

        def mark(status):
            return lambda env: env["g2p.cycle"].browse(self.cycle_ids[0])._mark_payments(status, "Answer of the bank")

        self.at_once(mark("paid"), mark("failed"))
        with self.connection() as env:
            account = env["g2p.fund.account"].search([("program_id", "=", self.program_id)])
            self.assertEqual(account._verify_balance(), [])
            self.assertEqual(account.reserved + account.disbursed, 300)
            payments = env["g2p.payment"].search([("cycle_id", "=", self.cycle_ids[0])])
            self.assertEqual(account.disbursed, 100 * len(payments.filtered(lambda payment: payment.status == "paid")))

    # Corrections

    def sent(self):
        """The first cycle with its payments on their way; the second person of finance."""
        self.deposit(600)
        self.at_once(self.approve(0))
        with self.connection() as env:
            env["g2p.cycle"].browse(self.cycle_ids[0]).prepare_payment()
        with self.connection() as env:
            env["g2p.cycle"].browse(self.cycle_ids[0]).send_payment()

    def paid(self):
        self.sent()
        with self.connection() as env:
            env["g2p.cycle"].browse(self.cycle_ids[0])._mark_payments("paid")

    def ask(self, **values):
        """Asked by the preparer; the connections of the tests are the approver's."""
        with self.connection(PREPARER) as env:
            payments = env["g2p.payment"].search([("cycle_id", "=", self.cycle_ids[0])])
            if values.get("kind") == "cancel":
                values = {**values, "batch_id": payments.batch_id.id, "file_fate": "stopped"}
            else:
                values = {**values, "payment_ids": [(6, 0, payments.ids)]}
            return env["g2p.payment.correction"].create({"reason": "Came back", "evidence": "Letter 1", **values}).id

    def confirm(self, correction_id):
        return lambda env: env["g2p.payment.correction"].browse(correction_id).confirm()

    def test_a_correction_that_two_confirm_at_once_is_done_once(self):
        self.paid()
        correction = self.ask(kind="returned", afterwards="cancel")
        results = self.at_once(self.confirm(correction), self.confirm(correction), self.confirm(correction))
        refused = [result for result in results if isinstance(result, Exception)]
        self.assertEqual(len(refused), 2, results)
        for error in refused:
            self.assertIsInstance(error, UserError)
        with self.connection() as env:
            account = env["g2p.fund.account"].search([("program_id", "=", self.program_id)])
            self.assertEqual((account._verify_balance(), account.reserved, account.disbursed), ([], 0, 0))
            refunds = env["g2p.fund.ledger"].search([("account_id", "=", account.id), ("kind", "=", "refund")])
            self.assertEqual(refunds.mapped("amount"), [300])

    def test_a_write_off_that_two_confirm_at_once_is_done_once(self):
        self.paid()
        correction = self.ask(kind="lost", afterwards="reissue")
        results = self.at_once(self.confirm(correction), self.confirm(correction), self.confirm(correction))
        refused = [result for result in results if isinstance(result, Exception)]
        self.assertEqual(len(refused), 2, results)
        for error in refused:
            self.assertIsInstance(error, UserError)
        with self.connection() as env:
            account = env["g2p.fund.account"].search([("program_id", "=", self.program_id)])
            self.assertEqual((account._verify_balance(), account.posted, account.reserved), ([], 300, 300))
            self.assertEqual((account.disbursed, account.written_off), (0, 300))

    def test_a_reversal_while_payments_are_marked(self):
        self.paid()
        correction = self.ask(kind="wrong", afterwards="reissue")

        def mark(env):
            return env["g2p.payment"]._finalize_now(
                SQL("SELECT id FROM g2p_payment WHERE cycle_id = %s", self.cycle_ids[0]), "paid"
            )

        results = self.at_once(self.confirm(correction), mark, mark)
        self.assertFalse([result for result in results if isinstance(result, Exception)], results)
        with self.connection() as env:
            account = env["g2p.fund.account"].search([("program_id", "=", self.program_id)])
            self.assertEqual((account._verify_balance(), account.reserved, account.disbursed), ([], 300, 0))
            cycle = env["g2p.cycle"].browse(self.cycle_ids[0])
            self.assertEqual(
                (cycle.state, cycle.paid_count, cycle.failed_count, cycle.unpaid_count), ("approved", 0, 3, 3)
            )

    def test_a_batch_is_cancelled_while_the_payer_says_paid(self):
        """Whoever comes first: each payment is paid, or failed and due again; never both."""
        self.sent()
        correction = self.ask(kind="cancel", afterwards="reissue")

        def mark(env):
            return env["g2p.payment"]._finalize_now(
                SQL("SELECT id FROM g2p_payment WHERE cycle_id = %s", self.cycle_ids[0]), "paid"
            )

        results = self.at_once(self.confirm(correction), mark)
        for result in results:
            if isinstance(result, Exception):
                self.assertIsInstance(result, UserError)
        with self.connection() as env:
            account = env["g2p.fund.account"].search([("program_id", "=", self.program_id)])
            payments = env["g2p.payment"].search([("cycle_id", "=", self.cycle_ids[0])])
            self.assertEqual(len(set(payments.mapped("status"))), 1)
            self.assertEqual(account._verify_balance(), [])
            self.assertEqual(account.reserved + account.disbursed, 300)

    def test_a_batch_is_cancelled_while_it_is_sent(self):
        """A payment of it that had not left yet is not sent after the batch was cancelled."""
        self.sent()
        with self.connection() as env:
            payment = env["g2p.payment"].search([("cycle_id", "=", self.cycle_ids[0])], limit=1)
            env.cr.execute("UPDATE g2p_payment SET state = 'issued' WHERE id = %s", [payment.id])
            env.cr.execute("UPDATE g2p_entitlement SET state = 'approved' WHERE id = %s", [payment.entitlement_id.id])
        correction = self.ask(kind="cancel", afterwards="cancel")

        def send(env):
            return env["g2p.cycle"].browse(self.cycle_ids[0]).send_payment()

        results = self.at_once(self.confirm(correction), send)
        self.assertFalse([result for result in results if isinstance(result, Exception)], results)
        with self.connection() as env:
            payments = env["g2p.payment"].search([("cycle_id", "=", self.cycle_ids[0])])
            self.assertEqual(
                (set(payments.mapped("status")), set(payments.mapped("state"))), ({"failed"}, {"reconciled"})
            )
            account = env["g2p.fund.account"].search([("program_id", "=", self.program_id)])
            self.assertEqual((account._verify_balance(), account.reserved, account.disbursed), ([], 0, 0))


@tagged("post_install", "-at_install")
class TestApprovalsAtOnce(ConnectionsCase):
    """Several people press at the same moment, on the cycle or in the inbox: it comes to the same as one after the other."""

    PEOPLE = ("ann", "ben", "cem")

    def setUp(self):
        super().setUp()
        self.deposit(500)
        with self.connection() as env:
            both = "g2p_programs.g2p_program_cycle_approver,g2p_programs.g2p_finance_validator"
            self.people = {name: new_test_user(env, login=f"{NAME} {name}", groups=both).id for name in self.PEOPLE}
            # Sent again, as it is by a program manager.
            cycle = env["g2p.cycle"].browse(self.cycle_ids[0])
            cycle._transition("draft")
        with self.connection(PREPARER) as env:
            cycle = env["g2p.cycle"].browse(self.cycle_ids[0])
            env.cr.execute("UPDATE g2p_entitlement SET state = 'draft' WHERE cycle_id = %s", [cycle.id])
            cycle._approval_drop("Again")
            cycle.to_approve()

    def clean_up(self):
        super().clean_up()
        with self.connection() as env:
            users = env["res.users"].with_context(active_test=False).search([("login", "=like", f"{NAME} %")])
            partners = users.partner_id
            users.unlink()
            partners.unlink()

    def stage(self, **values):
        with self.connection() as env:
            env["g2p.approval.stage"].create(
                {
                    "name": "Approvers",
                    "kind_id": env.ref("g2p_programs.approval_kind_cycle").id,
                    "group_id": env.ref("g2p_programs.g2p_program_cycle_approver").id,
                    "scope": f"g2p.program,{self.program_id}",
                    **values,
                }
            )
            cycle = env["g2p.cycle"].browse(self.cycle_ids[0])
            cycle._approval_drop("Other stages", "void")

    def press(self, name, method="approve"):
        def pressed(env):
            cycle = env["g2p.cycle"].with_user(self.people[name]).browse(self.cycle_ids[0])
            return getattr(cycle, method)()

        return pressed

    def inbox(self, name, decision="action_approve", kind="cycle"):
        def pressed(env):
            cycle = env["g2p.cycle"].browse(self.cycle_ids[0])
            request = cycle._approval_open(kind).with_user(self.people[name])
            if not request:
                raise UserError("Nothing waits")
            return getattr(request, decision)("Because", request.sudo().digest)

        return pressed

    def state(self):
        """(state of the cycle, decisions on it, entitlements approved, reserved)"""
        reserved, [approved, _other] = self.outcome()
        with self.connection() as env:
            cycle = env["g2p.cycle"].browse(self.cycle_ids[0])
            requests = cycle.approval_request_ids.filtered(lambda request: request.kind_code == "cycle")
            return cycle.state, len(requests.decision_ids), approved, reserved

    def test_two_presses_are_one_approval(self):
        results = self.at_once(self.press("ann"), self.press("ben"))
        self.assertEqual(sum(isinstance(result, Exception) for result in results), 1, results)
        self.assertEqual(self.state(), ("approved", 1, 0, 0))

    def test_the_button_and_the_inbox(self):
        results = self.at_once(self.press("ann"), self.inbox("ben"))
        self.assertEqual(sum(isinstance(result, Exception) for result in results), 1, results)
        self.assertEqual(self.state(), ("approved", 1, 0, 0))

    def test_two_of_three_at_once(self):
        self.stage(needed=2)
        results = self.at_once(self.press("ann"), self.inbox("ben"))
        self.assertFalse([result for result in results if isinstance(result, Exception)], results)
        self.assertEqual(self.state(), ("approved", 2, 0, 0))

    def test_a_double_press_is_one_decision(self):
        self.stage(needed=2)
        results = self.at_once(self.press("ann"), self.press("ann"))
        self.assertEqual(sum(isinstance(result, Exception) for result in results), 1, results)
        self.assertEqual(self.state(), ("to_approve", 1, 0, 0))

    def test_one_approves_while_another_sends_it_back(self):
        results = self.at_once(self.press("ann"), self.inbox("ben", "action_reject"))
        self.assertEqual(sum(isinstance(result, Exception) for result in results), 1, results)
        state, decisions, approved, reserved = self.state()
        self.assertIn(state, ("approved", "draft"))
        self.assertEqual((decisions, approved, reserved), (1, 0, 0))

    def test_entitlements_are_promised_once(self):
        with self.connection() as env:
            self.press("cem")(env)
        results = self.at_once(
            self.press("ann", "validate_entitlement"),
            self.inbox("ben", kind="cycle_entitlements"),
            self.press("cem", "validate_entitlement"),
        )
        self.assertLessEqual(sum(isinstance(result, Exception) for result in results), 2, results)
        self.assertEqual(self.state(), ("approved", 1, 3, 300))
