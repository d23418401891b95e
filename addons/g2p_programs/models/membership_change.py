"""Changes in the life of members: paused, resumed, left, graduated, came back, seen alive."""

from typing import NamedTuple

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL
from odoo.tools.misc import format_date

from odoo.addons.g2p_bulk.models.evidence import OPEN

from ..tools.constants import GROUP_MANAGER, GROUP_VALIDATOR


class Kind(NamedTuple):
    """What a kind of change does, and who may do it."""

    from_states: tuple
    to_state: str | None
    outcome: str
    group: str = GROUP_VALIDATOR
    # Whether the program has to be active: nobody comes back into one that has ended.
    comes_back: bool = False


KINDS = {
    "pause": Kind(("enrolled",), "paused", "paused"),
    "resume": Kind(("paused",), "enrolled", "resumed", comes_back=True),
    "exit": Kind(("draft", "enrolled", "paused", "not_eligible", "duplicated"), "exited", "exited"),
    "graduate": Kind(("enrolled", "paused"), "graduated", "graduated"),
    "readmit": Kind(("exited", "graduated"), "draft", "readmitted", group=GROUP_MANAGER, comes_back=True),
    "verify": Kind(("enrolled", "paused"), None, "verified"),
}
KIND_LABELS = [
    ("pause", "Pause"),
    ("resume", "Resume"),
    ("exit", "Exit"),
    ("graduate", "Graduate"),
    ("readmit", "Re-admit"),
    ("verify", "Proof of life"),
]
METHODS = [
    ("visit", "Visited"),
    ("office", "Came to the office"),
    ("biometric", "Biometric check"),
    ("call", "Phone or video call"),
    ("document", "Document"),
    ("representative", "Vouched for by a representative"),
]


