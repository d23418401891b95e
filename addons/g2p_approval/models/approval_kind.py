from odoo import api, fields, models
from odoo.exceptions import ValidationError


class ApprovalKind(models.Model):
    """A kind of thing that somebody else must agree to. The module that asks declares it, as a record of its data; an
    administrator says which companies do without, and who agrees where no stages are set."""

    _name = "g2p.approval.kind"
    _description = "Kind of approval"
    _inherit = ["g2p.change.mixin"]
    _order = "sequence, id"

    _code_uniq = models.Constraint("UNIQUE (code)", "There is a kind with this code already.")

    name = fields.Char("What is asked for", required=True, readonly=True, translate=True)
    code = fields.Char(required=True, readonly=True)
    sequence = fields.Integer(default=10)
    res_model = fields.Char("Model", required=True, readonly=True)
    right_ids = fields.Many2many(
        "res.groups",
        "g2p_approval_kind_right_rel",
        "kind_id",
        "group_id",
        "Right",
        readonly=True,
        help="Whoever agrees has to hold one of these roles, whatever the stages say.",
    )
    group_id = fields.Many2one(
        "res.groups",
        "Who agrees without stages",
        required=True,
        ondelete="restrict",
        help="One member of this group agrees where no stage is set that applies.",
    )
    off_company_ids = fields.Many2many(
        "res.company",
        "g2p_approval_kind_off_rel",
        "kind_id",
        "company_id",
        "Done without in",
        help="Companies that are too small for it: there it is done at once, by whoever may do it.",
    )
    is_required = fields.Boolean(
        "Nobody does without", readonly=True, help="Two people do it everywhere, however small the department is."
    )
    several_stages = fields.Boolean(
        "One person in several stages", help="Whoever agreed in one stage may agree in the next one too."
    )
    stage_ids = fields.One2many("g2p.approval.stage", "kind_id", "Stages")

    @api.constrains("group_id", "right_ids")
    def _check_group(self):
        for kind in self:
            kind._check_holds(kind.group_id, self.env["res.users"])

    @api.constrains("off_company_ids", "is_required")
    def _check_off(self):
        for kind in self:
            if kind.is_required and kind.off_company_ids:
                raise ValidationError(self.env._("“%s” always takes two people: no company does without.", kind.name))

    @api.model
    def _of(self, code):
        """The kind of this code.

        :raise ValueError: when no module declares it
        """
        # sudo: what is asked for is a rule of the product, whatever its user may see
        if kind := self.sudo().search([("code", "=", code)], limit=1):
            return kind
        raise ValueError(f"no kind of approval is declared as {code!r}")

    @api.model
    def _codes_of(self, user):
        """The kinds that this user holds a right for."""
        # sudo: roles of one user, compared
        return self.sudo().search([("right_ids", "in", user.sudo().all_group_ids.ids)]).mapped("code")

    def _is_off(self, company):
        self.ensure_one()
        return company in self.off_company_ids

    def _check_holds(self, groups, users):
        """Refuse groups and people that don't hold the right that the act needs: a group of everybody is nobody's check."""
        self.ensure_one()
        # sudo: what groups imply, and which groups users are in, is compared; only the refusal is shown
        kind = self.sudo()
        for lacking in groups.sudo().filtered(lambda group: not group.all_implied_ids & kind.right_ids):
            raise ValidationError(
                self.env._(
                    "“%(who)s” does not hold the right that “%(kind)s” needs (%(rights)s), so it can't approve: choose a "
                    "group that does.",
                    who=lacking.display_name,
                    kind=kind.name,
                    rights=", ".join(kind.right_ids.mapped("name")),
                )
            )
        for lacking in users.sudo().filtered(lambda user: not user.all_group_ids & kind.right_ids):
            raise ValidationError(
                self.env._(
                    "“%(who)s” does not hold the right that “%(kind)s” needs (%(rights)s), so they can't approve: choose "
                    "somebody who does.",
                    who=lacking.name,
                    kind=kind.name,
                    rights=", ".join(kind.right_ids.mapped("name")),
                )
            )
