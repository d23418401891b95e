"""Reads one XLSX workbook in a process of its own: the file is standard input, rows are lines of JSON on standard output.

Run by `table_file` as a script, with nothing but Python's own library: neither Odoo, nor the database, nor the environment of
the server is within reach of a file that somebody uploaded. Time, of the processor and of the clock, and memory are limited by
the system before the first byte is read; what goes beyond is killed, and nothing else is, even when nobody waits any more.

A line is `[row number, [cells], {place: problem}]`, `{"error": name}` or, last of all, `{"end": true}`. Cells are text as a
person would write it: numbers without exponent, dates in ISO form. A problem is one of

- `digits`: a number of more digits than a spreadsheet keeps; the last ones are lost;
- `fraction`: a number with decimals, which no identifier is;
- `formula`: a formula without a stored value;
- `value`: a spreadsheet's error, such as #N/A.
"""

import json
import re
import resource
import signal
import sys
import zipfile
from datetime import datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from xml.parsers import expat

MAX_COLUMNS = 500
MAX_ROWS = 1 << 20  # of a sheet, by the format's own rule
MAX_CELL = 4096  # characters; the rest of a longer cell is dropped, and it is refused by its length
MAX_FORMAT = 255  # characters of a format code, as many as a spreadsheet keeps
MAX_PARTS = 5_000
MAX_UNPACKED = 2 << 30  # bytes
MAX_RATIO = 100  # a sheet is written ten to thirty times smaller, a bomb a thousand times
SMALL = 16 << 20  # bytes: what is never too much
MAX_STRINGS = 64 << 20  # characters of shared strings
PRECISION = Context(prec=15)  # what a spreadsheet keeps
DATE_FORMATS = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


class RefusedError(Exception):
    """The file is not read; the one argument is the name of the reason."""


def column_of(reference):
    """
    >>> column_of("A1"), column_of("Z9"), column_of("AB12")
    (0, 25, 27)
    """
    place = 0
    for letter in reference:
        if not "A" <= letter <= "Z":
            break
        place = place * 26 + ord(letter) - 64
        if place > 1 << 16:
            raise RefusedError("columns")
    return place - 1


def is_date_format(code):
    """Whether a format code of a spreadsheet shows a day.

    >>> is_date_format("dd/mm/yyyy"), is_date_format('0.00 "days"'), is_date_format("[Red]0"), is_date_format("mmm")
    (True, False, False, True)
    >>> is_date_format("[h]:mm"), is_date_format("[m]"), is_date_format("h:mm")  # time that has passed, time of day
    (False, False, False)
    """
    plain = re.sub(r'"[^"]*"|\\.|_.|\*.|\[(?!(?:h+|m+|s+)\])[^\]]*\]', "", code.lower())
    is_time = "h" in plain or "s" in plain or "[" in plain
    return "d" in plain or "y" in plain or ("m" in plain and not is_time)


def number_text(raw, code=""):
    """(text, problem) of a number as the file stores it, with the code of its format.

    >>> number_text("1234567890"), number_text("1.23456789012E+11"), number_text("7", "00000")
    (('1234567890', None), ('123456789012', None), ('00007', None))
    >>> number_text("0.30000000000000004"), number_text("1.5"), number_text("1.234")
    (('0.3', 'fraction'), ('1.5', 'fraction'), ('1.2340', 'fraction'))
    >>> number_text("1234567890123450"), number_text("1E+300")[1], number_text("NaN")[1]
    (('1234567890123450', 'digits'), 'digits', 'value')
    """
    try:
        number = Decimal(raw)
    except InvalidOperation:
        return raw[:MAX_CELL], "value"
    if not number.is_finite():
        return raw[:MAX_CELL], "value"
    if abs(number) >= 10**15:
        return (format(number, "f") if number.adjusted() < 40 else raw[:MAX_CELL]), "digits"
    number = PRECISION.plus(number)
    if number == number.to_integral_value():
        text = str(int(number))
        return (text.zfill(len(code)) if code and not code.strip("0") else text), None
    text = format(number.normalize(), "f") if number.adjusted() > -20 else "0"
    # three decimals might be read as thousands where text stands in other rows: a zero more can't be
    whole, _mark, decimals = text.partition(".")
    return (text + "0" if len(decimals) == 3 and len(whole.lstrip("-")) <= 3 else text), "fraction"


