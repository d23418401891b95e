from odoo import api, fields, models

NAME_TARGETS = ("full_name", "family_name", "given_name", "addl_name")
NAMED_BY_COLUMN = ("id", "group_id", "id_expiry", "related_id", "info", "attribute", "group_attribute")


class RegistrantImportLine(models.Model):
    """One row of a file: staged, checked, then imported or refused with a reason. Written by the import only."""

    _name = "g2p.registrant.import.line"
    _inherit = ["g2p.bulk.row.mixin"]
    # Cells of a file may be anything.
    _personal_fields = {"raw": "identity", "reason": "identity"}
    _description = "Registrant Import Row"
    _order = "import_id desc, row_number"
    _rec_name = "row_number"
    _log_access = False

    _row_unique = models.Constraint("UNIQUE (import_id, row_number)", "A row is staged once.")
    _state_idx = models.Index("(import_id, state, row_number)")
    _unit_idx = models.Index("(import_id, unit)")
    _household_idx = models.Index("((data->>'household')) WHERE group_id IS NOT NULL")
    _partner_idx = models.Index("(partner_id) WHERE partner_id IS NOT NULL")
    _group_idx = models.Index("(group_id) WHERE group_id IS NOT NULL")

    import_id = fields.Many2one("g2p.registrant.import", required=True, ondelete="cascade")
    row_number = fields.Integer(string="Row", required=True, aggregator=None)
    unit = fields.Integer(
        required=True, aggregator=None, help="Rows of one household share a number, and are imported together."
    )
    state = fields.Selection(
        [
            ("staged", "Read"),
            ("ok", "Good"),
            ("refused", "Refused"),
            ("skipped", "Skipped"),
            ("imported", "Created"),
            ("updated", "Updated"),
            ("undone", "Undone"),
        ],
        required=True,
    )
    column_name = fields.Char(string="Column")
    reason = fields.Char()
    problems = fields.Json(help="All that is wrong with the row: [[column, reason]].")
    raw = fields.Json(help="The cells as they stand in the file.")
    data = fields.Json(help="What the cells became.")
    area_id = fields.Many2one("g2p.area", ondelete="set null")
    partner_id = fields.Many2one("res.partner", string="Registrant", ondelete="set null")
    group_id = fields.Many2one("res.partner", string="Group", ondelete="set null")
    group_created = fields.Boolean(help="The group came with this row.")
    summary = fields.Text(compute="_compute_summary", string="Becomes")

    @api.depends("data", "raw", "import_id.layout")
    def _compute_summary(self):
        """What the row says under the names of what its columns become, for the preview."""
        target_field = self.env["g2p.registrant.import.mapping.line"]._fields["target"]
        labels = dict(target_field._description_selection(self.env))
        for line in self:
            data = line.data if isinstance(line.data, dict) else {}
            raw = line.raw or []
            told = [(self.env._("Name"), data.get("name"))]
            for column in line.import_id.layout or []:
                target, position = column["target"], column["position"]
                if data.get("name") and target in NAME_TARGETS:
                    continue
                label = column["column"] if target in NAMED_BY_COLUMN else labels.get(target, column["column"])
                value = data.get(target)
                if not isinstance(value, str):  # numbers of records mean nothing to people: the cell as it stands
                    value = raw[position] if position < len(raw) else None
                told.append((label, value))
            line.summary = " · ".join(f"{label}: {value}" for label, value in told if value not in (None, False, ""))[
                :400
            ]
