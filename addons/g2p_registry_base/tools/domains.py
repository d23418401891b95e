"""Domains that people write into settings, as text: read by taking the text apart, never by running it.

A text is a list of conditions as Odoo writes them: `["|", ("gender", "=", "female"), ("birthdate", "<", "2008-01-01")]`.
It holds literals, lists and tuples, and days said relative to today: `context_today()`, `today`, `datetime.date(2020, 1, 31)`,
plus or minus `relativedelta(years=5)` or `datetime.timedelta(days=30)`, and `.strftime("%Y-%m-%d")` of such a day. So it says
the same to everybody on every day, but for the days that move along; and no text takes long to read, whatever it says.
"""

import ast
import datetime
import math
import re

from dateutil.relativedelta import relativedelta

from odoo import fields
from odoo.fields import Domain

MOST_CHARACTERS = 20_000
MOST_ELEMENTS = 2_000  # of one list
DEEPEST = 40  # lists within lists, as the text nests them
LARGEST = 2**63 - 1
FIELD_PATH = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z0-9_]+)*", re.ASCII)
# Those that the ORM keeps for itself end in "!": they pass over record rules.
OPERATORS = frozenset(
    ["=", "!=", "<", "<=", ">", ">=", "=?", "child_of", "parent_of"]
    + [f"{no}{operator}" for operator in ("in", "any", "like", "ilike", "=like", "=ilike") for no in ("", "not ")]
)
DELTAS = {
    "relativedelta": (relativedelta, {"years", "months", "weeks", "days", "year", "month", "day"}),
    "timedelta": (datetime.timedelta, {"weeks", "days"}),
}


def parse_domain(env, text):
    """The domain that a text stands for.

    :raise ValueError: when the text is no domain, with a sentence that says why.
    """
    reader = _Reader(env)
    conditions = reader.read(text)
    reader.check_conditions(conditions)
    try:
        return Domain(conditions)
    except Exception as error:
        raise ValueError(env._("a list of conditions is expected")) from error


def and_also(env, text, condition):
    """A text of conditions, with one more that must be met too. Days said relative to today stay so.

    :param tuple condition: of literals
    """
    parse_domain(env, text)
    written = ast.parse((text or "[]").strip(), mode="eval").body.elts
    return f"[{', '.join([repr(condition), *map(ast.unparse, written)])}]"


