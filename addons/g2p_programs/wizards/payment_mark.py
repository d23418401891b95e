from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools.misc import formatLang

from odoo.addons.g2p_bulk.tools import roles
from odoo.addons.g2p_bulk.tools.question import question

from ..models.payment_mark import KIND
from ..tools.constants import GROUP_FINANCE
from ..tools.money import decimal


class PaymentMarkWizard(models.TransientModel):
    """Say what came of payments: a selection, a batch, or all of a cycle that are not final."""

    _name = "g2p.payment.mark.wizard"
    _description = "Mark payments as paid or failed"

    payment_ids = fields.Many2many("g2p.payment", string="Payments")
    batch_id = fields.Many2one("g2p.payment.batch")
    cycle_id = fields.Many2one("g2p.cycle")
    status = fields.Selection([("paid", "Paid"), ("failed", "Failed")], required=True, default="paid")
    reason = fields.Char(help="Why the payments failed, or a remark.")
    date = fields.Datetime("Paid on", default=fields.Datetime.now)
    bank_reference = fields.Char()
    open_count = fields.Integer(
        "Payments that are not final", compute="_compute_open", help="Payments that are not final."
    )
    open_amount = fields.Monetary("Amount", compute="_compute_open")
    currency_id = fields.Many2one("res.currency", compute="_compute_open")
    waiting_text = fields.Char(compute="_compute_waiting_text", help="What somebody asked for already.")

    @api.model
    def default_get(self, fields_list):
        values = super().default_get(fields_list)
        active, ids = self.env.context.get("active_model"), self.env.context.get("active_ids") or []
        if any(values.get(name) for name in ("payment_ids", "batch_id", "cycle_id")) or not ids:
            return values
        if active == "g2p.payment":
            values["payment_ids"] = [(6, 0, ids)]
        elif active == "g2p.payment.batch":
            values["batch_id"] = ids[0]
        elif active == "g2p.cycle":
            values["cycle_id"] = ids[0]
        return values

    def _domain(self):
        if self.cycle_id:
            scope = [("cycle_id", "=", self.cycle_id.id)]
        elif self.batch_id:
            scope = [("batch_id", "=", self.batch_id.id)]
        else:
            scope = [("id", "in", self.payment_ids.ids)]
        return [*scope, ("status", "=", False)]

    def _program(self):
        """The program of the payments; nothing where all of them are final, or the user sees none.

        :raise UserError: when they are of several: who has to agree is a matter of each
        """
        programs = self.cycle_id.program_id or self.batch_id.program_id
        if not programs:
            rows = self.env["g2p.payment"]._read_group(self._domain(), ["program_id"])
            programs = programs.browse(program.id for [program] in rows)
        if len(programs) > 1:
            raise UserError(
                self.env._("These are payments of %s programs: choose payments of one program.", len(programs))
            )
        return programs

    @api.depends("payment_ids", "batch_id", "cycle_id")
    def _compute_open(self):
        for wizard in self:
            [[count, amount]] = self.env["g2p.payment"]._read_group(
                wizard._domain(), aggregates=["__count", "amount_issued:sum"]
            )
            wizard.open_count = count
            wizard.open_amount = amount
            currencies = (wizard.cycle_id or wizard.batch_id or wizard.payment_ids).currency_id
            wizard.currency_id = currencies if len(currencies) == 1 else False

    @api.depends("payment_ids", "batch_id", "cycle_id")
    def _compute_waiting_text(self):
        marks = self.env["g2p.payment.mark"]
        for wizard in self:
            waiting = marks._waiting_for(self.env["g2p.payment"]._search(wizard._domain()), wizard.cycle_id)
            wizard.waiting_text = waiting and waiting._waiting_text()

    def action_confirm_mark(self):
        """Button: say how many payments become what, and ask."""
        self.ensure_one()
        if self.status == "failed" and not self.reason:
            raise UserError(self.env._("Say why the payments failed."))
        program = self._program()
        left = self._left_count()
        if left and left == self.open_count:
            # Nothing becomes final: the form opens in which to ask, or it is said where to.
            return self.mark()
        values = {
            "count": formatLang(self.env, self.open_count - left, digits=0),
            "amount": formatLang(
                self.env, self._failing_amount() if left else self.open_amount, currency_obj=self.currency_id
            ),
        }
        if self.status == "paid":
            message = self.env._("%(count)s payments of %(amount)s are recorded as paid.", **values)
        else:
            message = self.env._(
                "%(count)s payments of %(amount)s are recorded as failed, and can be prepared again.", **values
            )
            if left:
                message += " " + self.env._(
                    "%s more left, and the payer may pay them: they stay, until you ask and somebody else confirms.",
                    left,
                )
        message += " " + self.env._("A final payment changes only by a correction that somebody else confirms.")
        if not self._asks():
            return question(self, "mark", self.env._("Mark payments"), message, self.env._("Mark"))
        # sudo: who has to agree is told to whoever may press the button
        stages = (
            self.env["g2p.approval.stage"]
            .sudo()
            ._values_for(
                self.env["g2p.approval.kind"]._of(KIND),
                program.company_id,
                program,
                decimal(self._failing_amount() if left else self.open_amount),
                self.currency_id,
            )
        )
        names = ", ".join(dict.fromkeys(stage["name"] for stage in stages))
        message += " " + self.env._("It waits until somebody else agrees: %s.", names)
        return question(self, "mark", self.env._("Mark payments"), message, self.env._("Ask for approval"))

    def mark(self):
        """Button: make the payments final. A failed one can be prepared again."""
        self.ensure_one()
        roles.check(self.env, GROUP_FINANCE)
        if self.status == "failed" and not self.reason:
            raise UserError(self.env._("Say why the payments failed."))
        self._program()  # one at a time
        date = self.date if self.status == "paid" else None
        if date:
            # sudo: the role was checked above, and the set is what the user may see
            self.env["g2p.payment"].sudo()._check_paid_on(
                self.env["g2p.payment"]._search(self._domain()).subselect(), date
            )
        left = self._left_count() if self.cycle_id else 0
        if left and left == self.open_count:
            raise UserError(
                self.env._(
                    "%s payments left, and the payer may pay them: ask to cancel their batches, or for a correction of the "
                    "payments. Somebody else of finance confirms.",
                    left,
                )
            )
        if self._asks():
            return self._ask(date)
        if self.cycle_id:
            return self.cycle_id._mark_payments(self.status, self.reason, date, self.bank_reference)
        payment = self.env["g2p.payment"]
        if self.batch_id:
            self.batch_id._check_can_finalize()
        # The record rules of the user narrow the set.
        payments = payment._search(self._domain()).subselect()
        # sudo: the role was checked above, and the set is what the user may see
        marked, messages = payment.sudo()._mark_now(
            payments, self.status, self.reason, date, self.bank_reference, self.env.su
        )
        count = marked.paid + marked.failed
        if marked.left:
            if not count:
                return self._ask_for_correction()
            messages.append(self._left_text(marked.left))
        elif not count:
            raise UserError(" ".join(messages[1:]) or self._final_already_text())
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning" if marked.blocked or marked.not_due or marked.left else "success",
                "message": " ".join(messages),
                "next": self._ask_for_correction() if marked.left else {"type": "ir.actions.act_window_close"},
            },
        }

    def _asks(self):
        """Whether somebody else has to agree."""
        company = self._program().company_id or self.env.company
        return not self.env.su and not self.env["g2p.approval.kind"]._of(KIND)._is_off(company)

    def _ask(self, date):
        """Ask others to agree, in one request for the set; what left and is said to have failed is asked for otherwise."""
        if self.cycle_id:
            self.cycle_id._check_can_mark()
        if self.batch_id:
            self.batch_id._check_can_finalize()
        payment = self.env["g2p.payment"]
        payment.check_access("read")
        domain = Domain(self._domain())
        if self.status == "failed":
            domain &= ~payment._left_domain()
        if not payment.search_count(domain, limit=1):
            if self.open_count:
                return self._ask_for_correction()
            raise UserError(self._final_already_text())
        left = self._left_count()
        answer = self.env["g2p.payment.mark"]._ask(
            domain, self.cycle_id, self.status, self.reason, date, self.bank_reference
        )
        if left and not self.cycle_id:
            answer["params"]["message"] += " " + self._left_text(left)
            answer["params"]["next"] = self._ask_for_correction()
        return answer

    def _left_text(self, left):
        return self.env._("%s left, and the payer may pay them: ask, and somebody else of finance confirms.", left)

    def _left_count(self):
        """How many of them don't fail by one person's word."""
        if self.status != "failed" or self.env.su:
            return 0
        payment = self.env["g2p.payment"]
        return payment.search_count(Domain(self._domain()) & payment._left_domain())

    def _failing_amount(self):
        payment = self.env["g2p.payment"]
        [[amount]] = payment._read_group(
            Domain(self._domain()) & ~payment._left_domain(), aggregates=["amount_issued:sum"]
        )
        return amount

    def _ask_for_correction(self):
        """The form in which to ask that what left fails, with what was said here."""
        if self.batch_id:
            action = self.batch_id.action_cancel()
        else:
            payment = self.env["g2p.payment"]
            action = payment.search(Domain(self._domain()) & payment._left_domain()).action_correct()
        said = {"default_reason": self.reason, "default_evidence": self.bank_reference}
        return {**action, "views": [(False, "form")], "context": {**action["context"], **said}}

    def _final_already_text(self):
        return self.env._(
            "These payments are final already, and nothing was changed. If one is recorded wrongly, or came back, ask for a "
            "correction on the payment: somebody else of finance confirms it."
        )
