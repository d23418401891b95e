"""Domains in three-valued logic: a condition on data that is missing is neither true nor false.

The ORM has two values: a missing income is less than 100 for it, and a person without a gender is “not male”. A program
must not decide so. `three_valued` turns a domain into two domains of the ORM: the records of which it is certainly true,
and those of which it may be true. Between the two lie those of which nobody can tell.

What counts as missing: NULL, also for numbers (0 is a number), an empty text, an empty link, a property without a value:
also a question of yes or no that nobody answered. A model says of a computed field of whom it is not known by
`_unknown_domain(name)`; a search for the field finds none of them.
What never does: boolean fields (a box that is not ticked says no), `id`, names, lists of records (no phone number means that
there is none), and a condition that asks for missing data itself (`= False`, or False among the values of `in`).
"""

from typing import NamedTuple

from odoo.fields import Domain
from odoo.orm.domains import DomainAnd, DomainCondition, DomainNot, DomainOr, OptimizationLevel
from odoo.orm.utils import COLLECTION_TYPES, parse_field_expr
from odoo.tools import SQL, Query

NUMBERS = ("integer", "float", "monetary")


class Verdict(NamedTuple):
    """Two domains, one within the other."""

    certain: Domain
    possible: Domain

    @property
    def is_decided(self):
        """Whether the condition can be decided for every record."""
        return self.certain is self.possible

    def __invert__(self):
        return decided(~self.certain) if self.is_decided else Verdict(~self.possible, ~self.certain)


def decided(domain):
    return Verdict(domain, domain)


def three_valued(domain, model):
    """The certain and the possible side of a domain.

    :param domain: a Domain on `model`.
    :param model: the model, in the environment in which the two will be searched.
    """
    if isinstance(domain, DomainNot):
        return ~three_valued(domain.child, model)
    if isinstance(domain, DomainAnd | DomainOr):
        sides = [three_valued(child, model) for child in domain.children]
        combine = Domain.AND if isinstance(domain, DomainAnd) else Domain.OR
        certain = combine(side.certain for side in sides)
        if all(side.is_decided for side in sides):
            return decided(certain)
        return Verdict(certain, combine(side.possible for side in sides))
    if isinstance(domain, DomainCondition):
        return _condition(domain, model)
    return decided(domain)


def _condition(condition, model):
    operator = condition.operator
    if operator == "=?":
        if not condition.value:
            return decided(Domain.TRUE)
        operator = "="
    if positive := Domain.NEGATIVE_OPERATORS.get(operator):
        return ~_positive(DomainCondition(condition.field_expr, positive, condition.value), model)
    return _positive(DomainCondition(condition.field_expr, operator, condition.value), model)


def _positive(condition, model):
    name, rest = parse_field_expr(condition.field_expr)
    if name not in model._fields:
        raise ValueError(f"{model._name} has no field {name}")
    field = model._fields[name]
    if rest and field.relational:
        end = DomainCondition(rest, condition.operator, condition.value)
        verdict = _any(field, end, model)
        if field.type == "many2one" and asks_for_missing(condition) and not _is_boolean(end, field, model):
            return decided(Domain(field.name, "=", False) | verdict.certain)
        return verdict
    if condition.operator in ("any", "any!") and not isinstance(condition.value, SQL | Query):
        return _any(field, Domain(condition.value), model)
    if field.type == "properties" and rest:
        return _property(condition, name, rest, model)
    unknown = model._unknown_domain(name) if hasattr(model, "_unknown_domain") else None
    if unknown is not None and (field.type == "boolean" or not asks_for_missing(condition)):
        return Verdict(condition & ~unknown, condition | unknown)  # so that the negation of either side is right
    if name in ("id", "display_name") or field.type == "boolean":
        return decided(condition)
    if field.related and not field.store:
        return _related(field, condition, model)
    if field.search and not field.store:
        return _searched(condition, model)
    if field.type in ("one2many", "many2many") or asks_for_missing(condition):
        return decided(condition)
    missing = missing_value(field)
    # Where the ORM takes a missing value for 0 or an empty text, the condition may be true of it: it is not certain.
    return Verdict(condition & ~missing if field.falsy_value is not None else condition, condition | missing)


def _is_boolean(condition, field, model):
    """Whether the path of the condition, which starts at the other end of a link, ends in a yes or no."""
    name, rest = parse_field_expr(condition.field_expr)
    model = model.env[field.comodel_name]
    if name not in model._fields:
        raise ValueError(f"{model._name} has no field {name}")
    field = model._fields[name]
    if rest and field.relational:
        return _is_boolean(DomainCondition(rest, condition.operator, condition.value), field, model)
    return field.type == "boolean"