class _Reader:
    """Walks a syntax tree and makes a value of it; what it does not know it refuses."""

    def __init__(self, env):
        self.env = env

    def read(self, text):
        _ = self.env._
        text = (text or "[]").strip()
        if len(text) > MOST_CHARACTERS:
            raise ValueError(
                _(
                    "they are too long: %(length)s characters, at most %(most)s",
                    length=len(text),
                    most=MOST_CHARACTERS,
                )
            )
        try:
            body = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
            raise ValueError(
                _("a plain list of conditions is expected, such as [('gender', '=', 'female')]")
            ) from error
        if not isinstance(body, ast.List | ast.Tuple):
            raise ValueError(_("a list of conditions is expected"))
        try:
            return list(self.value(body, 0))
        except (OverflowError, RecursionError) as error:
            raise ValueError(_("a day or a number in them is too large")) from error

    # Values

    def value(self, node, depth):
        if depth > DEEPEST:
            raise ValueError(self.env._("they are nested too deeply"))
        if isinstance(node, ast.List | ast.Tuple):
            if len(node.elts) > MOST_ELEMENTS:
                raise ValueError(
                    self.env._(
                        "a list in them is too long: %(length)s values, at most %(most)s",
                        length=len(node.elts),
                        most=MOST_ELEMENTS,
                    )
                )
            values = [self.value(element, depth + 1) for element in node.elts]
            return values if isinstance(node, ast.List) else tuple(values)
        if isinstance(node, ast.Constant):
            return self.literal(node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            number = node.operand.value if isinstance(node.operand, ast.Constant) else None
            if isinstance(number, int | float) and not isinstance(number, bool):
                return -self.literal(number)
        if isinstance(node, ast.Name | ast.Call | ast.BinOp):
            day = self.day(node, depth)
            if isinstance(day, datetime.date | str):
                return day
        raise self.refusal(node)

    def literal(self, value):
        if isinstance(value, str) and "\0" not in value:
            return value
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float) and math.isfinite(value) and abs(value) <= LARGEST:
            return value
        raise ValueError(self.env._("a value in them is neither text nor a number nor yes or no: %s", repr(value)[:40]))

    # Days

    def day(self, node, depth):
        """A day, a time between days, or a day written out."""
        if depth > DEEPEST:
            raise ValueError(self.env._("they are nested too deeply"))
        if isinstance(node, ast.Name) and node.id == "today":
            return fields.Date.context_today(self.env.user)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            left, right = self.day(node.left, depth + 1), self.day(node.right, depth + 1)
            if isinstance(left, datetime.date) and isinstance(right, datetime.timedelta | relativedelta):
                try:
                    return left + right if isinstance(node.op, ast.Add) else left - right
                except ValueError as error:  # before the year 1, or after 9999
                    raise ValueError(self.env._("a day or a number in them is too large")) from error
        if isinstance(node, ast.Call):
            return self.call(node, depth)
        raise self.refusal(node)

    def call(self, node, depth):
        name = node.func
        if isinstance(name, ast.Attribute) and name.attr == "strftime":
            day = self.day(name.value, depth + 1)
            if isinstance(day, datetime.date) and len(node.args) == 1 and not node.keywords:
                form = node.args[0]
                if isinstance(form, ast.Constant) and form.value in ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S"):
                    return day.strftime(form.value)
            raise self.refusal(node)
        if isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name) and name.value.id == "datetime":
            name = name.attr if name.attr in ("date", "timedelta") else None
        elif isinstance(name, ast.Name) and name.id in ("context_today", "relativedelta"):
            name = name.id
        else:
            name = None
        if name == "context_today" and not node.args and not node.keywords:
            return fields.Date.context_today(self.env.user)
        numbers = [self.whole_number(argument) for argument in node.args]
        named = {keyword.arg: self.whole_number(keyword.value) for keyword in node.keywords}
        try:
            if name == "date" and len(numbers) == 3 and not named:
                return datetime.date(*numbers)
            if name == "timedelta" and len(numbers) == 1 and not named:
                return datetime.timedelta(*numbers)
            if name in DELTAS and not numbers and named and named.keys() <= DELTAS[name][1]:
                return DELTAS[name][0](**named)
        except ValueError as error:  # no day of the calendar
            raise self.refusal(node) from error
        raise self.refusal(node)

    def whole_number(self, node):
        value = self.value(node, 0) if isinstance(node, ast.Constant | ast.UnaryOp) else None
        if type(value) is not int or abs(value) > 100_000:
            raise self.refusal(node)
        return value

    def refusal(self, node):
        return ValueError(
            self.env._(
                "“%s” is not understood: they hold fields, values and days such as context_today() - relativedelta(years=5), "
                "without calculations, conditions on the day, or anything else that is run",
                ast.unparse(node)[:60],
            )
        )

    # Conditions

    def check_conditions(self, conditions):
        """Refuse a list that is not made of operators and conditions: `(path of fields, comparison, value)`."""
        for condition in conditions:
            if condition in ("&", "|", "!"):
                continue
            if not isinstance(condition, list | tuple) or len(condition) != 3:
                raise ValueError(self.env._("a condition has a field, a comparison and a value"))
            path, operator, value = condition
            if type(path) is int and path in (0, 1) and operator == "=" and value == 1:
                continue  # always or never met, as Odoo writes it
            if not isinstance(path, str) or not FIELD_PATH.fullmatch(path):
                raise ValueError(self.env._("“%s” is no field", str(path)[:40]))
            if not isinstance(operator, str) or operator.lower() not in OPERATORS:
                raise ValueError(self.env._("“%s” is no comparison", str(operator)[:40]))
            if operator.lower() in ("any", "not any"):
                if not isinstance(value, list | tuple):
                    raise ValueError(self.env._("“%s” takes a list of conditions", operator))
                self.check_conditions(value)
