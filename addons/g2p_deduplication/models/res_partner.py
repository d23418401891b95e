from odoo import api, fields, models
from odoo.exceptions import UserError


class ResPartner(models.Model):
    _inherit = "res.partner"

    merged_into_id = fields.Many2one(
        "res.partner",
        "Merged into",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
        help="This registrant was found to be the same as that one, who goes on for both.",
    )
    merged_registrant_ids = fields.One2many(
        "res.partner", "merged_into_id", "Merged registrants", readonly=True, context={"active_test": False}
    )

    @api.model_create_multi
    def create(self, vals_list):
        defaults = self.env.context.get("default_merged_into_id")
        if defaults or any(vals.get("merged_into_id") for vals in vals_list):
            self._refuse_merging_by_hand()
        return super().create(vals_list)

    def write(self, vals):
        if "merged_into_id" in vals:
            self._refuse_merging_by_hand()
        return super().write(vals)

    def _refuse_merging_by_hand(self):
        if not self.env.su:
            raise UserError(
                self.env._("Registrants are merged by the buttons of a merge, which check what is allowed.")
            )

    def enable_registrant(self):
        merged = self.filtered("merged_into_id")
        if merged:
            raise UserError(
                self.env._(
                    "%(name)s was merged into %(survivor)s and can't be enabled: undo the merge instead.",
                    name=merged[0].name,
                    survivor=merged[0].merged_into_id.name,
                )
            )
        return super().enable_registrant()
