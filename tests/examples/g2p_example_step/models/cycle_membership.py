from odoo import fields, models


class CycleMembership(models.Model):
    _inherit = "g2p.cycle.membership"

    cannot_be_called = fields.Boolean(readonly=True, copy=False)
