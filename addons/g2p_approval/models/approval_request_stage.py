from odoo import api, fields, models
from odoo.tools.misc import format_datetime


class ApprovalRequestStage(models.Model):
    """A stage as it was when the request was made: changes of the rules since don't touch it."""

    _name = "g2p.approval.request.stage"
    _description = "Stage of an approval request"
    _inherit = ["g2p.approval.rule"]
    _order = "request_id desc, sequence, id"

    request_id = fields.Many2one("g2p.approval.request", required=True, index=True, readonly=True, ondelete="restrict")
    name = fields.Char(readonly=True)
    sequence = fields.Integer(readonly=True)
    group_id = fields.Many2one(readonly=True)
    user_ids = fields.Many2many(
        relation="g2p_approval_request_stage_user_rel", column1="stage_id", column2="user_id", readonly=True
    )
    needed = fields.Integer(readonly=True)
    may_delegate = fields.Boolean(readonly=True)
    several_at_once = fields.Boolean(readonly=True)
    escalate_days = fields.Integer(readonly=True)
    escalate_group_id = fields.Many2one(readonly=True)
    escalate_user_ids = fields.Many2many(
        "res.users", "g2p_approval_request_stage_escalate_rel", "stage_id", "user_id", "Escalates to", readonly=True
    )
    state = fields.Selection(
        [
            ("later", "Later"),
            ("open", "Waits"),
            ("passed", "Agreed"),
            ("refused", "Rejected"),
            ("closed", "Not decided"),
        ],
        required=True,
        readonly=True,
        default="later",
    )
    opened_on = fields.Datetime("Since", readonly=True)
    due_on = fields.Datetime("Escalates on", readonly=True)
    escalated_on = fields.Datetime(readonly=True)
    decision_ids = fields.One2many("g2p.approval.decision", "stage_id", "Decisions", readonly=True)
    who = fields.Char("Who decides", compute="_compute_who")
    said = fields.Text("Decided", compute="_compute_said")
    request_name = fields.Char("What was asked for", related="request_id.name")
    request_state = fields.Selection(related="request_id.state", string="State of the request")

    _due = models.Index("(due_on) WHERE state = 'open' AND escalated_on IS NULL")

    @api.depends("group_id", "user_ids", "needed", "escalated_on")
    def _compute_who(self):
        for stage in self:
            who = stage._who_text()
            if stage.needed > 1:
                who = self.env._("%(needed)s of %(who)s", needed=stage.needed, who=who)
            if stage.escalated_on:
                # sudo: the names of who decides, for whoever may see the request
                also = stage.sudo()
                others = [also.escalate_group_id.display_name] if also.escalate_group_id else []
                who = self.env._(
                    "%(who)s; since it took long also %(others)s",
                    who=who,
                    others=", ".join([*others, *also.escalate_user_ids.mapped("name")]),
                )
            stage.who = who

    @api.depends("decision_ids")
    def _compute_said(self):
        for stage in self:
            stage.said = "\n".join(stage._decision_text(decision) for decision in stage.decision_ids)

    def _decision_text(self, decision):
        # sudo: the names of who decided, for whoever may see the request
        who = decision.sudo()
        words = {"approved": self.env._("agreed"), "rejected": self.env._("rejected")}
        text = self.env._(
            "%(user)s %(decided)s on %(date)s",
            user=who._who_text(),
            decided=words[decision.decision],
            date=format_datetime(self.env, decision.date),
        )
        return f"{text}: {decision.remark}" if decision.remark else text
