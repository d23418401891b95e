"""How entitlements are fulfilled: by a payment, or by whatever plug-ins bring."""

from typing import NamedTuple

from odoo.tools import SQL

PAYMENT, NONE = "payment", "none"


class Settlement(NamedTuple):
    """One kind: words for the screen, whether it is money of the program's fund, and a condition over an entitlement `t` that
    was approved: nothing is left to do for it.

    What the fund is charged with has an amount in the program's currency; anything else a quantity of its benefit code.
    """

    words: str
    charges_fund: bool = False
    settled: SQL = SQL("t.state = 'rdpd2ben'")


def charged(settlements):
    """The kinds that the fund is charged with.

    >>> charged({"payment": Settlement("Payment", True), "delivery": Settlement("Delivery")})
    ['payment']
    """
    return [code for code, settlement in settlements.items() if settlement.charges_fund]


def settled_sql(settlements):
    """Whether nothing is left to do for `t`, by its own kind; of a kind that nobody knows, nobody can tell.

    >>> settled_sql({"none": Settlement("Nothing", settled=SQL("TRUE"))}).code
    'CASE t.settlement WHEN %s THEN TRUE ELSE FALSE END'
    >>> settled_sql({}).code
    'FALSE'
    """
    cases = [SQL("WHEN %s THEN %s", code, settlement.settled) for code, settlement in settlements.items()]
    return SQL("CASE t.settlement %s ELSE FALSE END", SQL(" ").join(cases)) if cases else SQL("FALSE")
