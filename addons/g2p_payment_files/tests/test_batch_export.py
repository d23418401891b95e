import base64
import csv
import hashlib
import io
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import SQL

from odoo.addons.g2p_bulk.models.evidence import OPEN
from odoo.addons.g2p_bulk.tests.statements import counting_statements
from odoo.addons.g2p_programs.tests.money import MoneyCase

HEADER = [
    "payment reference",
    "beneficiary",
    "account holder",
    "bank or provider",
    "account number",
    "amount",
    "currency",
    "entitlement",
    "batch",
    "collected by",
    "or by",
]


class BatchCase(MoneyCase):
    """Three payments in one batch, on their way: 156.80 on a wallet, 117.60 at a bank, 98.00 at no named bank."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        accounts = cls.env["res.partner.bank"]
        accounts.create(
            {
                "partner_id": cls.large.id,
                "acc_number": "+251911000001",
                "account_type": "mobile_wallet",
                "provider": "=Wallet",
                "is_primary": True,
            }
        )
        bank = cls.env["res.bank"].create({"name": "Bank, “Main”"})
        accounts.create({"partner_id": cls.small.id, "acc_number": "0012-3", "bank_id": bank.id, "is_primary": True})
        cls.small.name = '=HYPERLINK("x")'
        cls.cycle = cls.paid_out()
        cls.large_payment, cls.small_payment, cls.empty_payment = cls.env["g2p.payment"].search(
            [("cycle_id", "=", cls.cycle.id)], order="id"
        )
        cls.batch = cls.cycle.payment_batch_ids.with_user(cls.manager)

    def rows(self, batch=None):
        text = "".join((batch or self.batch)._export_lines())
        self.assertEqual(text[:1], "\ufeff")
        return list(csv.reader(io.StringIO(text[1:], newline="")))


@tagged("post_install", "-at_install")
class TestBatchExport(BatchCase):
    def test_a_batch_is_a_file_for_who_pays_it(self):
        header, *rows = self.rows()
        self.assertEqual(header, HEADER)
        large, small, empty = (payment.entitlement_id for payment in self.cycle.payment_ids.sorted("id"))
        name, currency = self.batch.name, self.grant.currency_id.name
        self.assertEqual(
            rows,
            [
                # a phone number stays one, a formula doesn't
                [
                    self.large_payment.name,
                    "Large",
                    "Large",
                    "'=Wallet",
                    "+251911000001",
                    "156.80",
                    currency,
                    large.ern,
                    name,
                    "",
                    "",
                ],
                [
                    self.small_payment.name,
                    '\'=HYPERLINK("x")',
                    '\'=HYPERLINK("x")',
                    "Bank, “Main”",
                    "0012-3",
                    "117.60",
                    currency,
                    small.ern,
                    name,
                    "",
                    "",
                ],
                [self.empty_payment.name, "Empty", "Empty", "", "ET-Empty", "98.00", currency, empty.ern, name, "", ""],
            ],
        )

    def test_what_is_final_or_has_not_left_is_not_in_the_file(self):
        self.env["g2p.payment"]._finalize_now(
            self.env["g2p.payment"]._search([("id", "=", self.large_payment.id)]).select(),
            "failed",
            "Closed",
            confirmed=True,
        )
        self.assertEqual([row[0] for row in self.rows()[1:]], [self.small_payment.name, self.empty_payment.name])
        self.cycle.prepare_payment()
        again = self.cycle.payment_batch_ids.with_user(self.manager) - self.batch
        self.assertEqual(self.rows(again)[1:], [])
        with self.assertRaisesRegex(UserError, "Send batch .* first"):
            again.action_export()
        again.send_payment()
        self.assertEqual([row[1] for row in self.rows(again)[1:]], ["Large"])
        again.with_user(self.finance).action_export()

    def test_the_file_is_made_once_and_everybody_takes_the_same(self):
        batch = self.batch
        with self.assertRaisesRegex(UserError, "There is no file yet"):
            batch._take_file()
        batch.action_export()
        first = batch._take_file()
        self.assertEqual(batch.export_sha256, hashlib.sha256(first).hexdigest())
        self.assertEqual((batch.exported_by, batch.export_count, batch.export_amount), (self.manager, 3, 372.4))
        # What changes afterwards does not change what left.
        self.large.name = "Renamed"
        self.large.bank_ids[0].acc_number = "OTHER"
        self.finalize(self.large_payment, "paid")
        finance = batch.with_user(self.finance)
        finance.action_export()
        self.assertEqual(finance._take_file(), first)
        self.assertEqual(batch.exported_by, self.manager)
        told = batch.message_ids.filtered(lambda message: batch.export_sha256 in (message.body or ""))
        self.assertEqual(told.sorted("id").mapped("author_id"), (self.manager + self.finance).partner_id)
        self.assertEqual(len(told), 3)

    def finalize(self, payments, status):
        self.env["g2p.payment"]._finalize_now(
            self.env["g2p.payment"]._search([("id", "in", payments.ids)]).select(), status, "Closed", confirmed=True
        )

    def test_a_file_of_which_something_failed_is_not_given_out_again(self):
        """What failed is paid by another batch, or not at all: who pays by the old file pays it twice."""
        self.finalize(self.empty_payment, "failed")
        self.batch.action_export()
        self.assertTrue(self.batch._take_file(), "what failed before is not in it")
        self.finalize(self.large_payment, "failed")
        for user in (self.manager, self.finance):
            batch = self.batch.with_user(user)
            for take in (batch.action_export, batch._take_file):
                with self.assertRaisesRegex(
                    UserError, "^1 payments in the file of batch B.* failed or were taken back"
                ):
                    take()
        self.assertTrue(self.batch.sudo().export_attachment_id.raw, "it stays as evidence")

    def test_the_file_of_a_cancelled_batch_is_not_given_out(self):
        self.batch.action_export()
        for fate in ("not_handed", "stopped"):
            with self.subTest(fate), self.cr.savepoint(flush=True) as point:
                asked = {"reason": "Lost", "evidence": "Letter 12", "kind": "cancel", "batch_id": self.batch.id}
                corrections = self.env["g2p.payment.correction"].with_user(self.manager)
                corrections.create({**asked, "file_fate": fate}).with_user(self.finance).confirm()
                for user in (self.manager, self.finance):
                    batch = self.batch.with_user(user)
                    for take in (batch.action_export, batch._take_file):
                        with self.assertRaisesRegex(UserError, "^Batch B.* was cancelled: .* new batch"):
                            take()
                self.assertTrue(self.batch.sudo().export_attachment_id.raw, "it stays as evidence")
                point.rollback()
                self.env.invalidate_all()

    def test_a_cancelled_batch_gets_no_file(self):
        asked = {"reason": "Lost", "evidence": "Letter 12", "kind": "cancel", "batch_id": self.batch.id}
        correction = (
            self.env["g2p.payment.correction"].with_user(self.manager).create({**asked, "file_fate": "stopped"})
        )
        correction.with_user(self.finance).confirm()
        with self.assertRaisesRegex(UserError, "was cancelled"):
            self.batch.action_export()

    def test_the_file_says_what_is_paid_whatever_becomes_of_the_currency(self):
        """As if its rounding had been changed by somebody who goes round Odoo."""
        self.env.cr.execute(
            "UPDATE res_currency SET rounding = 1, decimal_places = 0 WHERE id = %s", [self.grant.currency_id.id]
        )
        self.env.invalidate_all()
        self.batch.action_export()
        rows = list(csv.reader(io.StringIO(self.batch._take_file().decode("utf-8-sig"))))
        self.assertEqual([row[5] for row in rows[1:]], ["156.8", "117.6", "98"])
        self.env.cr.execute("SELECT export_amount::text FROM g2p_payment_batch WHERE id = %s", [self.batch.id])
        self.assertEqual(float(self.env.cr.fetchone()[0]), 372.4)
        self.assertEqual(self.batch.export_amount, 372.4)

    def test_a_file_whose_total_is_another_is_not_made(self):
        batch = type(self.batch)
        with patch.object(batch, "_amount_sql", lambda self: SQL("round(payment.amount_issued, 0)")):
            with self.assertRaisesRegex(UserError, "add up to .*373"):
                self.batch.action_export()
        self.assertFalse(self.batch.exported_on)

    def test_the_bytes_of_a_file_are_given_out_by_its_button_only(self):
        self.batch.action_export()
        attachment = self.batch.sudo().export_attachment_id
        for role in ("registrar", "auditor", "support", "validator"):
            with self.subTest(role):
                with self.assertRaises(AccessError):
                    self.batch.with_user(self.users[role]).read(["export_attachment_id"])
                with self.assertRaises(AccessError):
                    attachment.with_user(self.users[role]).read(["raw"])

    def test_a_file_that_was_tampered_with_is_not_given_out(self):
        self.batch.action_export()
        paper = self.batch.sudo().export_attachment_id
        for user in (self.manager, self.finance):
            for attempt in (lambda mine: mine.write({"raw": b"other"}), lambda mine: mine.unlink()):
                with self.assertRaises(AccessError):
                    attempt(paper.with_user(user).sudo())
        # By somebody who goes round Odoo.
        paper.with_context(**OPEN).raw = b"other"
        with self.assertRaisesRegex(UserError, "not the one that was made"):
            self.batch._take_file()

    def test_the_file_comes_back_with_what_was_paid(self):
        header, *rows = self.rows()
        answer = io.StringIO()
        writer = csv.writer(answer)
        writer.writerows([[*header, "status"], *([*row, "paid"] for row in rows)])
        record = (
            self.env["g2p.payment.reconciliation"]
            .with_user(self.finance)
            .create({"file": base64.b64encode(("\ufeff" + answer.getvalue()).encode()), "filename": "answer.csv"})
        )
        record.action_check()
        self.assertEqual((record.matched_count, record.lines_count), (3, 3))
        record.action_apply()
        self.assertEqual(self.cycle.state, "distributed")

    def test_only_those_who_pay_export(self):
        for role in ("registrar", "support", "auditor", "validator", "approver"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.batch.with_user(self.users[role]).action_export()
        for role in ("manager", "finance", "admin"):
            if role == "admin" and not self.users["admin"].has_group("g2p_programs.g2p_program_manager"):
                continue
            with self.subTest(role):
                url = self.batch.with_user(self.users[role]).action_export()["url"]
                self.assertEqual(url, f"/g2p_programs/batch/{self.batch.id}/payments.csv")
        for user in (self.portal, self.outsider):
            with self.subTest(user.login), self.assertRaises(AccessError):
                self.batch.with_user(user).action_export()

    def test_a_user_of_one_area_does_not_export_half_a_batch(self):
        north, south = self.env["g2p.area"].create([{"name": "North", "code": "E-N"}, {"name": "South", "code": "E-S"}])
        self.large.area_id, (self.small + self.empty).area_id = north, south
        self.manager.g2p_area_ids = north
        with self.assertRaisesRegex(UserError, "^2 payments of this batch are outside the areas you work in"):
            self.batch.action_export()
        self.assertEqual([row[1] for row in self.rows()[1:]], ["Large"])
        self.manager.g2p_area_ids = north + south
        self.assertTrue(self.batch.action_export())

    def test_another_company_sees_nothing_of_it(self):
        company = self.env["res.company"].create({"name": "Other ministry"})
        stranger = new_test_user(
            self.env,
            login="export_stranger",
            groups="g2p_programs.g2p_finance_validator",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        with self.assertRaises(AccessError):
            self.batch.with_user(stranger).action_export()
        self.assertEqual(self.rows(self.batch.with_user(stranger).sudo().with_user(self.manager))[1:], self.rows()[1:])

    def test_a_long_file_is_read_little_by_little(self):
        """As many statements as there are portions of 5,000 lines, and not one more for any line."""
        low, _high = self.many_registrants(12_000, prefix="Long ")
        self.env.cr.execute(
            """
            WITH due AS (
                INSERT INTO g2p_entitlement (partner_id, cycle_id, program_id, item_id, code, state, settlement,
                                             is_cash_entitlement, currency_id, initial_amount, transfer_fee, valid_from, valid_until)
                SELECT %s + number, cycle_id, program_id, 0, gen_random_uuid(), 'trans2FSP', 'payment', TRUE, currency_id, 10, 0,
                       valid_from, valid_until
                  FROM g2p_entitlement, generate_series(0, 11999) AS number WHERE id = %s
             RETURNING *
            )
            INSERT INTO g2p_payment (name, entitlement_id, cycle_id, program_id, partner_id, batch_id, state,
                                     amount_issued, amount_paid, payment_fee, currency_id, attempt)
            SELECT gen_random_uuid(), id, cycle_id, program_id, partner_id, %s, 'sent', 10, 0, 0, currency_id, 1 FROM due
            """,
            [low, self.large_payment.entitlement_id.id, self.batch.id],
        )
        self.env.invalidate_all()
        self.rows()
        with counting_statements(self.env.cr) as count:
            parts = list(self.batch._export_lines())
        self.assertEqual([part.count("\r\n") for part in parts], [1, 5_000, 5_000, 2_003])
        # DECLARE, three portions, an empty one, CLOSE
        self.assertLessEqual(count.statements, 8)


@tagged("post_install", "-at_install")
class TestBatchExportOverHttp(HttpCase, BatchCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for role in ("manager", "finance", "registrar", "auditor", "support"):
            cls.users[role].password = f"test_{role}"
        cls.outsider.password = "test_outsider"

    def test_nothing_is_downloaded_before_it_is_exported(self):
        self.assertEqual(self.get("test_manager").status_code, 403)

    def get(self, login):
        self.authenticate(login, login)
        return self.url_open(f"/g2p_programs/batch/{self.batch.id}/payments.csv")

    def test_who_may_export_gets_the_file_and_nobody_else(self):
        self.batch.action_export()
        for role in ("manager", "finance"):
            answer = self.get(f"test_{role}")
            self.assertEqual(answer.status_code, 200)
            self.assertEqual(answer.headers["Content-Type"], "text/csv; charset=utf-8")
            self.assertIn(f"payments-{self.batch.name}.csv", answer.headers["Content-Disposition"])
            self.assertEqual(answer.headers["Cache-Control"], "no-store")
            self.assertEqual(len(answer.content.decode("utf-8-sig").splitlines()), 4)
        for role in ("registrar", "support", "auditor"):
            answer = self.get(f"test_{role}")
            self.assertEqual(answer.status_code, 403)
            self.assertNotIn(self.large_payment.name, answer.text)
        self.assertEqual(self.get("test_outsider").status_code, 404)
        self.authenticate(None, None)
        answer = self.url_open(f"/g2p_programs/batch/{self.batch.id}/payments.csv", allow_redirects=False)
        self.assertIn(answer.status_code, (302, 303))

    def test_the_file_of_a_cancelled_batch_is_not_downloaded(self):
        self.batch.action_export()
        self.batch.sudo().write({"cancelled_on": "2024-01-01", "cancelled_by": self.finance.id})
        for role in ("manager", "finance"):
            answer = self.get(f"test_{role}")
            self.assertEqual(answer.status_code, 403)
            self.assertIn("was cancelled", answer.text)
            self.assertNotIn(self.large_payment.name, answer.text)

    def test_the_outcome_of_a_reconciliation_is_downloaded(self):
        content = (
            f"reference,status,amount\n{self.large_payment.name},paid,{self.large_payment.amount_issued}\n=1,paid,1\n"
        )
        record = (
            self.env["g2p.payment.reconciliation"]
            .with_user(self.finance)
            .create({"file": base64.b64encode(content.encode()), "filename": "bank.csv"})
        )
        record.action_check()
        url = record.action_download()["url"]
        self.authenticate("test_finance", "test_finance")
        answer = self.url_open(url)
        self.assertEqual(answer.content, base64.b64decode(record.with_context(bin_size=False).outcome_file))
        self.assertIn("'=1", answer.text)
        self.assertIn("outcome-bank.csv", answer.headers["Content-Disposition"])
        self.authenticate("test_registrar", "test_registrar")
        self.assertEqual(self.url_open(url).status_code, 404)
