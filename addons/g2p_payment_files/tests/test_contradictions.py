import base64

import psycopg2
from lxml import etree

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger
from odoo.tools.safe_eval import safe_eval

from odoo.addons.g2p_programs.tests.test_payment_corrections import CorrectionCase


@tagged("post_install", "-at_install")
class TestContradictions(CorrectionCase):
    """What a payer's file says against our records is listed, and a person finds out."""

    def file(self, *lines):
        content = "\n".join(["payment reference,status,amount,bank reference", *lines])
        record = (
            self.env["g2p.payment.reconciliation"]
            .with_user(self.finance)
            .create({"file": base64.b64encode(content.encode()), "filename": "answer.csv"})
        )
        record.action_check()
        record.action_apply()
        return record

    def line(self, payment, status="paid", reference="MT-9"):
        return f"{payment.name},{status},{payment.amount_issued},{reference}"

    def contradictions(self):
        return self.env["g2p.payment.contradiction"].with_user(self.finance).search([("cycle_id", "=", self.cycle.id)])

    def test_each_contradiction_has_its_name_and_alarms_finance(self):
        large, small, empty = self.payments(self.cycle)
        self.mark(large, "failed", reason="Closed")
        self.cycle.prepare_payment()
        self.cycle.send_payment()
        again = self.payments(self.cycle) - large - small - empty
        self.mark(again + small, bank_reference="MT-1")
        self.mark(empty, "failed", reason="Closed")
        figures = self.figures()
        record = self.file(
            self.line(large, reference="MT-2"),  # failed here, paid again, and paid by the bank
            self.line(small, "failed"),  # paid here
            self.line(empty),  # failed here
            self.line(again, reference="MT-3"),  # paid a second time
        )
        self.assertEqual((record.contradiction_count, record.already_final_count), (4, 0))
        found = self.contradictions()
        self.assertEqual(
            {one.payment_id: one.kind for one in found},
            {large: "paid_twice", small: "failed_after_paid", empty: "paid_after_failed", again: "paid_again"},
        )
        self.assertEqual(self.figures(), figures)
        self.assertEqual(self.cycle.with_user(self.finance).contradictions_count, 4)
        alarmed = self.cycle.sudo().activity_ids
        self.assertLessEqual(self.finance + self.second, alarmed.user_id)
        # Who applied the file writes the message; the others get it by mail.
        self.assertIn(self.second.partner_id, self.cycle.sudo().message_ids.notified_partner_ids)

    def test_a_file_of_contradictions_only_can_be_applied_on_the_screen(self):
        large, *_others = self.payments(self.cycle)
        self.mark(large, bank_reference="MT-1")
        record = self.file(self.line(large, "failed"))
        self.assertEqual((record.matched_count, record.contradiction_count), (0, 1))
        arch = etree.fromstring(record.get_view(view_type="form")["arch"])
        (button,) = arch.iterfind(".//button[@name='action_confirm_apply']")
        shown = {"state": "checked", "matched_count": 0, "contradiction_count": 1}
        self.assertFalse(safe_eval(button.get("invisible"), shown))
        self.assertTrue(safe_eval(button.get("invisible"), shown | {"contradiction_count": 0}))
        found = self.contradictions()
        self.assertEqual((found.status, found.recorded_status, found.recorded_reference), ("failed", "paid", "MT-1"))
        self.assertEqual((found.recorded_amount, found.recorded_date), (large.amount_issued, large.payment_datetime))

    def test_what_was_said_before_is_no_contradiction(self):
        large, small, _empty = self.payments(self.cycle)
        self.file(self.line(large), self.line(small, "failed"))
        record = self.file(self.line(large), self.line(small, "failed"))
        self.assertEqual((record.already_final_count, record.contradiction_count), (2, 0))
        self.assertFalse(self.contradictions())

    def test_paid_for_an_entitlement_that_ended_is_heard(self):
        large = self.large_payment()
        self.entitlements(self.cycle)[0]._transition("cancelled")
        self.file(self.line(large))
        self.assertEqual(self.contradictions().mapped("kind"), ["not_due"])

    def test_a_cycle_is_not_ended_over_a_contradiction_and_a_person_settles_it(self):
        self.mark()
        self.file(self.line(self.large_payment(), "failed"))
        with self.assertRaisesRegex(UserError, "1 answers of payers contradict"):
            self.cycle.mark_ended()
        one = self.contradictions()
        with self.assertRaisesRegex(UserError, "Say what came of it"):
            one.settle()
        for role in ("manager", "auditor"):
            with self.subTest(role), self.assertRaises(AccessError):
                one.with_user(self.users[role]).write({"settlement": "lost"})
            with self.subTest(role), self.assertRaises(AccessError):
                one.with_user(self.users[role]).settle()
        with self.assertRaises(AccessError):
            one.write({"state": "settled"})
        action = one.action_correct()
        correction = self.ask(
            **{
                key.removeprefix("default_"): value
                for key, value in action["context"].items()
                if key in ("default_kind", "default_payment_ids")
            }
        )
        correction.with_user(self.second).confirm()
        one.write({"settlement": "corrected", "remark": "The bank sent it back"})
        one.settle()
        self.assertEqual((one.state, one.resolved_by, self.figures()), ("settled", self.finance, (1000, 160, 220)))
        with self.assertRaisesRegex(UserError, "stays as it is"):
            one.write({"remark": "other"})
        with self.assertRaises(UserError):
            one.sudo().unlink()

    # A batch of which a file was made

    def test_a_batch_of_which_a_file_was_made_stays_with_its_file(self):
        self.batch.with_user(self.manager).action_export()
        with self.assertRaisesRegex(UserError, "can't be deleted.*ask to cancel"):
            self.batch.with_user(self.manager).unlink()
        self.ask_to_cancel(self.manager).with_user(self.finance).confirm()
        self.assertEqual((self.batch.cancelled_by, self.batch.batch_has_completed), (self.finance, True))
        self.assertTrue(self.batch.exists().export_sha256)
        self.assertTrue(self.batch.sudo().export_attachment_id.raw)

    def test_the_database_keeps_a_batch_of_which_a_file_was_made(self):
        self.batch.with_user(self.manager).action_export()
        self.env.flush_all()
        self.env.cr.execute("ALTER TABLE g2p_payment_batch DISABLE TRIGGER g2p_payment_batch_kept")
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaisesRegex(psycopg2.Error, "what left, and its reference, stay for ever"),
            self.env.cr.savepoint(),
        ):
            self.env.cr.execute("DELETE FROM g2p_payment_batch WHERE id = %s", [self.batch.id])

    def test_one_person_fails_nothing_that_is_in_a_file(self):
        payments = self.payments(self.cycle)
        self.batch.with_user(self.manager).action_export()
        self.cycle.with_user(self.finance)._mark_payments("failed", "Closed")
        self.assertEqual(self.counts(self.cycle, "reconcile"), {"left": 3})
        self.assertEqual(set(payments.mapped("status")), {False})
