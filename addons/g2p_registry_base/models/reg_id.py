import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

from ..tools import search


class RegId(models.Model):
    """An identity document or number of a registrant."""

    _name = "g2p.reg.id"
    _inherit = ["g2p.change.mixin"]
    _description = "Registrant ID"
    _order = "id desc"
    _rec_names_search = ["value"]
    _changes_on = "partner_id"
    _watched_fields = ("partner_id", "id_type", "value", "status", "expiry_date")

    _partner_type_unique = models.Constraint(
        "UNIQUE (partner_id, id_type)", "A registrant can have only one ID of each type."
    )
    _type_value_unique = models.UniqueIndex(
        "(id_type, value) WHERE is_unique AND value IS NOT NULL",
        "Another registrant has this ID already.",
    )
    _value_idx = models.Index("(value varchar_pattern_ops)")
    _search_idx = models.Index("USING gin (g2p_search_number(value) gin_trgm_ops)")
    _expiry_idx = models.Index("(expiry_date) WHERE expiry_date IS NOT NULL")

    partner_id = fields.Many2one("res.partner", string="Registrant", required=True, ondelete="cascade")
    id_type = fields.Many2one("g2p.id.type", string="ID type", required=True, ondelete="restrict", index=True)
    id_type_as_str = fields.Char(related="id_type.name", string="ID type name")
    value = fields.Char(size=100)
    expiry_date = fields.Date(string="Expiry date")
    collection_date = fields.Date(string="Collection date")
    status = fields.Selection([("valid", "Valid"), ("invalid", "Invalid")], default="valid")
    description = fields.Char()
    is_unique = fields.Boolean(
        readonly=True, copy=False, help="Copied from the type by the database; the unique index reads it."
    )
    is_expired = fields.Boolean(string="Expired", compute="_compute_is_expired", search="_search_is_expired")

    def init(self):
        self.env.cr.execute(
            """
            CREATE OR REPLACE FUNCTION g2p_reg_id_copy_uniqueness() RETURNS trigger AS $$
            BEGIN
                NEW.is_unique := (SELECT is_unique FROM g2p_id_type WHERE id = NEW.id_type);
                RETURN NEW;
            END $$ LANGUAGE plpgsql;

            CREATE OR REPLACE TRIGGER g2p_reg_id_copy_uniqueness
                BEFORE INSERT OR UPDATE OF id_type, is_unique ON g2p_reg_id
                FOR EACH ROW EXECUTE FUNCTION g2p_reg_id_copy_uniqueness();

            CREATE OR REPLACE FUNCTION g2p_id_type_uniqueness_changed() RETURNS trigger AS $$
            BEGIN
                UPDATE g2p_reg_id SET is_unique = NEW.is_unique WHERE id_type = NEW.id;
                RETURN NULL;
            END $$ LANGUAGE plpgsql;

            CREATE OR REPLACE TRIGGER g2p_id_type_uniqueness_changed
                AFTER UPDATE OF is_unique ON g2p_id_type
                FOR EACH ROW WHEN (OLD.is_unique IS DISTINCT FROM NEW.is_unique)
                EXECUTE FUNCTION g2p_id_type_uniqueness_changed();
            """
        )

    @api.model
    def _holds(self, number):
        """A domain of the IDs with this part, whatever stands between their digits and letters."""
        return Domain.custom(
            to_sql=lambda model, alias, query: SQL(
                "(%s)",
                SQL(" OR ").join(
                    SQL("g2p_search_number(%s) LIKE %s", model._field_to_sql(alias, "value", query), pattern)
                    for pattern in search.parts(number)
                ),
            )
        )

    @api.depends("id_type.name", "value")
    def _compute_display_name(self):
        for reg_id in self:
            reg_id.display_name = f"{reg_id.id_type.name or ''}: {reg_id.value or ''}"

    @api.depends("expiry_date")
    def _compute_is_expired(self):
        today = fields.Date.context_today(self)
        for reg_id in self:
            reg_id.is_expired = bool(reg_id.expiry_date and reg_id.expiry_date < today)

    def _search_is_expired(self, operator, value):
        if operator != "in":
            return NotImplemented
        return (
            [("expiry_date", "<", fields.Date.context_today(self))]
            if True in value
            else [
                "|",
                ("expiry_date", "=", False),
                ("expiry_date", ">=", fields.Date.context_today(self)),
            ]
        )

    @api.constrains("value", "id_type")
    def _check_value(self):
        for reg_id in self:
            pattern = reg_id.id_type.id_validation
            if reg_id.value and pattern and not re.fullmatch(pattern, reg_id.value):
                raise ValidationError(
                    self.env._(
                        "“%(value)s” is not a %(type)s: it does not match the pattern %(pattern)s.",
                        value=reg_id.value,
                        type=reg_id.id_type.name,
                        pattern=pattern,
                    )
                )

    @api.constrains("partner_id", "id_type")
    def _check_target_type(self):
        for reg_id in self:
            target = reg_id.id_type.target_type
            if target != "both" and (target == "group") != bool(reg_id.partner_id.is_group):
                raise ValidationError(
                    self.env._(
                        "%(type)s is not for %(name)s: it is an ID of the other kind of registrant.",
                        type=reg_id.id_type.name,
                        name=reg_id.partner_id.name,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        # a changed or removed ID of the same form must reach the database before the new one
        self.flush_model(["partner_id", "id_type", "value"])
        return super().create([self._clean(vals) for vals in vals_list])

    def write(self, vals):
        return super().write(self._clean(vals))

    @api.model
    def _clean(self, vals):
        """Spaces around a value are typing, not identity."""
        if isinstance(vals.get("value"), str):
            return {**vals, "value": vals["value"].strip() or False}
        return vals
