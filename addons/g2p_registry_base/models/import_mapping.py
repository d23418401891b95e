from odoo import api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.g2p_bulk.tools import table_file
from odoo.addons.g2p_bulk.tools.blanks import same_name

from .. import import_file

# What a column of a file may become.
TARGETS = [
    ("full_name", "Full name"),
    ("family_name", "Family name"),
    ("given_name", "Given name"),
    ("addl_name", "Additional name"),
    ("birthdate", "Date of birth"),
    ("gender", "Gender"),
    ("disability", "Disability"),
    ("area_code", "Area code"),
    ("address", "Address"),
    ("email", "E-mail"),
    ("phone", "Phone number"),
    ("id", "ID"),
    ("account_number", "Bank account number"),
    ("wallet_number", "Mobile wallet number"),
    ("registration_date", "Registration date"),
    ("civil_status", "Civil status"),
    ("occupation", "Occupation"),
    ("birth_place", "Birth place"),
    ("income", "Income"),
    ("kind", "Group type"),
    ("tags", "Tags"),
    ("household", "Household number"),
    ("group_id", "ID of the group"),
    ("role", "Role in the group"),
    ("info", "Additional info"),
]


ID_TARGETS = ("id", "group_id")  # the columns that hold IDs of a type


class RegistrantImportMapping(models.Model):
    """How the columns of a file become registrants, kept for the next file of the same form."""

    _name = "g2p.registrant.import.mapping"
    _description = "Registrant Import Mapping"
    _order = "name, id"

    _name_unique = models.UniqueIndex(same_name("name"), "A mapping with this name exists already.")

    name = fields.Char(required=True)
    target_type = fields.Selection(
        [("individual", "Individuals"), ("group", "Groups")], string="Imports", default="individual", required=True
    )
    encoding = fields.Selection([*table_file.ENCODINGS, table_file.AUTO], default="utf-8", required=True)
    date_format = fields.Selection(import_file.DATE_FORMATS, string="Date format", default="%Y-%m-%d", required=True)
    decimal_mark = fields.Selection(import_file.DECIMAL_MARKS, help="Empty: found from the values of each column.")
    delimiter = fields.Selection(
        [(",", "Comma"), (";", "Semicolon"), ("\t", "Tab"), ("|", "Vertical bar")],
        help="What stands between the cells of a CSV file; empty: found from the first row.",
    )
    name_order = fields.Selection(
        [("given_first", "Given name first"), ("family_first", "Family name first")],
        string="Order of a full name",
        default="given_first",
        required=True,
    )
    line_ids = fields.One2many("g2p.registrant.import.mapping.line", "mapping_id", string="Columns", copy=True)
    active = fields.Boolean(default=True)

    @api.model
    def _columns_by_name(self, header, id_types):
        """Lines (not stored) for a file without a mapping: a column is what its name says: a target's name or label,
        or the name of an ID type. Columns with other names go to the additional info."""
        targets = {name: name for name, _label in TARGETS if name not in ID_TARGETS}
        targets |= {label.lower(): name for name, label in TARGETS if name not in ID_TARGETS}
        targets |= {"name": "full_name", "area": "area_code", "phone_no": "phone", "e-mail": "email"}
        types = {id_type.name.lower(): id_type for id_type in id_types}
        lines = self.env["g2p.registrant.import.mapping.line"]
        for column in header:
            key = column.strip().lower()
            if not key:
                continue
            id_type = types.get(key)
            lines |= lines.new(
                {
                    "column": column,
                    "target": "id" if id_type else targets.get(key, targets.get(key.replace(" ", "_"), "info")),
                    "id_type_id": id_type.id if id_type else False,
                }
            )
        return lines


class RegistrantImportMappingLine(models.Model):
    _name = "g2p.registrant.import.mapping.line"
    _description = "Registrant Import Mapping Column"
    _order = "sequence, id"

    _column_once = models.Constraint('UNIQUE (mapping_id, "column")', "A column can be mapped only once.")

    mapping_id = fields.Many2one("g2p.registrant.import.mapping", required=True, ondelete="cascade", index=True)
    sequence = fields.Integer(default=10)
    column = fields.Char(required=True, help="The name of the column in the first row of the file.")
    target = fields.Selection(TARGETS, string="Becomes", required=True)
    id_type_id = fields.Many2one("g2p.id.type", string="ID type", ondelete="restrict")
    required = fields.Boolean(help="Rows with an empty cell here are refused.")
    date_format = fields.Selection(
        import_file.DATE_FORMATS, string="Date format", help="How this column writes dates; empty: as the whole file."
    )

    def _target_label(self):
        return dict(self._fields["target"]._description_selection(self.env))[self.target]

    @api.constrains("target", "id_type_id")
    def _check_id_type(self):
        """A household's number may be an ID of the group; IDs are always of a type; nothing else is."""
        for line in self:
            if line.target == "household":
                continue
            if (line.target in ID_TARGETS) != bool(line.id_type_id):
                raise ValidationError(self.env._("Column %s: an ID, and only an ID, needs an ID type.", line.column))
