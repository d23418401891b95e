from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL
from odoo.tools.misc import formatLang

from odoo.addons.g2p_bulk.tools import roles
from odoo.addons.g2p_bulk.tools.question import question

from ..tools.constants import GROUP_FINANCE
from ..tools.money import decimal
from . import fund_account, fund_ledger  # noqa: F401


class ProgramFund(models.Model):
    """Money that comes into a program, or is taken back from it while nobody was promised it."""

    _name = "g2p.program.fund"
    _description = "Program fund"
    _inherit = ["mail.thread", "mail.activity.mixin", "g2p.state.mixin", "g2p.change.mixin", "g2p.approval.mixin"]
    _order = "id desc"
    _check_company_auto = True
    _changes_on = "program_id"

    _fixed_fields = ("program_id",)
    _protected_fields = ("state", "name", "date_posted", "posted_by")
    _agreed_fields = ("program_id", "currency_id", "amount", "kind", "remarks")
    _approval_presses = ("ask_post",)
    _approval_done_states = ("posted", "cancelled")

    _amount_positive = models.Constraint("CHECK (amount > 0)", "A fund has an amount above 0.")
    _name_uniq = models.UniqueIndex("(name) WHERE state = 'posted'", "This number is taken by another fund.")

    name = fields.Char("Number", required=True, readonly=True, copy=False, default=lambda self: self.env._("Draft"))
    kind = fields.Selection(
        [("deposit", "Deposit"), ("withdrawal", "Withdrawal")], required=True, default="deposit", tracking=True
    )
    program_id = fields.Many2one("g2p.program", required=True, index=True, ondelete="restrict", tracking=True)
    company_id = fields.Many2one(related="program_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(
        "res.currency", required=True, compute="_compute_currency_id", store=True, readonly=False, precompute=True
    )
    amount = fields.Monetary(required=True, tracking=True)
    remarks = fields.Text()
    state = fields.Selection(
        [("draft", "Draft"), ("posted", "Posted"), ("cancelled", "Cancelled")],
        required=True,
        readonly=True,
        default="draft",
        copy=False,
        index=True,
        tracking=True,
    )
    date_posted = fields.Date(readonly=True, copy=False)
    posted_by = fields.Many2one("res.users", readonly=True, copy=False)
    available = fields.Monetary("Available in the fund", compute="_compute_available")

    @api.depends("program_id")
    def _compute_currency_id(self):
        for fund in self:
            fund.currency_id = fund.program_id.currency_id or self.env.company.currency_id

    @api.depends("program_id", "currency_id", "state")
    def _compute_available(self):
        accounts = self.env["g2p.fund.account"].search([("program_id", "in", self.program_id.ids)])
        available = {(account.program_id, account.currency_id): account.available for account in accounts}
        for fund in self:
            fund.available = available.get((fund.program_id, fund.currency_id), 0)

    # CRUD

    def write(self, vals):
        if {"program_id", "currency_id", "amount", "kind"} & set(vals) and any(fund.state != "draft" for fund in self):
            raise UserError(self.env._("A fund that is posted or cancelled can't be edited. Make a new one."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_posted(self):
        for fund in self:
            if fund.state == "posted":
                raise UserError(
                    self.env._(
                        "%s is posted and can't be deleted: make a withdrawal to take the money back.", fund.name
                    )
                )

    # Buttons

    def action_confirm_post(self):
        """Button: say what the fund will have, and ask."""
        self.ensure_one()
        self._check_can_post()
        values = {
            "amount": formatLang(self.env, self.amount, currency_obj=self.currency_id),
            "program": self.program_id.name,
            "before": formatLang(self.env, self.available, currency_obj=self.currency_id),
            "after": formatLang(
                self.env,
                self.available + (self.amount if self.kind == "deposit" else -self.amount),
                currency_obj=self.currency_id,
            ),
        }
        if self.kind == "deposit":
            message = self.env._("%(amount)s come into the fund of %(program)s.", **values)
        else:
            message = self.env._("%(amount)s are taken out of the fund of %(program)s.", **values)
        message += " " + self.env._(
            "It has %(before)s available now, and %(after)s afterwards. What is posted can't be edited or deleted: to undo "
            "it, post the opposite.",
            **values,
        )
        title = self.env._("Post deposit") if self.kind == "deposit" else self.env._("Post withdrawal")
        notice = self._approval_notice()
        confirm = self.env._("Ask for approval") if notice else self.env._("Post")
        return question(self, "post_fund", title, f"{message} {notice}".strip(), confirm, **self._approval_seen())

    def post_fund(self):
        """draft → posted, once somebody of finance agrees who did not prepare it: the money is in the program's account, or
        taken back from what is available there. Whoever prepared it asks by this."""
        self = self.union()  # a caller may name a fund twice
        self._check_can_post()
        self._require_state("draft")
        answers = [fund._approval_submit() for fund in self]
        return next(filter(None, answers), True)

    def ask_post(self):
        """Button of who writes deposits down and may not post them: ask finance to."""
        self.ensure_one()
        self.check_access("write")
        self._require_state("draft")
        if not self._approval_asks(self._approval_kind()):
            # Where nobody else has to agree, this would be the posting itself.
            self._check_can_post()
        return self._approval_submit() or True

    def _post(self):
        """The number is given, and the account moves."""
        # sudo: numbers for all roles
        number = self.env["ir.sequence"].sudo().next_by_code("program.fund.ref.num")
        self.write({"name": number, "date_posted": fields.Date.context_today(self), "posted_by": self.env.uid})
        self._move_state("draft", "posted")
        account = self.env["g2p.fund.account"]._of(self.program_id, self.currency_id)
        move = account._deposit if self.kind == "deposit" else account._withdraw
        move(self.amount, reference=number)

    # Approval

    def _approval_kind(self):
        return f"fund_{self.kind}"

    def _approval_scope(self):
        return self.program_id

    def _approval_name(self, kind):
        amount = formatLang(self.env, self.amount, currency_obj=self.currency_id)
        if self.kind == "deposit":
            return self.env._("Deposit of %(amount)s for %(program)s", amount=amount, program=self.program_id.name)
        return self.env._("Withdrawal of %(amount)s from %(program)s", amount=amount, program=self.program_id.name)

    def _approval_amount(self, kind):
        return decimal(self.amount), self.currency_id

    def _approval_figures(self, kind):
        labels = (self.env._("Available when it was asked for"), self.env._("With it, when it was asked for"))
        return [
            {"label": self.env._("Amount"), "value": str(self.amount), "money": self.currency_id.id},
            *([{"label": self.env._("Remarks"), "value": self.remarks}] if self.remarks else []),
            *({**line, "then": True} for line in self._available_lines(*labels)),
        ]

    def _approval_figures_now(self, kind, figures):
        return self._available_lines(self.env._("Available now"), self.env._("Available afterwards"))

    def _available_lines(self, before, after):
        with_it = self.available + (self.amount if self.kind == "deposit" else -self.amount)
        return [
            {"label": label, "value": str(value), "money": self.currency_id.id}
            for label, value in ((before, self.available), (after, with_it))
        ]

    def _approval_granted(self, request):
        self._post()

    def cancel_fund(self):
        """draft → cancelled."""
        self = self.union()
        self._check_can_post()
        self._require_state("draft")
        self._move_state("draft", "cancelled")
        self._approval_drop(self.env._("It was cancelled."))
        return True

    def reset_draft(self):
        """cancelled → draft."""
        self = self.union()
        self._check_can_post()
        self._require_state("cancelled")
        self._move_state("cancelled", "draft")
        return True

    def _check_can_post(self):
        roles.check(self.env, GROUP_FINANCE)
        self.check_access("write")

    def _move_state(self, from_state, to_state):
        """All of these funds, or none: one that is not in `from_state` any more refuses them all."""
        # sudo: role and access were checked by the button
        moved = self.sudo()._transition_where(SQL("t.id = ANY(%s)", self.ids), to_state, from_state=from_state)
        self.modified(["state"])
        if moved != len(self):
            raise UserError(self.env._("One of these funds was moved by somebody else meanwhile. Nothing was done."))