class MembershipChange(models.Model):
    """What was done, or is planned, to members of one program: which change, why, from when, by whom, to how many.

    Its lines are the members, fixed when it was confirmed. It is made by the wizard, and moved by its steps only.
    """

    _name = "g2p.membership.change"
    _description = "Change of members"
    _inherit = ["g2p.state.mixin", "g2p.bulk.mixin", "g2p.evidence.mixin"]
    _order = "id desc"

    _protected_fields = (
        "kind",
        "program_id",
        "state",
        "reason_id",
        "date",
        "until",
        "method",
        "remark",
        "effects",
        "attachment_ids",
        "user_id",
        "members_count",
        "line_ids",
        "operation_id",
        "reverse_operation_id",
        "reversed_by",
        "note",
    )

    _until = models.Constraint("CHECK (until > date)", "A pause ends after it begins.")
    _planned_idx = models.Index("(date) WHERE state = 'planned'")

    kind = fields.Selection(KIND_LABELS, required=True, readonly=True)
    program_id = fields.Many2one("g2p.program", required=True, readonly=True, index=True, ondelete="restrict")
    company_id = fields.Many2one(related="program_id.company_id")
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("planned", "Planned"),
            ("done", "Done"),
            ("cancelled", "Cancelled"),
            ("reversed", "Reversed"),
        ],
        required=True,
        readonly=True,
        default="draft",
        copy=False,
    )
    reason_id = fields.Many2one("g2p.membership.change.reason", "Reason", readonly=True, ondelete="restrict")
    date = fields.Date("From", required=True, readonly=True, help="From when on the change holds.")
    until = fields.Date("Paused until", readonly=True, help="On this day the members are resumed by themselves.")
    method = fields.Selection(METHODS, "How", readonly=True, help="How the proof of life was given.")
    remark = fields.Text(readonly=True)
    effects = fields.Html("Said before", readonly=True, help="What the person who confirmed the change had read.")
    attachment_ids = fields.Many2many("ir.attachment", string="Documents", readonly=True, copy=False)
    user_id = fields.Many2one("res.users", "Made by", required=True, readonly=True, ondelete="restrict")
    members_count = fields.Integer("Members", readonly=True)
    line_ids = fields.One2many("g2p.membership.change.line", "change_id", "Members changed", readonly=True)
    operation_id = fields.Many2one("g2p.bulk.operation", "Operation", readonly=True, copy=False, ondelete="restrict")
    reverse_operation_id = fields.Many2one(
        "g2p.bulk.operation", "Reversal", readonly=True, copy=False, ondelete="restrict"
    )
    reversed_by = fields.Many2one("res.users", readonly=True, copy=False, ondelete="restrict")
    note = fields.Char("What became of it", readonly=True, copy=False)
    done_count = fields.Integer("Changed", compute="_compute_counts")
    skipped_count = fields.Integer("Left as they were", compute="_compute_counts")
    reversed_count = fields.Integer("Reversed", compute="_compute_counts")
    can_cancel = fields.Boolean(compute="_compute_buttons")
    can_reverse = fields.Boolean(compute="_compute_buttons")

    @api.depends("kind", "program_id.name", "date")
    def _compute_display_name(self):
        labels = dict(self._fields["kind"]._description_selection(self.env))
        for change in self:
            change.display_name = " · ".join(
                filter(
                    None, (labels.get(change.kind), change.program_id.name, format_date(self.env, change.date) or "")
                )
            )

    def _compute_counts(self):
        counts = {
            (change, outcome): count
            for change, outcome, count in self.env["g2p.membership.change.line"]._read_group(
                [("change_id", "in", self.ids)], ["change_id", "outcome"], ["__count"]
            )
        }
        for change in self:
            change.done_count = counts.get((change, "done"), 0)
            change.skipped_count = counts.get((change, "skipped"), 0)
            change.reversed_count = counts.get((change, "reversed"), 0)

    @api.depends("state", "operation_id", "user_id")
    @api.depends_context("uid")
    def _compute_buttons(self):
        for change in self:
            change.can_cancel = change.state == "planned" and not change._cancel_refusal()
            change.can_reverse = change.state == "done" and not change._reverse_refusal()

    # Buttons

    def action_cancel(self):
        """Button: a planned change is not carried out."""
        self.ensure_one()
        self.check_access("write")
        if refusal := self._cancel_refusal():
            raise AccessError(refusal)
        self._bulk_check("action_cancel")
        if self._locked() != ("planned", None):
            raise UserError(self.env._("%s is not waiting any more: reload the page.", self.display_name))
        self._transition("cancelled")
        return True

    def _cancel_refusal(self):
        """Why the user may not cancel this plan, in words; False when they may."""
        user = self.env.user
        if self.env.su or user.has_group(GROUP_MANAGER):
            return False
        if user == self.user_id and user.has_group(GROUP_VALIDATOR):
            return False
        return self.env._("Who planned the change, or a program manager, may cancel it.")

    def action_reverse(self):
        """Button: members who are still where this change brought them go back to where they came from."""
        self.ensure_one()
        self.check_access("write")
        if refusal := self._reverse_refusal():
            raise AccessError(refusal)
        self._require_state("done")
        if self.kind == "resume":
            self.program_id._check_active()
        # The record rules of the user narrow the lines.
        if self.env["g2p.membership.change.line"].search_count([("change_id", "=", self.id)]) != self.members_count:
            raise AccessError(
                self.env._("Some of these members are beyond your areas: somebody else has to reverse it.")
            )
        return self._bulk_start("reverse")._notification()

    def _reverse_refusal(self):
        """Why the user may not reverse this change, in words; False when they may."""
        if self.kind == "verify":
            return self.env._("A proof of life is not reversed: record the right one.")
        if self.env.su:
            return False
        if not self.env.user.has_group(GROUP_MANAGER):
            return self.env._("Only a program manager may reverse a change.")
        if self.user_id == self.env.user and self.env["g2p.cycle"]._maker_checker():
            return self.env._("You made this change, so somebody else has to reverse it.")
        return False

    def action_open_members(self):
        """Stat button: the members of this change."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.display_name,
            "res_model": "g2p.membership.change.line",
            "view_mode": "list",
            "domain": [("change_id", "=", self.id)],
        }

    # What the wizard and the daily job make

    @api.model
    def _plan(self, program, members, **values):
        """A change of some members of a program, in draft, with a line for each.

        :param SQL members: memberships of this program, columns `id` and `partner_id`. :return: the change; empty when there is no member.
        """
        # sudo: the caller has checked role and access; nobody writes changes directly
        change = self.sudo().create({"program_id": program.id, "user_id": self.env.uid, **values})
        change.flush_recordset()
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_membership_change_line (change_id, membership_id, partner_id, outcome)
                SELECT %s, member.id, member.partner_id, 'pending'
                  FROM (%s) AS member (id, partner_id)
                 ORDER BY member.partner_id
                """,
                change.id,
                members,
            )
        )
        change.members_count = self.env.cr.rowcount
        if not change.members_count:
            # Nobody was in it: it is no evidence of anything.
            change.with_context(**OPEN).unlink()
            return self.browse()
        change.invalidate_recordset(["line_ids"])
        return change.with_env(self.env)

    def _locked(self):
        """(state, operation), under a lock on the row until the end of the transaction."""
        self.flush_recordset()
        self.env.cr.execute(
            SQL("SELECT state, operation_id FROM g2p_membership_change WHERE id = %s FOR UPDATE", self.id)
        )
        row = self.env.cr.fetchone()
        self.invalidate_recordset(["state", "operation_id"])
        return row


