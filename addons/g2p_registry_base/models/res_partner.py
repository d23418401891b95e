import json

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL, escape_psql

from odoo.addons.g2p_bulk.tools import roles, searching

from ..tools import ages, indicators, search
from ..tools.registrant_search import RegistrantSearch
from ..tools.suggestions import Suggestions

CANDIDATES = 10_000  # of whom a field that names somebody shows the first few in the order of names
DISABLE_FIELDS = ("disabled", "disabled_by", "disabled_reason")
NAME_PARTS = ("family_name", "given_name", "addl_name")
# What the figures of a group are made of.
SOURCES = {"birthdate", "gender", "disability", "disabled", "active", "is_registrant", "is_group"}


def searched(column):
    """The search method of the field that shows ``column``."""

    def search_column(self, operator, value):
        return self._search_indicator(column, operator, value)

    return search_column


def counted(column, string, **attributes):
    return fields.Integer(string, compute="_compute_indicators", search=searched(column), **attributes)


class ResPartner(models.Model):
    """A registrant: an individual or a group (household, family …) known to the registry."""

    _name = "res.partner"
    _inherit = ["res.partner", "g2p.change.mixin", "g2p.bulk.row.mixin", "g2p.properties.mixin"]
    _guarded = True
    # Changes of people are for those who may see the person, auditors too.
    _changes_personal = True
    _changes_where = "row.is_registrant"
    _watched_fields = (
        "name",
        "family_name",
        "given_name",
        "addl_name",
        "birthdate",
        "gender",
        "disability",
        "income",
        "area_id",
        "company_id",
        "active",
        "is_registrant",
        "is_group",
        "disabled",
        "disabled_reason",
    )
    _personal_fields = {
        **dict.fromkeys(
            (
                "phone",
                "phone_sanitized",
                "phone_number_ids",
                "email",
                "email_normalized",
                "email_formatted",
                "address",
                "street",
                "street2",
                "zip",
                "city",
                "contact_address",
                "contact_address_inline",
                "contact_address_complete",
                "website",
                "partner_latitude",
                "partner_longitude",
            ),
            "contact",
        ),
        **dict.fromkeys(
            (
                "birthdate",
                "birthdate_not_exact",
                "birth_place",
                "age",
                "reg_ids",
                "identified_as",
                "vat",
                "ref",
                "barcode",
                "company_registry",
                "income",
                "civil_status",
                "occupation",
                "registrant_attributes",
                "additional_g2p_info",
                "additional_g2p_info_text",
                "comment",
                "disabled_reason",
                "image_1920",
            ),
            "identity",
        ),
        "bank_ids": "account",
    }

    # Lists ask: the latest individuals or groups, of one area, disabled or not. The ORM writes IS TRUE and IS NOT TRUE, and
    # PostgreSQL uses a partial index only for a condition written like the index's own.
    _registrant_individual_idx = models.Index(
        "(id) WHERE is_registrant IS TRUE AND is_group IS NOT TRUE AND active IS TRUE"
    )
    _registrant_group_idx = models.Index("(id) WHERE is_registrant IS TRUE AND is_group IS TRUE AND active IS TRUE")
    _registrant_archived_idx = models.Index("(id) WHERE is_registrant IS TRUE AND active IS NOT TRUE")
    _registrant_no_area_idx = models.Index("(id) WHERE is_registrant IS TRUE AND area_id IS NULL")
    _registrant_search_idx = models.Index("USING gin (search_words gin_trgm_ops) WHERE is_registrant IS TRUE")
    _registrant_area_idx = models.Index("(area_id, is_group) WHERE area_id IS NOT NULL")
    _no_registrant_idx = models.Index("(id) WHERE is_registrant IS NOT TRUE")
    _registrant_disabled_idx = models.Index("(disabled) WHERE is_registrant IS TRUE AND disabled IS NOT NULL")
    _registrant_registered_idx = models.Index("(registration_date) WHERE is_registrant IS TRUE")
    _registrant_birthdate_idx = models.Index("(birthdate) WHERE is_registrant IS TRUE AND is_group IS NOT TRUE")
    _registrant_kind_idx = models.Index("(kind) WHERE is_group IS TRUE")
    _registrant_partial_idx = models.Index("(id) WHERE is_group IS TRUE AND is_partial_group IS TRUE")
    _registrant_empty_idx = models.Index(
        "(id) WHERE is_group IS TRUE AND (z_ind_grp_num_individuals IN (0) OR z_ind_grp_num_individuals IS NULL)"
    )

    _income_positive = models.Constraint("CHECK (income >= 0)", "An income can't be negative.")
    _income_bound = models.Constraint("CHECK (income <= 1e12)", "An income above 1,000,000,000,000 can't be right.")
    _registrant_named = models.Constraint(
        "CHECK (is_registrant IS NOT TRUE OR name ~ '[^[:space:]]')", "A registrant needs a name."
    )
    # A day more than the database's own date: somewhere it is tomorrow already.
    _birthdate_range = models.Constraint(
        "CHECK (birthdate >= '1900-01-01' AND birthdate <= CURRENT_DATE + 1)",
        "A date of birth lies between 1900 and today.",
    )
    _registration_range = models.Constraint(
        "CHECK (registration_date >= '1900-01-01' AND registration_date <= CURRENT_DATE + 1)",
        "A date of registration lies between 1900 and today.",
    )
    _registered_after_birth = models.Constraint(
        "CHECK (registration_date >= birthdate)", "Nobody can be registered before their birth."
    )

    name = fields.Char(compute="_compute_name", store=True, readonly=False, precompute=True)
    is_registrant = fields.Boolean(copy=True)
    is_group = fields.Boolean(string="Group")
    registration_date = fields.Date(string="Registration date", copy=False)
    area_id = fields.Many2one("g2p.area", string="Area", ondelete="restrict")
    address = fields.Text(help="The address as people write it, where street and city don't serve.")
    tags_ids = fields.Many2many("g2p.registrant.tags", string="Registrant tags")
    civil_status = fields.Char(string="Civil status")
    occupation = fields.Char()
    income = fields.Float(digits=(16, 2))
    additional_g2p_info = fields.Json(string="Additional info (data)")
    additional_g2p_info_text = fields.Text(
        string="Additional info",
        compute="_compute_additional_g2p_info_text",
        inverse="_inverse_additional_g2p_info_text",
        help="Further facts as a JSON object, such as {“Home Owned”: “yes”}.",
    )

    # Individuals
    family_name = fields.Char(string="Family name")
    given_name = fields.Char(string="Given name")
    addl_name = fields.Char(string="Additional name")
    birth_place = fields.Char(string="Birth place")
    birthdate = fields.Date(string="Date of birth")
    birthdate_not_exact = fields.Boolean(string="Approximate birth date")
    age = fields.Char(compute="_compute_age", search="_search_age")
    age_in_years = fields.Integer(
        "Age (years)",
        compute="_compute_age",
        search="_search_age",
        aggregator=None,
        help="In whole years; 0 if not known.",
    )
    gender = fields.Selection(selection=lambda self: self.env["gender.type"]._selection())
    disability = fields.Selection(
        [("yes", "Yes"), ("no", "No")], help="Whether the person lives with a disability; empty: not known."
    )

    # Groups, and what ties individuals to them
    kind = fields.Many2one("g2p.group.kind", string="Group type", ondelete="restrict")
    kind_as_str = fields.Char(related="kind.name", string="Group type name")
    is_partial_group = fields.Boolean(string="Partial group", help="Some members are not registered yet.")
    group_membership_ids = fields.One2many("g2p.group.membership", "group", string="Members")
    individual_membership_ids = fields.One2many("g2p.group.membership", "individual", string="Member of")
    z_ind_grp_num_individuals = fields.Integer(
        string="Members count",
        readonly=True,
        copy=False,
        help="Individuals who are members now and are not disabled.",
    )

    # What its members make of a group: figures kept by the database, shown and searched here. A search never finds a group of
    # which the answer is not known, whichever way the question is put; `= False` finds them.
    z_ind_grp_num_children = counted("children", "Children", help="Members aged 0 to 17.")
    z_ind_grp_num_children_under_5 = counted(
        "children_under_5",
        "Children under 5 (0 to 4)",
        help="Members aged 0 to 4. Those aged 5 count among the children only.",
    )
    z_ind_grp_num_children_6_17 = counted(
        "children_6_17",
        "Children of 6 to 17",
        help="Members aged 6 to 17. Those aged 5 count among the children only.",
    )
    z_ind_grp_num_adults = counted("adults", "Adults", help="Members aged 18 to 64.")
    z_ind_grp_num_elderly = counted("elderly", "Elderly", help="Members aged 65 and over.")
    z_ind_grp_num_working_age = counted("working_age", "Of working age", help="Members aged 15 to 64.")
    z_ind_grp_num_women = counted("women", "Women", help="Female members aged 18 and over.")
    z_ind_grp_num_females = counted("females", "Females", help="Female members of any age.")
    z_ind_grp_is_female_headed = fields.Boolean(
        "Headed by a woman",
        compute="_compute_indicators",
        search=searched("female_headed"),
        help="Not known where the group has no head or their gender is not known: neither yes nor no finds it then.",
    )
    z_ind_grp_num_disabled = counted(
        "disabled_members", "With a disability", help="Members whose disability is recorded as yes."
    )
    z_ind_grp_num_unknown_age = counted(
        "unknown_age_members", "Of unknown age", help="Members without a date of birth."
    )
    z_ind_grp_dependency_ratio = fields.Float(
        "Dependency ratio",
        digits=(16, 4),
        compute="_compute_indicators",
        search=searched("dependency_ratio"),
        help="Members aged 0 to 14 and 65 and over, for each member aged 15 to 64. There is none where nobody is of that age.",
    )
    z_ind_grp_head_age = counted("head_age", "Age of the head", help="In whole years.")
    z_ind_grp_head_gender = fields.Selection(
        selection=lambda self: self.env["gender.type"]._selection(),
        string="Gender of the head",
        compute="_compute_indicators",
        search=searched("head_gender"),
    )

    # Answers to the questions that users define
    registrant_schema_id = fields.Many2one(
        "g2p.registrant.schema", compute="_compute_registrant_schema_id", search="_search_registrant_schema_id"
    )
    registrant_attributes = fields.Properties(
        string="Further attributes", definition="registrant_schema_id.attributes_definition", copy=True
    )

    identified_as = fields.Char(
        "ID and household", compute="_compute_identified_as", exportable=False, help="What an officer asks for first."
    )

    # What hangs on a registrant
    reg_ids = fields.One2many("g2p.reg.id", "partner_id", string="IDs")
    phone_number_ids = fields.One2many("g2p.phone.number", "partner_id", string="Phone numbers")
    related_1_ids = fields.One2many("g2p.reg.rel", "destination", string="Related from")
    related_2_ids = fields.One2many("g2p.reg.rel", "source", string="Related to")

    change_reason = fields.Char(
        "Reason for the change",
        compute="_compute_change_reason",
        readonly=False,
        exportable=False,
        help="Kept with what is changed now, in names, IDs, phones and accounts alike.",
    )

    disabled = fields.Datetime(string="Disabled on", readonly=True, copy=False)
    disabled_by = fields.Many2one("res.users", string="Disabled by", readonly=True, copy=False)
    disabled_reason = fields.Text(string="Reason for disabling", readonly=True, copy=False)

    # -- the database

    def _auto_init(self):
        """What search compares and indexes is computed by the database; it comes before the indexes."""
        self.env.cr.execute(search.FUNCTIONS)
        self.env.cr.execute(search.COLUMN)
        self.env.registry.has_trigram = True
        return super()._auto_init()

    def init(self):
        self.env.cr.execute(search.WORDS_TABLE)
        return super().init()

    # -- computed

    @api.depends("family_name", "given_name", "addl_name", "is_registrant", "is_group")
    def _compute_name(self):
        """An individual's name is made of its parts; any other name stays as it was given."""
        for partner in self:
            if partner._has_name_parts():
                partner.name = self._full_name(partner.family_name, partner.given_name, partner.addl_name)
            else:
                partner.name = partner.name

    @api.model
    def _full_name(self, family_name, given_name, addl_name):
        """FAMILY, GIVEN ADDITIONAL"""
        parts = (family_name, f"{given_name or ''} {addl_name or ''}")
        return ", ".join(filter(None, (" ".join((part or "").split()) for part in parts))).upper()

    @api.model
    def _name_parts(self, name):
        """The parts of a name as people type it: “Family, Given Additional” as the registry shows it, or “Given Additional
        Family” as it is said; one word is the given name."""
        family, comma, given = (" ".join(part.split()) for part in name.partition(","))
        words = (given if comma else family).split()
        if not comma:
            family = words.pop() if len(words) > 1 else ""
        parts = zip(NAME_PARTS, (family, *words[:1], " ".join(words[1:])), strict=False)
        return {part: value for part, value in parts if value}

    def _has_name_parts(self):
        self.ensure_one()
        return self.is_registrant and not self.is_group and any(self[part] for part in NAME_PARTS)

    @api.depends_context("uid")
    def _compute_identified_as(self):
        """The ID and the household, as far as the reader may read them."""
        readable = {name for name in ("g2p.reg.id", "g2p.group.membership") if self.env[name].has_access("read")}
        for partner in self:
            ids = partner.reg_ids[-1:] if "g2p.reg.id" in readable else None
            lives = partner.individual_membership_ids if "g2p.group.membership" in readable else None
            groups = lives.filtered(lambda membership: not membership.is_ended).group if lives else None
            groups = groups and groups._filtered_access("read")[:1]
            parts = (ids.display_name if ids else "", groups.display_name if groups else "")
            partner.identified_as = " · ".join(filter(None, parts)) or False

    @api.depends("birthdate")
    def _compute_age(self):
        today = fields.Date.context_today(self)
        for partner in self:
            if partner.birthdate:
                partner.age_in_years = relativedelta(today, partner.birthdate).years
                partner.age = str(partner.age_in_years)
            else:
                partner.age_in_years = 0
                partner.age = self.env._("Birth date unknown")

    @api.model
    def _search_age(self, operator, value):
        return ages.domain(operator, value, fields.Date.context_today(self))

    def _compute_indicators(self):
        self._flush_indicator_sources()
        columns = SQL(", ").join(SQL.identifier(column) for column in indicators.FIELDS.values())
        rows = self.env.execute_query(
            SQL("SELECT group_id, %s FROM g2p_group_indicator WHERE group_id = ANY(%s)", columns, self._origin.ids)
        )
        figures = {row[0]: dict(zip(indicators.FIELDS, row[1:], strict=True)) for row in rows}
        nothing = dict.fromkeys(indicators.FIELDS, False)
        for partner in self:
            partner.update(figures.get(partner._origin.id, nothing))

    @api.model
    def _search_indicator(self, column, operator, value):
        """Groups by one figure: a semi-join with the table of figures."""
        if column != "female_headed":
            as_asked = searching.text if column == "head_gender" else searching.number
            if operator in ("in", "not in"):
                value = [one if one is None or one is False else as_asked(self.env, one) for one in value]
            elif operator in indicators.COMPARISONS:
                value = as_asked(self.env, value)
        condition = indicators.condition(column, operator, value)
        if condition is None:
            return NotImplemented
        self._flush_indicator_sources()
        return [("id", "in", indicators.groups(condition))]

    @api.model
    def _unknown_domain(self, name):
        """The groups of which a figure is not known; None where it always is. A search for the figure never finds them."""
        unknown = indicators.unknown(indicators.FIELDS.get(name))
        return unknown and Domain("id", "in", SQL("(%s)", indicators.groups(unknown)))

    @api.model
    def _flush_indicator_sources(self):
        self.flush_model(SOURCES)
        self.env["g2p.group.membership"].flush_model()

    @api.model
    def _forget_indicators(self):
        """The database has counted; forget what the cache knew."""
        self.invalidate_model(["z_ind_grp_num_individuals", *indicators.FIELDS], flush=False)

    @api.depends("is_registrant", "is_group", "company_id")
    def _compute_registrant_schema_id(self):
        schemas = self.env["g2p.registrant.schema"]
        for partner in self:
            partner.registrant_schema_id = partner.is_registrant and schemas._schema_id(
                "group" if partner.is_group else "individual", partner.company_id.id
            )

    @api.model
    def _search_registrant_schema_id(self, operator, value):
        """Registrants who answer these questions. Lists of properties ask for `!= False`: all registrants of the type."""
        if operator not in ("in", "not in"):
            return NotImplemented
        schemas = self.env["g2p.registrant.schema"].sudo().search([])  # sudo: configuration, no registrant's data
        wanted = schemas.filtered(lambda schema: (schema.id in value) == (operator == "in"))
        domain = Domain.FALSE
        for schema in wanted:
            companies = Domain("company_id", "=", schema.company_id.id)
            if not schema.company_id:
                own = schemas.filtered(lambda other, schema=schema: other.target_type == schema.target_type)
                companies = Domain("company_id", "not in", own.company_id.ids)
            domain |= Domain("is_group", "=", schema.target_type == "group") & companies
        domain &= Domain("is_registrant", "=", True)
        if (False in value) == (operator == "in"):
            domain |= Domain("is_registrant", "!=", True)
        return domain

    def _properties_fields(self):
        return (*super()._properties_fields(), "registrant_attributes")

    @api.depends("additional_g2p_info")
    def _compute_additional_g2p_info_text(self):
        for partner in self:
            info = partner.additional_g2p_info
            partner.additional_g2p_info_text = json.dumps(info, indent=2, ensure_ascii=False) if info else False

    def _inverse_additional_g2p_info_text(self):
        for partner in self:
            try:
                info = json.loads(partner.additional_g2p_info_text or "null")
            except ValueError as error:
                raise ValidationError(self.env._("The additional info is not valid JSON: %s", error)) from error
            if info is not None and not isinstance(info, dict):
                raise ValidationError(self.env._("The additional info must be a JSON object of names and values."))
            partner.additional_g2p_info = info

    def _compute_change_reason(self):
        """A reason belongs to one change: it is asked anew."""
        self.change_reason = False

    # -- constraints

    @api.constrains("registration_date")
    def _check_registration_date(self):
        today = fields.Date.context_today(self)
        for partner in self:
            if partner.registration_date and partner.registration_date > today:
                raise ValidationError(self.env._("The registration date of %s can't be in the future.", partner.name))

    @api.constrains("birthdate")
    def _check_birthdate(self):
        today = fields.Date.context_today(self)
        for partner in self:
            if partner.birthdate and partner.birthdate > today:
                raise ValidationError(self.env._("The date of birth of %s can't be in the future.", partner.name))

    @api.constrains("gender")
    def _check_gender(self):
        known = {False} | {value for value, _label in self.env["gender.type"]._selection()}
        for partner in self:
            if partner.gender not in known:
                raise ValidationError(self.env._("%s is no gender of the registry.", partner.gender))

    @api.constrains("is_registrant", "is_group")
    def _check_is_group(self):
        """A group with members can't become an individual, nor a member a group; one statement for all records."""
        self.env["g2p.group.membership"].flush_model(["group", "individual"])
        self.flush_recordset(["is_registrant", "is_group"])
        self.env.cr.execute(
            SQL(
                """
                SELECT partner.id
                FROM res_partner partner
                WHERE partner.id = ANY(%s)
                    AND (
                        EXISTS (
                            SELECT FROM g2p_group_membership m
                            WHERE m."group" = partner.id
                                AND (partner.is_registrant AND partner.is_group) IS NOT TRUE
                        )
                        OR EXISTS (
                            SELECT FROM g2p_group_membership m
                            WHERE m.individual = partner.id
                                AND (partner.is_registrant AND partner.is_group IS NOT TRUE) IS NOT TRUE
                        )
                    )
                LIMIT 1
                """,
                self.ids,
            )
        )
        if row := self.env.cr.fetchone():
            raise ValidationError(
                self.env._(
                    "%s has members or is a member of a group, so it can't change its type. End the memberships first.",
                    self.browse(row[0]).name,
                )
            )

    # -- search

    @api.model
    def _search_display_name(self, operator, value):
        """Registrants are found by what people say of them: words of their name in any order, (a part of) an ID or of a
        phone number, in whatever spelling. Other contacts as ever. This is also the search of every list and field that
        names a registrant."""
        if operator == "ilike" and isinstance(value, str):
            value = search.sought(value)
        domain = super()._search_display_name(operator, value)
        if operator in Domain.NEGATIVE_OPERATORS or not isinstance(value, str) or not value:
            return domain
        others = Domain("is_registrant", "!=", True) & Domain(domain)
        if operator != "ilike":
            return Domain("is_registrant", "=", True) & Domain("complete_name", operator, value) | others
        return self._search_registrants(value, others)

    @api.model
    def name_search(self, name="", domain=None, operator="ilike", limit=100):
        if operator != "ilike" or not limit or not search.words(name or ""):
            return super().name_search(name, domain, operator, limit)
        query = self._first_named(name, Domain(domain or Domain.TRUE), limit)
        found = self.browse(partner_id for (partner_id,) in self.env.execute_query(query.select()))
        # sudo: how those are called whom the user may choose, as everywhere
        return [(partner.id, partner.display_name) for partner in found.sudo()]

    @api.model
    @api.readonly
    def web_name_search(self, name, specification, domain=None, operator="ilike", limit=100):
        """What a field that names somebody suggests. A registrant comes with what tells them from a namesake, and with
        `is_meant`: whether what was typed is theirs alone, so that it may be taken without a look."""
        found = super().web_name_search(name, specification, domain, operator, limit)
        suggestions = Suggestions(self.browse(row["id"] for row in found))
        facts = suggestions.facts()
        meant = suggestions.meant(name) if name else self.browse()
        for row in found:
            if row["id"] not in facts:
                continue
            row["is_meant"] = row["id"] in meant.ids
            if facts[row["id"]] and row.get("__formatted_display_name"):
                row["__formatted_display_name"] += f" \t --{facts[row['id']]}--"
        return found

    @api.model
    def _first_named(self, name, domain, limit):
        """A query of the first of those whom `name` means: whose names begin so, then the nearest, then by name. A word that
        half the country shares is not read to its end: so many are taken as they come, and sorted."""
        candidates = self._search(Domain("display_name", "ilike", name) & domain, limit=CANDIDATES)
        # the rules and the archived were looked at above
        query = self.with_context(active_test=False)._search(Domain("id", "in", candidates), bypass_access=True)
        called = self._field_to_sql(query.table, "complete_name", query)
        query.order = SQL(
            "%s ILIKE %s DESC, similarity(%s, %s) DESC NULLS LAST, %s, %s DESC",
            called,
            escape_psql(name.strip()) + "%",
            SQL.identifier(query.table, "search_words"),
            " ".join(search.words(name)),
            called,
            self._field_to_sql(query.table, "id", query),
        )
        query.limit = limit
        return query

    @api.model
    def _search_registrants(self, text, others):
        """A domain of the registrants whom `text` means, and of `others` (a domain of other contacts).

        Only what the user may read is compared: who may not read phone numbers finds nobody by one.
        """
        return RegistrantSearch(self).domain(text, others)

    # -- create, write, delete

    @api.model
    def default_get(self, fields_list):
        values = super().default_get(fields_list)
        if self.env.context.get("default_is_registrant"):
            for name, value in self._registrant_defaults().items():
                if name in fields_list:
                    values.setdefault(name, value)
            typed = self.env.context.get("default_name")
            if typed and not self.env.context.get("default_is_group"):
                # an individual's name is made of its parts: what was typed where they were looked for must not be lost
                for name, value in self._name_parts(typed).items():
                    if name in fields_list:
                        values.setdefault(name, value)
        return values

    @api.model
    def _registrant_defaults(self):
        # sudo: the user's own areas
        areas = self.env.user.sudo().g2p_area_ids
        return {
            "company_id": self.env.company.id,
            "registration_date": fields.Date.context_today(self),
            "area_id": areas.id if len(areas) == 1 else False,
        }

    @api.model
    def _individual_vals(self, vals):
        """Values for creating an individual: its name is made of its parts, where it has any."""
        if any(vals.get(part) for part in NAME_PARTS):
            return {**vals, "name": self._full_name(*(vals.get(part) for part in NAME_PARTS))}
        return vals

    @api.model
    def _asked_of(self, vals):
        """The id of the schema with the questions that are asked of whom ``vals`` make."""
        context = self.env.context
        if not vals.get("is_registrant", context.get("default_is_registrant")):
            return False
        is_group = vals.get("is_group", context.get("default_is_group"))
        company_id = vals["company_id"] if "company_id" in vals else self.env.company.id
        return self.env["g2p.registrant.schema"]._schema_id("group" if is_group else "individual", company_id)

    def _guard_secret(self):
        # sudo: whether somebody is a registrant decides who may name them
        return self.sudo().filtered("is_registrant").sudo(False)

    def _messages_stay(self):
        """What was said about a registrant stays; a contact's messages are the contact's."""
        return super()._messages_stay() | self.filtered("is_registrant")

    @api.model_create_multi
    def create(self, vals_list):
        self._refuse_disable_fields(vals_list)
        context = self.env.context
        prepared = []
        defaults = None
        for vals in vals_list:
            # the ORM is told which questions are asked: it gives their defaults, and keeps answers to no others
            vals = {**vals, "registrant_schema_id": self._asked_of(vals)}
            if vals.get("is_registrant", context.get("default_is_registrant")):
                defaults = defaults or self._registrant_defaults()
                vals = {**defaults, **vals}
                if not vals.get("is_group", context.get("default_is_group")):
                    vals = self._individual_vals(vals)
            prepared.append(vals)
        if defaults is None:
            return super().create(prepared)

        # A registrant has no parent to share addresses with, and many at once leave no message each.
        extra = {}
        if not any(vals.get("parent_id") for vals in prepared) and not context.get("default_parent_id"):
            extra["_partners_skip_fields_sync"] = True
        if len(prepared) > 1:
            extra["tracking_disable"] = True
        partners = super(ResPartner, self.with_context(**extra)).create(prepared).with_env(self.env)
        registrants = partners.filtered("is_registrant").ids
        self.env["g2p.registration"]._registered(SQL("SELECT id FROM res_partner WHERE id = ANY(%s)", registrants))
        return partners

    def write(self, vals):
        self._refuse_disable_fields([vals])
        if "change_reason" in vals:
            reason = vals["change_reason"]
            vals = {name: value for name, value in vals.items() if name != "change_reason"}
            return self.with_context(g2p_reason=reason or self.env.context.get("g2p_reason")).write(vals)
        if "is_registrant" in vals and not self.env.su:
            self._check_registrant_change(vals["is_registrant"])
        # what the history of changes keeps needs no message for each person (rules of tables with a row a beneficiary)
        writer = (
            self if "mail_notrack" in self.env.context or not all(self.mapped("is_registrant")) else self._untracked()
        )
        with self.env["g2p.group.membership"]._roles_settled():
            result = super(ResPartner, writer).write(vals)
            if "name" in vals:
                named = self.filtered(lambda partner: partner._has_name_parts())
                self.env.add_to_compute(self._fields["name"], named)
        if vals.keys() & SOURCES:
            self.flush_recordset(vals.keys() & SOURCES)
            self._forget_indicators()
        return result

    def _untracked(self):
        return self.with_context(mail_notrack=True)

    @api.ondelete(at_uninstall=False)
    def _unlink_registrants_by_administrators(self):
        if self.filtered("is_registrant"):
            refusal = self.env._(
                "Only an administrator may delete registrants. Disable them instead: their history stays."
            )
            roles.check(self.env, "g2p_registry_base.group_g2p_admin", refusal=refusal)

    def _refuse_disable_fields(self, vals_list):
        """On create the fields may be there, empty; on write they may not be there at all."""
        if not self.env.su and any(
            vals.get(name) or (self and name in vals) for vals in vals_list for name in DISABLE_FIELDS
        ):
            raise AccessError(self.env._("Registrants are disabled and enabled by the buttons, with a reason."))

    def _check_registrant_change(self, is_registrant):
        changed = self.filtered(lambda partner: bool(partner.is_registrant) != bool(is_registrant))
        if changed:
            refusal = self.env._("Only a registrar may make a contact a registrant, and only an administrator undo it.")
            role = "group_g2p_registrar" if is_registrant else "group_g2p_admin"
            roles.check(self.env, f"g2p_registry_base.{role}", refusal=refusal)

    @api.model
    def get_import_templates(self):
        if not self.env.context.get("default_is_registrant"):
            return super().get_import_templates()
        name = "groups" if self.env.context.get("default_is_group") else "individuals"
        return [
            {
                "label": self.env._("Import template for %s", name),
                "template": f"/g2p_registry_base/static/import/{name}.xlsx",
            }
        ]

    # -- calls and buttons

    @api.readonly
    def count_individuals(self, kinds=None, domain=None):
        """How many people live in each of these groups now, as far as the user may see them: a call that OpenG2P's clients
        make.

        :param kinds: names of roles; only people with one of them count
        :param domain: conditions on the individuals
        :return: [[group id, count], …] of the groups that have any
        """
        conditions = [
            ("group", "in", self.ids),
            "|",
            ("ended_date", "=", False),
            ("ended_date", ">", fields.Datetime.now()),
            ("individual.disabled", "=", False),
            ("individual.active", "=", True),
        ]
        if kinds:
            conditions.append(("kind.name", "in", list(kinds)))
        if domain:
            conditions.append(("individual", "any", list(domain)))
        counts = self.env["g2p.group.membership"]._read_group(conditions, ["group"], ["individual:count_distinct"])
        return [[group.id, count] for group, count in counts]

    def action_view_members(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Members of %s", self.name),
            "res_model": "g2p.group.membership",
            "view_mode": "list,form",
            "domain": [("group", "=", self.id)],
            "context": {"default_group": self.id, "search_default_active_members": 1},
        }

    def action_disable_registrant(self):
        """Ask for the reason."""
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Disable registrants") if len(self) > 1 else self.env._("Disable registrant"),
            "res_model": "g2p.disable.registrant.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_partner_ids": [fields.Command.set(self.ids)]},
        }

    def enable_registrant(self):
        disabled = self._check_may_disable().filtered("disabled")
        # sudo: role and rows were checked above
        disabled.sudo().write(dict.fromkeys(DISABLE_FIELDS, False))
        disabled._after_disable_change(dict.fromkeys(disabled.ids, self.env._("Enabled")))

    def _disable(self, reason):
        """Disable the registrants of `self` that are not disabled yet."""
        enabled = self._check_may_disable().filtered(lambda partner: not partner.disabled)
        # sudo: role and rows were checked above
        enabled.sudo().write(
            {"disabled": fields.Datetime.now(), "disabled_by": self.env.uid, "disabled_reason": reason}
        )
        enabled._after_disable_change(dict.fromkeys(enabled.ids, self.env._("Disabled: %s", reason)))

    def _check_may_disable(self):
        refusal = self.env._("Only a registrar may disable or enable registrants.")
        roles.check(self.env, "g2p_registry_base.group_g2p_registrar", refusal=refusal)
        self.check_access("write")
        if self.filtered(lambda partner: not partner.is_registrant):
            raise UserError(self.env._("Only registrants can be disabled or enabled."))
        return self

    def _after_disable_change(self, bodies):
        """A disabled person is not counted as a member; the note stays in the history."""
        if not self:
            return
        self.flush_recordset(["disabled"])
        # sudo: the note is written for whoever was allowed to press the button
        self.sudo()._message_log_batch(bodies=bodies, author_id=self.env.user.partner_id.id)
