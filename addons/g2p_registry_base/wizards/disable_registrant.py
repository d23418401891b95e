from odoo import api, fields, models


class DisableRegistrantWizard(models.TransientModel):
    """Asks why registrants are disabled, and says what that stops."""

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
    consequences = fields.Text("What it means", compute="_compute_consequences")

    @api.depends("partner_ids", "partner_id")
    @api.depends_context("uid", "lang")
    def _compute_consequences(self):
        for wizard in self:
            partners = wizard._registrants()._origin.filtered(lambda partner: not partner.disabled)
            partners._check_may_disable()
            wizard.consequences = "\n".join(wizard._consequences(partners)) or False

    def _consequences(self, partners):
        """Sentences that say what disabling these registrants stops, and what it doesn't; access to them was checked."""
        return []

    def _registrants(self):
        return self.partner_ids | self.partner_id

    def disable_registrant(self):
        self.ensure_one()
        self._registrants()._disable(self.disabled_reason)
        return {"type": "ir.actions.act_window_close"}
