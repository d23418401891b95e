from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL
from odoo.tools.misc import format_date

from .kinds import KINDS, METHODS

OPERATORS = {"<": SQL("<"), "<=": SQL("<="), ">": SQL(">"), ">=": SQL(">=")}


class ProgramMembership(models.Model):
    """How a member came where they are, by which changes, and the last proof of life."""

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
    paused_until = fields.Date(readonly=True, copy=False, help="On this day the member is resumed by itself.")
    last_verified_date = fields.Date("Last proof of life", readonly=True, copy=False)
    last_verified_method = fields.Selection(METHODS, "How it was given", readonly=True, copy=False)
    last_verified_by = fields.Many2one("res.users", "Recorded by", readonly=True, copy=False, ondelete="restrict")
    verification_due_date = fields.Date(
        "Proof of life due",
        compute="_compute_verification_due_date",
        search="_search_verification_due_date",
        help="The day after it the member is paused.",
    )

    @property
    def _protected_fields(self):
        return (
            *super()._protected_fields,
            "change_id",
            "paused_until",
            "last_verified_date",
            "last_verified_method",
            "last_verified_by",
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

    # CRUD

    @api.ondelete(at_uninstall=False)
    def _unlink_except_changed(self):
        # sudo: what depends on a member counts whether or not the user may see it; only the refusal is shown
        if self.env["g2p.membership.change.line"].sudo().search_count([("membership_id", "in", self.ids)], limit=1):
            raise UserError(
                self.env._("A member whose state was changed, or is going to be, can't be removed: this must stay.")
            )

    # Buttons of the form (one member) and of the list (selected members, or all that match: of these the client names so
    # many at most, and gives the domain).

    def action_pause(self):
        """Button."""
        return self._ask_change("pause", self.env._("Pause"))

    def action_resume(self):
        """Button."""
        return self._ask_change("resume", self.env._("Resume"))

    def action_exit(self):
        """Button."""
        return self._ask_change("exit", self.env._("Exit"))

    def action_graduate(self):
        """Button."""
        return self._ask_change("graduate", self.env._("Graduate"))

    def action_readmit(self):
        """Button."""
        return self._ask_change("readmit", self.env._("Re-admit"))

    def action_verify_life(self):
        """Button."""
        return self._ask_change("verify", self.env._("Record proof of life"))

    def _ask_change(self, kind, title):
        self.env["g2p.program"]._check_can(KINDS[kind].group)
        self.check_access("write")
        # sudo: how many records the client marks at most, a number of the web client
        most = int(self.env["ir.config_parameter"].sudo().get_param("web.active_ids_limit", "20000"))
        domain = [("id", "in", self.ids)]
        if "active_domain" in self.env.context and len(self) >= most:
            domain = list(Domain(self.env.context["active_domain"]))
        wizard = self.env["g2p.membership.change.wizard"].create({"kind": kind, "member_domain": domain})
        if not wizard.members_count:
            raise UserError(self.env._("No members are chosen."))
        return {
            "type": "ir.actions.act_window",
            "name": title,
            "res_model": wizard._name,
            "res_id": wizard.id,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
        }

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