class MembershipChangeLine(models.Model):
    """One member of a change, and where they came from."""

    _name = "g2p.membership.change.line"
    _inherit = ["g2p.bulk.row.mixin"]
    _description = "Member of a change"
    _order = "id desc"
    _rec_name = "membership_id"
    _log_access = False

    _change_partner_uniq = models.Constraint("UNIQUE (change_id, partner_id)", "The member is in the change already.")
    _membership_idx = models.Index("(membership_id)")

    change_id = fields.Many2one("g2p.membership.change", required=True, readonly=True, ondelete="cascade")
    membership_id = fields.Many2one("g2p.program_membership", required=True, readonly=True, ondelete="restrict")
    # Indexed: a registrant who is deleted, or whose import is undone, is looked for here.
    partner_id = fields.Many2one(
        "res.partner", "Registrant", required=True, readonly=True, index=True, ondelete="restrict"
    )
    outcome = fields.Selection(
        [("pending", "Waiting"), ("done", "Changed"), ("skipped", "Left as they were"), ("reversed", "Reversed")],
        required=True,
        readonly=True,
    )
    skipped = fields.Char("Skipped because", readonly=True)
    skipped_reason = fields.Char("Why left as they were", compute="_compute_skipped_reason")
    from_state = fields.Char(readonly=True)
    from_reason = fields.Char(readonly=True)
    from_exit_date = fields.Datetime(readonly=True)
    from_paused_until = fields.Date(readonly=True)
    from_change_id = fields.Many2one("g2p.membership.change", readonly=True, ondelete="restrict")

    area_id = fields.Many2one(related="partner_id.area_id")
    kind = fields.Selection(related="change_id.kind")
    state = fields.Selection(related="change_id.state")
    date = fields.Date(related="change_id.date")
    until = fields.Date(related="change_id.until")
    reason_id = fields.Many2one(related="change_id.reason_id")
    remark = fields.Text(related="change_id.remark")
    user_id = fields.Many2one(related="change_id.user_id")

    def _compute_skipped_reason(self):
        outcomes = self.env["g2p.membership.change"]._bulk_outcomes()
        for line in self:
            line.skipped_reason = outcomes[line.skipped][0] if line.skipped in outcomes else line.skipped

    def action_open_change(self):
        """Button: the change, with its documents."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "g2p.membership.change",
            "res_id": self.change_id.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }
