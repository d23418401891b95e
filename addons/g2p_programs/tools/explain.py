"""A domain in words, condition by condition: what was asked, what is known, what came of it.

A fact is a dictionary that a client can show and a program can read:

    code            condition, all, any, or the code of a manager's own criterion
    depth           how deep it stands within groups of conditions, from 0
    label           what was asked about: “Age of head”
    operator        the domain's operator, `wanted` what it was compared with, in words
    actual          the value, in words; False when it is missing or may not be shown
    verdict         yes, no or unknown
    text            all of it as a sentence: “Age of head: 34; needed at least 60”
"""

import datetime

from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.orm.domains import DomainAnd, DomainCondition, DomainNot, DomainOr
from odoo.orm.utils import COLLECTION_TYPES, parse_field_expr
from odoo.tools import SQL, Query
from odoo.tools.misc import format_date, format_datetime, formatLang

from .kleene import asks_yes_or_no, three_valued

YES, NO, UNKNOWN = "yes", "no", "unknown"
INVERSE = {YES: NO, NO: YES, UNKNOWN: UNKNOWN}
MOST_VALUES = 5  # so many values of a list are named


def combined(mode, verdicts):
    """Kleene's “all” or “any” of verdicts."""
    decisive, otherwise = (NO, YES) if mode == "all" else (YES, NO)
    if decisive in verdicts:
        return decisive
    return UNKNOWN if UNKNOWN in verdicts else otherwise


def operator_words(env, operator):
    """`needed …`: the operator before the wanted value."""
    _ = env._
    return {
        "=": _("needed: %s"),
        "in": _("needed one of: %s"),
        "!=": _("must not be: %s"),
        "not in": _("must not be one of: %s"),
        "<": _("needed less than %s"),
        "<=": _("needed at most %s"),
        ">": _("needed more than %s"),
        ">=": _("needed at least %s"),
        "like": _("needed to contain %s"),
        "ilike": _("needed to contain %s"),
        "not like": _("must not contain %s"),
        "not ilike": _("must not contain %s"),
        "=like": _("needed to match %s"),
        "=ilike": _("needed to match %s"),
        "not =like": _("must not match %s"),
        "not =ilike": _("must not match %s"),
        "child_of": _("needed in or within: %s"),
        "parent_of": _("needed to contain: %s"),
        "any": _("needed one with: %s"),
        "not any": _("must not have one with: %s"),
        "set": _("needed: any value"),
        "not set": _("needed: no value"),
    }[operator.rstrip("!")]


def condition_words(env, operator):
    """The operator and the wanted value where nobody is asked about, as in “Age at least 60”."""
    _ = env._
    return {
        "=": _("is %s"),
        "in": _("is one of: %s"),
        "!=": _("is not %s"),
        "not in": _("is none of: %s"),
        "<": _("less than %s"),
        "<=": _("at most %s"),
        ">": _("more than %s"),
        ">=": _("at least %s"),
        "like": _("contains %s"),
        "ilike": _("contains %s"),
        "not like": _("does not contain %s"),
        "not ilike": _("does not contain %s"),
        "=like": _("matches %s"),
        "=ilike": _("matches %s"),
        "not =like": _("does not match %s"),
        "not =ilike": _("does not match %s"),
        "child_of": _("in or within: %s"),
        "parent_of": _("contains: %s"),
        "any": _("has one with: %s"),
        "not any": _("has none with: %s"),
        "set": _("is known"),
        "not set": _("is not known"),
    }[operator.rstrip("!")]


def fact(env, *, code, label, operator, wanted, actual, verdict, depth=0):
    """One fact, with its sentence. `actual` is False when it isn't known."""
    words = operator_words(env, operator)
    asked = words.replace("%s", str(wanted)) if "%s" in words else words
    text = env._("%(label)s: %(actual)s; %(asked)s", label=label, actual=actual or env._("not known"), asked=asked)
    return {
        "code": code,
        "depth": depth,
        "label": label,
        "operator": operator,
        "wanted": wanted,
        "actual": actual,
        "verdict": verdict,
        "text": text,
    }


class DomainExplanation:
    """The conditions of a domain, one by one.

    :param domain: a Domain.
    :param model: its model in the environment in which its records are searched: verdicts are decided there.
    :param names_people: False where the words are kept for others to read: people stand there by their number.
    """

    def __init__(self, domain, model, names_people=True):
        self.domain = domain
        self.model = model
        self.names_people = names_people
        self.env = model.env

    def missing_labels(self):
        """What the domain asks about that may be missing, each label once, in order."""
        labels = {}
        for condition in self.domain.iter_conditions():
            if not three_valued(condition, self.model).is_decided:
                labels[self._label(condition)] = True
        return list(labels)

    def facts(self, records):
        """{id of the record: [fact]} for some records, read in their own environment.

        Two queries a condition, whatever the number of records.
        """
        told = {record_id: [] for record_id in records.ids}
        if not self.domain.is_true() and records:
            self._tell(self.domain, records, told, 0, False)
        return told

    def _tell(self, domain, records, told, depth, negated):
        """Write the facts of a (part of a) domain; returns {id: verdict}."""
        if isinstance(domain, DomainNot):
            return self._tell(domain.child, records, told, depth, not negated)
        if isinstance(domain, DomainAnd | DomainOr):
            return self._tell_group(domain, records, told, depth, negated)
        verdicts = self._verdicts(domain, records)
        if negated:
            verdicts = {record_id: INVERSE[verdict] for record_id, verdict in verdicts.items()}
        if isinstance(domain, DomainCondition):
            for record in records:
                told[record.id].append(self._condition_fact(domain, record, verdicts[record.id], depth, negated))
        return verdicts

    def _tell_group(self, domain, records, told, depth, negated):
        mode = "all" if isinstance(domain, DomainAnd) != negated else "any"
        places = {}
        if depth or mode == "any":
            for record in records:
                places[record.id] = {"code": mode, "depth": depth, "text": self._group_words(mode)}
                told[record.id].append(places[record.id])
        inner = depth + 1 if places else depth
        children = [self._tell(child, records, told, inner, negated) for child in domain.children]
        verdicts = {record.id: combined(mode, [child[record.id] for child in children]) for record in records}
        for record_id, place in places.items():
            place["verdict"] = verdicts[record_id]
        return verdicts

    def _group_words(self, mode):
        return self.env._("All of these:") if mode == "all" else self.env._("At least one of these:")

    def _verdicts(self, domain, records):
        sides = three_valued(domain, self.model)
        among = Domain("id", "in", records.ids)
        certain = set(self.model._search(among & sides.certain))
        possible = certain if sides.is_decided else set(self.model._search(among & sides.possible))
        return {
            record_id: YES if record_id in certain else UNKNOWN if record_id in possible else NO
            for record_id in records.ids
        }

    # One condition

    def _condition_fact(self, condition, record, verdict, depth, negated):
        operator, wanted = self._asked(condition, negated)
        return fact(
            self.env,
            code="condition",
            depth=depth,
            label=self._label(condition),
            operator=operator,
            wanted=wanted,
            actual=self._actual(condition, record, verdict),
            verdict=verdict,
        )

    def _asked(self, condition, negated):
        """The operator, turned round when the condition is negated, and the wanted value in words."""
        operator = condition.operator
        if negated:
            turned = {"<": ">=", ">": "<=", ">=": "<", "<=": ">", "=": "!=", "!=": "="}
            positive = Domain.NEGATIVE_OPERATORS.get(operator)
            operator = turned.get(operator) or positive or f"not {operator}"
        values = condition.value if isinstance(condition.value, COLLECTION_TYPES) else [condition.value]
        field = self._last_field(condition)
        missing = [value for value in values if value is False or value is None]
        if len(missing) == len(values) and field is not None and field.type != "boolean":
            return ("set" if operator in ("!=", "not in") else "not set"), False
        if operator in ("in", "not in") and len(values) == 1:
            operator = "=" if operator == "in" else "!="
        if operator in ("not child_of", "not parent_of"):
            operator = "not in"
        return operator, self._in_words(condition, field, values)

    def _in_words(self, condition, field, values):
        if isinstance(condition.value, Domain | list | tuple) and condition.operator in ("any", "not any"):
            inner = DomainExplanation(Domain(condition.value), self.env[field.comodel_name], self.names_people)
            return inner.in_short()
        if isinstance(condition.value, SQL | Query):
            return "…"
        words = [self._value_words(field, value) for value in list(values)[:MOST_VALUES]]
        return ", ".join(words) + (" …" if len(values) > MOST_VALUES else "")

    def in_short(self):
        """The domain in one line: what stands within another condition, or for one."""
        parts = []
        for condition in self.domain.iter_conditions():
            operator, wanted = self._asked(condition, False)
            words = operator_words(self.env, operator)
            parts.append(f"{self._label(condition)} {words.replace('%s', str(wanted))}")
        return "; ".join(parts)

    def in_words(self):
        """The whole domain as people say it: “Age at least 60 and (Area is North or Tags is Poor)”."""
        return self.env._("everybody") if self.domain.is_true() else self._phrase(self.domain, False)

    def _phrase(self, domain, negated, within=False):
        if isinstance(domain, DomainNot):
            return self._phrase(domain.child, not negated, within)
        if isinstance(domain, DomainAnd | DomainOr):
            joint = self.env._("and") if isinstance(domain, DomainAnd) != negated else self.env._("or")
            text = f" {joint} ".join(self._phrase(child, negated, True) for child in domain.children)
            return f"({text})" if within else text
        if not isinstance(domain, DomainCondition):
            return self.env._("nobody") if domain.is_false() != negated else self.env._("everybody")
        operator, wanted = self._asked(domain, negated)
        return f"{self._label(domain)} {condition_words(self.env, operator).replace('%s', str(wanted))}"

    def _value_words(self, field, value):
        """A value as people write it."""
        _ = self.env._
        if value is False or value is None:
            return _("no") if field is not None and field.type == "boolean" else _("no value")
        if value is True:
            return _("yes")
        if field is not None and field.type == "selection":
            return str(dict(field._description_selection(self.env)).get(value, value))
        if field is not None and field.relational and isinstance(value, int):
            if field.comodel_name == "res.partner" and not self.names_people:
                return str(value)
            # In the rights of the reader: a rule may name anybody by their number.
            named = self.env[field.comodel_name].sudo(False).browse(value).exists()
            return named.display_name if named and named.has_access("read") else str(value)
        if isinstance(value, datetime.datetime):
            return format_datetime(self.env, value)
        if isinstance(value, datetime.date):
            return format_date(self.env, value)
        if isinstance(value, float):
            return formatLang(self.env, value)
        return str(value)

    def _actual(self, condition, record, verdict):
        """What is known of the record, in words; False when it is missing."""
        try:
            return self._read(condition.field_expr, record, verdict)
        except AccessError:
            return self.env._("not shown to you")

    def _read(self, path, record, verdict):
        name, rest = parse_field_expr(path)
        field = record._fields[name]
        record.check_access("read")
        if field.type == "properties" and rest:
            value = dict(record[name] or {}).get(rest)
            if (
                value is False
                and (record[name]._values or {}).get(rest) is False
                and asks_yes_or_no(record, name, rest)
            ):
                return self.env._("no")
            return False if value is None or value is False or value == "" else self._value_words(None, value)
        if field.type in ("one2many", "many2many"):
            linked = record[name]
            if not linked or rest:
                return str(len(linked))
            names = ", ".join(linked[:MOST_VALUES].mapped("display_name"))
            return names if field.type == "many2many" else str(len(linked))
        value = record[name]
        if field.relational:
            if rest:
                return self._read(rest, value, verdict) if value else False
            return value.display_name or False
        if field.type == "boolean":
            return self._value_words(field, bool(value))
        if field.type in ("integer", "float", "monetary"):
            # A number that was never given reads as 0, but leaves the condition open.
            return False if not value and verdict == UNKNOWN else self._value_words(field, value)
        if rest:
            return self._value_words(None, field.expression_getter(path)(record))
        return self._value_words(field, value) if value else False

    # Names

    def _last_field(self, condition):
        """The field that the condition compares; None for a property."""
        model, path = self.model, condition.field_expr
        while path:
            name, path = parse_field_expr(path)
            field = model._fields[name]
            if path and not field.relational:
                return None if field.type == "properties" else field
            model = self.env[field.comodel_name] if field.relational else model
        return field

    def _label(self, condition):
        """“Household › Area”; a property by its own label."""
        model, path, labels = self.model, condition.field_expr, []
        while path:
            name, path = parse_field_expr(path)
            field = model._fields[name]
            labels.append(field._description_string(self.env) or name)
            if path and not field.relational:
                labels[-1] = self._property_label(field, path) if field.type == "properties" else labels[-1]
                break
            model = self.env[field.comodel_name] if field.relational else model
        return " › ".join(labels)

    def _property_label(self, field, key):
        """The label of a property, which stands in the definitions that the registry keeps."""
        container = self.env[field.model_name]._fields[field.definition_record].comodel_name
        # sudo: labels of the registry's own questions
        for record in self.env[container].sudo().search([(field.definition_record_field, "!=", False)]):
            for definition in record[field.definition_record_field]:
                if definition["name"] == key:
                    return definition.get("string") or key
        return key
