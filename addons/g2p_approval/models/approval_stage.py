from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain


class ApprovalStage(models.Model):
    """Who has to agree to a kind of thing, in which order. Only administrators set it; what waits keeps the stages that it
    was asked with."""

    _name = "g2p.approval.stage"
    _description = "Approval stage"
    _inherit = ["g2p.approval.rule", "g2p.change.mixin"]
    _order = "kind_id, sequence, id"

    _fixed_fields = ("kind_id",)

    _amount_positive = models.Constraint(
        "CHECK (amount_from >= 0)", "An amount from which a stage applies is 0 or more."
    )

    active = fields.Boolean(default=True)
    kind_id = fields.Many2one("g2p.approval.kind", "What is asked for", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one("res.company", index=True, ondelete="cascade", help="Empty: every company.")
    scope = fields.Reference(
        selection="_selection_scope",
        string="Only for",
        help="Empty: all. Stages that are set for one take the place of those for all, and those of a company of those of "
        "every company.",
    )
    user_ids = fields.Many2many(relation="g2p_approval_stage_user_rel", column1="stage_id", column2="user_id")
    escalate_user_ids = fields.Many2many(
        "res.users", "g2p_approval_stage_escalate_rel", "stage_id", "user_id", "Escalates to people"
    )
    amount_from = fields.Monetary(
        "From which amount on",
        help="Smaller amounts skip this stage. 0: any. An amount in another currency never skips it.",
    )
    currency_id = fields.Many2one(
        "res.currency", required=True, ondelete="restrict", default=lambda self: self.env.company.currency_id
    )

    @api.model
    def _selection_scope(self):
        """[(model, label)] of what stages can be set for: extended by each addon that has programs, areas or the like."""
        return []

    @api.constrains(
        "kind_id", "group_id", "user_ids", "needed", "escalate_days", "escalate_group_id", "escalate_user_ids"
    )
    def _check_who(self):
        for stage in self:
            if not stage.group_id and not stage.user_ids:
                raise ValidationError(
                    self.env._("Say who agrees in stage “%s”: choose a group, or people.", stage.name)
                )
            if not stage.group_id and stage.needed > len(stage.user_ids):
                raise ValidationError(
                    self.env._(
                        "%(needed)s people have to agree in stage “%(stage)s”, and %(named)s are named: name more, or choose "
                        "a group.",
                        needed=stage.needed,
                        stage=stage.name,
                        named=len(stage.user_ids),
                    )
                )
            if stage.escalate_days and not (stage.escalate_group_id or stage.escalate_user_ids):
                raise ValidationError(
                    self.env._("Say to whom stage “%s” escalates: choose a group, or people.", stage.name)
                )
            stage.kind_id._check_holds(
                stage.group_id | stage.escalate_group_id, stage.user_ids | stage.escalate_user_ids
            )

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([{**self._company_of(vals.get("scope")), **vals} for vals in vals_list])

    def write(self, vals):
        return super().write({**self._company_of(vals.get("scope")), **vals})

    @api.model
    def _company_of(self, scope):
        """A stage that is set for one program is of its company: administrators of others don't change it."""
        model, _comma, number = (scope or "").partition(",")
        if model not in dict(self._selection_scope()) or "company_id" not in self.env[model]._fields:
            return {}
        return {"company_id": self.env[model].browse(int(number)).company_id.id}

    @api.constrains("scope", "company_id")
    def _check_scope(self):
        for stage in self:
            company = stage.scope.company_id if stage.scope and "company_id" in stage.scope._fields else False
            if company and company != stage.company_id:
                raise ValidationError(
                    self.env._(
                        "%(scope)s belongs to another company than stage “%(stage)s”.",
                        scope=stage.scope.display_name,
                        stage=stage.name,
                    )
                )

    @api.model
    def _values_for(self, kind, company, scope, amount, currency):
        """The stages of a request that is asked for now, as values of ``g2p.approval.request.stage``: what is set, else one
        member of the group of the kind agrees."""
        default = {"name": kind.group_id.display_name, "group_id": kind.group_id.id}
        return self._set_for(kind, company, scope, amount, currency) or [default]

    @api.model
    def _set_for(self, kind, company, scope, amount, currency):
        """The stages that are set and apply, as values of ``g2p.approval.request.stage``: the most special ones, of this
        program, else of this company, else of all. May be empty."""
        # sudo: who has to agree is a rule, whatever the user who asks may see
        stages = self.sudo()
        fitting = Domain("kind_id", "=", kind.id) & Domain("company_id", "in", (False, company.id))
        general = stages.search(fitting & Domain("scope", "=", False))
        own = scope and stages.search(fitting & Domain("scope", "=", f"{scope._name},{scope.id}"))
        chosen = own or general.filtered("company_id") or general
        return [stage._values() for stage in chosen if stage._applies(amount, currency)]

    def _applies(self, amount, currency):
        """Whether an amount reaches this stage: one that is not known, or in other money, does."""
        self.ensure_one()
        return amount is None or currency != self.currency_id or Decimal(str(amount)) >= Decimal(str(self.amount_from))

    def _values(self):
        self.ensure_one()
        return {
            "name": self.name,
            "sequence": self.sequence,
            "group_id": self.group_id.id,
            "user_ids": [fields.Command.set(self.user_ids.ids)],
            "needed": self.needed,
            "may_delegate": self.may_delegate,
            "several_at_once": self.several_at_once,
            "escalate_days": self.escalate_days,
            "escalate_group_id": self.escalate_group_id.id,
            "escalate_user_ids": [fields.Command.set(self.escalate_user_ids.ids)],
        }
