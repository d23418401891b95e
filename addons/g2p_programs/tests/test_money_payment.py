from unittest.mock import patch

import psycopg2

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from .money import MoneyCase


@tagged("post_install", "-at_install")
class TestMoneyPayment(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deposit(1000)

    def validated(self, families=None):
        cycle = self.approved_cycle(families)
        cycle.with_user(self.finance).validate_entitlement()
        return cycle

    def test_a_payment_is_the_amount_less_the_fee_to_the_primary_account(self):
        account = self.large.bank_ids
        head = self.small.group_membership_ids
        head.kind = self.env.ref("g2p_registry_base.group_membership_kind_head")
        (self.small + self.empty).bank_ids.unlink()
        self.bank_account(head.individual, "ET-2")
        cycle = self.validated()
        cycle.prepare_payment()
        self.assertEqual(self.counts(cycle, "prepare_payments"), {"prepared": 2, "no_account": 1})
        large, small = self.payments(cycle)
        self.assertEqual(
            (large.amount_issued, large.payment_fee, large.account_id, large.account_number, large.attempt),
            (156.8, 3.2, account, "ET-Large", 1),
        )
        self.assertEqual((small.account_number, small.payout), ("ET-2", "account"))
        self.assertNotEqual(large.name, small.name)
        self.assertEqual((cycle.payments_count, cycle.exceptions_count, cycle.unpaid_count), (2, 1, 0))
        account.acc_number = "ET-9"
        self.assertEqual(large.account_number, "ET-Large")

    def test_preparing_again_changes_nothing(self):
        cycle = self.validated()
        cycle.prepare_payment()
        before = self.payments(cycle).read(["name", "write_date", "batch_id"])
        cycle.prepare_payment()
        self.assertFalse(self.counts(cycle, "prepare_payments"))
        self.assertEqual(self.payments(cycle).read(["name", "write_date", "batch_id"]), before)
        self.assertEqual(len(cycle.payment_batch_ids), 1)

    def test_outside_its_validity_an_entitlement_is_not_paid(self):
        cycle = self.validated()
        tomorrow = fields.Date.add(fields.Date.today(), days=1)
        self.env.cr.execute(
            "UPDATE g2p_entitlement SET valid_from = %s WHERE cycle_id = %s AND partner_id = %s",
            [tomorrow, cycle.id, self.large.id],
        )
        cycle.prepare_payment()
        self.assertEqual(self.counts(cycle, "prepare_payments"), {"prepared": 2, "not_in_validity": 1})

    def test_who_is_disabled_is_not_paid_and_stands_in_the_way_with_a_reason(self):
        cycle = self.validated()
        self.large._disable("Died")
        cycle.prepare_payment()
        self.assertEqual(self.counts(cycle, "prepare_payments"), {"prepared": 2, "disabled": 1})
        self.assertEqual(cycle.unpaid_count, 0)
        cycle.with_user(self.finance)._mark_payments("paid")
        with self.assertRaisesRegex(UserError, "held back: The beneficiary is disabled or archived .1."):
            cycle.mark_distributed()
        self.entitlements(cycle)[0].with_user(self.finance)._reject("rejected3", "Died")
        cycle.mark_distributed()
        self.assertEqual((cycle.state, self.figures()), ("distributed", (1000, 0, 220)))

    def test_who_is_disabled_after_the_payment_was_prepared_is_not_sent_it(self):
        cycle = self.validated()
        cycle.prepare_payment()
        self.large._disable("Died")
        cycle.send_payment()
        self.assertEqual(self.counts(cycle, "send"), {"sent": 2, "disabled": 1})
        payments = self.env["g2p.payment"].search([("cycle_id", "=", cycle.id)])
        stopped = payments.filtered(lambda payment: payment.partner_id == self.large)
        self.assertEqual((stopped.status, stopped.status_reason), ("failed", "The beneficiary is disabled or archived"))
        self.assertEqual(set((payments - stopped).mapped("state")), {"sent"})
        self.assertEqual(stopped.entitlement_id.state, "approved")
        self.large.enable_registrant()
        cycle.prepare_payment()
        self.assertEqual(stopped.entitlement_id.payment_ids.mapped("attempt"), [2, 1])

    def test_a_payment_whose_entitlement_ended_is_told_when_the_others_are_sent(self):
        cycle = self.validated()
        cycle.prepare_payment()
        self.entitlements(cycle)[0]._transition("expired")
        cycle.send_payment()
        self.assertEqual(self.counts(cycle, "send"), {"sent": 2, "not_due": 1})
        self.assertEqual(self.payments(cycle).mapped("state"), ["stopped", "sent", "sent"])
        ended = self.payments(cycle)[0]
        self.assertEqual((ended.status, ended.status_reason), ("failed", "The entitlement is not approved any more"))
        batch = cycle.payment_batch_ids
        self.assertEqual((cycle.payments_count, cycle.failed_count, batch.stats_failed_transactions), (2, 0, 0))
        left, whole = sum(self.payments(cycle)[1:].mapped("amount_issued")), ended.amount_issued
        self.assertEqual((batch.stats_sent_transactions, batch.stats_sent_amount), (2, left))
        self.assertEqual((batch.stats_stopped_transactions, batch.stats_stopped_amount), (1, whole))
        self.env.cr.execute(
            "SELECT to_state FROM g2p_state_history WHERE res_model = 'g2p.payment' AND res_id = %s ORDER BY id",
            [ended.id],
        )
        self.assertEqual(self.env.cr.fetchall(), [("issued",), ("stopped",)])

    def test_a_batch_of_which_nothing_left_was_not_sent(self):
        cycle = self.validated()
        cycle.prepare_payment()
        cycle.with_user(self.finance)._mark_payments("failed", "Bank closed", confirmed=True)
        batch = cycle.payment_batch_ids
        self.assertEqual(set(self.payments(cycle).mapped("state")), {"stopped"})
        self.assertEqual((batch.batch_has_started, batch.batch_has_completed), (False, True))
        self.assertEqual((batch.stats_sent_transactions, batch.stats_stopped_transactions), (0, 3))

    def test_people_name_a_batch_and_talk_about_it(self):
        cycle = self.validated()
        cycle.prepare_payment()
        for user in (self.manager, self.finance):
            batch = cycle.payment_batch_ids.with_user(user)
            batch.external_batch_ref = f"Bank {user.id}"
            batch.message_post(body="On its way")
            batch.activity_schedule(summary="Ask the bank", user_id=user.id)
            with self.assertRaises(AccessError):
                batch.write({"external_batch_ref": "x", "tag_id": False})
            self.assertEqual(batch.external_batch_ref, f"Bank {user.id}")

    def test_tags_in_order_with_a_catch_all_and_batches_of_limited_size(self):
        area = self.env["g2p.area"].create({"name": "Adama", "code": "TEST-AD"})
        (self.large + self.small).area_id = area
        tag = self.env["g2p.payment.batch.tag"].create(
            {"name": "Adama", "domain": f"[('partner_id.area_id', '=', {area.id})]", "max_batch_size": 1}
        )
        self.payer.batch_tag_ids = tag
        cycle = self.validated()
        cycle.prepare_payment()
        large, small, empty = self.payments(cycle)
        self.assertEqual((large.batch_id.tag_id, small.batch_id.tag_id), (tag, tag))
        self.assertNotEqual(large.batch_id, small.batch_id)
        self.assertEqual(empty.batch_id.tag_id, self.env.ref("g2p_programs.payment_batch_tag_default"))
        batch = large.batch_id
        self.assertEqual((batch.stats_issued_transactions, batch.stats_issued_amount), (1, 156.8))

    def test_without_batches_payments_are_made_all_the_same(self):
        self.payer.create_batch = False
        cycle = self.validated()
        cycle.prepare_payment()
        payments = self.payments(cycle)
        self.assertEqual((len(payments), payments.batch_id), (3, self.env["g2p.payment.batch"]))
        wizard = (
            self.env["g2p.assign.payments.batch.wizard"]
            .with_user(self.manager)
            .with_context(active_model="g2p.payment", active_ids=payments[:2].ids)
            .create({})
        )
        wizard.assign()
        self.assertEqual(payments[0].batch_id.stats_issued_transactions, 2)
        with self.assertRaisesRegex(UserError, "in a batch already"):
            wizard.assign()
        cycle.send_payment()
        self.assertEqual(set(payments.mapped("state")), {"sent"})

    def test_sending_marks_payments_entitlements_and_batches_once(self):
        cycle = self.paid_out()
        self.assertEqual(self.counts(cycle, "send"), {"sent": 3})
        self.assertEqual(set(self.payments(cycle).mapped("state")), {"sent"})
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"trans2FSP"})
        batch = cycle.payment_batch_ids
        self.assertTrue(batch.batch_has_started)
        self.assertEqual((batch.stats_sent_transactions, batch.stats_sent_amount), (3, 372.4))
        self.assertEqual(self.figures(), (2000, 380, 0))
        cycle.send_payment()
        self.assertFalse(self.counts(cycle, "send"))
        batch.with_user(self.manager).send_payment()
        self.assertEqual(batch.stats_sent_transactions, 3)

    def test_sending_one_batch(self):
        self.payer.batch_tag_ids = self.env["g2p.payment.batch.tag"].create({"name": "Ones", "max_batch_size": 1})
        cycle = self.validated()
        cycle.prepare_payment()
        self.assertEqual(len(cycle.payment_batch_ids), 3)
        first = self.payments(cycle)[0].batch_id
        first.with_user(self.manager).send_payment()
        self.assertEqual(self.payments(cycle).mapped("state"), ["sent", "issued", "issued"])
        with self.assertRaises(AccessError):
            first.with_user(self.finance).send_payment()

    def test_every_way_to_send_is_the_payment_managers(self):
        """A type of manager that queues what leaves sees all of it, whether a batch is sent or the cycle, and only that."""
        self.payer.batch_tag_ids = self.env["g2p.payment.batch.tag"].create({"name": "Ones", "max_batch_size": 1})
        cycle = self.validated()
        cycle.prepare_payment()
        first, second, third = self.payments(cycle)
        second.partner_id.disabled = fields.Datetime.now()
        self.env.cr.execute("CREATE TEMPORARY TABLE queued (id integer, batch_id integer) ON COMMIT DROP")

        def queue(manager, payments, operation=None):
            return {
                "sent": self.env["g2p.payment"]._send_where(
                    payments, operation, also=SQL("INSERT INTO queued SELECT id, batch_id FROM sent")
                )
            }

        with patch.object(self.env.registry["g2p.base.program.payment.manager"], "_send", queue):
            first.batch_id.with_user(self.manager).send_payment()
            self.assertEqual(
                self.env.execute_query(SQL("SELECT id, batch_id FROM queued")), [(first.id, first.batch_id.id)]
            )
            cycle.send_payment()
            cycle.send_payment()
        self.assertEqual(
            self.env.execute_query(SQL("SELECT id, batch_id FROM queued ORDER BY id")),
            [(payment.id, payment.batch_id.id) for payment in (first, third)],
        )
        self.assertEqual(second.status, "failed")

    def test_nothing_leaves_but_by_the_payment_manager(self):
        cycle = self.validated()
        cycle.prepare_payment()
        with patch.object(
            self.env.registry["g2p.base.program.payment.manager"], "_send", lambda *args, **kwargs: {"sent": 0}
        ):
            cycle.payment_batch_ids.with_user(self.manager).send_payment()
            cycle.send_payment()
        self.assertEqual(set(self.payments(cycle).mapped("state")), {"issued"})
        self.assertFalse(cycle.payment_batch_ids.batch_has_started)

    def test_paid_money_is_disbursed_and_the_cycle_is_distributed(self):
        cycle = self.paid_out()
        self.env["g2p.payment.mark.wizard"].with_user(self.finance).create(
            {"cycle_id": cycle.id, "status": "paid", "bank_reference": "MT1"}
        ).mark()
        payments = self.payments(cycle)
        self.assertEqual(set(payments.mapped("status")), {"paid"})
        self.assertEqual(payments.mapped("amount_paid"), payments.mapped("amount_issued"))
        self.assertEqual(set(payments.mapped("bank_reference")), {"MT1"})
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"rdpd2ben"})
        self.assertEqual(set(self.entitlements(cycle).mapped("payment_status")), {"paid"})
        self.assertEqual(self.figures(), (2000, 0, 380))
        self.assertEqual(
            (cycle.state, cycle.paid_count, cycle.paid_amount, cycle.fee_amount), ("distributed", 3, 372.4, 7.6)
        )
        batch = cycle.payment_batch_ids
        self.assertTrue(batch.batch_has_completed)
        self.assertEqual((batch.stats_paid_transactions, batch.stats_paid_amount), (3, 372.4))
        cycle.mark_ended()

    def test_a_failed_payment_keeps_its_money_and_is_tried_again(self):
        cycle = self.paid_out()
        large, small, empty = self.payments(cycle)
        mark = self.env["g2p.payment.mark.wizard"].with_user(self.finance)
        mark.create({"payment_ids": [(6, 0, (small + empty).ids)], "status": "paid"}).mark()
        with self.assertRaisesRegex(UserError, "Say why"):
            mark.create({"payment_ids": [(6, 0, large.ids)], "status": "failed"}).mark()
        mark.sudo().create({"payment_ids": [(6, 0, large.ids)], "status": "failed", "reason": "Account closed"}).mark()
        entitlement = large.entitlement_id
        self.assertEqual(
            (large.status, large.status_reason, entitlement.state), ("failed", "Account closed", "approved")
        )
        self.assertEqual(self.figures(), (2000, 160, 220))
        self.assertEqual((cycle.state, cycle.unpaid_count, cycle.failed_count), ("approved", 1, 1))
        cycle.prepare_payment()
        again = self.payments(cycle) - large - small - empty
        self.assertEqual((again.entitlement_id, again.attempt, again.amount_issued), (entitlement, 2, 156.8))
        cycle.with_user(self.finance)._mark_payments("paid")
        self.assertEqual((cycle.state, entitlement.state), ("distributed", "rdpd2ben"))
        self.assertEqual(self.figures(), (2000, 0, 380))

    def test_a_day_on_which_it_can_not_have_been_paid(self):
        cycle = self.paid_out()
        payment = self.payments(cycle)[0]
        mark = self.env["g2p.payment.mark.wizard"].with_user(self.finance)
        for scope in (
            {"payment_ids": [(6, 0, payment.ids)]},
            {"batch_id": payment.batch_id.id},
            {"cycle_id": cycle.id},
        ):
            for date, words in (("2190-01-01", "in the future"), ("1950-01-01", "were issued after")):
                with self.subTest(**scope, date=date), self.assertRaisesRegex(UserError, words), self.cr.savepoint():
                    mark.create({**scope, "status": "paid", "date": date}).mark()
        self.assertFalse(payment.status)
        mark.create({"payment_ids": [(6, 0, payment.ids)], "status": "paid", "date": fields.Datetime.now()}).mark()
        self.assertEqual(payment.status, "paid")
        with self.assertRaises(psycopg2.errors.CheckViolation), mute_logger("odoo.sql_db"), self.cr.savepoint():
            self.cr.execute("UPDATE g2p_payment SET payment_datetime = '2190-01-01' WHERE id = %s", [payment.id])

    def test_final_is_final(self):
        cycle = self.paid_out()
        payment = self.payments(cycle)[0]
        mark = self.env["g2p.payment.mark.wizard"].with_user(self.finance)
        mark.create({"payment_ids": [(6, 0, payment.ids)], "status": "paid"}).mark()
        with self.assertRaisesRegex(UserError, "final already.* ask for a correction"):
            mark.create({"payment_ids": [(6, 0, payment.ids)], "status": "failed", "reason": "?"}).mark()
        self.assertEqual(payment.status, "paid")
        self.assertEqual(self.figures(), (2000, 220, 160))

    def test_marking_a_batch(self):
        cycle = self.paid_out()
        wizard = (
            self.env["g2p.payment.mark.wizard"].with_user(self.finance).create({"batch_id": cycle.payment_batch_ids.id})
        )
        self.assertEqual((wizard.open_count, wizard.open_amount), (3, 372.4))
        wizard.mark()
        self.assertEqual(cycle.state, "distributed")

    def test_only_finance_marks_and_nobody_writes(self):
        cycle = self.paid_out()
        payment = self.payments(cycle)[0]
        for role in ("manager", "validator", "approver", "registrar", "support", "auditor"):
            with self.assertRaises(AccessError):
                self.env["g2p.payment.mark.wizard"].with_user(self.users[role]).create(
                    {"payment_ids": [(6, 0, payment.ids)]}
                ).mark()
            with self.assertRaises(AccessError):
                cycle.with_user(self.users[role])._mark_payments("paid")
        for role in ("manager", "finance", "admin"):
            for values in ({"status": "paid"}, {"state": "reconciled"}, {"amount_paid": 1}, {"account_number": "x"}):
                with self.assertRaises(AccessError):
                    payment.with_user(self.users[role]).write(values)

    def test_one_live_payment_per_entitlement(self):
        cycle = self.validated()
        cycle.prepare_payment()
        with self.assertRaises(psycopg2.Error), self.cr.savepoint(), mute_logger("odoo.sql_db"):
            self.payments(cycle)[0].copy({"name": "second"}).flush_recordset()

    def test_what_has_left_is_not_deleted(self):
        cycle = self.validated()
        cycle.prepare_payment()
        self.payments(cycle)[0].with_user(self.manager).unlink()
        batch = cycle.payment_batch_ids.with_user(self.manager)
        self.assertEqual((batch.stats_issued_transactions, cycle.payments_count), (2, 2))
        batch.unlink()
        self.assertFalse(self.payments(cycle))
        cycle.prepare_payment()
        self.assertEqual(len(self.payments(cycle)), 3)
        cycle.send_payment()
        with self.assertRaisesRegex(UserError, "Nothing was deleted"):
            self.payments(cycle).with_user(self.manager).unlink()
        with self.assertRaisesRegex(UserError, "sent already"):
            cycle.payment_batch_ids.with_user(self.manager).unlink()

    def test_a_cycle_with_open_payments_is_not_distributed(self):
        cycle = self.validated()
        with self.assertRaisesRegex(UserError, "prepare payments first"):
            cycle.mark_distributed()
        cycle.prepare_payment()
        with self.assertRaisesRegex(UserError, "not final"):
            cycle.mark_distributed()
        cycle.sudo()._mark_payments("failed", "Bank closed")
        self.assertEqual(cycle.state, "approved")
        cycle.mark_distributed()
        self.assertEqual(cycle.state, "distributed")

    def test_every_move_is_in_the_history(self):
        cycle = self.paid_out(self.large)
        cycle.with_user(self.finance)._mark_payments("paid")
        self.env.cr.execute(
            "SELECT to_state, user_id FROM g2p_state_history WHERE res_model = 'g2p.entitlement' AND res_id = %s ORDER BY id",
            self.entitlements(cycle).ids,
        )
        self.assertEqual(
            self.env.cr.fetchall(),
            [
                ("draft", self.manager.id),
                ("pending_validation", self.manager.id),
                ("approved", self.finance.id),
                ("trans2FSP", self.manager.id),
                ("rdpd2ben", self.finance.id),
            ],
        )
        self.env.cr.execute(
            "SELECT from_state, to_state FROM g2p_state_history WHERE res_model = 'g2p.payment' AND res_id = %s ORDER BY id",
            self.payments(cycle).ids,
        )
        self.assertEqual(self.env.cr.fetchall(), [(None, "issued"), ("issued", "sent"), ("sent", "reconciled")])

    def test_a_broken_tag_is_refused(self):
        with self.assertRaises(UserError):
            self.env["g2p.payment.batch.tag"].create({"name": "x", "domain": "[('nothing', '=', 1)]"})
        with self.assertRaises(UserError):
            self.env.ref("g2p_programs.payment_batch_tag_default").unlink()
