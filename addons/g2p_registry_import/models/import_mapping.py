from odoo import api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.g2p_bulk.tools import table_file
from odoo.addons.g2p_bulk.tools.blanks import same_name

from ..tools import import_file

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
    ("id_expiry", "Expiry date of an ID"),
    ("attribute", "Answer to a question"),
    ("group_attribute", "Answer of the household"),
    ("related_id", "ID of a related registrant"),
]


ID_TARGETS = ("id", "group_id", "id_expiry", "related_id")  # the columns that belong to a type of IDs
MAX_VALUES = 500


class RegistrantImportMapping(models.Model):
    """How the columns of a file become registrants, kept for the next file of the same form."""

    _name = "g2p.registrant.import.mapping"
    _inherit = ["g2p.change.mixin"]
    _description = "Registrant Import Mapping"
    _order = "name, id"

    _name_unique = models.UniqueIndex(
        same_name("name", "COALESCE(company_id, 0)"), "A mapping with this name exists already."
    )

    name = fields.Char(required=True)
    company_id = fields.Many2one(
        "res.company",
        index=True,
        readonly=True,
        default=lambda self: self.env.company,
        help="Empty: for all companies; only administrators change these.",
    )
    target_type = fields.Selection(
        [("individual", "Individuals"), ("group", "Groups")], string="Imports", default="individual", required=True
    )
    encoding = fields.Selection(
        [*table_file.ENCODINGS, table_file.AUTO], default="utf-8", required=True, help=table_file.ENCODING_HELP
    )
    date_format = fields.Selection(import_file.DATE_FORMATS, string="Date format", default="%Y-%m-%d", required=True)
    decimal_mark = fields.Selection(
        import_file.DECIMAL_MARKS, string="Decimal mark", help="Empty: found from the values of each column."
    )
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

    def write(self, vals):
        result = super().write(vals)
        self.check_access("write")  # nobody hands a mapping to another company, or to all
        return result

    @api.model
    def _columns_by_name(self, header, id_types, target_type=None, company=None):
        """Lines (not stored) for a file without a mapping: a column is what its name says: a target's name or label,
        or the name of an ID type, or the label of a question. Columns with other names go to the additional info."""
        targets = {name: name for name, _label in TARGETS if name not in ID_TARGETS}
        targets |= {label.lower(): name for name, label in TARGETS if name not in ID_TARGETS}
        targets |= {"name": "full_name", "area": "area_code", "phone_no": "phone", "e-mail": "email"}
        types = {id_type.name.lower(): id_type for id_type in id_types}
        questions = {}
        for kind, question in self._questions(target_type, company) if target_type else ():
            questions.setdefault((question.get("string") or "").strip().lower(), []).append((kind, question["name"]))
        lines = self.env["g2p.registrant.import.mapping.line"]
        for column in header:
            key = column.strip().lower()
            if not key:
                continue
            id_type, target, question = types.get(key), targets.get(key, targets.get(key.replace(" ", "_"))), False
            if id_type:
                target = "id"
            elif not target and (expiring := types.get(key.removesuffix(" expiry date"))):
                id_type, target = expiring, "id_expiry"
            elif not target and len(fitting := questions.get(key, ())) == 1:
                # a label that two questions have is a fact like any other
                target, question = "attribute", fitting[0][1]
            lines |= lines.new(
                {
                    "column": column,
                    "target": target or "info",
                    "id_type_id": id_type.id if id_type else False,
                    "question": question,
                }
            )
        return lines

    @api.model
    def _questions(self, target_type, company):
        """[(target type, question)] that are asked of registrants of this type in this company."""
        schemas = self.env["g2p.registrant.schema"]
        # sudo: what the questions are is no secret to who answers them
        schema = schemas.browse(schemas._schema_id(target_type, company.id)).sudo()
        return [
            (target_type, question)
            for question in schema.attributes_definition or ()
            if question["type"] != "separator"
        ]


