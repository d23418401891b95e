from odoo import fields, models


class Visit(models.Model):
    _name = "g2p.example.visit"
    _description = "Visit"
    _order = "id desc"

    _one_planned = models.UniqueIndex("(partner_id) WHERE state = 'planned'", "A visit is planned already.")

    partner_id = fields.Many2one("res.partner", "Registrant", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="partner_id.company_id")
    state = fields.Selection(
        [("planned", "Planned"), ("done", "Done"), ("cancelled", "Cancelled")], required=True, default="planned"
    )
