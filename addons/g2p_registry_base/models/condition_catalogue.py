"""What conditions and figures may use: one list for every place that takes conditions, and one for every place that
takes a number of a registrant."""

from typing import NamedTuple

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.orm.utils import COLLECTION_TYPES, parse_field_expr
from odoo.tools import SQL

from ..tools.domains import parse_domain

NUMBERS = ("integer", "float", "monetary")
SIMPLE = (*NUMBERS, "char", "text", "selection", "boolean", "date", "datetime")
SAID_BY_NAME = ("like", "ilike", "=like", "=ilike")
LABELLED = {"id", "display_name", "name"}

# What the registry knows of registrants. Numbers of documents, telephones and accounts are not here: whoever may ask for
# them can spell them out. That somebody has one, of which type, and whether it is valid, is here.
REGISTRY = {
    "res.partner": {
        "id",
        "name",
        "family_name",
        "given_name",
        "addl_name",
        "ref",
        "birth_place",
        "birthdate",
        "birthdate_not_exact",
        "age",
        "age_in_years",
        "gender",
        "disability",
        "civil_status",
        "occupation",
        "income",
        "registration_date",
        "area_id",
        "city",
        "state_id",
        "country_id",
        "company_id",
        "tags_ids",
        "kind",
        "is_registrant",
        "is_group",
        "is_partial_group",
        "active",
        "disabled",
        "reg_ids",
        "phone_number_ids",
        "bank_ids",
        "group_membership_ids",
        "individual_membership_ids",
        "related_1_ids",
        "related_2_ids",
        "registrant_attributes",
        "z_ind_grp_num_individuals",
        "z_ind_grp_num_children",
        "z_ind_grp_num_children_under_5",
        "z_ind_grp_num_children_6_17",
        "z_ind_grp_num_adults",
        "z_ind_grp_num_elderly",
        "z_ind_grp_num_working_age",
        "z_ind_grp_num_women",
        "z_ind_grp_num_females",
        "z_ind_grp_is_female_headed",
        "z_ind_grp_num_disabled",
        "z_ind_grp_num_unknown_age",
        "z_ind_grp_dependency_ratio",
        "z_ind_grp_head_age",
        "z_ind_grp_head_gender",
    },
    "g2p.area": LABELLED
    | {"active", "complete_name", "code", "kind_id", "parent_id", "residence", "effective_residence"},
    "g2p.area.kind": LABELLED,
    "g2p.registrant.tags": LABELLED | {"active"},
    "g2p.group.kind": LABELLED,
    "g2p.group.membership.kind": LABELLED,
    "g2p.id.type": LABELLED | {"active"},
    "g2p.relationship": LABELLED,
    "res.country": LABELLED | {"code"},
    "res.country.state": LABELLED | {"code"},
    "res.company": LABELLED,
    "g2p.reg.id": {"id", "id_type", "status", "expiry_date", "is_expired", "collection_date"},
    "g2p.phone.number": {"id", "is_valid", "disabled", "country_id", "date_collected"},
    "res.partner.bank": {"id", "is_primary", "account_type", "bank_id", "active"},
    "res.bank": LABELLED,
    "g2p.group.membership": {
        "id",
        "group",
        "individual",
        "individual_age_in_years",
        "kind",
        "start_date",
        "ended_date",
        "is_ended",
        "status",
    },
    "g2p.reg.rel": {"id", "source", "destination", "relation", "start_date", "end_date", "disabled"},
}
# Understood, because conditions of before say them, but not offered to who writes new ones.
NOT_OFFERED = {"id", "age", "is_registrant", "active", "display_name", "company_id"}
# Of registrants of one type, what is known of the other type only. Of a person's household, or of a household's members,
# it can still be asked.
OF_PEOPLE = {
    "family_name",
    "given_name",
    "addl_name",
    "birth_place",
    "birthdate",
    "birthdate_not_exact",
    "age_in_years",
    "gender",
    "disability",
    "civil_status",
    "occupation",
    "individual_membership_ids",
}
OF_GROUPS = {"kind", "is_partial_group", "group_membership_ids"}
GROUP_FIGURE = "z_ind_grp_"

# Figures of a household that count its people.
COUNTS = (
    "size",
    "children",
    "children_under_5",
    "children_6_17",
    "adults",
    "elderly",
    "working_age",
    "women",
    "females",
    "disabled_members",
    "unknown_age_members",
)
HOUSEHOLD = (*COUNTS, "dependency_ratio", "head_age")


class Figure(NamedTuple):
    """A number that is known of registrants. ``sql`` reads it over the alias of its source and the alias ``registrant``
    (res_partner): numeric, NULL when it is not known."""

    source: str
    name: str
    label: str
    sql: SQL

    @property
    def key(self):
        return f"{self.source}:{self.name}"


