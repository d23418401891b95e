"""Reading a payer's file: a table in, what came of payments out, row by row, every unreadable row with all its reasons."""

import re
from datetime import date, datetime, timedelta
from functools import lru_cache

from odoo.exceptions import UserError

from odoo.addons.g2p_bulk.tools import bounds, decimal_text, table_file
from odoo.addons.g2p_bulk.tools.table_file import BadLine, Cell, FileError

MAX_CELL = 500
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
    """(amount, decimal, doubt): a number of one meaning, or the one without decimals, the one with, and the mark in doubt.

    >>> parse_amount("160"), parse_amount("1 234,5")
    ((Decimal('160'), None, None), (Decimal('1234.5'), None, None))
    >>> parse_amount("1,234")
    (Decimal('1234'), Decimal('1.234'), ',')
    >>> for text in ("12,34,5", "-1", "1" + "0" * 15):
    ...     try: parse_amount(text)
    ...     except ValueError: print("none")
    none
    none
    none
    """
    decimal = doubt = None
    try:
        amount = decimal_text.parse(text)
    except decimal_text.AmbiguousError as ambiguous:
        shown, decimal, amount = ambiguous.args
        doubt = "," if "," in shown else "."
    if amount >= MAX_AMOUNT or text.lstrip()[:1] in ("-", "+"):
        raise decimal_text.NotANumberError()
    return amount, decimal, doubt


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


class PayerFile:
    """The rows of a payer's file, one in memory at a time: dicts of row (number), reference, status, amount, date, bank_reference,
    reason, error; where the amount may be two numbers, also decimal (the other one) and doubt (the mark).

    :param table: the file, as a `table_file.Table`.
    :param chosen: {column: its name in the file}, where somebody said which it is.
    :raise UserError: when the file as a whole is no table, or without the columns needed, or with two that fit one of them: said
        before any row is asked for.
    """

    def __init__(self, env, table, encoding="auto", chosen=None):
        self.env = env
        self.amounts = decimal_text.Column()
        self._read = table.rows(encoding, lenient=True)
        try:
            header = next(self._read, (0, []))[1]
            self._places = table_file.find_columns(header, COLUMNS, chosen)
        except FileError as error:
            raise error.for_user(env) from error
        missing = [column for column in ("reference", "status", "amount") if column not in self._places]
        if missing:
            raise UserError(
                env._(
                    "The file has no column for: %(missing)s. Its first line names the columns: "
                    "payment reference, status, amount, date, bank reference.",
                    missing=", ".join(missing),
                )
            )
        self._labels = {column: header[place].strip()[:50] for column, place in self._places.items()}

    def __iter__(self):
        for number, cells in self._read:
            if isinstance(cells, BadLine):
                yield self._row(number, {}, [self.env._(cells.reason)])
                continue
            values, errors = dict.fromkeys(COLUMNS, ""), []
            for column, place in self._places.items():
                cell = cells[place] if place < len(cells) else ""
                if isinstance(cell, Cell) and (cell.problem != "fraction" or column == "reference"):
                    errors.append(f"{self._labels[column]} {cell.reason(self.env)}")
                if len(cell) > MAX_CELL:
                    errors.append(self.env._("A cell is too long"))
                if table_file.not_text(cell):
                    errors.append(self.env._("“%s” is not text in this encoding", self._labels[column]))
                values[column] = table_file.storable(cell.strip(), MAX_CELL)
            yield self._parse(number, values, errors)

    def _parse(self, number, values, errors):
        _ = self.env._
        parsed = {
            "reference": values["reference"].lower(),
            "bank_reference": values["bank_reference"],
            "reason": values["reason"],
            "status": _status(values["status"]),
        }
        if not values["reference"]:
            errors.append(_("The payment reference is missing"))
        if not parsed["status"]:
            errors.append(_("Status “%s” is neither paid nor failed", values["status"]))
        try:
            parsed["date"] = _date(values["date"])
        except ValueError:
            errors.append(_("Date “%s” is no date, or in the future", values["date"]))
        if values["amount"] or parsed["status"] == "paid":
            try:
                parsed["amount"], parsed["decimal"], parsed["doubt"] = _amount(values["amount"])
                self.amounts.add(values["amount"])
            except ValueError:
                errors.append(_("Amount “%s” is no amount", values["amount"]))
        return self._row(number, parsed, errors)

    @staticmethod
    def _row(number, parsed, errors):
        row = {"row": number, "error": "; ".join(errors) or None}
        for column in ("reference", "bank_reference", "reason"):
            row[column] = parsed.get(column)
        for column in ("status", "amount", "date", "decimal", "doubt"):
            row[column] = None if errors else parsed.get(column)
        return row


@lru_cache(maxsize=1024)
def _status(text):
    """`paid`, `failed`, or None for a word that means neither."""
    word = re.sub(r"[^a-z]", "", text.lower())
    return "paid" if word in PAID else "failed" if word in FAILED else None


# The same dates and amounts come again and again in one file; what can't be read is never kept.
_date = lru_cache(maxsize=4096)(parse_date)
_amount = lru_cache(maxsize=4096)(parse_amount)
