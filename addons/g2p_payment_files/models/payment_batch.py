"""A batch as a file for who pays it."""

import hashlib

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.orm.models import NO_ACCESS
from odoo.tools import SQL
from odoo.tools.misc import formatLang

from odoo.addons.g2p_bulk.tools import roles, table_file
from odoo.addons.g2p_programs.tools.constants import GROUP_FINANCE, GROUP_MANAGER

from ..tools import csv_text

# A batch of which a file was made is never taken away: not by a person, and not by a mistake in a statement.
KEPT = """
CREATE OR REPLACE TRIGGER g2p_payment_batch_file_kept BEFORE DELETE ON g2p_payment_batch FOR EACH ROW
    WHEN (OLD.exported_on IS NOT NULL) EXECUTE FUNCTION g2p_payment_kept();
"""


class PaymentBatch(models.Model):
    _name = "g2p.payment.batch"
    _inherit = ["g2p.payment.batch", "g2p.evidence.mixin"]

    # The file that left: made once
    export_attachment_id = fields.Many2one(
        "ir.attachment", readonly=True, copy=False, ondelete="restrict", groups=NO_ACCESS
    )
    exported_by = fields.Many2one("res.users", readonly=True, copy=False)
    exported_on = fields.Datetime(readonly=True, copy=False)
    export_sha256 = fields.Char("Fingerprint", readonly=True, copy=False, help=table_file.FINGERPRINT_HELP)
    export_count = fields.Integer("Payments in the file", readonly=True, copy=False)
    export_amount = fields.Monetary("Amount in the file", readonly=True, copy=False)
    export_failed = fields.Integer(
        "Failed before", readonly=True, copy=False, help="Payments that had failed when the file was made: not in it."
    )

    def init(self):
        result = super().init()
        self.env.cr.execute(KEPT)
        return result

    def _has_left(self):
        return super()._has_left() or bool(self.exported_on)

    def _evidence_locked(self):
        """The file that was made for the payer stays the one that was made."""
        # sudo: whether there is a file, asked for the guard alone
        return self.filtered(lambda batch: batch.sudo().export_attachment_id)

    def action_export(self):
        """Button: the file of the payments of this batch, for who pays them. It is made once, when the batch has left;
        whoever takes it later takes the same file, and each time is on record. Once something in it is paid by another batch,
        or not at all, nobody takes it any more."""
        self.ensure_one()
        self._check_can_export()
        self._check_still_holds()
        if not self.exported_on:
            # sudo: role, access and areas were checked above
            self.sudo()._make_file()
        return {
            "type": "ir.actions.act_url",
            "url": f"/g2p_programs/batch/{self.id}/payments.csv",
            "target": "self",
        }

    def _make_file(self):
        """Two who press at once make one file: the second waits for the first, and takes it."""
        self.ensure_one()
        self.env.flush_all()
        self.env.cr.execute(SQL("SELECT exported_on FROM g2p_payment_batch WHERE id = %s FOR NO KEY UPDATE", self.id))
        if self.env.cr.fetchone()[0]:
            return
        if self.is_cash_desk:
            raise UserError(self.env._("Batch %s is paid at the cash desk: there is no file for a payer.", self.name))
        if not self.batch_has_started:
            raise UserError(
                self.env._("Send batch %s first: what is in the file of a payer is on its way.", self.reference)
            )
        [[count, amount, written, failed]] = self.env.execute_query(
            SQL(
                """
                SELECT COUNT(*) FILTER (WHERE %(in_file)s),
                       COALESCE(SUM(payment.amount_issued) FILTER (WHERE %(in_file)s), 0),
                       COALESCE(SUM(%(written)s) FILTER (WHERE %(in_file)s), 0),
                       COUNT(*) FILTER (WHERE payment.status = 'failed')
                  FROM g2p_payment AS payment
                 WHERE payment.batch_id = %(batch)s
                """,
                in_file=self._in_file(),
                written=self._amount_sql(),
                batch=self.id,
            )
        )
        if not count:
            raise UserError(self.env._("Every payment of batch %s is final: there is nothing to pay.", self.reference))
        if written != amount:
            raise UserError(
                self.env._(
                    "The amounts in the file of batch %(batch)s would add up to %(written)s, its payments to %(amount)s: no file is "
                    "made. Tell an administrator.",
                    batch=self.reference,
                    written=written,
                    amount=amount,
                )
            )
        content = "".join(self._export_lines()).encode()
        digest = hashlib.sha256(content).hexdigest()
        # No field of the batch refers to the bytes: they are given out by the check of this button only.
        attachment = self.env["ir.attachment"].create(
            {"name": self._export_filename(), "raw": content, "mimetype": "text/csv", "public": False}
        )
        self.write(
            {
                "export_attachment_id": attachment.id,
                "exported_by": self.env.uid,
                "exported_on": fields.Datetime.now(),
                "export_sha256": digest,
                "export_count": count,
                "export_failed": failed,
            }
        )
        # As it is: a field would round it to what the currency has of decimals by now.
        self.env.flush_all()
        self.env.cr.execute(SQL("UPDATE g2p_payment_batch SET export_amount = %s WHERE id = %s", amount, self.id))
        self.invalidate_recordset(["export_amount"])
        self.message_post(
            body=self.env._(
                "The file was made: %(count)s payments, %(amount)s, SHA-256 %(digest)s.",
                count=count,
                amount=formatLang(self.env, float(amount), currency_obj=self.currency_id),
                digest=digest,
            ),
            author_id=self.env.user.partner_id.id,
        )

    def _take_file(self):
        """The bytes of the file; that somebody took them is put on record.

        :raise UserError: when the file was not made yet, or is not what it was.
        """
        self._check_can_export()
        self._check_still_holds()
        # sudo: role, access and areas were checked above
        batch = self.sudo()
        if not batch.export_attachment_id:
            raise UserError(self.env._("There is no file yet: press Export on the batch."))
        content = batch.export_attachment_id.raw
        if hashlib.sha256(content).hexdigest() != batch.export_sha256:
            raise UserError(
                self.env._(
                    "The stored file of batch %s is not the one that was made. Tell an administrator.", batch.reference
                )
            )
        self.env["g2p.export.log"]._note(self._name, batch.export_count, "file", self, personal=("account",))
        batch.message_post(
            body=self.env._("The file was taken (SHA-256 %s).", batch.export_sha256),
            author_id=self.env.user.partner_id.id,
        )
        return content

    def _check_still_holds(self):
        """A payer who gets the file pays all of it: nobody gets it once its money is elsewhere. The bytes stay, as evidence."""
        if self.cancelled_on:
            raise UserError(
                self.env._(
                    "Batch %s was cancelled: nothing of it is to be paid, so its file is kept and not given out any more. What "
                    "is paid again is in a new batch: take the file of that.",
                    self.reference,
                )
            )
        if not self.exported_on:
            return
        # sudo: only how many there are; that the user sees all payments of the batch was checked
        failed = self.env["g2p.payment"].sudo().search_count([("batch_id", "=", self.id), ("status", "=", "failed")])
        if failed > self.export_failed:
            raise UserError(
                self.env._(
                    "%(count)s payments in the file of batch %(batch)s failed or were taken back since it was made, and may be in "
                    "another batch: who pays by this file would pay them twice. If the payer still needs a file, ask to cancel "
                    "this batch, prepare its payments again, and take the file of the new batch.",
                    count=failed - self.export_failed,
                    batch=self.reference,
                )
            )

    def _amount_sql(self):
        """Over `payment`: what is to be paid, exactly, with at least the decimals of the currency."""
        amount = SQL("payment.amount_issued")
        return SQL("round(%s, GREATEST(scale(trim_scale(%s)), %s))", amount, amount, self.currency_id.decimal_places)

    def _in_file(self):
        """Over `payment`: what the payer is to pay."""
        return SQL(
            """
            payment.batch_id = %s AND payment.status IS NULL AND payment.state = 'sent'
            AND payment.payout IS DISTINCT FROM 'desk'
            """,
            self.id,
        )

    def _check_can_export(self):
        """Names and account numbers leave the house: only those who pay may take them, and only a whole batch."""
        self.ensure_one()
        roles.check(
            self.env,
            GROUP_MANAGER,
            GROUP_FINANCE,
            refusal=self.env._("Only program managers and members of the finance role may export payments of a batch."),
        )
        self.check_access("read")
        payments = self.env["g2p.payment"]
        payments.check_access("read")
        in_batch = [("batch_id", "=", self.id)]
        # sudo: how many payments there are is shown on the batch; the file itself is made of those the user may see
        hidden = payments.sudo().search_count(in_batch) - payments.search_count(in_batch)
        if hidden:
            raise UserError(
                self.env._(
                    "%(count)s payments of this batch are outside the areas you work in, so the file would not be whole: "
                    "ask somebody who sees all of them.",
                    count=hidden,
                )
            )

    def _export_lines(self):
        """Yield the text of a CSV file. The payer may add status, amount, date and bank reference to it: then it can be
        read by a reconciliation. What is final, or has not left, is not in it.

        An account number that begins with a plus and holds digits only (a phone number) is no formula: it stays as it is.
        """
        self.ensure_one()
        text, number = csv_text.cell, csv_text.number
        account = SQL("payment.account_number")
        cells = [
            text(SQL("payment.name")),
            text(SQL("COALESCE(payment.beneficiary_name, registrant.name)")),
            text(SQL("payment.account_holder")),
            text(SQL("payment.bank_name")),
            SQL(r"CASE WHEN %(a)s ~ '^\+[0-9]+$' THEN %(a)s ELSE %(safe)s END", a=account, safe=text(account)),
            number(self._amount_sql()),
            text(SQL("%s::text", self.currency_id.name)),
            text(SQL("entitlement.ern")),
            text(SQL("%s::text", self.name)),
            text(SQL("payment.collector_name")),
            text(SQL("payment.alternate_name")),
        ]
        query = self.env["g2p.payment"]._search([("batch_id", "=", self.id)])
        columns = (
            "id",
            "name",
            "partner_id",
            "beneficiary_name",
            "account_holder",
            "bank_name",
            "account_number",
            "collector_name",
            "alternate_name",
            "payout",
            "amount_issued",
            "entitlement_id",
            "batch_id",
            "state",
        )
        # The rules of the user are part of the query: what it selects from is joined as it is, not asked row by row.
        payments = query.select(*(SQL.identifier(query.table, column) for column in (*columns, "status")))
        return csv_text.stream(
            self.env,
            [
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
            ],
            SQL(
                """
                SELECT %(line)s
                  FROM (%(payments)s) AS payment
                  JOIN g2p_entitlement AS entitlement ON entitlement.id = payment.entitlement_id
                  JOIN res_partner AS registrant ON registrant.id = payment.partner_id
                 WHERE %(in_file)s
                 ORDER BY payment.id
                """,
                line=csv_text.row(cells),
                in_file=self._in_file(),
                payments=payments,
            ),
        )

    def _export_filename(self):
        return f"payments-{self.external_batch_ref or self.name}.csv"
