from odoo import fields, models


class DisableRegistrantWizard(models.TransientModel):
    """Asks why registrants are disabled."""

    _name = "g2p.disable.registrant.wizard"
    _description = "Disable Registrant"

    partner_ids = fields.Many2many(
        "res.partner",
        string="Registrants",
        required=True,
        default=lambda self: self.env.context.get("active_ids")
        if self.env.context.get("active_model") == "res.partner"
        else False,
    )
    partner_id = fields.Many2one("res.partner", "Registrant", help="One registrant, as OpenG2P's clients name it.")
    disabled_reason = fields.Text(string="Reason", required=True)

    def disable_registrant(self):
        self.ensure_one()
        (self.partner_ids | self.partner_id)._disable(self.disabled_reason)
        return {"type": "ir.actions.act_window_close"}
