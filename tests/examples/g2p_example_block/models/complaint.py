from odoo import fields, models


class Complaint(models.Model):
    _name = "g2p.example.complaint"
    _description = "Complaint"
    _order = "id desc"

    partner_id = fields.Many2one("res.partner", "Registrant", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one("res.company", required=True, default=lambda self: self.env.company)
    is_open = fields.Boolean(default=True)
