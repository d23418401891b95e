from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from ..tools import digest


class Pass:
    """In the context: the change of this one record was agreed to, or is only tried. A request carries JSON, in which there is
    no such object."""

    def __init__(self, record):
        self.res_model, self.res_id = record._name, record.id

    @classmethod
    def context(cls, record):
        return {"g2p_proposal": cls(record)}

    @classmethod
    def of(cls, env):
        """The record that may be changed, if any."""
        found = env.context.get("g2p_proposal")
        return env[found.res_model].browse(found.res_id) if isinstance(found, cls) else None


class ApprovalProposal(models.Model):
    """A change that somebody else has to agree to before it is made: what it is now, what it becomes. A change of the record
    meanwhile makes it void."""

    _name = "g2p.approval.proposal"
    _description = "Proposed change"
    _inherit = ["g2p.state.mixin", "g2p.approval.mixin", "g2p.approval.about"]
    _order = "id desc"
    _about = "g2p.approval.proposal.mixin"

    _one_open = models.UniqueIndex(
        "(res_model, res_id) WHERE state = 'proposed'",
        "A change of this waits for approval already: take it back first, or wait.",
    )
    _record_idx = models.Index("(res_model, res_id)")

    name = fields.Char("What", required=True, readonly=True)
    kind_code = fields.Char(required=True, readonly=True)
    res_model = fields.Char("Model", required=True, readonly=True)
    res_id = fields.Many2oneReference("Record number", model_field="res_model", required=True, readonly=True)
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True, ondelete="restrict")
    act = fields.Selection(
        [("write", "Change"), ("add", "Put into force"), ("remove", "Remove")],
        required=True,
        readonly=True,
        default="write",
    )
    values = fields.Json(readonly=True, help="What is written when everybody agreed.")
    lines = fields.Json("Stored lines", readonly=True, help="[{label, before, after}], as it was proposed.")
    lines_table = fields.Html("Before and after", compute="_compute_lines_table")
    state = fields.Selection(
        [("proposed", "Waits for approval"), ("done", "Made"), ("refused", "Not made")],
        required=True,
        readonly=True,
        default="proposed",
        index=True,
    )

    @api.depends("lines")
    @api.depends_context("lang")
    def _compute_lines_table(self):
        head = Markup("<tr><th></th><th>%s</th><th>%s</th></tr>") % (self.env._("Before"), self.env._("After"))
        for proposal in self:
            rows = Markup("").join(
                Markup("<tr><td>%s</td><td>%s</td><td>%s</td></tr>") % (line["label"], line["before"], line["after"])
                for line in proposal.lines or []
            )
            proposal.lines_table = Markup("<table class='table table-sm'>%s%s</table>") % (head, rows)

    def _about_gone(self):
        """What it would change may be gone since it was agreed to."""
        return True

    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su:
            raise AccessError(self.env._("A change is proposed by saving it on the form of what it changes."))
        return super().create(vals_list)

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(
            self.env._("What was proposed, and who agreed, stays on record. Take the request back instead.")
        )

    # Approval

    def _target(self):
        """The record, as who proposed the change, with the rights that they have: it is their change, which others agreed to."""
        self.ensure_one()
        if self.res_model not in self.env:
            return None
        record = self.env[self.res_model].browse(self.res_id).exists()
        record = record.with_user(self.create_uid).with_company(self.company_id)
        return record.with_context(active_test=False, **Pass.context(record))

    def _approval_kind(self):
        return self.kind_code

    def _approval_name(self, kind):
        return self.name

    def _approval_company(self):
        return self.company_id

    def _approval_scope(self):
        # sudo: for which stages it is, whatever who proposed it may still read
        target = self._target()
        return target.sudo()._proposal_scope() if target else None

    def _approval_parts(self, kind):
        """What comes into force was agreed to by nobody yet: who made or changed it, and who asked for it as it was before, have a
        part in it."""
        if self.act != "add" or not (target := self._target()):
            return [self]
        same = [("res_model", "=", self.res_model), ("res_id", "=", self.res_id), ("act", "=", "add")]
        return [self.search(same), target]

    def _approval_lock(self, kind):
        held = super()._approval_lock(kind)
        if target := self._target():
            self.env.cr.execute(
                SQL("SELECT FROM %s WHERE id = %s FOR NO KEY UPDATE", SQL.identifier(target._table), target.id)
            )
        return held

    def _approval_digest(self, kind):
        self.env.flush_all()
        # sudo: compared, not shown
        target = self._target()
        now = target.sudo()._proposal_snapshot() if target else None
        return digest.of_values([self._name, self.id, kind, self.act, self.res_model, self.res_id, self.values, now])

    def _approval_figures(self, kind):
        return [
            {"label": line["label"], "value": self.env._("%(before)s → %(after)s", **line)} for line in self.lines or []
        ]

    def _approval_thread(self):
        scope = self._approval_scope()
        return scope._approval_thread() if scope and hasattr(scope, "_approval_thread") else None

    def _approval_granted(self, request):
        target = self._target()
        try:
            if self.act == "write":
                target.write(self.values)
            elif self.act == "add":
                target._proposal_add()
            else:
                target._proposal_remove()
            # Else it is written in the name of whoever is next to write anything.
            target.env.flush_all()
        except AccessError as error:
            raise AccessError(
                self.env._(
                    "%s proposed this and may not do it any more, so it can't come into force in their name: reject it, and let "
                    "somebody propose it who may.",
                    self.create_uid.name,
                )
            ) from error
        self._transition("done")

    def _approval_refused(self, request):
        if self.state != "proposed":
            return
        self._transition("refused")
        if self.act == "add" and (target := self._target()):
            # sudo: who refuses is somebody else, and who proposed it may have lost the right since; it is not in force
            target.sudo()._proposal_dismiss()
