from odoo import fields, models, tools


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

    def init(self):
        tools.drop_view_if_exists(self.env.cr, self._table)
        self.env.cr.execute(
            """
            CREATE VIEW g2p_program_fund_report_view AS
            SELECT ledger.id, account.program_id, program.company_id, account.currency_id, ledger.cycle_id,
                   ledger.user_id, ledger.date::date AS date, ledger.kind, ledger.reference,
                   CASE WHEN ledger.kind IN ('deposit', 'refund') THEN ledger.amount
                        WHEN ledger.kind IN ('withdraw', 'disburse') THEN -ledger.amount
                        ELSE 0 END AS amount,
                   CASE WHEN ledger.kind = 'reserve' THEN ledger.amount
                        WHEN ledger.kind IN ('release', 'disburse') THEN -ledger.amount
                        ELSE 0 END AS reserved_amount,
                   CASE WHEN ledger.kind IN ('deposit', 'release', 'refund') THEN ledger.amount
                        WHEN ledger.kind IN ('withdraw', 'reserve') THEN -ledger.amount
                        ELSE 0 END AS available_amount
              FROM g2p_fund_ledger AS ledger
              JOIN g2p_fund_account AS account ON account.id = ledger.account_id
              JOIN g2p_program AS program ON program.id = account.program_id
            """
        )
