"""Reading a payer's file. Pure Python: bytes in, rows out one by one, every unreadable cell with a reason."""

import csv
import io
import itertools
import re
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from odoo.exceptions import UserError

from odoo.addons.g2p_bulk.tools import bounds

MAX_CELL = 500
# A line longer than this is an accident or an attack: no more of it is kept in memory.
MAX_LINE = 1 << 20
# More digits than a screen, or a float, can hold exactly: no payment is of such an amount.
MAX_AMOUNT = bounds.MOST

COLUMNS = {
    "reference": {"paymentreference", "reference", "paymentref", "payment", "paymentid", "ref", "name"},
    "status": {"status", "paymentstatus", "result", "state"},
    "amount": {"amount", "amountpaid", "paidamount", "paymentamount", "value"},
    "date": {"date", "paymentdate", "paidon", "valuedate", "datetime", "timestamp"},
    "bank_reference": {"bankreference", "bankref", "transactionid", "transactionreference", "txnid", "receipt"},
    "reason": {"reason", "error", "remark", "remarks", "description", "statusreason"},
}
PAID = {"paid", "success", "successful", "succeeded", "completed", "complete", "ok", "settled", "credited"}
FAILED = {"failed", "fail", "failure", "rejected", "returned", "error", "unpaid", "declined", "reversed"}
DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%d/%m/%Y",
    "%d-%m-%Y",
    "%d.%m.%Y",
    "%d/%m/%Y %H:%M:%S",
)


def parse_amount(text):
    """A decimal number; thousands by comma or space, decimals by point, or by comma when that can't be thousands.

    >>> parse_amount("160"), parse_amount("1,234.50"), parse_amount("1 234,5"), parse_amount("1,234")
    (Decimal('160'), Decimal('1234.50'), Decimal('1234.5'), Decimal('1234'))
    >>> parse_amount("12,34,5")
    Traceback (most recent call last):
    ...
    ValueError: 12,34,5
    >>> parse_amount("1" + "0" * 15)
    Traceback (most recent call last):
    ...
    ValueError: 1000000000000000
    """
    plain = text.replace("\u00a0", " ").strip()
    if re.fullmatch(r"\d{1,3}([ ,]\d{3})+(\.\d+)?|\d+(\.\d+)?", plain):
        plain = plain.replace(",", "").replace(" ", "")
    elif re.fullmatch(r"\d{1,3}( \d{3})*,\d{1,2}|\d+,\d{1,2}", plain):
        plain = plain.replace(" ", "").replace(",", ".")
    else:
        raise ValueError(text)
    try:
        amount = Decimal(plain)
    except InvalidOperation as error:
        raise ValueError(text) from error
    if amount >= MAX_AMOUNT:
        raise ValueError(text)
    return amount


def parse_date(text):
    """A point in time, not in the future; `None` for no text.

    >>> parse_date("2024-02-29"), parse_date("29/02/2024"), parse_date("")
    (datetime.datetime(2024, 2, 29, 0, 0), datetime.datetime(2024, 2, 29, 0, 0), None)
    >>> parse_date("30/02/2024")
    Traceback (most recent call last):
    ...
    ValueError: 30/02/2024
    """
    plain = text.strip().replace("T", " ").removesuffix("Z")
    if not plain:
        return None
    for form in DATE_FORMATS:
        try:
            value = datetime.strptime(plain, form)
        except ValueError:
            continue
        if value.date() > date.today() + timedelta(days=1) or value.isoformat() < bounds.FIRST_DAY:
            raise ValueError(text)
        return value
    raise ValueError(text)


