from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain

from odoo.addons.g2p_bulk.tools import roles

ADMIN = "g2p_approval.group_g2p_approval_admin"
# Of one person at a time: more than anybody needs, and few enough for who stands in.
MOST = 50


class ApprovalDelegation(models.Model):
    """Who is away lets somebody else decide meanwhile. It gives no right: whoever stands in has to hold the one that the act
    needs, and counts where the stage allows it."""

    _name = "g2p.approval.delegation"
    _description = "Stand-in for approvals"
    _inherit = ["g2p.change.mixin"]
    _order = "date_from desc, id desc"
    _rec_name = "delegate_id"

    _fixed_fields = ("user_id", "delegate_id", "date_from")

    _two_people = models.Constraint("CHECK (user_id <> delegate_id)", "Somebody else stands in.")
    _dates = models.Constraint("CHECK (date_to >= date_from)", "It ends on the day it begins, or later.")

    user_id = fields.Many2one(
        "res.users", "Who is away", required=True, index=True, ondelete="cascade", default=lambda self: self.env.user
    )
    delegate_id = fields.Many2one("res.users", "Who stands in", required=True, index=True, ondelete="cascade")
    date_from = fields.Date("From", required=True, default=fields.Date.context_today)
    date_to = fields.Date("To", required=True)
    kind_ids = fields.Many2many("g2p.approval.kind", string="Only for", help="Empty: all kinds of approvals.")
    reason = fields.Char()

    @api.model_create_multi
    def create(self, vals_list):
        delegations = super().create(vals_list)
        delegations._check_own()
        return delegations

    def write(self, vals):
        if not self._ends_standing_in(vals):
            self._check_own()
        return super().write(vals)

    @api.constrains("user_id", "date_to")
    def _check_number(self):
        counts = self._read_group(
            [("user_id", "in", self.user_id.ids), ("date_to", ">=", fields.Date.today())], ["user_id"], ["__count"]
        )
        for user, count in counts:
            if count > MOST:
                raise ValidationError(
                    self.env._(
                        "%(most)s stand-ins of %(user)s have not ended: end some before you add others.",
                        most=MOST,
                        user=user.name,
                    )
                )

    @api.constrains("user_id", "delegate_id", "kind_ids")
    def _check_right(self):
        for delegation in self:
            # sudo: rights of who is away are compared; only the refusal is shown
            if not self.env["g2p.approval.kind"]._codes_of(delegation.user_id.sudo()):
                raise ValidationError(
                    self.env._(
                        "%s decides on nothing, so there is nothing to stand in for.", delegation.user_id.sudo().name
                    )
                )
            # sudo: rights of the one who stands in are compared; only the refusal is shown
            kinds = delegation.kind_ids.sudo() or self.env["g2p.approval.kind"].sudo().search([])
            if not delegation.delegate_id.sudo().all_group_ids & kinds.right_ids:
                raise ValidationError(
                    self.env._(
                        "%s holds the right for none of these approvals, so they can't stand in: choose somebody who does.",
                        delegation.delegate_id.sudo().name,
                    )
                )

    def _check_own(self):
        """Everybody lets somebody stand in for themself only."""
        if self.user_id - self.env.user:
            refusal = self.env._(
                "You can let somebody stand in for yourself only. For others, an administrator does it."
            )
            roles.check(self.env, ADMIN, refusal=refusal)

    def _ends_standing_in(self, vals):
        """Who stands in may end it earlier, and nothing else."""
        until = fields.Date.to_date(vals.get("date_to"))
        return (
            vals.keys() == {"date_to"}
            and bool(until)
            and all(one.delegate_id == self.env.user and until < one.date_to for one in self)
        )

    @api.model
    def _to(self, user):
        """The delegations by which this user stands in for somebody today: the server's day, since that of a time zone would be
        chosen by who asks."""
        today = fields.Date.today()
        # sudo: of one user, to compute what waits for them
        return self.sudo().search(
            Domain("delegate_id", "=", user.id)
            & Domain("user_id.active", "=", True)
            & Domain("date_from", "<=", today)
            & Domain("date_to", ">=", today)
        )
