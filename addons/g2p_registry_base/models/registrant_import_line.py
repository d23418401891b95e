from odoo import fields, models


class RegistrantImportLine(models.Model):
    """One row of a file: staged, checked, then imported or refused with a reason. Written by the import only."""

    _name = "g2p.registrant.import.line"
    _description = "Registrant Import Row"
    _order = "import_id desc, row_number"
    _rec_name = "row_number"
    _log_access = False

    _row_unique = models.Constraint("UNIQUE (import_id, row_number)", "A row is staged once.")
    _state_idx = models.Index("(import_id, state, row_number)")
    _partner_idx = models.Index("(partner_id) WHERE partner_id IS NOT NULL")

    import_id = fields.Many2one("g2p.registrant.import", required=True, ondelete="cascade")
    row_number = fields.Integer(string="Row", required=True)
    state = fields.Selection([("ok", "Good"), ("refused", "Refused"), ("imported", "Imported")], required=True)
    column_name = fields.Char(string="Column")
    reason = fields.Char()
    raw = fields.Json(help="The cells as they stand in the file.")
    data = fields.Json(help="What the cells became.")
    area_id = fields.Many2one("g2p.area", ondelete="set null")
    partner_id = fields.Many2one("res.partner", string="Registrant", ondelete="set null")
