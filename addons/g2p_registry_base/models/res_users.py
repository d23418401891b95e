from odoo import api, fields, models


class ResUsers(models.Model):
    _inherit = "res.users"

    g2p_area_ids = fields.Many2many(
        "g2p.area",
        "g2p_area_res_users_rel",
        "user_id",
        "area_id",
        string="Areas",
        help="The user sees registrants of these areas and the areas within; empty means all areas.",
    )

    def write(self, vals):
        result = super().write(vals)
        if "g2p_area_ids" in vals:
            # record rules are kept in the cache with the user's areas in them
            self.env.registry.clear_cache()
        return result

    @api.model_create_multi
    def create(self, vals_list):
        users = super().create(vals_list)
        self.env.registry.clear_cache()
        return users
