"""A batch as a file for who pays it."""

from odoo import models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from . import csv_text
from .constants import GROUP_MANAGER
from .fund import FINANCE


class PaymentBatch(models.Model):
    _inherit = "g2p.payment.batch"

    def action_export(self):
        """Button: the payments of this batch that are to be paid, as CSV."""
        self.ensure_one()
        self._check_can_export()
        return {
            "type": "ir.actions.act_url",
            "url": f"/g2p_programs/batch/{self.id}/payments.csv",
            "target": "self",
        }

    def _check_can_export(self):
        """Names and account numbers leave the house: only those who pay may take them, and only a whole batch."""
        self.ensure_one()
        if not self.env.su and not any(map(self.env.user.has_group, (GROUP_MANAGER, FINANCE))):
            raise AccessError(
                self.env._("Only program managers and members of the finance role may export payments of a batch.")
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
        read by a reconciliation. What is final, or would not be sent, is not in it.

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
            number(SQL("round(payment.amount_issued, %s)", self.currency_id.decimal_places)),
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
                 WHERE payment.status IS NULL
                   AND (payment.state = 'sent' AND entitlement.state = 'trans2FSP'
                        OR payment.state = 'issued' AND entitlement.state = 'approved'
                           AND registrant.active AND registrant.disabled IS NULL)
                 ORDER BY payment.id
                """,
                line=csv_text.row(cells),
                payments=payments,
            ),
        )

    def _export_count(self):
        """How many payments the file has at most."""
        return self.env["g2p.payment"].search_count([("batch_id", "=", self.id), ("status", "=", False)])

    def _export_filename(self):
        return f"payments-{self.external_batch_ref or self.name}.csv"