def date_text(raw, since_1904=False):
    """(text, problem) of a day as a spreadsheet counts them.

    >>> date_text("45351"), date_text("45351.5"), date_text("1"), date_text("-3")[1]
    (('2024-02-29', None), ('2024-02-29 12:00:00', None), ('1900-01-01', None), 'value')
    """
    try:
        serial = float(raw)
        if not 0 <= serial < 2958466:
            raise ValueError(raw)
    except ValueError:
        return raw[:MAX_CELL], "value"
    if since_1904:
        start = datetime(1904, 1, 1)
    else:
        # the format counts a 29 February 1900 that never was
        start = datetime(1899, 12, 30) if serial >= 60 else datetime(1899, 12, 31)
    moment = start + timedelta(seconds=round(serial * 86400))
    return moment.strftime("%Y-%m-%d" if serial == int(serial) else "%Y-%m-%d %H:%M:%S"), None


class Part:
    """One XML part of the archive, given piece by piece to the methods `start_…`, `end_…` and `text`."""

    def read(self, archive, name):
        parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self.doctype
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.text
        with archive.open(name) as stream:
            while piece := stream.read(1 << 16):
                parser.Parse(piece, False)
            parser.Parse(b"", True)
        return self

    def doctype(self, *_arguments):
        raise RefusedError("workbook")  # no workbook has one; it is where entities come from

    def start(self, tag, attributes):
        pass

    def end(self, tag):
        pass

    def text(self, data):
        pass


def local(tag):
    return tag.rpartition("}")[2]


class Book(Part):
    """The sheets, in order, as (relation, is hidden)."""

    def __init__(self):
        self.sheets = []
        self.since_1904 = False

    def start(self, tag, attributes):
        name = local(tag)
        if name == "sheet":
            relation = next((value for key, value in attributes.items() if local(key) == "id" and "}" in key), None)
            self.sheets.append((relation, attributes.get("state", "visible") != "visible"))
        elif name == "workbookPr":
            self.since_1904 = attributes.get("date1904") in ("1", "true")


class Relations(Part):
    def __init__(self):
        self.targets = {}

    def start(self, tag, attributes):
        if local(tag) == "Relationship" and attributes.get("TargetMode") != "External":
            self.targets[attributes.get("Id")] = attributes.get("Target", "")


class Styles(Part):
    """For each style of a cell: whether it is a date, and its format code."""

    def __init__(self):
        self.codes, self.styles, self.inside = {}, [], False

    def start(self, tag, attributes):
        name = local(tag)
        if name == "numFmt":
            self.codes[int(attributes.get("numFmtId", 0))] = attributes.get("formatCode", "")[:MAX_FORMAT]
        elif name == "cellXfs":
            self.inside = True
        elif name == "xf" and self.inside:
            number = int(attributes.get("numFmtId", 0))
            code = self.codes.get(number, "")
            self.styles.append((number in DATE_FORMATS or is_date_format(code), code))

    def end(self, tag):
        if local(tag) == "cellXfs":
            self.inside = False


class Strings(Part):
    """The texts that cells share."""

    def __init__(self):
        self.strings, self.parts, self.total, self.reading, self.phonetic = [], [], 0, False, False

    def start(self, tag, attributes):
        name = local(tag)
        if name == "si":
            self.parts = []
        elif name == "rPh":
            self.phonetic = True
        elif name == "t":
            self.reading = not self.phonetic

    def text(self, data):
        if self.reading:
            self.total += len(data)
            if self.total > MAX_STRINGS:
                raise RefusedError("large")
            self.parts.append(data)

    def end(self, tag):
        name = local(tag)
        if name == "t":
            self.reading = False
        elif name == "rPh":
            self.phonetic = False
        elif name == "si":
            self.strings.append("".join(self.parts)[: MAX_CELL + 1])


