from odoo import api, fields, models
from odoo.exceptions import UserError


class EligibilityExplanation(models.TransientModel):
    """Button on a registrant: choose a program, read the answer."""

    _name = "g2p.eligibility.explanation"
    _description = "Why eligible or not"

    partner_id = fields.Many2one("res.partner", "Registrant", required=True, readonly=True, ondelete="cascade")
    target_type = fields.Char(compute="_compute_target_type")
    program_id = fields.Many2one("g2p.program", ondelete="cascade")
    is_for_nobody = fields.Boolean(compute="_compute_choice", help="No program is for registrants of this kind.")
    household_ids = fields.Many2many("res.partner", string="Households", compute="_compute_choice")
    household_id = fields.Many2one(
        "res.partner", "Household", compute="_compute_choice", store=True, readonly=False, ondelete="cascade"
    )
    explanation = fields.Html(compute="_compute_explanation", sanitize=False)

    @api.depends("partner_id")
    def _compute_target_type(self):
        for wizard in self:
            wizard.target_type = "group" if wizard.partner_id.is_group else "individual"

    @api.depends("partner_id")
    def _compute_choice(self):
        """Where a person belongs to households that the user may see, these may be asked about instead."""
        households = self.partner_id._households()
        for wizard in self:
            wizard.household_ids = households.get(wizard.partner_id._origin, wizard.household_ids.browse())
            wizard.household_id = wizard.household_ids[:1]
            wizard.is_for_nobody = not self.env["g2p.program"].search_count(
                [("target_type", "=", wizard.target_type), ("state", "!=", "ended")], limit=1
            )

    @api.depends("partner_id", "program_id")
    def _compute_explanation(self):
        for wizard in self:
            wizard.explanation = (
                wizard.program_id._explain_html(wizard.partner_id) if wizard.program_id and wizard.partner_id else False
            )

    def action_ask_about_household(self):
        """Button: the same question about the household."""
        self.ensure_one()
        self.check_access("read")
        if not self.household_id:
            raise UserError(self.env._("Choose the household to ask about."))
        return self.household_id.action_explain_eligibility()