class RegistrantImportMappingLine(models.Model):
    _name = "g2p.registrant.import.mapping.line"
    _inherit = ["g2p.change.mixin"]
    _description = "Registrant Import Mapping Column"
    _rec_name = "column"
    _order = "sequence, id"
    _changes_on = "mapping_id"

    _column_once = models.Constraint('UNIQUE (mapping_id, "column")', "A column can be mapped only once.")

    mapping_id = fields.Many2one("g2p.registrant.import.mapping", required=True, ondelete="cascade", index=True)
    sequence = fields.Integer(default=10)
    column = fields.Char(required=True, help="The name of the column in the first row of the file.")
    target = fields.Selection(TARGETS, string="Becomes", required=True)
    id_type_id = fields.Many2one("g2p.id.type", string="ID type", ondelete="restrict")
    question = fields.Selection(
        selection="_selection_question", help="The question of the registry that the column answers."
    )
    relationship_id = fields.Many2one(
        "g2p.relationship", ondelete="restrict", help="What the registrant of the row is to the other one."
    )
    value_map = fields.Text(
        "Values",
        help="One a line: what the file says = what it means, such as “not_disabled = no” or “0_5000 = 2500”. Nothing after the "
        "sign means: not answered.",
    )
    required = fields.Boolean(help="Rows with an empty cell here are refused.")
    date_format = fields.Selection(
        import_file.DATE_FORMATS, string="Date format", help="How this column writes dates; empty: as the whole file."
    )

    def write(self, vals):
        result = super().write(vals)
        self.check_access("write")  # nor a column to a mapping of others
        return result

    @api.model
    def _selection_question(self):
        """The questions of individuals and groups, of the user's company."""
        mapping = self.env["g2p.registrant.import.mapping"]
        labels = {"individual": self.env._("Individuals"), "group": self.env._("Groups")}
        return [
            (question["name"], f"{labels[target_type]}: {question.get('string') or question['name']}")
            for target_type in labels
            for _type, question in mapping._questions(target_type, self.env.company)
        ]

    @api.model
    def _question_targets(self):
        """{target: the key of its answers in a row's data}, of targets that answer a question."""
        return {"attribute": "attributes", "group_attribute": "group_attributes"}

    def _asked(self, target_type, company):
        """The questions that the column's target may answer, in a file of registrants of this type."""
        target_type = "group" if self.target == "group_attribute" else target_type
        return [question for _type, question in self.mapping_id._questions(target_type, company)]

    def _values(self):
        """{text of the file, in lower case: what it means}"""
        self.ensure_one()
        values = {}
        for line in filter(str.strip, (self.value_map or "").splitlines()):
            text, sign, meaning = line.partition("=")
            key = " ".join(text.split()).lower()
            if not sign or not key:
                raise ValidationError(
                    self.env._("Column %s: write the values one a line, as “in the file = meaning”.", self.column)
                )
            if key in values:
                raise ValidationError(
                    self.env._("Column %(column)s: the value “%(value)s” stands twice.", column=self.column, value=key)
                )
            values[key] = " ".join(meaning.split())
        if len(values) > MAX_VALUES:
            raise ValidationError(
                self.env._("Column %(column)s has more than %(limit)s values.", column=self.column, limit=MAX_VALUES)
            )
        return values

    @api.constrains("value_map")
    def _check_value_map(self):
        for line in self:
            line._values()

    @api.constrains("target", "question", "relationship_id")
    def _check_target(self):
        for line in self:
            if (line.target in self._question_targets()) != bool(line.question):
                raise ValidationError(
                    self.env._("Column %s: an answer, and only an answer, needs its question.", line.column)
                )
            company = line.mapping_id.company_id or self.env.company
            asked = [*line._asked("individual", company), *line._asked("group", company)]
            if line.question and line.question not in [question["name"] for question in asked]:
                raise ValidationError(self.env._("Column %s: there is no such question.", line.column))
            if (line.target == "related_id") != bool(line.relationship_id):
                raise ValidationError(
                    self.env._("Column %s: a related registrant needs the kind of relationship.", line.column)
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
