"""What the calendar does to members: proof of life that is due, pauses that end, changes planned for today."""

import logging

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL
from odoo.tools.misc import format_date

from .kinds import METHODS

_logger = logging.getLogger(__name__)

OPERATORS = {"<": SQL("<"), "<=": SQL("<="), ">": SQL(">"), ">=": SQL(">=")}


class Program(models.Model):
    _inherit = "g2p.program"

    _proof_of_life = models.Constraint(
        "CHECK (proof_of_life_months >= 0)", "The months between proofs of life can't be negative."
    )

    proof_of_life_months = fields.Integer(
        "Proof of life every (months)",
        tracking=True,
        help="Enrolled members of whom no proof of life was recorded for so many months, nor since they were enrolled, are "
        "paused. 0: nobody is asked for it.",
    )

    def _overdue_sql(self, today):
        """Over `t`, a member of this program: their proof of life is overdue."""
        if not self.proof_of_life_months:
            return SQL("FALSE")
        return SQL("%s < %s", self.env["g2p.program_membership"]._last_proof_sql("t"), self._last_accepted_proof(today))

    def _last_accepted_proof(self, today):
        return today - relativedelta(months=self.proof_of_life_months)

    def _pause_overdue(self):
        """Pause the enrolled members whose proof of life is overdue, and leave a note and an activity with the count."""
        self.ensure_one()
        if self.env["g2p.membership.change"]._has_to_wait(self):
            return
        today = fields.Date.context_today(self)
        change = self.env["g2p.membership.change"]._plan(
            self,
            SQL(
                "SELECT t.id, t.partner_id FROM g2p_program_membership AS t WHERE t.program_id = %s AND t.state = 'enrolled' AND %s",
                self.id,
                self._overdue_sql(today),
            ),
            kind="pause",
            date=today,
            reason_id=self.env.ref("g2p_programs.change_reason_proof_of_life").id,
        )
        if not change:
            return
        change._bulk_start("apply")
        summary = self.env._("Members were paused: proof of life overdue")
        text = self.env._(
            "%(count)s members of %(program)s were paused: no proof of life for %(months)s months. Record it for those who "
            "are reached, then resume them.",
            count=change.done_count or change.members_count,
            program=self.name,
            months=self.proof_of_life_months,
        )
        self.message_post(body=text)
        if not self.activity_ids.filtered(lambda activity: activity.summary == summary):
            self.activity_schedule(
                "mail.mail_activity_data_warning",
                summary=summary,
                note=text,
                user_id=self.create_uid.id or self.env.uid,
            )


class ProgramMembership(models.Model):
    _inherit = "g2p.program_membership"

    change_id = fields.Many2one(
        "g2p.membership.change",
        "Changed by",
        readonly=True,
        copy=False,
        ondelete="restrict",
        help="The change that brought the member where they are, with remark and documents.",
    )
    change_line_ids = fields.One2many("g2p.membership.change.line", "membership_id", string="Changes", readonly=True)
    planned_text = fields.Char("Planned", compute="_compute_planned_text")
    last_verified_date = fields.Date("Last proof of life", readonly=True, copy=False)
    last_verified_method = fields.Selection(METHODS, "How it was given", readonly=True, copy=False)
    last_verified_by = fields.Many2one("res.users", "Recorded by", readonly=True, copy=False, ondelete="restrict")
    verification_due_date = fields.Date(
        "Proof of life due",
        compute="_compute_verification_due_date",
        search="_search_verification_due_date",
        help="The day after it the member is paused.",
    )

    def _compute_planned_text(self):
        """The changes that are planned, in the order of their days."""
        lines = self._planned_lines().grouped("membership_id")
        for membership in self:
            membership.planned_text = "; ".join(
                self.env._(
                    "%(change)s on %(date)s, %(reason)s",
                    change=dict(line._fields["kind"]._description_selection(self.env))[line.kind],
                    date=format_date(self.env, line.date),
                    reason=line.reason_id.name,
                )
                for line in lines.get(membership, ())
            )

    def _planned_lines(self):
        lines = self.env["g2p.membership.change.line"]
        if not lines.has_access("read"):
            return lines
        lines = lines.search([("membership_id", "in", self.ids), ("change_id.state", "=", "planned")])
        return lines.sorted(lambda line: (line.date, line.id))

    def action_open_planned(self):
        """Link: the changes that are planned for this member."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Planned for %s", self.partner_id.name),
            "res_model": "g2p.membership.change",
            "view_mode": "list,form",
            "views": [(False, "list"), (False, "form")],
            "domain": [("id", "in", self._planned_lines().change_id.ids)],
        }

    @api.model
    def _last_proof_sql(self, alias):
        """The date from which the months count: of the last proof of life, else of the enrolment."""
        return SQL(
            "COALESCE(%(t)s.last_verified_date, %(t)s.enrollment_date::date, %(t)s.create_date::date)",
            t=SQL.identifier(alias),
        )

    @api.depends("state", "last_verified_date", "enrollment_date", "program_id.proof_of_life_months")
    def _compute_verification_due_date(self):
        for membership in self:
            months = membership.program_id.proof_of_life_months
            last = (
                membership.last_verified_date
                or (membership.enrollment_date or membership.create_date or fields.Datetime.now()).date()
            )
            membership.verification_due_date = (
                last + relativedelta(months=months) if months and membership.state in ("enrolled", "paused") else False
            )

    def _search_verification_due_date(self, operator, value):
        """Members in programs that ask for proof of life; the others have no such date."""
        if operator not in OPERATORS or not value:
            return NotImplemented
        # sudo: whether any program asks for it; the members found go through the record rules
        if not self.env["g2p.program"].sudo().search_count([("proof_of_life_months", ">", 0)], limit=1):
            return Domain.FALSE
        return Domain(
            "id",
            "in",
            SQL(
                """
                (SELECT t.id
                   FROM g2p_program_membership AS t
                   JOIN g2p_program AS program ON program.id = t.program_id AND program.proof_of_life_months > 0
                  WHERE t.state IN ('enrolled', 'paused')
                    AND (%s + make_interval(months => program.proof_of_life_months))::date %s %s)
                """,
                self._last_proof_sql("t"),
                OPERATORS[operator],
                fields.Date.to_date(value),
            ),
        )
