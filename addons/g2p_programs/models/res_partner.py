from odoo import fields, models
from odoo.tools import SQL


class ResPartner(models.Model):
    _inherit = "res.partner"

    program_membership_ids = fields.One2many("g2p.program_membership", "partner_id", string="Programs")
    cycle_ids = fields.One2many("g2p.cycle.membership", "partner_id", string="Cycles")
    entitlement_ids = fields.One2many("g2p.entitlement", "partner_id", string="Entitlements")
    program_membership_count = fields.Integer("Number of programs", compute="_compute_program_counts")
    cycles_count = fields.Integer("Number of cycles", compute="_compute_program_counts")
    entitlements_count = fields.Integer("Number of entitlements", compute="_compute_program_counts")

    def _compute_program_counts(self):
        """Three grouped counts, by index, whatever the number of registrants shown."""
        for model, field in (
            ("g2p.program_membership", "program_membership_count"),
            ("g2p.cycle.membership", "cycles_count"),
            ("g2p.entitlement", "entitlements_count"),
        ):
            counts = {}
            if self.env[model].has_access("read"):
                counts = dict(
                    self.env[model]._read_group([("partner_id", "in", self.ids)], ["partner_id"], ["__count"])
                )
            for partner in self:
                partner[field] = counts.get(partner, 0)

    def _after_disable_change(self, bodies):
        """Who is disabled is not paid: the cycles' counts of what is still to be paid follow, without counting all again."""
        result = super()._after_disable_change(bodies)
        if self:
            self.env.flush_all()
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE g2p_cycle AS cycle
                       SET unpaid_count = cycle.unpaid_count + counted.change
                      FROM (
                            SELECT t.cycle_id, SUM(CASE WHEN partner.disabled IS NULL THEN 1 ELSE -1 END) AS change
                              FROM g2p_entitlement AS t
                              JOIN res_partner AS partner ON partner.id = t.partner_id AND partner.active
                             WHERE t.partner_id = ANY(%s) AND %s
                             GROUP BY t.cycle_id
                           ) AS counted
                     WHERE cycle.id = counted.cycle_id
                    """,
                    self.ids,
                    self.env["g2p.cycle"]._payable(),
                )
            )
            self.env["g2p.cycle"].invalidate_model(["unpaid_count"])
        return result

    def action_open_programs(self):
        """Stat button: the programs of a registrant."""
        return self._open_of_registrant("g2p.program_membership", self.env._("Programs of %s", self.name))

    def action_open_entitlements(self):
        """Stat button: the benefits of a registrant."""
        return self._open_of_registrant("g2p.entitlement", self.env._("Entitlements of %s", self.name))

    def _open_of_registrant(self, model, name):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": model,
            "view_mode": "list,form",
            "domain": [("partner_id", "=", self.id)],
            "context": {"create": False},
        }