class Sheet(Part):
    """Writes the rows of a sheet as they are read."""

    def __init__(self, write, strings, styles, since_1904, most):
        self.write, self.strings, self.styles, self.since_1904 = write, strings, styles, since_1904
        self.room = most  # characters that may still be written
        self.number = 0
        self.cells, self.problems = [], {}
        self.reading = False

    def start(self, tag, attributes):
        name = local(tag)
        if name == "c":
            self.place = column_of(attributes["r"]) if "r" in attributes else self.place + 1
            self.kind = attributes.get("t", "n")
            self.style = int(attributes.get("s", 0))
            self.parts, self.length, self.formula = [], 0, False
        elif name in ("v", "t"):
            self.reading = True
        elif name == "f":
            self.formula = True
        elif name == "row":
            number = int(attributes["r"]) if "r" in attributes else self.number + 1
            if not self.number < number <= MAX_ROWS:
                raise RefusedError("workbook")
            self.number, self.place = number, -1
            self.cells, self.problems = [], {}
        elif name == "mergeCell":
            raise RefusedError("merged")
        elif name == "rPh":
            self.kind = "phonetic"

    def text(self, data):
        if self.reading and self.length <= MAX_CELL:
            self.parts.append(data)
            self.length += len(data)

    def end(self, tag):
        name = local(tag)
        if name in ("v", "t"):
            self.reading = False
        elif name == "c":
            text, problem = self.cell("".join(self.parts))
            if text or problem:
                if self.place >= MAX_COLUMNS or self.place < 0:
                    raise RefusedError("columns")
                self.cells += [""] * (self.place + 1 - len(self.cells))
                self.cells[self.place] = text[: MAX_CELL + 1]
                if problem:
                    self.problems[self.place] = problem
        elif name == "row" and self.cells:
            self.room -= sum(map(len, self.cells)) + len(self.cells)
            if self.room < 0:
                raise RefusedError("large")
            self.write([self.number, self.cells, self.problems])

    def cell(self, raw):
        """(text, problem)"""
        if self.formula and not raw and self.kind != "str":
            return "", "formula"
        if not raw:
            return "", None
        if self.kind == "s":
            return self.strings[int(raw)], None
        if self.kind == "b":
            return ("true" if raw.strip() in ("1", "true") else "false"), None
        if self.kind == "e":
            return raw, "value"
        if self.kind == "n":
            is_date, code = self.styles[self.style] if self.style < len(self.styles) else (False, "")
            return date_text(raw, self.since_1904) if is_date else number_text(raw.strip(), code)
        return raw, None


def parts_of(archive, packed):
    """The names of the archive's parts, none too many and none too large; and how large they are together."""
    infos = archive.infolist()
    unpacked = sum(info.file_size for info in infos)
    if len(infos) > MAX_PARTS or unpacked > min(MAX_UNPACKED, max(SMALL, packed * MAX_RATIO)):
        raise RefusedError("large")
    return {info.filename for info in infos}, unpacked


def read(stream, packed, write):
    """Write the rows of the first sheet that is shown."""
    with zipfile.ZipFile(stream) as archive:
        names, unpacked = parts_of(archive, packed)
        book = Book().read(archive, "xl/workbook.xml")
        targets = Relations().read(archive, "xl/_rels/workbook.xml.rels").targets
        relation = next((relation for relation, hidden in book.sheets if not hidden), None)
        target = targets.get(relation) or ""
        name = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        if name not in names:
            raise RefusedError("workbook")
        styles = Styles().read(archive, "xl/styles.xml").styles if "xl/styles.xml" in names else []
        shared = "xl/sharedStrings.xml"
        strings = Strings().read(archive, shared).strings if shared in names else []
        Sheet(write, strings, styles, book.since_1904, SMALL + 4 * unpacked).read(archive, name)


def limit(cpu_seconds, megabytes, seconds):
    """No more time, memory, files or children from here on, whatever the server itself may have."""
    for kind, most in (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_AS, megabytes << 20),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    signal.alarm(seconds)


def main(cpu_seconds, megabytes, seconds):
    limit(cpu_seconds, megabytes, seconds)
    output = sys.stdout
    encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode

    def write(row):
        output.write(encode(row))
        output.write("\n")

    stream = sys.stdin.buffer
    packed = stream.seek(0, 2)
    stream.seek(0)
    try:
        read(stream, packed, write)
    except RefusedError as refusal:
        write({"error": refusal.args[0]})
    except MemoryError:
        write({"error": "large"})
    except (
        zipfile.BadZipFile,
        expat.ExpatError,
        KeyError,
        ValueError,
        IndexError,
        EOFError,
        NotImplementedError,  # a compression that Python doesn't know
        RuntimeError,  # a part with a password
        OSError,
        zipfile.zlib.error,
        AttributeError,
    ):
        write({"error": "workbook"})
    else:
        write({"end": True})
    output.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
