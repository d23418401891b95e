"""What a proxy means test may ask of a registrant: where it stands, what kind of answer it is, and how SQL reads it."""

from typing import NamedTuple

from odoo import api, models
from odoo.tools import SQL

NUMBERS = ("integer", "float", "monetary")
KINDS = {**dict.fromkeys(NUMBERS, "number"), "boolean": "boolean", "selection": "choice"}
# Of the registrant's own fields, these say what the record is, not how the household lives.
NOT_ASKED = {"is_registrant", "is_group", "birthdate_not_exact", "z_ind_grp_num_individuals"}


class Variable(NamedTuple):
    """One variable. ``sql`` reads it over the aliases ``registrant``, ``household`` and ``application``: a number, or for
    booleans a boolean, or for choices the text of the choice; NULL when it is not known."""

    source: str
    name: str
    label: str
    kind: str
    options: tuple
    sql: SQL

    @property
    def key(self):
        return f"{self.source}:{self.name}"


class PMTVariable(models.AbstractModel):
    _name = "g2p.pmt.variable"
    _description = "Variable of a proxy means test"

    @api.model
    def _sources(self):
        """[(code, label)] in the order in which they are offered."""
        return [
            ("application", self.env._("Application")),
            ("household", self.env._("Household")),
            ("attribute", self.env._("Attribute")),
            ("registrant", self.env._("Registrant")),
        ]

    @api.model
    def _variables(self, program):
        """{key: Variable} of what a model of this program may ask, in the order of the sources.

        :param program: one program, or none: then only what does not depend on the program
        """
        found = []
        for source, _label in self._sources():
            found += getattr(self, f"_{source}_variables")(program)
        return {variable.key: variable for variable in found}

    @api.model
    def _labels(self, variables):
        """[(key, label)] with the source in the label, as screens list them."""
        sources = dict(self._sources())
        return [(key, f"{sources[variable.source]}: {variable.label}") for key, variable in variables.items()]

    def _registrant_variables(self, program):
        partners = self.env["res.partner"]
        return [
            self._field_variable("registrant", "registrant", field)
            for name, field in partners._fields.items()
            if self._is_asked(field) and name not in NOT_ASKED and partners._has_field_access(field, "read")
        ]

    def _is_asked(self, field):
        """Fields of the registry and those that administrators added, kept in a column of their own."""
        return (
            field.type in KINDS
            and field.store
            and field.column_type
            and not field.company_dependent
            and ((field._module or "").startswith("g2p_") or field.manual)
        )

    def _household_variables(self, program):
        if program and program.target_type != "group":
            return []
        return [
            self._field_variable("household", "household", field)
            for name, field in self.env["g2p.group.indicator"]._fields.items()
            if field.type in KINDS and field.store and name != "id"
        ]

    def _field_variable(self, source, alias, field):
        description = field.get_description(self.env, ["string", "selection"])
        column = SQL.identifier(alias, field.name)
        return Variable(
            source,
            field.name,
            description["string"],
            KINDS[field.type],
            tuple(tuple(option) for option in description.get("selection") or ()),
            SQL("%s::numeric", column) if field.type in NUMBERS else column,
        )

    def _attribute_variables(self, program):
        """Questions on registrants of the program's target type, in its company."""
        # sudo: what is asked is no secret to who writes the model
        schemas = self.env["g2p.registrant.schema"].sudo()
        if program:
            schemas = schemas.browse(schemas._schema_id(program.target_type, program.company_id.id) or [])
        else:
            schemas = schemas.search([])
        return [
            variable
            for schema in schemas
            for variable in self._question_variables(
                "attribute", "registrant", "registrant_attributes", schema.attributes_definition
            )
        ]

    def _application_variables(self, program):
        """Questions of the program's application form."""
        definitions = program.definition_id if program else self.env["g2p.program.definition"].search([])
        return [
            variable
            for definition in definitions
            for variable in self._question_variables(
                "application", "application", "answers", definition.application_schema
            )
        ]

    def _question_variables(self, source, alias, column, questions):
        mixin = self.env["g2p.properties.mixin"]
        return [
            Variable(
                source,
                question["name"],
                question.get("string") or question["name"],
                KINDS[question["type"]],
                tuple(tuple(option) for option in question.get("selection") or ()),
                mixin._property_sql(alias, column, question["name"], question["type"]),
            )
            for question in questions or ()
            if question["type"] in KINDS
        ]
