"""Who counts as registered: neither disabled nor archived. Said here, once, for conditions in SQL and for domains."""

from odoo.fields import Domain
from odoo.tools import SQL

PRESENT = Domain("active", "=", True) & Domain("disabled", "=", False)


def present(registrant):
    """A condition on rows of res_partner: neither disabled nor archived.

    :param str registrant: their alias

    >>> present("person").code
    '("person"."active" AND "person"."disabled" IS NULL)'
    """
    return SQL("(%s AND %s IS NULL)", SQL.identifier(registrant, "active"), SQL.identifier(registrant, "disabled"))


def gone(registrant):
    """The opposite of :func:`present`.

    >>> gone("person").code
    '("person"."disabled" IS NOT NULL OR NOT "person"."active")'
    """
    return SQL(
        "(%s IS NOT NULL OR NOT %s)", SQL.identifier(registrant, "disabled"), SQL.identifier(registrant, "active")
    )