class ConditionCatalogue(models.AbstractModel):
    """An addon adds its fields by extending `_names`, and its numbers by extending `_figure_sources`, with a method
    `_SOURCE_figures` and, where they stand in another table, `_SOURCE_join`."""

    _name = "g2p.condition.catalogue"
    _description = "What conditions may use"

    # Conditions

    @api.model
    def _names(self):
        """{model: names of the fields that conditions may use}. A path of fields needs each of its fields."""
        names = {model: set(known) for model, known in REGISTRY.items()}
        mixin = self.env.registry["g2p.registry.mixin"]
        for model, cls in self.env.registry.items():
            if not cls._abstract and not cls._transient and issubclass(cls, mixin):
                names[model] = self._own_names(model)
        return names

    def _own_names(self, model):
        """Of a registry of its own kind: what its module says of it, and nothing that every model has."""
        common = {"create_uid", "create_date", "write_uid", "write_date"}
        return {"id"} | {
            name
            for name, field in self.env[model]._fields.items()
            if name not in common
            and not name.startswith(("message_", "activity_", "website_message_"))
            and (field.type in (*SIMPLE, "properties") or field.relational)
            and field._description_searchable
        }

    @api.model
    def _may_use(self, model, name, names=None):
        """Whether conditions may use a field: one of the catalogue, or a simple one that an administrator added."""
        names = self._names() if names is None else names
        if name in names.get(model, ()):
            return True
        field = self.env[model]._fields.get(name) if model in names else None
        return bool(field and field.manual and field.store and field.type in SIMPLE and not field.company_dependent)

    @api.model
    @api.readonly
    def offered(self):
        """{model: names of the fields to offer to who writes conditions}: for the editor on the screen."""
        names = self._names()
        return {
            model: sorted(
                name
                for name, field in self.env[model]._fields.items()
                if name not in NOT_OFFERED
                and self._may_use(model, name, names)
                and self.env[model]._has_field_access(field, "read")
            )
            for model in names
            if model in self.env
        }

    @api.model
    @api.readonly
    def unfit(self):
        """{target type: names of fields that say nothing of registrants of this type}: not offered for programs of them."""
        figures = {name for name in self.env["res.partner"]._fields if name.startswith(GROUP_FIGURE)}
        return {
            "individual": sorted(OF_GROUPS | figures | {"is_group"}),
            "group": sorted(OF_PEOPLE | {"is_group"}),
        }

    @api.model
    def _domain(self, text, model):
        """The domain that a text of conditions stands for, made of fields of the catalogue.

        :raise ValueError: with a sentence that says what is wrong.
        """
        domain = parse_domain(self.env, text)
        self._check_domain(domain, model, self._names())
        return domain

    @api.model
    def _check(self, text, model):
        """Refuse conditions that can't be used, or that ask what the user may not read, whatever rights the code that
        stores them has. Nothing is searched: the database is asked for the plan of the search only.

        :raise ValueError: with a sentence that says what is wrong.
        """
        domain = parse_domain(self.env, text)
        names = self._names()
        self._check_domain(domain, model, names)  # what no condition may use is refused in its own words
        catalogue = self.with_user(self.env.uid)
        catalogue._check_domain(domain, model, names, readable=True)
        query = catalogue.env[model].with_context(active_test=False)._search(domain)
        with self.env.cr.savepoint(flush=False):
            self.env.execute_query(SQL("EXPLAIN %s", query.select()))
        return domain

    def _check_domain(self, domain, model, names, readable=False):
        for condition in domain.iter_conditions():
            self._check_condition(condition, model, names, readable)

    def _check_condition(self, condition, model, names, readable):
        path, field = condition.field_expr, None
        while path:
            name, path = parse_field_expr(path)
            field = self.env[model]._fields.get(name)
            if field is None:
                raise ValueError(
                    self.env._("“%(field)s” is no field of %(model)s", field=name, model=self._model_words(model))
                )
            if not self._may_use(model, name, names):
                raise ValueError(
                    self.env._(
                        "“%(field)s” (%(name)s) of %(model)s can't be used in conditions",
                        field=field._description_string(self.env) or name,
                        name=name,
                        model=self._model_words(model),
                    )
                )
            if readable:
                self._check_readable(model, field)
            if not field.relational:
                self._check_part(field, path)
                break
            if field.comodel_name not in names:
                raise ValueError(
                    self.env._("“%s” can't be used in conditions", field._description_string(self.env) or name)
                )
            model = field.comodel_name
        if not field.relational:
            if condition.operator in ("any", "not any", "child_of", "parent_of"):
                raise ValueError(self.env._("“%s” holds no records", field._description_string(self.env) or field.name))
        elif condition.operator in ("any", "not any"):
            self._check_domain(Domain(condition.value), model, names, readable)
        elif self._is_by_name(condition) and "display_name" not in names[model]:
            # The name of such a record is its number, or asks for more than the name.
            raise ValueError(
                self.env._(
                    "“%s” can be set or not set, and have conditions of its own; it can't be compared with text",
                    field._description_string(self.env) or field.name,
                )
            )

    def _check_part(self, field, part):
        """What stands after the name of a field that is no link: the name of a question, or a part of a date."""
        if part and field.type not in ("properties", "date", "datetime"):
            raise ValueError(
                self.env._("“%s” has no parts", field._description_string(self.env) or field.name),
            )
        if field.type == "properties" and (not part or "." in part):
            raise ValueError(self.env._("choose a question of “%s”", field._description_string(self.env)))

    def _check_readable(self, model, field):
        records = self.env[model]
        for linked in filter(None, (model, field.relational and field.comodel_name)):
            if not self.env[linked].has_access("read"):
                raise AccessError(self.env._("you may not read %s", self._model_words(linked)))
        if not records._has_field_access(field, "read"):
            raise AccessError(self.env._("you may not read “%s”", field._description_string(self.env) or field.name))

    @api.model
    def _is_by_name(self, condition):
        """Whether a link is compared with a text."""
        values = condition.value if isinstance(condition.value, COLLECTION_TYPES) else [condition.value]
        operator = condition.operator.removeprefix("not ")
        return operator in SAID_BY_NAME or any(isinstance(value, str) for value in values)

    def _model_words(self, model):
        return self.env[model]._description

    # Figures

    @api.model
    def _figure_sources(self):
        """[(code, label)] in the order in which they are offered."""
        return [
            ("household", self.env._("Household")),
            ("registrant", self.env._("Registrant")),
            ("attribute", self.env._("Attribute")),
        ]

    @api.model
    def _figures(self, program=None):
        """{key: Figure} of what may be counted, multiplied with and ordered by.

        :param program: a record with `target_type` and `company_id`, whose figures are asked for; None: all there are.
        """
        found = []
        for source, _label in self._figure_sources():
            found += getattr(self, f"_{source}_figures")(program)
        return {figure.key: figure for figure in found}

    @api.model
    def _figure_selection(self):
        """[(key, label)] for a field that takes a figure, the source in the label."""
        sources = dict(self._figure_sources())
        return [(key, f"{sources[figure.source]}: {figure.label}") for key, figure in self._figures().items()]

    @api.model
    def _figure_joins(self, figures, program, low=None, high=None):
        """SQL of the joins that figures need beside `res_partner AS registrant`, each at most one row a registrant.

        :param low, high: only registrants in `low < id <= high` are asked about; None means no bound.
        """
        sources = dict.fromkeys(figure.source for figure in figures)
        return SQL(" ").join(getattr(self, f"_{source}_join")(program, low, high) for source in sources)

    def _registrant_figures(self, program):
        partners = self.env["res.partner"]
        figures = [
            Figure("registrant", name, self._label(field), SQL("%s::numeric", SQL.identifier("registrant", name)))
            for name, field in partners._fields.items()
            if (name == "income" or field.manual)
            and field.type in NUMBERS
            and field.store
            and field.column_type
            and not field.company_dependent
            and partners._has_field_access(field, "read")
        ]
        if not program or program.target_type == "individual":
            age = SQL("EXTRACT(YEAR FROM age(%s::date, registrant.birthdate))", fields.Date.context_today(self))
            figures.append(Figure("registrant", "age", self.env._("Age"), age))
        return figures

    def _registrant_join(self, program, low, high):
        return SQL()

    def _household_figures(self, program):
        if program and program.target_type != "group":
            return []
        known = self.env["g2p.group.indicator"]._fields
        return [
            Figure("household", name, self._label(known[name]), SQL("%s::numeric", SQL.identifier("household", name)))
            for name in HOUSEHOLD
        ]

    def _household_join(self, program, low, high):
        return SQL("LEFT JOIN g2p_group_indicator AS household ON household.group_id = registrant.id")

    def _attribute_figures(self, program):
        """Questions on registrants of the program's target type, in its company, that are answered by a number."""
        schemas = self.env["g2p.registrant.schema"].sudo()  # sudo: what is asked is no secret to who writes conditions
        if program:
            schemas = schemas.browse(schemas._schema_id(program.target_type, program.company_id.id) or [])
        else:
            schemas = schemas.search([("company_id", "in", [False, *self.env.companies.ids])])
        return [
            figure
            for schema in schemas
            for figure in self._question_figures(
                "attribute", "registrant", "registrant_attributes", schema.attributes_definition
            )
        ]

    def _attribute_join(self, program, low, high):
        return SQL()

    def _question_figures(self, source, alias, column, questions):
        mixin = self.env["g2p.properties.mixin"]
        return [
            Figure(
                source,
                question["name"],
                question.get("string") or question["name"],
                mixin._property_sql(alias, column, question["name"], question["type"]),
            )
            for question in questions or ()
            if question["type"] in NUMBERS
        ]

    def _label(self, field):
        return field.get_description(self.env, ["string"])["string"]
