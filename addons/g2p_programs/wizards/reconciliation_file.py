"""Reading a payer's file. Pure Python: text in, rows out, every unreadable cell with a reason."""

import csv
import io
import re
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation

from odoo.exceptions import UserError

MAX_CELL = 500
# More digits than a screen, or a float, can hold exactly: no payment is of such an amount.
MAX_AMOUNT = 10**15

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
        if value.date() > date.today() + timedelta(days=1):
            raise ValueError(text)
        return value
    raise ValueError(text)


def parse_file(env, content):
    """The rows of a CSV file: dicts of row (number), reference, status, amount, date, bank_reference, reason, error.

    :raise UserError: when the file as a whole can't be read: not text, or without the columns needed.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(env._("The file is no UTF-8 text: save it as CSV UTF-8 and upload it again.")) from error
    text = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    head = text.partition("\n")[0]
    delimiter = max(",;\t|", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [re.sub(r"[^a-z]", "", cell.lower()) for cell in next(reader, [])]
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
    return _rows(env, reader, places)


def _rows(env, reader, places):
    number = 1
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _row(number, {}, env._("The line can't be read: %s", error))
            continue
        if not any(cell.strip() for cell in cells):
            continue
        values = {
            column: (cells[place].strip() if place is not None and place < len(cells) else "")
            for column, place in places.items()
        }
        yield _parse_row(env, number, values)


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
    word = re.sub(r"[^a-z]", "", values["status"].lower())
    status = "paid" if word in PAID else "failed" if word in FAILED else None
    if not status:
        return _row(number, parsed, env._("Status “%s” is neither paid nor failed", values["status"]))
    parsed["status"] = status
    try:
        parsed["date"] = parse_date(values["date"])
    except ValueError:
        return _row(number, parsed, env._("Date “%s” is no date, or in the future", values["date"]))
    if values["amount"] or status == "paid":
        try:
            parsed["amount"] = parse_amount(values["amount"])
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
