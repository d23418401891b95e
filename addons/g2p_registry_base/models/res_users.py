from odoo import api, fields, models


class ResUsers(models.Model):
    _inherit = "res.users"
    _watched_fields = ("g2p_area_ids",)

    g2p_area_ids = fields.Many2many(
        "g2p.area",
        "g2p_area_res_users_rel",
        "user_id",
        "area_id",
        string="Areas",
        help="The user sees registrants of these areas and the areas within; empty means all areas.",
    )

    g2p_allowed_area_ids = fields.Many2many(
        "g2p.area", compute="_compute_g2p_allowed_area_ids", compute_sudo=True, string="Areas and areas within"
    )

    @api.depends("g2p_area_ids")
    def _compute_g2p_allowed_area_ids(self):
        """What record rules compare with: ids, so that they are answered by the index on the area."""
        areas = self.env["g2p.area"].with_context(active_test=False)
        for user in self:
            user.g2p_allowed_area_ids = user.g2p_area_ids and areas.search(
                [("id", "child_of", user.g2p_area_ids.ids)], order="id"
            )

    def write(self, vals):
        result = super().write(vals)
        if "g2p_area_ids" in vals:
            # record rules are kept in the cache, with the user's areas in them
            self.env.registry.clear_cache()
        return result
