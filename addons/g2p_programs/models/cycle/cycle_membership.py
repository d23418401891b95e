from odoo import api, fields, models
from odoo.exceptions import UserError

from ...tools.amount_words import AmountWords


class CycleMembership(models.Model):
    """A registrant in a cycle: a copy of the program's enrolled members, frozen once the cycle leaves draft."""

    _name = "g2p.cycle.membership"
    _description = "Cycle membership"
    _inherit = ["g2p.state.mixin"]
    _order = "id desc"
    _rec_name = "partner_id"

    _protected_fields = ("state", "reason", "computation")

    _cycle_partner_uniq = models.Constraint("UNIQUE (cycle_id, partner_id)", "The registrant is in the cycle already.")
    _cycle_latest = models.Index("(cycle_id, id)")
    _not_enrolled = models.Index("(state, id) WHERE state <> 'enrolled'")
    _with_reason = models.Index("(id) WHERE reason IS NOT NULL")

    partner_id = fields.Many2one("res.partner", "Registrant", required=True, index=True, ondelete="restrict")
    cycle_id = fields.Many2one("g2p.cycle", required=True, ondelete="restrict")
    program_id = fields.Many2one(related="cycle_id.program_id", search="_search_program_id")
    company_id = fields.Many2one(related="cycle_id.company_id")
    area_id = fields.Many2one(related="partner_id.area_id")
    enrollment_date = fields.Date(default=fields.Date.context_today, readonly=True)
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("enrolled", "Enrolled"),
            ("paused", "Paused"),
            ("exited", "Exited"),
            ("graduated", "Graduated"),
            ("not_eligible", "Not eligible"),
        ],
        default="draft",
        required=True,
        readonly=True,
    )
    reason = fields.Char(readonly=True, help="Why the member is left out of this cycle.")
    computation = fields.Json(readonly=True, copy=False, help="The terms from which nothing came.")
    computation_text = fields.Char("How it was computed", compute="_compute_computation_text")

    def _search_program_id(self, operator, value):
        return [("cycle_id.program_id", operator, value)]

    @api.depends("computation")
    @api.depends_context("lang")
    def _compute_computation_text(self):
        words = AmountWords(self.env)
        for membership in self:
            membership.computation_text = words.tell(membership.computation, membership.program_id.target_type)

    @api.depends("partner_id", "cycle_id")
    def _compute_display_name(self):
        for membership in self:
            membership.display_name = f"{membership.partner_id.name or ''} · {membership.cycle_id.display_name or ''}"

    @api.model_create_multi
    def create(self, vals_list):
        memberships = super().create(vals_list)
        for cycle in memberships.cycle_id:
            cycle._require_state("draft")
        memberships.cycle_id._bulk_check("edit_members")
        enrolled = {
            (program, partner)
            for program, partner in self.env["g2p.program_membership"]._read_group(
                [
                    ("program_id", "in", memberships.cycle_id.program_id.ids),
                    ("partner_id", "in", memberships.partner_id.ids),
                    ("state", "=", "enrolled"),
                ],
                ["program_id", "partner_id"],
            )
        }
        for membership in memberships:
            if (membership.program_id, membership.partner_id) not in enrolled:
                raise UserError(
                    self.env._(
                        "%s is not an enrolled member of the program and can't enter its cycle.",
                        membership.partner_id.name,
                    )
                )
        memberships._transition("enrolled")
        memberships.cycle_id._refresh_counters()
        return memberships

    def write(self, vals):
        for field in ("partner_id", "cycle_id"):
            if field in vals and any(membership[field].id != vals[field] for membership in self):
                raise UserError(self.env._("A cycle membership stays with its registrant and its cycle."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        for cycle in self.cycle_id:
            cycle._require_state("draft")
        # sudo: an entitlement counts whether or not the user may see it; only the refusal is shown
        used = (
            self.env["g2p.entitlement"]
            .sudo()
            .search_count([("cycle_id", "in", self.cycle_id.ids), ("partner_id", "in", self.partner_id.ids)], limit=1)
        )
        if used:
            raise UserError(self.env._("A beneficiary who has an entitlement in the cycle can't be removed from it."))

    def unlink(self):
        cycles = self.cycle_id
        cycles._bulk_check("edit_members")
        result = super().unlink()
        cycles._refresh_counters()
        return result