def parse_file(env, stream):
    """The rows of a CSV file, one in memory at a time: dicts of row (number), reference, status, amount, date,
    bank_reference, reason, error.

    :param stream: the file, open for reading bytes.
    :raise UserError: when the file as a whole can't be read: not text (said where that is found), or without the
        columns needed (said before any row is asked for).
    """
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    lines = _Lines(text)
    try:
        head = next(lines, "")
        reader = csv.reader(itertools.chain([head], lines), delimiter=max(",;\t|", key=head.count))
        header = [re.sub(r"[^a-z]", "", cell.lower()) for cell in next(reader, [])]
    except UnicodeDecodeError as error:
        raise _no_text(env) from error
    except csv.Error:
        # A first line that can't be read names no columns.
        reader, header = iter(()), []
    places = {
        column: next((place for place, cell in enumerate(header) if cell in names), None)
        for column, names in COLUMNS.items()
    }
    missing = [column for column in ("reference", "status", "amount") if places[column] is None]
    if missing:
        raise UserError(
            env._(
                "The file has no column for: %(missing)s. Its first line names the columns: "
                "payment reference, status, amount, date, bank reference.",
                missing=", ".join(missing),
            )
        )
    return _rows(env, reader, places, lines)


class _Lines:
    """The lines of a text, made fit for PostgreSQL, and how many quotes were in them since somebody last asked."""

    def __init__(self, text):
        self._text = text
        self.quotes = 0

    def __iter__(self):
        return self

    def __next__(self):
        line = self._text.readline(MAX_LINE)
        if not line:
            raise StopIteration
        if len(line) == MAX_LINE and line[-1] not in "\r\n":
            rest = line
            while len(rest) == MAX_LINE and rest[-1] not in "\r\n":
                rest = self._text.readline(MAX_LINE)
            raise csv.Error("the line is too long")
        if '"' in line:
            self.quotes += line.count('"')
        return line.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _no_text(env):
    return UserError(env._("The file is no UTF-8 text: save it as CSV UTF-8 and upload it again."))


def _rows(env, reader, places, lines):
    number = 1
    read = reader.line_num
    while True:
        number += 1
        lines.quotes = 0
        try:
            cells = next(reader)
        except StopIteration:
            return
        except UnicodeDecodeError as error:
            raise _no_text(env) from error
        except csv.Error as error:
            cells, problem = None, env._("The line can't be read: %s", error)
        else:
            problem = None
        swallowed, read = reader.line_num - read, reader.line_num
        if swallowed > 1 and (problem or lines.quotes % 2):
            problem = env._(
                "A quote is opened and not closed: %(count)s lines of the file from here on can't be read",
                count=swallowed,
            )
        if problem:
            yield _row(number, {}, problem)
        elif any(map(str.strip, cells)):
            values = {
                column: (cells[place].strip() if place is not None and place < len(cells) else "")
                for column, place in places.items()
            }
            yield _parse_row(env, number, values)


@lru_cache(maxsize=1024)
def _status(text):
    """`paid`, `failed`, or None for a word that means neither."""
    word = re.sub(r"[^a-z]", "", text.lower())
    return "paid" if word in PAID else "failed" if word in FAILED else None


# The same dates and amounts come again and again in one file; what can't be read is never kept.
_date = lru_cache(maxsize=4096)(parse_date)
_amount = lru_cache(maxsize=4096)(parse_amount)


def _parse_row(env, number, values):
    if any(len(value) > MAX_CELL for value in values.values()):
        return _row(number, {key: value[:MAX_CELL] for key, value in values.items()}, env._("A cell is too long"))
    parsed = {
        "reference": values["reference"].lower(),
        "bank_reference": values["bank_reference"],
        "reason": values["reason"],
    }
    if not values["reference"]:
        return _row(number, parsed, env._("The payment reference is missing"))
    status = _status(values["status"])
    if not status:
        return _row(number, parsed, env._("Status “%s” is neither paid nor failed", values["status"]))
    parsed["status"] = status
    try:
        parsed["date"] = _date(values["date"])
    except ValueError:
        return _row(number, parsed, env._("Date “%s” is no date, or in the future", values["date"]))
    if values["amount"] or status == "paid":
        try:
            parsed["amount"] = _amount(values["amount"])
        except ValueError:
            return _row(number, parsed, env._("Amount “%s” is no amount", values["amount"]))
    return _row(number, parsed, None)


def _row(number, parsed, error):
    return {
        "row": number,
        "reference": parsed.get("reference"),
        "status": parsed.get("status") if not error else None,
        "amount": parsed.get("amount") if not error else None,
        "date": parsed.get("date") if not error else None,
        "bank_reference": parsed.get("bank_reference"),
        "reason": parsed.get("reason"),
        "error": error,
    }
