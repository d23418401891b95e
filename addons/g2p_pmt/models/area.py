from odoo import api, fields, models


class Area(models.Model):
    _inherit = "g2p.area"

    residence = fields.Selection(
        [("urban", "Urban"), ("rural", "Rural")],
        "Urban or rural",
        help="Empty: as the area it is part of. Proxy means tests may have weights and cut-offs of their own for each.",
    )
    effective_residence = fields.Selection(
        selection=[("urban", "Urban"), ("rural", "Rural")],
        compute="_compute_effective_residence",
        store=True,
        recursive=True,
    )

    @api.depends("residence", "parent_id.effective_residence")
    def _compute_effective_residence(self):
        for area in self:
            area.effective_residence = area.residence or area.parent_id.effective_residence
