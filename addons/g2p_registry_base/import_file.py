"""Reading files of registrants: from bytes to rows of text, and from a cell of text to a value or a reason.

Nothing here knows the ORM; every refusal is a `CellError` whose text is a translatable template and its values.
"""

import csv
import io
import re
from datetime import date, datetime

import openpyxl

MAX_CELL = 4096  # a cell longer than this is an accident or an attack, not a registrant's value
FORMULA_START = ("=", "+", "-", "@", "\t", "\r")
PHONE = re.compile(r"\+?[\d\s().\-/]+")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
ENCODINGS = [
    ("utf-8", "UTF-8"),
    ("cp1252", "Western European (Windows-1252)"),
    ("iso-8859-15", "Western European (ISO 8859-15)"),
    ("utf-16", "UTF-16"),
    ("cp1256", "Arabic (Windows-1256)"),
]
DATE_FORMATS = [
    ("%Y-%m-%d", "YYYY-MM-DD"),
    ("%d-%m-%Y", "DD-MM-YYYY"),
    ("%d/%m/%Y", "DD/MM/YYYY"),
    ("%m/%d/%Y", "MM/DD/YYYY"),
    ("%d.%m.%Y", "DD.MM.YYYY"),
]


class FileError(Exception):
    """The file as a whole can't be read."""


class CellError(Exception):
    """One cell can't be taken; the arguments are a template and the values of its placeholders."""

    def __init__(self, template, **values):
        super().__init__(template)
        self.template = template
        self.values = values


def read_rows(content, filename, encoding="utf-8", delimiter=None):
    """Yield (row number, [cells as text]) of a CSV or XLSX file, the header first. Rows count from 1, as
    spreadsheets do; empty rows are left out. A byte that is no text in `encoding` becomes a lone surrogate, so
    that the row that holds it can be refused alone."""
    if (filename or "").lower().endswith(".xlsx") or content[:4] == b"PK\x03\x04":
        yield from _xlsx_rows(content)
    else:
        yield from _csv_rows(content, encoding, delimiter)


def _xlsx_rows(content):
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheet = book.worksheets[0]
    except Exception as error:  # openpyxl raises what its zip and XML readers raise
        raise FileError("The file is not an XLSX workbook.") from error
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        cells = [_xlsx_text(value) for value in row]
        if any(cells):
            yield number, cells


def _xlsx_text(value):
    if value is None:
        return ""
    if isinstance(value, datetime | date):
        return value.strftime("%Y-%m-%d")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _csv_rows(content, encoding, delimiter):
    if encoding == "utf-8":
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise FileError("The file is UTF-16, not UTF-8. Choose its encoding.")
        text = content.decode("utf-8-sig", errors="surrogateescape")
    else:
        try:
            text = content.decode(encoding)
        except UnicodeError as error:
            raise FileError("The file can't be read in this encoding. Choose another one.") from error
    header = text.split("\n", 1)[0]
    if not_text(header):
        raise FileError("The first row is not text in this encoding. Choose another one.")
    if csv.field_size_limit() < len(text) + 1:
        csv.field_size_limit(len(text) + 1)  # a huge cell is refused with its row, not with the file
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or _delimiter(header))
    for number, cells in enumerate(reader, 1):
        if any(cell.strip() for cell in cells):
            yield number, cells


def _delimiter(header):
    return max(",;\t|", key=header.count)


def not_text(value):
    """
    >>> not_text("Müller"), not_text("M\\udcfcller"), not_text("a\\x00b")
    (False, True, True)
    """
    return "\x00" in value or any("\udc80" <= char <= "\udcff" for char in value)


def storable(value, limit=200):
    """`value` cut and cleaned so that PostgreSQL can keep it for a person to look at."""
    value = value[:limit] + ("…" if len(value) > limit else "")
    return value.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")


def neutral(value):
    """`value` as a spreadsheet shows it rather than runs it.

    >>> neutral("=1+1"), neutral("+251 91"), neutral("Abebe"), neutral(7)
    ("'=1+1", "'+251 91", 'Abebe', 7)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_START) else value


def check_cell(value):
    """Raise for what no column may hold."""
    if not_text(value):
        raise CellError("is not text in the chosen encoding")
    if len(value) > MAX_CELL:
        raise CellError(
            "is too long: %(length)s characters, at most %(limit)s are taken", length=len(value), limit=MAX_CELL
        )


def parse_text(value):
    """Text that is no formula."""
    value = " ".join(value.split())
    if value.startswith(FORMULA_START):
        raise CellError("starts like a spreadsheet formula: %(value)s", value=value[:50])
    return value


def parse_phone(value):
    """A phone number as it was given: whether a numbering plan knows it is flagged later, not refused."""
    value = value.strip()
    return value if PHONE.fullmatch(value) else parse_text(value)


def parse_email(value):
    value = parse_text(value)
    if not EMAIL.fullmatch(value):
        raise CellError("is not an e-mail address: %(value)s", value=value[:50])
    return value


def parse_number(value):
    text = value.replace(",", "").replace(" ", "")
    try:
        number = float(text)
    except ValueError:
        number = None
    if number is None or number in (float("inf"), float("-inf")) or number != number:
        raise CellError("is not a number: %(value)s", value=value[:50])
    if number < 0:
        raise CellError("is negative: %(value)s", value=value[:50])
    return text


def parse_past_date(value, date_format, label, today):
    """A date in `date_format` (or ISO, as spreadsheets give it) that has come already, as ISO text.

    >>> parse_past_date("01-07-1974", "%d-%m-%Y", "DD-MM-YYYY", date(2026, 1, 1))
    '1974-07-01'
    """
    value = value.strip()
    for known in (date_format, "%Y-%m-%d"):
        try:
            parsed = datetime.strptime(value, known).date()
            break
        except ValueError:
            continue
    else:
        raise CellError("is not a date in the form %(form)s: %(value)s", form=label, value=value[:50])
    if parsed > today:
        raise CellError("is in the future: %(value)s", value=value)
    if parsed.year < 1900:
        raise CellError("is before 1900: %(value)s", value=value)
    return parsed.isoformat()


def split_name(full_name, order):
    """(family, given, additional) of a full name; a single word is a given name.

    >>> split_name("Maria Cristina Gonzales", "given_first")
    ('Gonzales', 'Maria', 'Cristina')
    >>> split_name("Nguyen Van An", "family_first")
    ('Nguyen', 'Van', 'An')
    >>> split_name("Abebe", "given_first")
    ('', 'Abebe', '')
    """
    words = full_name.split()
    if len(words) < 2:
        return "", full_name, ""
    if order == "family_first":
        return words[0], words[1], " ".join(words[2:])
    return words[-1], words[0], " ".join(words[1:-1])
