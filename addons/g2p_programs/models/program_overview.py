"""What the screens of a program show beside its own columns: money, this year's payments, links."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL
from odoo.tools.i18n import format_list
from odoo.tools.misc import formatLang

from odoo.addons.g2p_bulk.tools.question import question

from ..tools.constants import FUND_READERS, GROUP_MANAGER

# What the form may ask about, and the button's method that runs when the answer is yes
CONFIRMED_STEPS = {
    "import": "import_eligible_registrants",
    "enroll": "enroll_eligible_registrants",
    "verify": "verify_eligibility",
    "deduplicate": "deduplicate_beneficiaries",
    "cycle": "create_new_cycle",
    "end": "end_program",
}


class Program(models.Model):
    _inherit = "g2p.program"

    can_configure = fields.Boolean(compute="_compute_can_configure")
    open_cycle_state = fields.Selection(related="open_cycle_id.state", string="Step of the current cycle")
    fund_posted = fields.Monetary("Money in", compute="_compute_fund", groups=FUND_READERS)
    fund_reserved = fields.Monetary("Reserved", compute="_compute_fund", groups=FUND_READERS)
    fund_disbursed = fields.Monetary("Paid", compute="_compute_fund", groups=FUND_READERS)
    fund_available = fields.Monetary("Available", compute="_compute_fund", groups=FUND_READERS)
    paid_this_year = fields.Monetary(compute="_compute_paid_this_year", groups=FUND_READERS)

    @api.depends_context("uid")
    def _compute_can_configure(self):
        allowed = self.env.user.has_group(GROUP_MANAGER)
        for program in self:
            program.can_configure = allowed

    def _compute_fund(self):
        """From the accounts in the programs' own currency: one query. Zero for who may not read funds."""
        accounts = self.env["g2p.fund.account"]
        if accounts.has_access("read"):
            accounts = accounts.search([("program_id", "in", self.ids)])
        by_program = {
            account.program_id: account for account in accounts if account.currency_id == account.program_id.currency_id
        }
        for program in self:
            account = by_program.get(program, accounts.browse())
            program.fund_posted = account.posted
            program.fund_reserved = account.reserved
            program.fund_disbursed = account.disbursed
            program.fund_available = account.available

    def _compute_paid_this_year(self):
        """From the ledger, which has one line an operation, not one a payment."""
        ledger = self.env["g2p.fund.ledger"]
        paid = {}
        if ledger.has_access("read"):
            year = fields.Date.context_today(self).replace(month=1, day=1)
            for account, kind, amount in ledger._read_group(
                [
                    ("account_id.program_id", "in", self.ids),
                    ("kind", "in", ("disburse", "refund")),
                    ("date", ">=", year),
                ],
                ["account_id", "kind"],
                ["amount:sum"],
            ):
                program = account.program_id
                if account.currency_id == program.currency_id:
                    paid[program] = paid.get(program, 0) + (amount if kind == "disburse" else -amount)
        for program in self:
            program.paid_this_year = paid.get(program, 0)

    # The question before a step

    def action_confirm(self):
        """Button: ask, with counts, whether to run the step that the context names as `program_step`."""
        self.ensure_one()
        self.check_access("read")
        step = self.env.context.get("program_step")
        if step not in CONFIRMED_STEPS:
            raise UserError(self.env._("There is no such step of a program."))
        title, message = self._confirmation(step)
        return question(self, CONFIRMED_STEPS[step], title, message)

    def _confirmation(self, step):
        """(title, what will happen) in words."""
        _ = self.env._
        texts = {
            "import": (
                _("Import eligible registrants"),
                _(
                    "%(eligible)s registrants meet the conditions and are not members yet. They become enrolled members of "
                    "%(program)s."
                ),
            ),
            "enroll": (
                _("Enroll eligible"),
                _(
                    "%(draft)s draft, %(not_eligible)s not eligible and %(enrolled)s enrolled members are decided on: who "
                    "meets the conditions is enrolled, the others become not eligible. Paused, exited and duplicated "
                    "members stay as they are."
                ),
            ),
            "verify": (
                _("Verify eligibility"),
                _(
                    "%(enrolled)s enrolled and %(not_eligible)s not eligible members are checked again: who no longer meets "
                    "the conditions becomes not eligible, and the other way round. Drafts stay drafts."
                ),
            ),
            "deduplicate": (
                _("Deduplicate"),
                _(
                    "%(members)s members are compared by %(looked_at)s. Of those who are the same person or household one "
                    "stays, the others are marked as duplicated; where there is only a sign, such as a shared phone, nobody "
                    "is marked until an officer has chosen. You can undo it for each set under Duplicates."
                ),
            ),
            "cycle": (
                _("Create new cycle"),
                _(
                    "The next cycle is created for %(enrolled)s enrolled members. Nothing is promised to anybody yet, and "
                    "the cycle can be cancelled."
                ),
            ),
            "end": (
                _("End program"),
                _(
                    "%(program)s ends: nobody is enrolled and no cycle is created any more. Nothing is deleted, and you can "
                    "re-activate it."
                ),
            ),
        }
        title, text = texts[step]
        if step == "cycle" and (waiting := self._waiting_duplicates_text()):
            text += " " + waiting.replace("%", "%%")
        return title, text % {
            "program": self.name,
            "eligible": self._number(self._count_eligible()) if step == "import" else "",
            "looked_at": format_list(self.env, self._looks_at(), style="or"),
            "members": self._number(
                self.beneficiaries_count - self.exited_count - self.graduated_count - self.not_eligible_count
            ),
            "enrolled": self._number(self.eligible_beneficiaries_count),
            "draft": self._number(self.draft_count),
            "not_eligible": self._number(self.not_eligible_count),
        }

    def _waiting_duplicates_text(self):
        """What the user should know before members are paid: sets of duplicates that nobody has decided on."""
        count = self.duplicate_membership_count
        if not count:
            return ""
        return self.env._(
            "%(count)s sets of duplicates of %(program)s wait for a decision (stat button Duplicates): until then all of "
            "their members who are enrolled stay in, and may be paid twice.",
            count=self._number(count),
            program=self.name,
        )

    def _count_eligible(self):
        """How many registrants an import would bring in."""
        [[count]] = self.env.execute_query(
            SQL("SELECT COUNT(*) FROM (%s) AS eligible", self._bulk_source_import_eligible(None))
        )
        return count

    def _number(self, value):
        return formatLang(self.env, value, digits=0)

    # Links

    def open_duplicate_membership_form(self):
        """Stat button: sets of duplicates."""
        action = super().open_duplicate_membership_form()
        return action | {"context": {**action["context"], "default_program_id": self.id}}

    def action_open_members(self):
        """Link of a count: the members in the state that the context names."""
        state = self.env.context.get("members_state")
        if state not in dict(self.env["g2p.program_membership"]._fields["state"].selection):
            raise UserError(self.env._("There is no such list of members."))
        return self._open(
            "g2p.program_membership",
            self.env._("Beneficiaries of %s", self.name),
            {f"search_default_{state}": 1, "default_program_id": self.id},
        )

    def action_open_funds(self):
        """Stat button: deposits and withdrawals of the program."""
        return self._open("g2p.program.fund", self.env._("Funds of %s", self.name), {"default_program_id": self.id})

    def action_open_current_cycle(self):
        """Link: the cycle that is not over yet."""
        self.ensure_one()
        if not self.open_cycle_id:
            raise UserError(self.env._("%s has no open cycle.", self.name))
        return {
            "type": "ir.actions.act_window",
            "res_model": "g2p.cycle",
            "res_id": self.open_cycle_id.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def action_duplicate_program(self):
        """Action menu: run the same definition again, as a draft program with managers of its own."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
        copied = self.copy()
        return {
            "type": "ir.actions.act_window",
            "name": copied.name,
            "res_model": self._name,
            "res_id": copied.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }
