import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError


class IdType(models.Model):
    """A kind of identity document or number."""

    _name = "g2p.id.type"
    _inherit = ["g2p.change.mixin"]
    _description = "ID Type"
    _order = "name, id"

    _name_unique = models.UniqueIndex("(lower(name))", "An ID type with this name exists already.")

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
        help="No two registrants may hold the same value of this type.",
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
        result = super().write(vals)
        if "is_unique" in vals:
            # the trigger on this table copies the flag to the IDs, whose unique index reads it
            self.flush_recordset(["is_unique"])
            self.env["g2p.reg.id"].invalidate_model(["is_unique"], flush=False)
        return result

    def _check_no_duplicates(self):
        """Name a few values that are held twice, before the database refuses the flag in its own words."""
        self.env["g2p.reg.id"].flush_model(["id_type", "value"])
        self.env.cr.execute(
            """
            SELECT value
            FROM g2p_reg_id
            WHERE id_type = ANY(%s) AND value IS NOT NULL
            GROUP BY id_type, value
            HAVING count(*) > 1
            ORDER BY value
            LIMIT 5
            """,
            [self.ids],
        )
        if values := [value for (value,) in self.env.cr.fetchall()]:
            raise ValidationError(
                self.env._(
                    "Values of this type are held by more than one registrant, for example %(values)s. "
                    "Correct them first, then mark the type as unique.",
                    values=", ".join(values),
                )
            )
