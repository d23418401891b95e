"""What may neither be approved, nor prepared, nor sent, nor recorded as paid now: reasons by name."""

from typing import NamedTuple

from odoo.tools import SQL

# What is asked: to approve an entitlement, to prepare its payment, to send (or export) it, to record as paid what never left,
# and to hand out cash for it.
APPROVE, PREPARE, SEND, PAY, DESK = "approve", "prepare", "send", "pay", "desk"
ALWAYS = (APPROVE, PREPARE, SEND, PAY, DESK)
# What only stands in the way of money that goes to an account.
TO_ACCOUNT = (PREPARE, SEND, PAY)


class Block(NamedTuple):
    """One reason: words for the screen, a condition over an entitlement `t`, and what it stops."""

    words: str
    condition: SQL
    stops: tuple = ALWAYS


def code_sql(blocks, act):
    """The code of the first reason that stops an act, or NULL.

    >>> here = {"a": Block("A", SQL("t.a")), "b": Block("B", SQL("t.b"), (SEND,))}
    >>> code_sql(here, SEND).code
    'CASE WHEN t.a THEN %s WHEN t.b THEN %s END'
    >>> code_sql(here, DESK).code
    'CASE WHEN t.a THEN %s END'
    >>> code_sql({}, DESK).code
    'NULL::varchar'
    """
    cases = [SQL("WHEN %s THEN %s", block.condition, code) for code, block in blocks.items() if act in block.stops]
    return SQL("CASE %s END", SQL(" ").join(cases)) if cases else SQL("NULL::varchar")


def any_sql(blocks, act, but=()):
    """Whether something stops an act; `but` names reasons that are not asked.

    >>> any_sql({"a": Block("A", SQL("t.a")), "b": Block("B", SQL("t.b"))}, SEND).code
    '(COALESCE(t.a, FALSE) OR COALESCE(t.b, FALSE))'
    >>> any_sql({"a": Block("A", SQL("t.a"))}, SEND, but=("a",)).code
    'FALSE'
    """
    conditions = [
        SQL("COALESCE(%s, FALSE)", block.condition)
        for code, block in blocks.items()
        if act in block.stops and code not in but
    ]
    return SQL("(%s)", SQL(" OR ").join(conditions)) if conditions else SQL("FALSE")


def words_sql(blocks, code):
    """The words of a code: `code` is SQL."""
    cases = [SQL("WHEN %s THEN %s", name, block.words) for name, block in blocks.items()]
    return SQL("CASE %s %s END", code, SQL(" ").join(cases)) if cases else SQL("NULL::varchar")