def _searched(condition, model):
    """A computed field says by its search method which stored data it asks."""
    asked = condition.optimize(model)
    if not isinstance(asked, DomainCondition) or asked.operator in Domain.NEGATIVE_OPERATORS:
        return three_valued(asked, model)
    found = asked._optimize_field_search_method(model)
    if any(leaf.field_expr == condition.field_expr for leaf in found.iter_conditions()):
        return decided(condition)
    return three_valued(found, model)


def asks_for_missing(condition):
    """Whether the condition itself speaks of missing data."""
    values = condition.value if isinstance(condition.value, COLLECTION_TYPES) else [condition.value]
    return not values or any(value is False or value is None or value == "" for value in values)


def missing_value(field):
    """A domain: the records without a value of a stored field."""
    if field.type not in NUMBERS:
        return Domain(field.name, "=", False)
    return Domain.custom(
        to_sql=lambda model, alias, query: SQL("%s IS NULL", model._field_to_sql(alias, field.name, query))
    )


def _any(field, domain, model):
    """There is a linked record of which the domain is true. An empty link to one record tells nothing; an empty list
    of records says that there is none."""
    inner = three_valued(domain, model.env[field.comodel_name])
    if field.related and not field.store:
        *path, last = field.related.split(".")
        return _along(path, model, lambda end: _linked(end._fields[last], inner))
    return _linked(field, inner)


def _linked(field, inner):
    certain = Domain(field.name, "any", inner.certain)
    possible = certain if inner.is_decided else Domain(field.name, "any", inner.possible)
    if field.type == "many2one":
        possible = Domain(field.name, "=", False) | possible
    return Verdict(certain, possible)


def _related(field, condition, model):
    """A field that is read from another record is missing when that record is."""
    *path, last = field.related.split(".")
    return _along(
        path,
        model,
        lambda end: _positive(DomainCondition(last, condition.operator, condition.value), end),
        asks_for_missing(condition) and field.type != "boolean",
    )


def _along(path, model, verdict, asked_for_missing=False):
    """The verdict on the record at the end of a path of links, each of which may be empty."""
    if not path:
        return verdict(model)
    field = model._fields[path[0]]
    inner = _along(path[1:], model.env[field.comodel_name], verdict, asked_for_missing)
    certain = Domain(field.name, "any", inner.certain)
    if asked_for_missing:
        return decided(Domain(field.name, "=", False) | certain)
    return Verdict(certain, Domain(field.name, "=", False) | Domain(field.name, "any", inner.possible))


def _property(condition, name, key, model):
    """A property is missing when its key is, or holds nothing; `false` is an answer to a question of yes or no only."""
    if asks_yes_or_no(model, name, key):
        return _yes_or_no(condition, name, key)

    def asked_sql(model, alias, query):
        optimized = condition._optimize(model, OptimizationLevel.FULL)
        return SQL("(%s) IS TRUE", optimized._to_sql(model, alias, query))

    def missing_sql(model, alias, query):
        return SQL(
            "COALESCE((%s -> %s)::text, 'null') IN ('null', 'false', '\"\"', '[]')",
            model._field_to_sql(alias, name, query),
            key,
        )

    asked = Domain.custom(to_sql=asked_sql)
    if asks_for_missing(condition):
        return decided(asked)
    missing = Domain.custom(to_sql=missing_sql)
    return Verdict(asked & ~missing, asked | missing)


def asks_yes_or_no(model, name, key):
    """Whether a question of yes or no has this key, in any of the forms that the field's answers belong to."""
    field = model._fields[name]
    forms = model.env[model._fields[field.definition_record].comodel_name]
    # sudo: of what type a question is, is no secret; conditions are asked for everybody's forms
    definitions = forms.sudo().with_context(active_test=False).search([]).mapped(field.definition_record_field)
    return any(
        question["name"] == key and question["type"] == "boolean"
        for questions in definitions
        for question in questions or ()
    )


def _yes_or_no(condition, name, key):
    """`= False` asks for a no; who has not answered has said neither."""
    values = condition.value if isinstance(condition.value, COLLECTION_TYPES) else [condition.value]
    wanted = sorted({str(bool(value)).lower() for value in values})

    def answer_sql(model, alias, query):
        return SQL("(%s ->> %s)", model._field_to_sql(alias, name, query), key)

    def asked_sql(model, alias, query):
        return SQL("COALESCE(%s = ANY(%s), FALSE)", answer_sql(model, alias, query), wanted)

    def missing_sql(model, alias, query):
        return SQL("COALESCE(%s, '') NOT IN ('true', 'false')", answer_sql(model, alias, query))

    asked = Domain.custom(to_sql=asked_sql)
    return Verdict(asked, asked | Domain.custom(to_sql=missing_sql))
