import base64
import io
from datetime import date, datetime, timedelta
from unittest.mock import patch

import openpyxl
import psycopg2
from lxml import etree

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import SQL, mute_logger
from odoo.tools.safe_eval import safe_eval

from odoo.addons.g2p_programs.tests.money import MoneyCase

HEADER = "Payment reference,Status,Amount,Date,Bank reference"
TODAY = fields.Date.to_string(fields.Date.today())


@tagged("post_install", "-at_install")
class TestMoneyReconciliation(MoneyCase):
    """Three payments on their way: 156.80, 117.60 and 98.00."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cycle = cls.paid_out()
        cls.large_payment, cls.small_payment, cls.empty_payment = cls.env["g2p.payment"].search(
            [("cycle_id", "=", cls.cycle.id)], order="id"
        )

    def upload(self, *lines, header=HEADER, **values):
        content = "\n".join([header, *lines]) if header else "\n".join(lines)
        record = (
            self.env["g2p.payment.reconciliation"]
            .with_user(self.finance)
            .create({"file": base64.b64encode(content.encode()), "filename": "bank.csv", **values})
        )
        record.action_check()
        return record

    def outcomes(self, record):
        return record.line_ids.sorted("row_number").mapped("outcome")

    def line(self, payment, status="paid", amount=None, date=TODAY, reference="MT-1"):
        amount = payment.amount_issued if amount is None else amount
        return f"{payment.name},{status},{amount},{date},{reference}"

    def test_matched_lines_make_payments_final(self):
        record = self.upload(
            self.line(self.large_payment),
            self.line(self.small_payment, "FAILED", ""),
            self.line(self.empty_payment, "success"),
        )
        self.assertEqual(self.outcomes(record), ["matched"] * 3)
        self.assertEqual((record.matched_amount, record.currency_id), (254.8, self.cycle.currency_id))
        self.assertFalse(self.large_payment.status)
        question = record.action_confirm_apply()["params"]
        self.assertRegex(question["message"], r"^2 payments of .*254\.80.* become final as paid, and 1 as failed")
        self.assertEqual(question["method"], "action_apply")
        record.action_apply()
        self.assertEqual(record.state, "applied")
        self.assertEqual(self.counts(record, "reconcile"), {"paid": 2, "failed": 1})
        self.assertEqual(self.large_payment.bank_reference, "MT-1")
        self.assertEqual(str(self.large_payment.payment_datetime), f"{TODAY} 00:00:00")
        self.assertEqual((self.small_payment.status, self.small_payment.entitlement_id.state), ("failed", "approved"))
        self.assertEqual(self.empty_payment.entitlement_id.state, "rdpd2ben")
        self.assertEqual(self.figures(), (1000, 120, 260))
        self.assertEqual((self.cycle.state, self.cycle.paid_count, self.cycle.failed_count), ("approved", 2, 1))
        self.assertEqual(self.cycle.payment_batch_ids.stats_paid_transactions, 2)
        with self.assertRaises(UserError):
            record.action_apply()
        with self.assertRaisesRegex(UserError, "evidence"):
            record.unlink()

    def test_lines_that_are_not_matched_are_not_called_failed(self):
        lines = [self.line(self.large_payment), "unknown,paid,1,,", self.line(self.small_payment, amount=1)]
        record = self.upload(*lines)
        matched = self.operation(record, "match")
        self.assertEqual(matched.failed_text, "2 lines not matched")
        self.assertEqual(matched.counts_text, "Matched: 1. No payment has this reference: 1. Another amount: 1.")

    def test_a_file_that_pays_everything_ends_the_cycle(self):
        payments = self.large_payment + self.small_payment + self.empty_payment
        self.upload(*[self.line(payment) for payment in payments]).action_apply()
        self.assertEqual(self.cycle.state, "distributed")
        self.assertEqual(self.figures(), (1000, 0, 380))

    def test_every_line_that_does_not_match_has_its_outcome(self):
        self.env["g2p.payment"]._finalize_now(
            self.env["g2p.payment"]._search([("id", "=", self.empty_payment.id)]).select(), "paid"
        )
        record = self.upload(
            self.line(self.large_payment, amount=156.79),
            "no-such-reference,paid,10,2024-03-01,MT-1",
            self.line(self.small_payment),
            self.line(self.small_payment),
            self.line(self.empty_payment),
            self.line(self.large_payment, status="perhaps"),
            self.line(self.large_payment, date="31/02/2024"),
            self.line(self.large_payment, amount="ten"),
            self.line(self.large_payment, amount=""),
            f",paid,1,2024-03-01,{'x' * 3}",
            self.line(self.large_payment, reference="x" * 501),
        )
        self.assertEqual(
            self.outcomes(record),
            [
                "amount_mismatch",
                "unmatched",
                "matched",
                "duplicate",
                "already_final",
                *["bad"] * 6,
            ],
        )
        self.assertEqual(
            (
                record.matched_count,
                record.unmatched_count,
                record.amount_mismatch_count,
                record.duplicate_count,
                record.already_final_count,
                record.bad_count,
                record.lines_count,
            ),
            (1, 1, 1, 1, 1, 6, 11),
        )
        self.assertTrue(all(line.note for line in record.line_ids if line.outcome == "bad"))
        record.action_apply()
        self.assertEqual((self.large_payment.status, self.small_payment.status), (False, "paid"))
        self.assertEqual(self.figures(), (1000, 160, 220))

    def test_the_count_of_wrong_lines_is_the_list_of_wrong_lines(self):
        self.env["g2p.payment"]._finalize_now(
            SQL("SELECT %s", self.empty_payment.id), "failed", "Closed", confirmed=True
        )
        record = self.upload(
            self.line(self.large_payment),
            self.line(self.large_payment),
            self.line(self.empty_payment, "failed"),
            "nobody,paid,1,,",
            ",paid,1,,",
            self.line(self.small_payment, amount="1"),
        )
        operation = self.operation(record, "match")
        self.assertEqual((operation.done, operation.skipped, operation.failed), (1, 1, 4))
        arch = etree.fromstring(record.line_ids.get_view(view_type="search")["arch"])
        (wrong,) = arch.iterfind(".//filter[@name='wrong']")
        listed = record.line_ids.filtered_domain(safe_eval(wrong.get("domain")))
        self.assertEqual(len(listed), operation.failed)
        self.assertEqual(
            {line.outcome for line in listed},
            {name for name, (_label, kind) in record._bulk_step("match")._outcomes().items() if kind == "failed"}
            & set(record.line_ids.mapped("outcome")),
        )

    def test_nothing_is_paid_before_it_was_issued(self):
        day = self.large_payment.issuance_date
        early, behind = (fields.Date.to_string(day - timedelta(days=days)) for days in (2, 1))
        record = self.upload(
            self.line(self.large_payment, date=early),
            self.line(self.small_payment, date=behind),
            self.line(self.empty_payment, "failed", date=early),
        )
        self.assertEqual(self.outcomes(record), ["too_early", "matched", "matched"])
        self.assertEqual((record.too_early_count, record.matched_count), (1, 2))
        record.action_apply()
        self.assertEqual(
            [payment.status for payment in (self.large_payment, self.small_payment, self.empty_payment)],
            [False, "paid", "failed"],
        )
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaisesRegex(psycopg2.errors.CheckViolation, "before it was issued"),
            self.env.cr.savepoint(),
        ):
            self.env["g2p.payment"]._finalize_now(
                SQL("SELECT %s", self.large_payment.id), "paid", date=day - timedelta(days=2)
            )

    def test_no_payer_tells_what_came_of_what_never_left(self):
        """Whoever types such a file would record by themself what two people record."""
        self.deposit(1000)
        cycle = self.approved_cycle(program=self.grant)
        cycle.with_user(self.finance).validate_entitlement()
        cycle.prepare_payment()
        large, small, empty = self.payments(cycle)
        record = self.upload(
            self.line(large), self.line(small, "failed"), self.line(empty), self.line(self.large_payment)
        )
        self.assertEqual(self.outcomes(record), ["not_sent", "not_sent", "not_sent", "matched"])
        self.assertEqual((record.not_sent_count, record.matched_count), (3, 1))
        self.assertIn("3 other lines change nothing", record.action_confirm_apply()["params"]["message"])
        # A file that was matched when they still were.
        record.line_ids.filtered(lambda line: line.payment_id in small + empty).sudo().outcome = "matched"
        record.action_apply()
        self.assertEqual(self.counts(record, "reconcile"), {"paid": 1, "not_sent": 2})
        self.assertEqual(self.outcomes(record), ["not_sent", "not_sent", "not_sent", "matched"])
        self.assertEqual({(one.state, one.status) for one in large + small + empty}, {("issued", False)})
        self.assertEqual(self.large_payment.status, "paid")

    def test_lines_that_contradict_each_other_are_not_applied(self):
        record = self.upload(self.line(self.large_payment), self.line(self.large_payment, "failed"))
        self.assertEqual(self.outcomes(record), ["duplicate", "duplicate"])
        self.assertEqual(record.matched_count, 0)

    def test_the_same_file_is_noticed_and_pays_nothing_twice(self):
        first = self.upload(self.line(self.large_payment))
        first.action_apply()
        second = self.upload(self.line(self.large_payment))
        self.assertEqual(second.same_file_id, first)
        self.assertEqual(self.outcomes(second), ["already_final"])
        self.assertEqual(self.figures(), (1000, 220, 160))

    def staged(self):
        self.env.cr.execute("SELECT COUNT(*) FROM g2p_payment_reconciliation_staged")
        return self.env.cr.fetchone()[0]

    def test_a_file_is_matched_in_portions_with_the_same_outcome(self):
        """Lines that belong together lie in different chunks of two."""
        self.env["ir.config_parameter"].set_param("g2p_bulk.chunk_size", 2)
        record = self.upload(
            self.line(self.large_payment),
            self.line(self.small_payment),
            "nobody,paid,1,,",
            self.line(self.large_payment),
            self.line(self.small_payment, "failed"),
            ",paid,1,,",
            self.line(self.empty_payment),
        )
        self.assertEqual(len(self.operation(record, "match").chunk_ids), 4)
        self.assertEqual(
            self.outcomes(record), ["matched", "duplicate", "unmatched", "duplicate", "duplicate", "bad", "matched"]
        )
        self.assertEqual(self.counts(record, "match"), {"matched": 2, "duplicate": 3, "unmatched": 1, "bad": 1})
        self.assertEqual((record.lines_count, record.matched_amount), (7, 254.8))
        self.assertEqual(self.staged(), 0)
        record.action_apply()
        self.assertEqual((self.large_payment.status, self.empty_payment.status), ("paid", "paid"))
        self.assertFalse(self.small_payment.status)

    def test_a_long_file_is_read_and_matched_in_the_background(self):
        self.env["ir.config_parameter"].set_param("g2p_bulk.inline_threshold", "1")
        with patch.object(self.env.registry["g2p.bulk.operation"], "_runner_is_alive", lambda self: True):
            record = self.upload(self.line(self.large_payment), "no-such-reference,paid,10,2024-03-01,MT-1")
            reading = self.operation(record, "read")
            self.assertEqual(
                (reading.mode, record.state, record.line_ids), ("queue", "draft", record.line_ids.browse())
            )
            for press in (record.action_check, lambda: record.write({"decimal_mark": ","})):
                with self.assertRaisesRegex(UserError, "already running"):
                    press()
            reading.chunk_ids._run_job()
            reading.invalidate_recordset()
            self.assertEqual((reading.state, reading.counts), ("done", {"read": 2}))
            self.operation(record, "match").chunk_ids._run_job()
        record.invalidate_recordset()
        self.assertEqual((record.state, self.outcomes(record)), ("checked", ["matched", "unmatched"]))

    def test_a_file_that_is_read_again_takes_the_place_of_the_first(self):
        record = self.upload(self.line(self.large_payment), self.line(self.small_payment))
        record.file = base64.b64encode(f"{HEADER}\n{self.line(self.empty_payment)}".encode())
        self.assertEqual(record.state, "draft")
        with self.assertRaisesRegex(UserError, "Read the file first"):
            record.action_apply()
        record.action_check()
        self.assertEqual((record.state, record.lines_count, record.matched_count), ("checked", 1, 1))
        self.assertEqual(record.line_ids.payment_id, self.empty_payment)

    def test_a_file_that_turns_out_to_be_no_text_leaves_nothing(self):
        lines = "\n".join([HEADER, *(f"unknown-{number},paid,1,," for number in range(2_000))])
        record = (
            self.env["g2p.payment.reconciliation"]
            .with_user(self.finance)
            .create({"file": base64.b64encode(lines.encode() + b"\nxx\x81,paid,1,,\n"), "filename": "bank.csv"})
        )
        with self.assertRaisesRegex(UserError, "^The file can't be read in this encoding. Choose another one"):
            record.action_check()
        self.assertEqual((record.state, record.lines_count, self.staged()), ("draft", 0, 0))
        self.assertFalse(record.line_ids)
        self.assertFalse(self.operation(record, "match"))

    def test_an_open_quote_tells_how_many_lines_it_hides(self):
        record = self.upload(
            self.line(self.large_payment), f'"{self.line(self.small_payment)}', self.line(self.empty_payment)
        )
        self.assertEqual(self.outcomes(record), ["matched", "bad"])
        self.assertEqual(
            record.line_ids.sorted("row_number")[1].note,
            "A quote is opened and not closed: 2 lines of the file from here on can't be read",
        )
        closed = self.upload(f'"{self.large_payment.name}",paid,156.80,,"two\nlines"', self.line(self.small_payment))
        self.assertEqual(self.outcomes(closed), ["matched", "matched"])
        self.assertEqual(closed.line_ids.sorted("row_number")[0].bank_reference, "two\nlines")

    def test_a_line_that_is_far_too_long_hides_no_payment(self):
        """What follows the cut would read as a payment."""
        long = "x" * (1 << 20)
        record = self.upload(f"{long}{self.line(self.large_payment)}", self.line(self.small_payment))
        self.assertEqual(self.outcomes(record), ["bad", "matched"])
        self.assertEqual(record.line_ids.payment_id, self.small_payment)

    def test_a_file_of_payments_is_not_in_the_index_of_attachments(self):
        record = self.upload(self.line(self.large_payment))
        attachment = record._attachment()
        self.assertTrue(attachment.store_fname)
        self.assertFalse(attachment.index_content)
        record.file = base64.b64encode(b"reference,status,amount\n")
        self.assertFalse(attachment.index_content)

    def test_a_file_at_work_is_neither_changed_nor_read_again(self):
        record = self.upload(self.line(self.large_payment))
        self.env["g2p.bulk.operation"].create(
            {
                "name": "Reconcile payments: bank.csv",
                "step": "reconcile",
                "res_model": record._name,
                "res_id": record.id,
                "user_id": self.finance.id,
                "state": "running",
                "resumed_at": fields.Datetime.now(),
            }
        )
        record.invalidate_recordset()
        with self.assertRaisesRegex(UserError, "already running"):
            record.action_check()
        with self.assertRaisesRegex(UserError, "already running"):
            record.file = base64.b64encode(b"reference,status,amount\n")
        self.assertEqual(self.outcomes(record), ["matched"])

    def test_only_the_chosen_cycle_is_matched(self):
        other = self.new_cycle()
        record = self.upload(self.line(self.large_payment), cycle_id=other.id)
        self.assertEqual(self.outcomes(record), ["unmatched"])
        self.assertEqual(record.line_ids.note, "Belongs to another cycle")

    def test_payments_of_another_company_are_not_matched(self):
        company = self.env["res.company"].create({"name": "Other ministry"})
        content = f"{HEADER}\n{self.line(self.large_payment)}"
        record = self.env["g2p.payment.reconciliation"].create(
            {"file": base64.b64encode(content.encode()), "filename": "bank.csv", "company_id": company.id}
        )
        record.action_check()
        self.assertEqual(self.outcomes(record), ["unmatched"])
        with self.assertRaisesRegex(UserError, "stays in its company"):
            record.company_id = self.env.company

    def end_entitlement(self, payment):
        """As if its entitlement had ended in another transaction, which did not see the payment."""
        payment.entitlement_id._transition("rejected3")
        self.account()._release(payment.entitlement_id.initial_amount)

    def test_a_payment_that_is_not_due_any_more_is_listed_not_paid(self):
        self.end_entitlement(self.large_payment)
        record = self.upload(self.line(self.large_payment), self.line(self.small_payment))
        self.assertEqual((self.outcomes(record), record.not_due_count), (["not_due", "matched"], 1))
        self.end_entitlement(self.small_payment)
        record.action_apply()
        self.assertEqual(self.counts(record, "reconcile"), {"not_due": 1})
        self.assertEqual((self.outcomes(record), record.not_due_count), (["not_due", "not_due"], 2))
        self.assertFalse(self.large_payment.status or self.small_payment.status)
        self.assertIn(b"not approved any more", base64.b64decode(record.with_context(bin_size=False).outcome_file))
        self.assertEqual(self.figures(), (1000, 100, 0))

    def test_a_payment_that_is_not_due_can_be_marked_as_failed_only(self):
        self.end_entitlement(self.large_payment)
        wizard = self.env["g2p.payment.mark.wizard"].with_user(self.finance)
        action = wizard.create({"batch_id": self.large_payment.batch_id.id}).mark()
        self.assertRegex(action["params"]["message"], "^2 payments were marked. 1 was not")
        self.assertEqual((self.large_payment.status, self.cycle.state), (False, "approved"))
        self.assertEqual(self.figures(), (1000, 0, 220))
        wizard.create({"cycle_id": self.cycle.id}).mark()
        self.assertEqual(self.counts(self.cycle, "reconcile"), {"not_due": 1})
        wizard.sudo().create({"cycle_id": self.cycle.id, "status": "failed", "reason": "Rejected"}).mark()
        self.assertEqual((self.large_payment.status, self.cycle.state), ("failed", "distributed"))
        self.assertEqual(self.figures(), (1000, 0, 220))

    def test_other_separators_byte_order_marks_and_spellings_are_read(self):
        content = f"\ufeffAMOUNT;payment_ref;Status\n156,80;{self.large_payment.name.upper()};Completed\n"
        record = (
            self.env["g2p.payment.reconciliation"]
            .with_user(self.finance)
            .create({"file": base64.b64encode(content.encode()), "filename": "bank.csv"})
        )
        record.action_check()
        self.assertEqual(self.outcomes(record), ["matched"])

    def test_files_that_cannot_be_read_are_refused(self):
        with self.assertRaisesRegex(UserError, "no column for: reference"):
            self.upload("a,b,c", header="one,status,amount")
        record = self.env["g2p.payment.reconciliation"].with_user(self.finance).create({"filename": "bank.csv"})
        with self.assertRaisesRegex(UserError, "Choose a CSV or XLSX file"):
            record.action_check()
        record.file = base64.b64encode("Référence,é".encode("latin-1"))
        with self.assertRaisesRegex(UserError, "no column for: status, amount"):
            record.action_check()

    def upload_bytes(self, content, filename, **values):
        record = (
            self.env["g2p.payment.reconciliation"]
            .with_user(self.finance)
            .create({"file": base64.b64encode(content), "filename": filename, **values})
        )
        record.action_check()
        return record

    def test_a_workbook_and_other_encodings_are_read(self):
        book = openpyxl.Workbook()
        book.active.append(["Payment reference", "Status", "Amount", "Value date", "Reason"])
        book.active.append([self.large_payment.name, "paid", 156.8, datetime.fromisoformat(f"{TODAY} 00:30"), ""])
        book.active.append([self.small_payment.name, "paid", "=100+17.6", date(2024, 3, 1), ""])
        book.active.append([self.empty_payment.name, "rejeté", 98, date(2024, 3, 1), ""])
        stream = io.BytesIO()
        book.save(stream)
        record = self.upload_bytes(stream.getvalue(), "bank.xlsx")
        self.assertEqual(self.outcomes(record), ["matched", "bad", "bad"])
        lines = record.line_ids.sorted("row_number")
        self.assertEqual(str(lines[0].date), f"{TODAY} 00:30:00")
        self.assertIn("Amount is a formula without a stored value", lines[1].note)
        content = f"Référence;Statut;State;Montant\n{self.large_payment.name};é;paid;156,8\n"
        for encoding in ("utf-8", "utf-16", "cp1252"):
            record = self.upload_bytes(content.encode(encoding), "bank.csv", amount_column="Montant", encoding="auto")
            self.assertEqual(self.outcomes(record), ["matched"])

    def test_all_that_is_wrong_with_a_line_is_said_at_once(self):
        record = self.upload(",perhaps,much,soon,")
        self.assertEqual(
            record.line_ids.note,
            "The payment reference is missing; Status “perhaps” is neither paid nor failed; Date “soon” is no date, or in the "
            "future; Amount “much” is no amount",
        )

    def test_of_two_columns_that_fit_the_chosen_one_is_read(self):
        header = "Reference,Payment reference,Status,Amount"
        line = f"their-1,{self.large_payment.name},paid,156.80"
        with self.assertRaisesRegex(UserError, "Two columns may be the reference: “Reference” and “Payment reference”"):
            self.upload(line, header=header)
        record = self.upload(line, header=header, reference_column="Payment reference")
        self.assertEqual(self.outcomes(record), ["matched"])
        record.reference_column = "Reference"
        self.assertEqual(record.state, "draft", "another choice has to be read again")

    def test_amounts_with_decimal_commas_and_thousands(self):
        # No amount changes once a payment is made: the database is asked to look away.
        self.cr.execute("ALTER TABLE g2p_payment DISABLE TRIGGER g2p_payment_reference_kept")
        self.cr.execute("UPDATE g2p_payment SET amount_issued = 1234 WHERE id = %s", [self.large_payment.id])
        self.env.invalidate_all()
        header = "Reference;Status;Amount"
        for amount, outcome in (
            ("1.234", "matched"),
            ("1,234", "matched"),
            ("1234,56", "amount_mismatch"),
            ("1.234,00", "matched"),
        ):
            record = self.upload(f"{self.large_payment.name};paid;{amount}", header=header)
            self.assertEqual(self.outcomes(record), [outcome], amount)
        record = self.upload(
            f"{self.large_payment.name};paid;1,234", f"{self.small_payment.name};paid;117,60", header=header
        )
        self.assertEqual(self.outcomes(record), ["amount_mismatch", "matched"], "the other amount proves the comma")
        self.assertEqual(record.line_ids.sorted("row_number").mapped("amount"), [1.234, 117.6])

    def test_the_outcome_is_downloaded_without_formulas(self):
        record = self.upload("=HYPERLINK(1),paid,1,2024-03-01,+1", self.line(self.large_payment))
        text = base64.b64decode(record.outcome_file).decode("utf-8-sig")
        self.assertIn("'=hyperlink(1)", text)
        self.assertIn("'+1", text)
        self.assertIn("No payment has this reference", text)
        self.assertEqual(text.count("\r\n"), 3)

    def test_only_finance_reconciles(self):
        record = self.upload(self.line(self.large_payment))
        for role in ("manager", "validator", "approver", "registrar", "support", "auditor"):
            with self.assertRaises(AccessError):
                record.with_user(self.users[role]).action_apply()
        with self.assertRaises(AccessError):
            record.state = "applied"
        with self.assertRaises(AccessError):
            record.line_ids.write({"outcome": "matched"})
