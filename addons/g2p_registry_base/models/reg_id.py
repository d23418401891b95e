import logging
import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

from ..tools import search

_logger = logging.getLogger(__name__)


class RegId(models.Model):
    """An identity document or number of a registrant."""

    _name = "g2p.reg.id"
    _inherit = ["g2p.change.mixin"]
    _personal_model = "identity"
    _description = "Registrant ID"
    _order = "id desc"
    _rec_names_search = ["value"]
    _changes_on = "partner_id"
    _watched_fields = ("partner_id", "id_type", "value", "status", "expiry_date")

    _partner_type_unique = models.Constraint(
        "UNIQUE (partner_id, id_type)", "A registrant can have only one ID of each type."
    )
    _type_value_unique = models.UniqueIndex(
        "(id_type, value_key) WHERE is_unique AND value_key IS NOT NULL AND kept_twice IS NOT TRUE",
        "Another registrant has this ID already.",
    )
    _key_idx = models.Index("(value_key varchar_pattern_ops)")
    _search_idx = models.Index("USING gin (g2p_search_number(value) gin_trgm_ops)")
    _expiry_idx = models.Index("(expiry_date) WHERE expiry_date IS NOT NULL")

    partner_id = fields.Many2one("res.partner", string="Registrant", required=True, ondelete="cascade")
    id_type = fields.Many2one("g2p.id.type", string="ID type", required=True, ondelete="restrict", index=True)
    id_type_as_str = fields.Char(related="id_type.name", string="ID type name")
    value = fields.Char(size=100)
    value_key = fields.Char(
        readonly=True,
        copy=False,
        exportable=False,
        help="The value as it is compared: without spaces, dots, dashes and strokes, and in capitals where the type says that "
        "case does not matter.",
    )
    kept_twice = fields.Boolean(
        string="Held by another one too",
        readonly=True,
        copy=False,
        exportable=False,
        help="Two registrants have had this ID since before it was refused. It stays until somebody merges them or corrects "
        "it; nobody else gets it.",
    )
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
            -- How IDs are compared; a value of signs only identifies nobody.
            CREATE OR REPLACE FUNCTION g2p_id_key(value text, case_sensitive boolean) RETURNS text
            LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
                SELECT NULLIF(translate(
                    CASE WHEN case_sensitive THEN value ELSE upper(value COLLATE "und-x-icu") END,
                    E' ./-\\t\\n\\v\\f\\r\\u00a0\\u2007\\u202f\\u2010\\u2011\\u2013', ''
                ), '')
            $$;

            CREATE OR REPLACE FUNCTION g2p_reg_id_copy_uniqueness() RETURNS trigger AS $$
            BEGIN
                NEW.value := nullif(btrim(NEW.value), '');
                SELECT is_unique, g2p_id_key(NEW.value, case_sensitive)
                INTO NEW.is_unique, NEW.value_key
                FROM g2p_id_type
                WHERE id = NEW.id_type;
                IF TG_OP = 'UPDATE' AND (NEW.id_type, NEW.value) IS DISTINCT FROM (OLD.id_type, OLD.value) THEN
                    NEW.kept_twice := NULL;
                END IF;
                RETURN NEW;
            END $$ LANGUAGE plpgsql;

            CREATE OR REPLACE TRIGGER g2p_reg_id_copy_uniqueness
                BEFORE INSERT OR UPDATE OF id_type, value, value_key, is_unique ON g2p_reg_id
                FOR EACH ROW EXECUTE FUNCTION g2p_reg_id_copy_uniqueness();

            CREATE OR REPLACE FUNCTION g2p_id_type_uniqueness_changed() RETURNS trigger AS $$
            BEGIN
                UPDATE g2p_reg_id SET is_unique = NEW.is_unique WHERE id_type = NEW.id;
                RETURN NULL;
            END $$ LANGUAGE plpgsql;

            CREATE OR REPLACE TRIGGER g2p_id_type_uniqueness_changed
                AFTER UPDATE OF is_unique, case_sensitive ON g2p_id_type
                FOR EACH ROW WHEN (
                    (OLD.is_unique, OLD.case_sensitive) IS DISTINCT FROM (NEW.is_unique, NEW.case_sensitive)
                )
                EXECUTE FUNCTION g2p_id_type_uniqueness_changed();

            -- The index of before knows of no ID that is kept twice; the new one is made afterwards.
            DO $$ BEGIN
                IF EXISTS (
                    SELECT FROM pg_indexes
                    WHERE schemaname = current_schema AND indexname = 'g2p_reg_id_type_value_unique'
                        AND indexdef NOT LIKE '%kept_twice%'
                ) THEN
                    DROP INDEX g2p_reg_id_type_value_unique;
                END IF;
            END $$;

            -- IDs that were there before their key: those that are the same by it stay, all but the first marked
            CREATE TEMPORARY TABLE g2p_id_stale ON COMMIT DROP AS
            SELECT reg.id, reg.id_type, g2p_id_key(reg.value, type.case_sensitive) AS key
            FROM g2p_reg_id reg
            JOIN g2p_id_type type ON type.id = reg.id_type
            WHERE reg.value_key IS DISTINCT FROM g2p_id_key(reg.value, type.case_sensitive);
            """
        )
        self.env.cr.execute(
            """
            UPDATE g2p_reg_id SET kept_twice = TRUE
            FROM (
                SELECT reg.id, row_number() OVER (PARTITION BY reg.id_type, stale.key ORDER BY reg.id) AS place
                FROM g2p_reg_id reg
                JOIN g2p_id_type type ON type.id = reg.id_type AND type.is_unique
                JOIN (SELECT DISTINCT id_type, key FROM g2p_id_stale WHERE key IS NOT NULL) stale
                    ON stale.id_type = reg.id_type AND stale.key = g2p_id_key(reg.value, type.case_sensitive)
            ) twin
            WHERE twin.id = g2p_reg_id.id AND twin.place > 1 AND g2p_reg_id.kept_twice IS NOT TRUE
            """
        )
        if twins := self.env.cr.rowcount:
            _logger.info(
                "%s IDs are those of another registrant too, written in another way. They stay: deduplicate by ID.",
                twins,
            )
        self.env.cr.execute(
            """
            UPDATE g2p_reg_id SET value_key = NULL WHERE id IN (SELECT id FROM g2p_id_stale);
            DROP TABLE g2p_id_stale;
            """
        )

    @api.model
    def _search_display_name(self, operator, value):
        if operator == "ilike" and isinstance(value, str):
            value = search.sought(value)
        number = search.number(value) if operator == "ilike" and isinstance(value, str) else ""
        return self._holds(number) if len(number) >= search.LEAST else super()._search_display_name(operator, value)

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
        vals_list = [self._clean(vals) for vals in vals_list]
        self._refuse_taken(
            [(None, vals.get("partner_id"), vals.get("id_type"), vals.get("value")) for vals in vals_list]
        )
        return super().create(vals_list)

    def write(self, vals):
        vals = self._clean(vals)
        if vals.keys() & {"value", "id_type"}:
            self.flush_model(["partner_id", "id_type", "value"])
            self._refuse_taken(
                [
                    (reg.id, reg.partner_id.id, vals.get("id_type", reg.id_type.id), vals.get("value", reg.value))
                    for reg in self
                ]
            )
        return super().write(vals)

    @api.model
    def _taken(self, ids):
        """The IDs of others that hold the same values, in one statement.

        :param ids: [(id or None, partner_id, id_type, value)]
        :return: [(id_type, value, partner_id, whether the type forbids it)]
        """
        ids = [(own, partner or 0, id_type, value) for own, partner, id_type, value in ids if id_type and value]
        if not ids:
            return []
        return self.env.execute_query(
            SQL(
                """
                SELECT given.id_type, given.value, reg.partner_id, type.is_unique
                FROM (VALUES %s) AS given (id, partner_id, id_type, value)
                JOIN g2p_id_type type ON type.id = given.id_type
                JOIN g2p_reg_id reg ON reg.id_type = given.id_type AND reg.id IS DISTINCT FROM given.id
                    AND reg.partner_id <> given.partner_id
                    AND reg.value_key = g2p_id_key(given.value, type.case_sensitive)
                LIMIT 5
                """,
                SQL(", ").join(SQL("(%s::integer, %s::integer, %s::integer, %s::varchar)", *row) for row in ids),
            )
        )

    @api.model
    def _taken_message(self, id_type, value, partner_id):
        """Whose the ID is, for who may know."""
        values = {"type": self.env["g2p.id.type"].browse(id_type).name, "value": value}
        owner = self.env["res.partner"].browse(partner_id)
        if owner.has_access("read"):
            return self.env._("%(type)s %(value)s belongs to %(name)s already.", name=owner.name, **values)
        return self.env._(
            "%(type)s %(value)s belongs to somebody already whom you can't see: they are of another area or company. "
            "Ask an administrator, and don't register them again.",
            **values,
        )

    @api.model
    def _refuse_taken(self, ids):
        """The unique index keeps the promise; this says whose the ID is."""
        for id_type, value, partner_id, is_unique in self._taken(ids):
            if is_unique:
                raise ValidationError(self._taken_message(id_type, value, partner_id))

    @api.onchange("id_type", "value")
    def _onchange_value(self):
        """Where the type lets a person be entered twice, say so: whether it is meant is for the registrar to know."""
        partner = self.partner_id._origin.id or self.env.context.get("default_partner_id")
        for id_type, value, partner_id, is_unique in self._taken(
            [(self._origin.id or None, partner, self.id_type.id, (self.value or "").strip())]
        ):
            message = self._taken_message(id_type, value, partner_id)
            if not is_unique:
                message += " " + self.env._("It is kept here too if you save it; deduplication by ID finds both.")
            return {"warning": {"title": self.env._("Known already"), "message": message}}
        return None

    @api.model
    def _clean(self, vals):
        """Spaces around a value are typing, not identity."""
        if isinstance(vals.get("value"), str):
            return {**vals, "value": vals["value"].strip() or False}
        return vals
