from odoo import api, fields, models


class EligibilityExplanation(models.TransientModel):
    """Button on a registrant: choose a program, read the answer."""

    _name = "g2p.eligibility.explanation"
    _description = "Why eligible or not"

    partner_id = fields.Many2one("res.partner", "Registrant", required=True, readonly=True, ondelete="cascade")
    target_type = fields.Char(compute="_compute_target_type")
    program_id = fields.Many2one("g2p.program", ondelete="cascade")
    explanation = fields.Html(compute="_compute_explanation", sanitize=False)

    @api.depends("partner_id")
    def _compute_target_type(self):
        for wizard in self:
            wizard.target_type = "group" if wizard.partner_id.is_group else "individual"

    @api.depends("partner_id", "program_id")
    def _compute_explanation(self):
        for wizard in self:
            wizard.explanation = (
                wizard.program_id._explain_html(wizard.partner_id) if wizard.program_id and wizard.partner_id else False
            )
