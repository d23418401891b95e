import psycopg2

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .money import MoneyCase


class CorrectionCase(MoneyCase):
    """Payments that left, and two people of finance."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.second = new_test_user(cls.env, login="second_finance", groups="g2p_programs.g2p_finance_validator")
        cls.cycle = cls.paid_out()
        cls.batch = cls.cycle.payment_batch_ids

    def mark(self, payments=None, status="paid", **values):
        wizard = self.env["g2p.payment.mark.wizard"].with_user(self.finance).sudo(status == "failed")
        wizard.create(
            {"payment_ids": [(6, 0, (payments or self.payments(self.cycle)).ids)], "status": status, **values}
        ).mark()

    def ask(self, user=None, **values):
        return (
            self.env["g2p.payment.correction"]
            .with_user(user or self.finance)
            .create({"reason": "The bank says so", "evidence": "Letter 12", **values})
        )

    def ask_to_cancel(self, user=None, **values):
        return self.ask(user, kind="cancel", batch_id=self.batch.id, file_fate="stopped", **values)

    def large_payment(self):
        return self.payments(self.cycle).filtered(lambda one: one.partner_id == self.large)


@tagged("post_install", "-at_install")
class TestPaymentCorrections(CorrectionCase):
    """What left, or was recorded as paid, is put right by two people."""

    # A batch that left

    def test_a_batch_that_left_is_cancelled_by_two_people_and_stays(self):
        names = set(self.payments(self.cycle).mapped("name"))
        with self.assertRaisesRegex(UserError, "can't be deleted.*ask to cancel"):
            self.batch.with_user(self.manager).unlink()
        correction = self.ask_to_cancel(self.manager)
        self.assertEqual((correction.payments_count, correction.payments_amount), (3, 372.4))
        self.assertEqual(self.figures(), (1000, 380, 0))
        with self.assertRaises(AccessError):
            correction.with_user(self.manager).confirm()
        correction.with_user(self.finance).confirm()
        payments = self.payments(self.cycle)
        self.assertEqual((set(payments.mapped("status")), set(payments.mapped("name"))), ({"failed"}, names))
        self.assertIn("Letter 12", payments[0].status_reason)
        self.assertEqual((self.batch.cancelled_by, self.batch.batch_has_completed), (self.finance, True))
        self.assertEqual(set(self.entitlements(self.cycle).mapped("state")), {"approved"})
        self.assertEqual((self.figures(), self.cycle.unpaid_count), ((1000, 380, 0), 3))
        self.assertEqual(correction.moved_count, 3)
        # A new batch has new references; the old ones are on record for ever.
        self.cycle.prepare_payment()
        self.cycle.send_payment()
        again = self.payments(self.cycle) - payments
        self.assertEqual(len(again), 3)
        self.assertFalse(set(again.mapped("name")) & names)
        self.assertTrue(self.batch.exists())

    def test_the_entitlements_of_a_cancelled_batch_may_end_with_it(self):
        self.ask_to_cancel(afterwards="cancel").with_user(self.second).confirm()
        self.assertEqual(set(self.entitlements(self.cycle).mapped("state")), {"cancelled"})
        self.assertEqual(self.figures(), (1000, 0, 0))

    def test_what_is_final_stays_when_a_batch_is_cancelled(self):
        self.mark(self.large_payment())
        correction = self.ask_to_cancel()
        self.assertEqual(correction.payments_count, 2)
        correction.with_user(self.second).confirm()
        self.assertEqual((self.large_payment().status, self.figures()), ("paid", (1000, 220, 160)))

    # What left does not fail by one person's word

    def mark_wizard(self, **values):
        return (
            self.env["g2p.payment.mark.wizard"]
            .with_user(self.finance)
            .create({"status": "failed", "reason": "Closed", "bank_reference": "Letter 7", **values})
        )

    def asked(self, action):
        """The correction that the form of this action asks for, as finance saves it."""
        self.assertEqual(action["res_model"], "g2p.payment.correction")
        values = {key.removeprefix("default_"): value for key, value in action["context"].items()}
        fate = {"file_fate": "stopped"} if values.get("kind") == "cancel" else {}
        return self.env["g2p.payment.correction"].with_user(self.finance).create(values | fate)

    def test_one_person_fails_nothing_that_left(self):
        payments = self.payments(self.cycle)
        ids = [(6, 0, payments.ids)]
        for scope in (
            {"payment_ids": ids},
            {"batch_id": self.batch.id},
            {"payment_ids": [(6, 0, payments[0].ids)]},
        ):
            action = self.mark_wizard(**scope).mark()
            self.assertEqual(action["res_model"], "g2p.payment.correction")
        with self.assertRaisesRegex(UserError, "3 payments left.*Somebody else of finance"):
            self.mark_wizard(cycle_id=self.cycle.id).mark()
        self.cycle.with_user(self.finance)._mark_payments("failed", "Closed")
        self.assertEqual(self.counts(self.cycle, "reconcile"), {"left": 3})
        self.assertEqual(set(payments.mapped("status")), {False})
        self.assertEqual(set(self.entitlements(self.cycle).mapped("state")), {"trans2FSP"})
        self.cycle.prepare_payment()
        self.assertEqual(self.payments(self.cycle), payments)

    def test_a_payment_that_left_fails_by_two_people(self):
        payment = self.large_payment()
        correction = self.asked(self.mark_wizard(payment_ids=[(6, 0, payment.ids)]).mark())
        self.assertEqual((correction.kind, correction.reason, correction.evidence), ("failed", "Closed", "Letter 7"))
        self.assertEqual((correction.payments_count, payment.status), (1, False))
        with self.assertRaisesRegex(AccessError, "somebody else has to confirm"):
            correction.with_user(self.finance).confirm()
        with self.assertRaises(AccessError):
            correction.with_user(self.manager).confirm()
        with self.assertRaisesRegex(UserError, "already: confirm or refuse"):
            self.ask(self.manager, kind="failed", payment_ids=[(6, 0, payment.ids)])
        correction.with_user(self.second).confirm()
        self.assertEqual((payment.status, payment.entitlement_id.state), ("failed", "approved"))
        self.assertIn("Letter 7", payment.status_reason)
        self.assertEqual((self.figures(), correction.moved_count), ((1000, 380, 0), 1))
        self.cycle.prepare_payment()
        self.assertEqual(len(self.large_payment()), 2)

    def test_a_batch_that_is_said_to_have_failed_is_cancelled_by_two_people(self):
        correction = self.asked(self.mark_wizard(batch_id=self.batch.id).mark())
        self.assertEqual((correction.kind, correction.batch_id, correction.payments_count), ("cancel", self.batch, 3))
        correction.with_user(self.second).confirm()
        self.assertEqual(set(self.payments(self.cycle).mapped("status")), {"failed"})

    def test_what_is_final_meanwhile_does_not_fail(self):
        payments = self.payments(self.cycle)
        correction = self.ask(kind="failed", payment_ids=[(6, 0, payments.ids)], afterwards="cancel")
        self.mark(self.large_payment())
        answer = correction.with_user(self.second).confirm()
        self.assertIn("was changed after it was asked for", answer["params"]["message"])
        self.assertEqual((correction.state, correction.sudo().approval_request_ids.state), ("refused", "void"))
        self.assertEqual((payments - self.large_payment()).mapped("status"), [False, False])
        others = payments - self.large_payment()
        self.ask(self.manager, kind="failed", payment_ids=[(6, 0, others.ids)], afterwards="cancel").with_user(
            self.second
        ).confirm()
        self.assertEqual(set(others.entitlement_id.mapped("state")), {"cancelled"})
        self.assertEqual(self.figures(), (1000, 0, 160))

    def test_what_has_not_left_fails_by_one_person_and_is_not_corrected(self):
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        cycle.prepare_payment()
        payment = self.payments(cycle)
        with self.assertRaisesRegex(UserError, "not on their way to a payer"):
            self.ask(kind="failed", payment_ids=[(6, 0, payment.ids)])
        both = payment + self.large_payment()
        action = self.mark_wizard(payment_ids=[(6, 0, both.ids)]).mark()
        self.assertRegex(action["params"]["message"], "^3 payments were marked. 1 left")
        self.assertEqual((set(payment.mapped("status")), self.large_payment().status), ({"failed"}, False))
        self.assertEqual(self.asked(action["params"]["next"]).payment_ids, self.large_payment())

    def test_one_asks_another_confirms(self):
        for role in ("registrar", "support", "auditor", "validator", "approver"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.ask_to_cancel(self.users[role])
        correction = self.ask_to_cancel()
        with self.assertRaisesRegex(AccessError, "somebody else has to confirm"):
            correction.with_user(self.finance).confirm()
        for role in ("manager", "registrar", "support", "auditor", "validator", "approver"):
            with self.subTest(role), self.assertRaises(AccessError):
                correction.with_user(self.users[role]).confirm()
        self.assertTrue(correction.with_user(self.second).can_confirm)
        self.assertFalse(correction.with_user(self.finance).can_confirm)
        with self.assertRaises(psycopg2.Error), self.cr.savepoint(), mute_logger("odoo.sql_db"):
            self.env.cr.execute(
                "UPDATE g2p_payment_correction SET state = 'done', confirmed_by = requested_by WHERE id = %s",
                [correction.id],
            )
        for values in ({"state": "done"}, {"confirmed_by": self.second.id}, {"requested_by": self.manager.id}):
            with self.subTest(values), self.assertRaises(UserError):
                correction.with_user(self.finance).write(values)
        for values in ({"reason": "x"}, {"afterwards": "cancel"}, {"payment_ids": [(5,)]}, {"batch_id": False}):
            with self.subTest(values), self.assertRaisesRegex(UserError, "stays as it is"):
                correction.with_user(self.finance).write(values)
        with self.assertRaises(UserError):
            correction.with_user(self.finance).unlink()
        with self.assertRaises(AccessError):
            self.ask(requested_by=self.second.id, kind="cancel", batch_id=self.batch.id, file_fate="stopped")
        correction.with_user(self.second).refuse()
        self.assertEqual((correction.state, self.batch.cancelled_on), ("refused", False))
        with self.assertRaisesRegex(UserError, "Rejected"):
            correction.with_user(self.second).confirm()

    def test_what_is_missing_is_asked_for(self):
        payments = [(6, 0, self.payments(self.cycle).ids)]
        for words, values in (
            ("what became of the file", {"kind": "cancel", "batch_id": self.batch.id}),
            (
                "where the payer says so",
                {"kind": "cancel", "batch_id": self.batch.id, "file_fate": "stopped", "evidence": " "},
            ),
            ("not recorded as paid", {"kind": "wrong", "payment_ids": payments}),
            ("payments of one program", {"kind": "wrong"}),
        ):
            with self.subTest(words), self.assertRaisesRegex(UserError, words), self.cr.savepoint():
                self.ask(**values)
        self.mark()
        with self.assertRaisesRegex(UserError, "nothing to cancel"):
            self.ask_to_cancel()

    def test_the_database_keeps_what_left(self):
        payment = self.large_payment()
        for statement in (
            "DELETE FROM g2p_payment WHERE id = %s",
            "UPDATE g2p_payment SET name = 'other' WHERE id = %s",
            "UPDATE g2p_payment SET amount_issued = 1 WHERE id = %s",
        ):
            with (
                self.subTest(statement),
                self.assertRaises(psycopg2.Error),
                self.cr.savepoint(),
                mute_logger("odoo.sql_db"),
            ):
                self.env.cr.execute(statement, [payment.id])

    # A payment recorded as paid

    def test_a_wrong_paid_is_reversed_and_paid_again(self):
        self.mark()
        self.assertEqual((self.cycle.state, self.figures()), ("distributed", (1000, 0, 380)))
        payment = self.large_payment()
        self.assertEqual(payment.recorded_by_id, self.finance)
        self.assertTrue(payment.recorded_on)
        correction = self.ask(kind="wrong", payment_ids=[(6, 0, payment.ids)])
        self.assertEqual(self.figures(), (1000, 0, 380))
        correction.with_user(self.second).confirm()
        self.assertEqual((payment.status, payment.amount_paid, payment.entitlement_id.state), ("failed", 0, "approved"))
        self.assertTrue(payment.reversed_on)
        self.assertEqual(self.figures(), (1000, 160, 220))
        self.assertEqual(
            (self.cycle.state, self.cycle.paid_count, self.cycle.failed_count, self.cycle.unpaid_count),
            ("approved", 2, 1, 1),
        )
        self.assertEqual((self.batch.stats_paid_transactions, self.batch.stats_failed_transactions), (2, 1))
        ledger = self.env["g2p.fund.ledger"].search([("account_id", "=", self.account().id)], limit=2)
        self.assertEqual(ledger.mapped("kind"), ["reserve", "refund"])
        self.assertEqual(ledger.mapped("amount"), [160, 160])
        self.cycle.prepare_payment()
        self.cycle.send_payment()
        again = self.large_payment() - payment
        self.mark(again)
        self.assertEqual((self.cycle.state, self.figures()), ("distributed", (1000, 0, 380)))
        self.assertEqual(again.attempt, 2)
        self.env.cr.execute(
            "SELECT to_state, user_id FROM g2p_state_history WHERE res_model = 'g2p.entitlement' AND res_id = %s ORDER BY id",
            [payment.entitlement_id.id],
        )
        self.assertEqual(
            self.env.cr.fetchall()[-4:],
            [
                ("rdpd2ben", self.finance.id),
                ("approved", self.second.id),
                ("trans2FSP", self.manager.id),
                ("rdpd2ben", self.finance.id),
            ],
        )

    def test_what_came_back_is_cancelled_and_its_money_is_there_again(self):
        self.mark()
        self.cycle.mark_ended()
        payment = self.large_payment()
        self.ask(payment_ids=[(6, 0, payment.ids)], afterwards="cancel").with_user(self.second).confirm()
        self.assertEqual((payment.status, payment.entitlement_id.state), ("failed", "cancelled"))
        self.assertEqual((self.cycle.state, self.figures()), ("ended", (1000, 0, 220)))
        self.assertEqual((self.cycle.paid_count, self.cycle.entitlements_count), (2, 2))

    def test_an_ended_cycle_is_opened_again_to_pay_what_came_back(self):
        self.mark()
        self.cycle.mark_ended()
        payment = self.large_payment()
        self.env.cr.execute(
            "UPDATE g2p_entitlement SET valid_from = '2020-01-01', valid_until = '2020-12-31' WHERE id = %s",
            [payment.entitlement_id.id],
        )
        self.env.invalidate_all()
        self.ask(payment_ids=[(6, 0, payment.ids)]).with_user(self.second).confirm()
        self.assertEqual(self.cycle.state, "approved")
        self.assertGreater(payment.entitlement_id.valid_until, fields.Date.today())
        self.cycle.prepare_payment()
        self.assertEqual(len(self.large_payment()), 2)

    def test_a_payment_is_asked_for_once_and_taken_back_once(self):
        self.mark()
        payment = self.large_payment()
        correction = self.ask(payment_ids=[(6, 0, payment.ids)])
        with self.assertRaisesRegex(UserError, "already: confirm or refuse"):
            self.ask(self.second, payment_ids=[(6, 0, payment.ids)])
        correction.with_user(self.second).confirm()
        with self.assertRaises(UserError):
            correction.with_user(self.second).confirm()
        self.assertEqual(self.figures(), (1000, 160, 220))

    # What was paid, and is lost

    def write_off(self, user=None, payments=None, **values):
        ids = (payments or self.large_payment()).ids
        return self.ask(user, kind="lost", payment_ids=[fields.Command.set(ids)], **values)

    def ledger(self, count):
        return self.env["g2p.fund.ledger"].search([("account_id", "=", self.account().id)], limit=count)

    def test_what_was_lost_is_written_off_and_paid_again_from_what_is_available(self):
        self.mark()
        payment = self.large_payment()
        correction = self.write_off()
        self.assertEqual((self.figures(), payment.status), ((1000, 0, 380), "paid"))
        correction.with_user(self.second).confirm()
        self.assertEqual((payment.status, payment.amount_paid, payment.entitlement_id.state), ("failed", 0, "approved"))
        self.assertEqual(payment.status_reason, "Written off: The bank says so (Letter 12)")
        # 160 of the fund are gone, and 160 of what is left are reserved.
        self.assertEqual(self.figures(), (840, 160, 220))
        self.assertEqual(self.account()._verify_balance(), [])
        self.assertEqual(self.ledger(2).mapped("kind"), ["reserve", "write_off"])
        self.assertEqual((self.ledger(2).mapped("amount"), self.account().written_off), ([160, 160], 160))
        self.assertEqual(self.grant.paid_this_year, 220)
        self.env.cr.execute(
            "SELECT reason FROM g2p_state_history WHERE res_model = 'g2p.entitlement' AND res_id = %s ORDER BY id DESC LIMIT 1",
            [payment.entitlement_id.id],
        )
        self.assertIn("Written off", self.env.cr.fetchone()[0])
        self.assertEqual(self.cycle.state, "approved")
        # It is paid again, and what is paid again can come back, or be lost too.
        with self.assertRaisesRegex(UserError, "not recorded as paid.*nothing to write off"), self.cr.savepoint():
            self.write_off(payments=payment)
        self.cycle.prepare_payment()
        self.cycle.send_payment()
        again = self.large_payment() - payment
        self.mark(again)
        self.assertEqual((self.cycle.state, self.figures()), ("distributed", (840, 0, 380)))
        with self.assertRaisesRegex(UserError, "nothing to write off"), self.cr.savepoint():
            self.write_off(payments=payment + again)
        self.write_off(payments=again, afterwards="cancel").with_user(self.second).confirm()
        self.assertEqual((self.figures(), self.account().written_off), ((680, 0, 220), 320))
        self.assertEqual(self.account()._verify_balance(), [])

    def test_nothing_of_what_was_written_off_is_available(self):
        self.mark()
        payment = self.large_payment()
        available = self.account().available
        self.write_off(afterwards="cancel").with_user(self.second).confirm()
        self.assertEqual((payment.status, payment.entitlement_id.state), ("failed", "cancelled"))
        self.assertEqual((self.figures(), self.account().available), ((840, 0, 220), available))
        self.assertEqual(self.account()._verify_balance(), [])

    def test_a_fund_that_is_short_pays_nothing_again_and_writes_nothing_off(self):
        self.deposit(600, kind="withdrawal")
        self.mark()
        self.assertEqual(self.figures(), (400, 0, 380))
        correction = self.write_off()
        payment, lines = self.large_payment(), self.ledger(None)
        with self.assertRaisesRegex(UserError, "short by.*140.*to cancel the entitlements"), self.cr.savepoint():
            correction.with_user(self.second).confirm()
        self.env.invalidate_all()
        self.assertEqual((correction.state, payment.status, self.figures()), ("requested", "paid", (400, 0, 380)))
        self.assertEqual((payment.entitlement_id.state, self.ledger(None)), ("rdpd2ben", lines))
        self.deposit(140)
        correction.with_user(self.second).confirm()
        self.assertEqual((correction.state, self.figures()), ("done", (380, 160, 220)))

    def test_nobody_writes_off_alone(self):
        with self.assertRaisesRegex(UserError, "nothing to write off"), self.cr.savepoint():
            self.write_off()
        self.mark()
        for role in ("manager", "registrar", "support", "auditor", "validator", "approver"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.write_off(self.users[role])
        correction = self.write_off()
        with self.assertRaisesRegex(UserError, "already: confirm or refuse"), self.cr.savepoint():
            self.ask(self.second, kind="returned", payment_ids=[fields.Command.set(self.large_payment().ids)])
        request = correction.sudo().approval_request_ids
        for user in (self.finance, self.manager, self.users["approver"]):
            self.assertFalse(correction.with_user(user).can_confirm)
            with self.subTest(user.login), self.assertRaises(AccessError):
                correction.with_user(user).confirm()
            with self.subTest(user.login), self.assertRaises(AccessError):
                request.with_user(user).action_approve(None, request.digest)
        company = self.env["res.company"].create({"name": "Other ministry"})
        stranger = new_test_user(
            self.env,
            login="stranger_of_finance",
            groups="g2p_programs.g2p_finance_validator",
            company_id=company.id,
            company_ids=[fields.Command.set(company.ids)],
        )
        for call in (correction.with_user(stranger).confirm, correction.with_user(stranger).refuse):
            with self.assertRaises(AccessError):
                call()
        self.assertEqual((correction.state, self.figures()), ("requested", (1000, 0, 380)))
        self.assertTrue(correction.with_user(self.second).can_confirm)
        correction.with_user(self.second).confirm()
        with self.assertRaisesRegex(UserError, "Done"):
            correction.with_user(self.second).confirm()
        self.assertEqual(self.figures(), (840, 160, 220))

    def test_a_write_off_is_refused_or_taken_back_as_other_corrections(self):
        self.mark()
        for user, state in ((self.finance, "withdrawn"), (self.second, "refused")):
            correction = self.write_off()
            correction.with_user(user).refuse()
            self.assertEqual((correction.state, correction.sudo().approval_request_ids.state), ("refused", state))
        self.assertEqual(self.figures(), (1000, 0, 380))

    def test_write_offs_have_stages_of_their_own(self):
        kind = self.env.ref("g2p_programs.approval_kind_write_off")
        with self.assertRaisesRegex(UserError, "always takes two people"), self.cr.savepoint():
            kind.off_company_ids = self.env.company
        self.env["g2p.approval.stage"].create(
            [
                {
                    "name": name,
                    "kind_id": kind.id,
                    "group_id": self.env.ref("g2p_programs.g2p_finance_validator").id,
                    "amount_from": amount,
                    "sequence": number,
                }
                # 156.8 were paid to the largest household, but the fund loses the fee too.
                for number, (name, amount) in enumerate((("Accountant", 0), ("Treasurer", 160)))
            ]
        )
        third = new_test_user(self.env, login="third_finance", groups="g2p_programs.g2p_finance_validator")
        self.mark()
        payments = self.payments(self.cycle)
        returned, small, large = payments.sorted("amount_issued")
        self.ask(payment_ids=[fields.Command.set(returned.ids)]).with_user(self.second).confirm()
        self.write_off(payments=small, afterwards="cancel").with_user(self.second).confirm()
        correction = self.write_off(payments=large)
        correction.with_user(self.second).confirm()
        self.assertEqual((correction.state, correction.approval_state), ("requested", "Treasurer"))
        self.assertFalse(correction.with_user(self.second).can_confirm)
        self.assertTrue(correction.with_user(third).can_confirm)
        correction.with_user(third).confirm()
        self.assertEqual((correction.state, self.account().written_off), ("done", 280))

    def test_the_inbox_says_that_the_fund_gets_nothing_back(self):
        self.mark()
        request = self.write_off().sudo().approval_request_ids
        self.assertEqual((request.kind_code, request.amount), ("write_off", 160))
        told = {figure["label"]: figure["value"] for figure in request.figures}
        self.assertEqual((told["Amount"], told["The fund gets nothing back, and loses"]), ("156.8", "160.00"))
        returned = self.ask(payment_ids=[fields.Command.set((self.payments(self.cycle) - self.large_payment()).ids)])
        request = returned.sudo().approval_request_ids
        self.assertEqual(request.kind_code, "payment_correction")
        self.assertNotIn("The fund gets nothing back, and loses", [figure["label"] for figure in request.figures])

    def test_a_request_to_cancel_a_batch_names_no_payments(self):
        large = self.large_payment()
        with self.assertRaisesRegex(UserError, "cancelled whole"):
            self.ask_to_cancel(payment_ids=[fields.Command.set(large.ids)])
        # One of before stands in nobody's way.
        earlier = self.ask_to_cancel(self.manager)
        earlier.sudo().payment_ids = large
        self.mark(large)
        self.assertTrue(self.ask(payment_ids=[fields.Command.set(large.ids)]))

    def test_finance_is_told_that_somebody_waits(self):
        self.mark()
        correction = self.ask(payment_ids=[(6, 0, self.large_payment().ids)])
        request = correction.sudo().approval_request_ids
        self.assertTrue(request.with_user(self.second).can_decide)
        self.assertFalse(request.with_user(self.finance).can_decide)
        told = request.message_ids.partner_ids
        self.assertIn(self.second.partner_id, told)
        self.assertNotIn(self.finance.partner_id, told)

    def test_the_decision_is_made_in_the_inbox_too(self):
        self.mark()
        payment = self.large_payment()
        correction = self.ask(payment_ids=[(6, 0, payment.ids)])
        request = correction.sudo().approval_request_ids
        self.assertEqual(request.figures[1]["value"], "156.8")
        with self.assertRaisesRegex(AccessError, "somebody else has to agree"):
            request.with_user(self.finance).action_approve(None, request.digest)
        request.with_user(self.second).action_approve("I called the bank", request.digest)
        self.assertEqual((correction.state, correction.confirmed_by, payment.status), ("done", self.second, "failed"))
        self.assertIn("I called the bank", correction.sudo().approval_stage_ids.said)

    def test_who_asked_takes_it_back(self):
        self.mark()
        correction = self.ask(payment_ids=[(6, 0, self.large_payment().ids)])
        correction.with_user(self.finance).refuse()
        self.assertEqual((correction.state, correction.sudo().approval_request_ids.state), ("refused", "withdrawn"))

    def test_no_company_corrects_by_one_person(self):
        kind = self.env.ref("g2p_programs.approval_kind_payment_correction")
        with self.assertRaisesRegex(UserError, "always takes two people"):
            kind.off_company_ids = self.env.company

    def test_other_areas_and_companies_are_not_touched(self):
        self.mark()
        north, south = self.env["g2p.area"].create([{"name": "N", "code": "C-N"}, {"name": "S", "code": "C-S"}])
        self.large.area_id, (self.small + self.empty).area_id = north, south
        payments = self.payments(self.cycle)
        correction = self.ask(payment_ids=[(6, 0, payments.ids)])
        self.second.g2p_area_ids = north
        with self.assertRaisesRegex(UserError, "outside the areas"):
            correction.with_user(self.second).confirm()
        with self.assertRaises(AccessError):
            self.ask(self.second, payment_ids=[(6, 0, payments.ids)])
        company = self.env["res.company"].create({"name": "Other ministry"})
        stranger = new_test_user(
            self.env,
            login="stranger_finance",
            groups="g2p_programs.g2p_finance_validator",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        for call in (correction.with_user(stranger).confirm, correction.with_user(stranger).refuse):
            with self.assertRaises(AccessError):
                call()
        with self.assertRaises(AccessError):
            self.ask(stranger, payment_ids=[(6, 0, payments.ids)])
