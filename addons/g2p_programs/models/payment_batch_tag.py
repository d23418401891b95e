from odoo import api, fields, models
from odoo.exceptions import UserError


class PaymentBatchTag(models.Model):
    """Which payments go together in a batch: those whose entitlement meets the conditions."""

    _name = "g2p.payment.batch.tag"
    _inherit = ["g2p.condition.mixin", "g2p.change.mixin", "g2p.shared.mixin"]
    _description = "Payment batch tag"
    _order = "order, id"

    _size_positive = models.Constraint("CHECK (max_batch_size > 0)", "A batch holds at least one payment.")

    name = fields.Char(required=True, translate=True)
    order = fields.Integer(default=10, help="Tags are tried in this order.")
    domain = fields.Char("Conditions", default="[]", help="On the entitlement. Empty: everything.")
    max_batch_size = fields.Integer("Most payments in a batch", required=True, default=500)
    company_id = fields.Many2one("res.company", help="Empty: for all companies.", index="btree_not_null")

    def _condition_fields(self):
        return {**super()._condition_fields(), "domain": "g2p.entitlement"}

    def write(self, vals):
        """What puts payments into batches stays while a cycle that is paid by it is under way."""
        if any(
            name in vals and any(tag[name] != vals[name] for tag in self)
            for name in ("domain", "order", "max_batch_size")
        ):
            for name in self.env.registry.descendants(["g2p.base.program.payment.manager"], "_inherit"):
                if not self.env[name]._abstract:
                    # sudo: a program counts whether or not the user may see it; only the refusal is shown
                    managers = self.env[name].sudo().search([("batch_tag_ids", "in", self.ids)])
                    managers.program_id.sudo(self.env.su)._check_how_it_is_paid_stays()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_default(self):
        if self._default_tag() in self:
            raise UserError(
                self.env._("“%s” takes the payments that no other tag takes: it stays.", self._default_tag().name)
            )

    @api.model
    def _default_tag(self):
        """The tag of payments that meet the conditions of no other."""
        # sudo: the catch-all holds for every program, whatever its user may see
        return self.env.ref("g2p_programs.payment_batch_tag_default").sudo()
