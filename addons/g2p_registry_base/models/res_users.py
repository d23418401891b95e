from odoo import api, fields, models
from odoo.tools import SQL
from odoo.tools.misc import formatLang

# Of users limited to areas: counts below this are not told, unless the setting says otherwise.
LEAST_TOLD = 5


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

    g2p_least_told = fields.Integer(
        "Smallest number told",
        compute="_compute_g2p_least_told",
        compute_sudo=True,
        help="Smaller counts of who meets conditions are not told to the user; 0 for who sees all areas.",
    )

    @api.depends("g2p_area_ids")
    def _compute_g2p_allowed_area_ids(self):
        """What record rules compare with: ids, so that they are answered by the index on the area."""
        areas = self.env["g2p.area"].with_context(active_test=False)
        for user in self:
            user.g2p_allowed_area_ids = user.g2p_area_ids and areas.search(
                [("id", "child_of", user.g2p_area_ids.ids)], order="id"
            )

    def _g2p_home_action(self):
        """The xml id of the screen on which the user's work begins; False for who holds no role of the suite."""
        viewer = self.has_group("g2p_registry_base.group_g2p_registry_viewer")
        return "g2p_registry_base.g2p_individual_action" if viewer else False

    # Counts

    @api.depends("g2p_area_ids")
    def _compute_g2p_least_told(self):
        # sudo: a number in the settings
        value = str(self.env["ir.config_parameter"].sudo().get_param("g2p_registry_base.least_told", LEAST_TOLD))
        least = int(value) if value.isdigit() else LEAST_TOLD
        for user in self:
            user.g2p_least_told = least if user.g2p_area_ids else 0

    def _g2p_told(self, count):
        """A count as it is told to the user: a number, and words.

        Who sees some areas only could ask about one person with conditions that fit them alone: small counts stay open.
        """
        least = self.g2p_least_told
        if count < least:
            return 0, self.env._("fewer than %s", least)
        return count, formatLang(self.env, count, digits=0)

    def _g2p_count(self, registrants):
        """How many of these registrants there are, among those whom the user may see if they are limited to areas.

        :param SQL registrants: a query with a column `registrant_id`.
        """
        seen = self._g2p_seen(SQL("registrant_id"))
        [[count]] = self.env.execute_query(SQL("SELECT COUNT(*) FROM (%s) AS registrants WHERE %s", registrants, seen))
        return count

    def _g2p_seen(self, column):
        """For counts: a condition in SQL, whether the registrant in `column` is one whom the user may see; always met for
        who is not limited to areas."""
        if not self.sudo().g2p_area_ids:  # sudo: the user's own areas
            return SQL("TRUE")
        partners = self.env["res.partner"].with_user(self).with_context(active_test=False)
        return SQL("%s IN %s", column, partners._search([]).subselect())

    def write(self, vals):
        result = super().write(vals)
        if "g2p_area_ids" in vals:
            # record rules are kept in the cache, with the user's areas in them
            self.env.registry.clear_cache()
        return result
