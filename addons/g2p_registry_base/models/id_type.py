import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools.blanks import same_name


class IdType(models.Model):
    """A kind of identity document or number."""

    _name = "g2p.id.type"
    _inherit = ["g2p.change.mixin"]
    _description = "ID Type"
    _order = "name, id"

    _name_unique = models.UniqueIndex(same_name("name"), "An ID type with this name exists already.")

    name = fields.Char(required=True)
    target_type = fields.Selection(
        [("individual", "Individual"), ("group", "Group"), ("both", "Both")],
        default="both",
        required=True,
        help="Which registrants may hold an ID of this type.",
    )
    id_validation = fields.Char(
        string="Validation pattern",
        help="A regular expression that the whole value must match; empty accepts any value.",
    )
    is_unique = fields.Boolean(
        string="Unique value",
        default=True,
        help="No two registrants may hold the same value of this type. Without it registrars may keep several entries of a "
        "person, and deduplication by ID finds them later.",
    )
    case_sensitive = fields.Boolean(
        string="Case matters",
        help="Whether “ab12” and “AB12” are two values. They are one unless this is set, as on most documents.",
    )
    active = fields.Boolean(default=True)

    @api.constrains("id_validation")
    def _check_id_validation(self):
        for id_type in self.filtered("id_validation"):
            try:
                re.compile(id_type.id_validation)
            except re.error as error:
                raise ValidationError(
                    self.env._(
                        "The validation pattern of %(type)s can't be read: %(error)s", type=id_type.name, error=error
                    )
                ) from error

    def write(self, vals):
        if vals.get("is_unique"):
            self.filtered(lambda id_type: not id_type.is_unique)._check_no_duplicates()
        if vals.get("case_sensitive") is False:
            unique = self.filtered(lambda id_type: id_type.case_sensitive and vals.get("is_unique", id_type.is_unique))
            unique._check_no_duplicates(ignore_case=True)
        result = super().write(vals)
        if vals.keys() & {"is_unique", "case_sensitive"}:
            # the trigger on this table copies the flags to the IDs, whose unique index reads them
            self.flush_recordset(["is_unique", "case_sensitive"])
            self.env["g2p.reg.id"].invalidate_model(["is_unique", "value_key"], flush=False)
        return result

    def _key_sql(self, value):
        """SQL of how a value of this type is compared: g2p_reg_id.value_key."""
        self.ensure_one()
        return SQL("g2p_id_key(%s, %s)", value, self.case_sensitive)

    def _check_no_duplicates(self, ignore_case=False):
        """Name a few values that are held twice, before the database refuses the flag in its own words."""
        self.env["g2p.reg.id"].flush_model(["id_type", "value"])
        self.env.cr.execute(
            SQL(
                """
                SELECT min(value)
                FROM g2p_reg_id
                WHERE id_type = ANY(%s) AND value_key IS NOT NULL
                GROUP BY id_type, %s
                HAVING count(*) > 1
                ORDER BY 1
                LIMIT 5
                """,
                self.ids,
                SQL("g2p_id_key(value, FALSE)") if ignore_case else SQL("value_key"),
            )
        )
        if values := [value for (value,) in self.env.cr.fetchall()]:
            raise ValidationError(
                self.env._(
                    "Values of this type are held by more than one registrant, for example %(values)s. "
                    "Correct them first, then mark the type as unique.",
                    values=", ".join(values),
                )
            )
