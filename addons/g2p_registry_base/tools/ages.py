"""Ages in whole years, asked of dates of birth, so that their index answers."""

from dateutil.relativedelta import relativedelta

from odoo.fields import Domain


def domain(operator, value, today):
    """Who is of an age, as a search of the ORM asks for it; NotImplemented where it can't be asked so.

    >>> from datetime import date
    >>> domain(">=", 18, date(2026, 3, 1))
    [('birthdate', '<=', datetime.date(2008, 3, 1))]
    >>> domain("<", "18", date(2026, 3, 1))
    [('birthdate', '>', datetime.date(2008, 3, 1))]
    """

    def born_after(years):  # younger than `years` + 1, that is: at most `years` old
        return Domain("birthdate", ">", today - relativedelta(years=years + 1))

    def born_by(years):  # at least `years` old
        return Domain("birthdate", "<=", today - relativedelta(years=years))

    if operator == "in":
        known = [int(item) for item in map(str, value) if item.strip().isdigit()]  # missing is written False
        found = Domain.OR(born_by(years) & born_after(years) for years in known)
        return found | Domain("birthdate", "=", False) if len(known) < len(value) else found
    try:
        years = int(value)
    except (TypeError, ValueError):
        return NotImplemented
    asked = {
        ">=": lambda: born_by(years),
        ">": lambda: born_by(years + 1),
        "<=": lambda: born_after(years),
        "<": lambda: born_after(years - 1),
    }
    return asked[operator]() if operator in asked else NotImplemented
