from odoo import fields, models, tools
from odoo.tools import SQL

from .fund_ledger import effect_sql


class ProgramFundReport(models.Model):
    """The ledger, signed, for pivot and graph: what came in, what went out, what is promised, what is free."""

    _name = "g2p.program.fund.report.view"
    _description = "Fund report"
    _auto = False
    _order = "date desc, id desc"
    _rec_name = "reference"

    program_id = fields.Many2one("g2p.program", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    cycle_id = fields.Many2one("g2p.cycle", readonly=True)
    user_id = fields.Many2one("res.users", readonly=True)
    date = fields.Date(readonly=True)
    kind = fields.Selection(selection=lambda self: self.env["g2p.fund.ledger"]._fields["kind"].selection, readonly=True)
    reference = fields.Char(readonly=True)
    amount = fields.Monetary("Balance", readonly=True, help="Deposits and refunds less withdrawals and disbursements.")
    reserved_amount = fields.Monetary("Reserved", readonly=True)
    available_amount = fields.Monetary("Available", readonly=True)
    written_off_amount = fields.Monetary("Written off", readonly=True, help="Paid, and lost.")

    def init(self):
        tools.drop_view_if_exists(self.env.cr, self._table)
        view = SQL(
            """
            CREATE VIEW g2p_program_fund_report_view AS
            SELECT ledger.id, account.program_id, program.company_id, account.currency_id, ledger.cycle_id,
                   ledger.user_id, ledger.date::date AS date, ledger.kind, ledger.reference,
                   %(balance)s AS amount,
                   %(reserved)s AS reserved_amount,
                   %(available)s AS available_amount,
                   CASE WHEN ledger.kind = 'write_off' THEN ledger.amount ELSE 0 END AS written_off_amount
              FROM g2p_fund_ledger AS ledger
              JOIN g2p_fund_account AS account ON account.id = ledger.account_id
              JOIN g2p_program AS program ON program.id = account.program_id
            """,
            balance=effect_sql(posted=1, disbursed=-1),
            reserved=effect_sql(reserved=1),
            available=effect_sql(posted=1, reserved=-1, disbursed=-1),
        )
        self.env.cr.execute(view)
