"""Reading files of registrants: from bytes to rows of text, and from a cell of text to a value or a reason.

Nothing here knows the ORM; every refusal is a `CellError` whose text is a translatable template and its values.
"""

import csv
import hashlib
import io
import itertools
import re
import zipfile
from datetime import date, datetime

import openpyxl

MAX_CELL = 4096  # a cell longer than this is an accident or an attack, not a registrant's value
CSV_FIELD_LIMIT = 16 << 20  # what a cell may hold in memory before it is known to be too long
MAX_COLUMNS = 500
MAX_HEADER = 1 << 17
MAX_WORKBOOK = 1 << 30  # bytes of a workbook, unpacked
FORMULA_START = ("=", "+", "-", "@", "\t", "\r")
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
    """The file as a whole can't be read; the arguments are a template and the values of its placeholders."""

    def __init__(self, template, **values):
        super().__init__(template)
        self.template = template
        self.values = values


class CellError(Exception):
    """One cell can't be taken; the arguments are a template and the values of its placeholders."""

    def __init__(self, template, **values):
        super().__init__(template)
        self.template = template
        self.values = values


def sha256(stream):
    """The digest of a binary file, which is left at its start."""
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    stream.seek(0)
    return digest.hexdigest()


def read_rows(stream, filename, encoding="utf-8", delimiter=None):
    """Yield (row number, [cells as text]) of a CSV or XLSX file, the header first, one row in memory at a time. Rows
    count from 1, as spreadsheets do; empty rows are left out. A byte that is no text in `encoding` becomes a lone
    surrogate, so that the row that holds it can be refused alone."""
    start = stream.read(4)
    stream.seek(0)
    if (filename or "").lower().endswith(".xlsx") or start == b"PK\x03\x04":
        yield from _xlsx_rows(stream)
    else:
        yield from _csv_rows(stream, encoding, delimiter, start)


def _xlsx_rows(stream):
    try:
        with zipfile.ZipFile(stream) as archive:
            size = sum(part.file_size for part in archive.infolist())
        stream.seek(0)
        if size > MAX_WORKBOOK:
            raise FileError("The workbook is too large. Save it as CSV.")
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
        sheet = book.worksheets[0]
        for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
            if len(row) > MAX_COLUMNS and any(value is not None for value in row[MAX_COLUMNS:]):
                raise FileError("The file has too many columns to be a file of registrants.")
            cells = [_xlsx_text(value) for value in row[:MAX_COLUMNS]]
            if any(cells):
                yield number, cells
    except FileError:
        raise
    except Exception as error:  # openpyxl raises what its zip and XML readers raise
        raise FileError("The file is not an XLSX workbook.") from error


def _xlsx_text(value):
    if value is None:
        return ""
    if isinstance(value, datetime | date):
        return value.strftime("%Y-%m-%d")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _csv_rows(stream, encoding, delimiter, start):
    if encoding == "utf-8":
        if start.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise FileError("The file is UTF-16, not UTF-8. Choose its encoding.")
        text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    else:
        text = io.TextIOWrapper(stream, encoding, newline="")
    if csv.field_size_limit() < CSV_FIELD_LIMIT:
        csv.field_size_limit(CSV_FIELD_LIMIT)  # a huge cell is refused with its row, not with the file
    number = 0
    try:
        header = text.readline(MAX_HEADER)
        if not_text(header) or len(header) == MAX_HEADER:
            raise FileError("The first row is not text in this encoding. Choose another one.")
        # strict: a quote that is never closed is an error, not a cell that swallows the rest of the file
        reader = csv.reader(itertools.chain([header], text), delimiter=delimiter or _delimiter(header), strict=True)
        for number, cells in enumerate(reader, 1):
            if len(cells) > MAX_COLUMNS:
                raise FileError("The file has too many columns to be a file of registrants.")
            if any(map(str.strip, cells)):
                if any("\x00" in cell for cell in cells):
                    raise FileError(
                        "Row %(row)s holds a NUL byte: the file is not text, or not in this encoding.", row=number
                    )
                yield number, cells
    except UnicodeError as error:
        raise FileError("The file can't be read in this encoding. Choose another one.") from error
    except csv.Error as error:
        raise FileError(
            "From row %(row)s on the file can't be read as CSV: a quote is opened and not closed, or stands inside a "
            "cell.",
            row=number + 1,
        ) from error


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


SURROGATE = re.compile("[\udc80-\udcff]")


def unreadable_cell(cells):
    """(position, CellError) of the first cell that no column may hold, or None. Whole rows are tested first."""
    joined = "".join(cells)
    if len(joined) <= MAX_CELL and (joined.isascii() or not SURROGATE.search(joined)):
        return None
    for position, value in enumerate(cells):
        if SURROGATE.search(value):
            return position, CellError("is not text in the chosen encoding")
        if len(value) > MAX_CELL:
            return position, CellError(
                "is too long: %(length)s characters, at most %(limit)s are taken", length=len(value), limit=MAX_CELL
            )
    return None


def clean(cells):
    """The cells without spaces at their ends or doubled inside."""
    return [" ".join(cell.split()) for cell in cells]


# What means the same to Python and to PostgreSQL: letters, classes, groups, alternatives, greedy repetitions.
PORTABLE = re.compile(
    r"\^?(?:[\w \-,:/@#%&=;]|\\[d.\-/()+*?]|\[(?:[\w\-]|\\d)+\]|\((?:\?:|(?!\?))|[)|.]|[?*+](?![?*+{])"
    r"|\{\d{1,2}(?:,\d{0,2})?\}(?![?*+{]))+\$?"
)


def portable_pattern(pattern):
    """`pattern` for PostgreSQL's ~, matching the whole value, or None if it may mean something else there.

    >>> portable_pattern(r"[A-Z]{2}-?\\d{6}")
    '^(?:[A-Z]{2}-?\\\\d{6})$'
    >>> portable_pattern(r"(?i)ab\\b") is None
    True
    """
    return f"^(?:{pattern})$" if PORTABLE.fullmatch(pattern) and pattern.isascii() else None


class RowSource:
    """What COPY reads from: lines of text made while it reads. An error ends the reading and is kept."""

    def __init__(self, lines):
        self._lines = lines
        self._rest = ""
        self.error = None

    def read(self, size=-1):
        parts, length = [self._rest], len(self._rest)
        try:
            while size < 0 or length < size:
                line = next(self._lines, None)
                if line is None:
                    break
                parts.append(line)
                length += len(line)
        except Exception as error:
            self.error = error
            return ""
        text = "".join(parts)
        if size < 0:
            size = len(text)
        self._rest = text[size:]
        return text[:size]


def copy_text(value):
    r"""`value` as COPY's text format has it.

    >>> copy_text(None), copy_text(7), copy_text('a\tb')
    ('\\N', '7', 'a\\tb')
    """
    if value is None:
        return "\\N"
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
