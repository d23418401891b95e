"""Reading the files that people upload: CSV line by line, XLSX in a process that is limited and can be killed.

The one reader of all addons. It takes a binary stream and gives rows of text, one in memory at a time. A file that can't be read
is a `FileError`: one sentence for the person who brought it.
"""

import codecs
import contextlib
import csv
import hashlib
import io
import itertools
import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata

from odoo.exceptions import UserError
from odoo.tools import LazyTranslate

from . import workbook

_lt = LazyTranslate(__name__)

MAX_COLUMNS = workbook.MAX_COLUMNS
MAX_HEADER = 1 << 17
MAX_CELL = 16 << 20  # what a cell of a CSV file may hold in memory before it is known to be too long
MAX_ROW = 32 << 20  # and all cells of one row
MAX_LINE = 1 << 20  # of a file whose lines are read one by one: what is longer is an accident or an attack
MAX_NAME = 255
CPU_SECONDS = 300
SECONDS = 600  # for a workbook as a whole, by the clock
MEMORY_MEGABYTES = 700
PATIENCE_SECONDS = 60  # between two signs of life
MAX_ANSWER = 64 << 20  # bytes of one row from the process that reads a workbook
MAX_SPOOL = 4 << 30  # bytes of all its rows
REPORT_ROWS = 20_000
FORMULA_START = ("=", "+", "-", "@", "\t", "\r")
ENCODINGS = [
    ("utf-8", "UTF-8"),
    ("cp1252", "Western European (Windows-1252)"),
    ("iso-8859-15", "Western European (ISO 8859-15)"),
    ("utf-16", "UTF-16"),
    ("cp1256", "Arabic (Windows-1256)"),
]
AUTO = ("auto", "Found from the file")
ENCODING_HELP = "How the file stores letters. Choose another one where names look wrong, such as “JosÃ©” for “José”."
FINGERPRINT_HELP = "SHA-256 of the file: whoever has the file can see by it that not a byte was changed."
TEXT_NAMES = ("csv", "txt", "tsv")
# What files begin with that are no tables, whatever their names say.
SIGNATURES = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"%PDF",
    b"RIFF",
    b"\x7fELF",
    b"MZ\x90",
    b"\x1f\x8b",
    b"7z\xbc\xaf",
    b"Rar!",
)
OLD_OFFICE = b"\xd0\xcf\x11\xe0"  # an old workbook, or one with a password
PK = b"PK\x03\x04"
MARKUP = re.compile(rb"\s*<(\?xml|!doctype|html|svg|script|!--)", re.IGNORECASE)
SURROGATE = re.compile("[\udc80-\udcff]")

NOT_TEXT = _lt("The first row is not text in this encoding. Choose another one.")
TOO_WIDE = _lt("The file has too many columns: at most %(limit)s are taken.", limit=MAX_COLUMNS)
WORKBOOK_ERRORS = {
    "workbook": _lt("The file is not an XLSX workbook, or it is damaged."),
    "large": _lt("The workbook is too large. Save it as CSV."),
    "columns": TOO_WIDE,
    "merged": _lt("Cells of the sheet are merged: each row must say its own values. Unmerge them."),
    "killed": _lt("Reading the workbook took too much time or memory. Save it as CSV."),
}


class FileError(Exception):
    """The file as a whole can't be read: one sentence, which is translated when somebody reads it."""

    def __init__(self, sentence):
        super().__init__()
        self.sentence = sentence

    def __str__(self):
        return str(self.sentence)

    def for_user(self, env):
        """The sentence, in the user's language."""
        return UserError(env._(self.sentence))


class Cell(str):
    """A cell of a workbook with something wrong: ``problem`` is one of those that `workbook` names."""

    __slots__ = ("problem",)

    def __new__(cls, text, problem):
        cell = super().__new__(cls, text)
        cell.problem = problem
        return cell

    def reason(self, env):
        """What is wrong, as the rest of a sentence that begins with the column."""
        if self.problem == "digits":
            return env._(
                "is a number of more than 15 digits: the spreadsheet has lost the last ones. Format the column as text and "
                "type it again"
            )
        if self.problem == "fraction":
            return env._("is a number with decimals: %(value)s. Format the column as text", value=self[:50])
        if self.problem == "formula":
            return env._("is a formula without a stored value: save the file in a spreadsheet again, or paste values")
        return env._("is an error of the spreadsheet: %(value)s", value=self[:50])


class BadLine(list):
    """A row of a CSV file that can't be read, and why. It has no cells."""

    def __init__(self, reason):
        super().__init__()
        self.reason = reason


def sha256(stream):
    """The digest of a binary file, which is left at its start."""
    stream.seek(0)
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    stream.seek(0)
    return digest.hexdigest()


def read_rows(stream, filename, encoding="auto", delimiter=None, lenient=False):
    """The rows of a file at once: see :meth:`Table.rows`."""
    with Table(stream, filename) as table:
        yield from table.rows(encoding, delimiter, lenient)


class Table:
    """A file that is ready to be read: what needs a process of its own, which might hang, is over when this is made. So it is
    made while no transaction is open, and its rows can be read, as often as need be, inside of one.

    :param stream: the file, open for reading bytes; it stays open for as long as the table is used
    :param report: called now and then with the number of rows that a workbook was found to have so far
    :raise FileError: when the file is no table
    """

    def __init__(self, stream, filename, report=None):
        self._start = stream.read(4096)
        stream.seek(0)
        self.is_workbook = _is_workbook(filename or "", self._start)
        self._file = self._stream = stream
        if self.is_workbook:
            limits = (CPU_SECONDS, MEMORY_MEGABYTES, SECONDS, PATIENCE_SECONDS)
            self._stream = spooled_workbook(stream, *limits, report=report)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self.is_workbook:
            self._stream.close()

    def sha256(self):
        """The digest of the file as it was brought."""
        return sha256(self._file)

    def rows(self, encoding="auto", delimiter=None, lenient=False):
        """Yield (row number, [cells as text]), the header first, one row in memory at a time. Rows count from 1, as
        spreadsheets do; empty rows are left out.

        :param encoding: one of ENCODINGS, or `auto`. With `utf-8`, a byte that is no text becomes a lone surrogate, so that the
            row that holds it can be refused alone.
        :param lenient: yield a `BadLine` for a line that can't be read, and go on, where one can; else the file is refused.
        """
        self._stream.seek(0)
        if self.is_workbook:
            return _workbook_rows(self._stream)
        return _csv_rows(self._stream, encoding, delimiter, self._start, lenient)


def _is_workbook(filename, start):
    """By name and content, which must agree."""
    if len(filename) > MAX_NAME or re.search(r"[/\\\x00-\x1f]", filename):
        raise FileError(_lt("The file's name holds a path or control characters. Rename it."))
    ending = filename.lower().rpartition(".")[2] if "." in filename else ""
    if start.startswith(OLD_OFFICE):
        raise FileError(
            _lt("The workbook is of an old form or has a password. Save it as XLSX without one, or as CSV.")
        )
    if start.startswith(SIGNATURES) or MARKUP.match(start.removeprefix(codecs.BOM_UTF8)):
        raise FileError(_lt("The file is a picture, a document or a web page, not text or a workbook with a table."))
    if ending not in ("", "xlsx", *TEXT_NAMES):
        raise FileError(
            _lt("Files named .%(ending)s are not taken: save the table as CSV or XLSX.", ending=ending[:10])
        )
    if start.startswith(PK) and ending in TEXT_NAMES:
        raise FileError(_lt("The file is named as text and is none. If it is a workbook, name it .xlsx."))
    if ending == "xlsx" and not start.startswith(PK):
        raise FileError(WORKBOOK_ERRORS["workbook"])
    return start.startswith(PK)


# -- workbooks


def spooled_workbook(
    stream,
    cpu_seconds=CPU_SECONDS,
    megabytes=MEMORY_MEGABYTES,
    seconds=SECONDS,
    patience=PATIENCE_SECONDS,
    most=MAX_SPOOL,
    report=None,
):
    """A temporary file of the rows of a workbook as `workbook` writes them, in a process of its own: what takes longer, is
    silent for longer, or more than this, is killed."""
    with contextlib.ExitStack() as stack:
        try:
            stream.fileno()
        except (AttributeError, OSError):
            copied = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(stream, copied)
            stream = copied
        stream.seek(0)
        process = subprocess.Popen(
            [sys.executable or "python3", "-I", "-S", workbook.__file__, *map(str, (cpu_seconds, megabytes, seconds))],
            stdin=stream,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what it says may hold what the file holds
            env={"LC_ALL": "C.UTF-8"},
            cwd="/",
        )
        stack.callback(_end, process)
        failed = contextlib.ExitStack()
        spool = failed.enter_context(tempfile.TemporaryFile())
        with failed:
            length = 0
            for number, line in enumerate(_lines(process.stdout.fileno(), seconds, patience), 1):
                if line.startswith(b"{"):
                    answer = json.loads(line)
                    if not answer.get("end"):
                        raise FileError(WORKBOOK_ERRORS.get(answer.get("error"), WORKBOOK_ERRORS["workbook"]))
                    failed.pop_all()
                    return spool
                length += len(line)
                if length > most:
                    raise FileError(WORKBOOK_ERRORS["large"])
                spool.write(line + b"\n")
                if report and number % REPORT_ROWS == 0:
                    report(number)
            raise FileError(WORKBOOK_ERRORS["killed"])


def _workbook_rows(spool):
    for number, cells, problems in map(json.loads, spool):
        for place, problem in problems.items():
            cells[int(place)] = Cell(cells[int(place)], problem)
        if any(map(str.strip, cells)) or problems:
            yield number, cells


def _end(process):
    process.kill()
    process.stdout.close()
    process.wait()


def _lines(descriptor, seconds, patience):
    """Lines of a pipe; none any more when it is closed, silent for too long, or not through in time."""
    rest = b""
    end = time.monotonic() + seconds
    silent = time.monotonic() + patience
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    while len(rest) <= MAX_ANSWER:
        left = min(end, silent) - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            return
        piece = os.read(descriptor, 1 << 18)
        if not piece:
            return
        *lines, rest = (rest + piece).split(b"\n")
        if lines:
            silent = time.monotonic() + patience
        yield from lines


# -- CSV


def find_encoding(stream, start=None):
    """`utf-8-sig`, `utf-16`, `utf-16-le`, `utf-16-be` or `cp1252`, by the file's mark or its bytes. The stream is left at its
    start.

    >>> find_encoding(io.BytesIO("é".encode())), find_encoding(io.BytesIO("é".encode("latin-1")))
    ('utf-8-sig', 'cp1252')
    >>> find_encoding(io.BytesIO("a;b".encode("utf-16-le"))), find_encoding(io.BytesIO("a;b".encode("utf-16")))
    ('utf-16-le', 'utf-16')
    """
    stream.seek(0)
    start = stream.read(4096) if start is None else start
    stream.seek(0)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = start[first::2]
        if len(half) > 1 and half.count(0) > len(half) * 0.6 and not start[1 - first :: 2].count(0):
            return name
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while block := stream.read(1 << 20):
            decoder.decode(block)
        decoder.decode(b"", True)
        return "utf-8-sig"
    except UnicodeDecodeError:
        return "cp1252"
    finally:
        stream.seek(0)


class _Bounded(io.BufferedIOBase):
    """A stream that gives no more than MAX_ROW bytes until somebody sets `length` back."""

    def __init__(self, stream):
        self.stream, self.length = stream, 0

    def readable(self):
        return True

    def read1(self, size=-1):
        piece = self.stream.read(size)
        self.length += len(piece)
        if self.length > MAX_ROW:
            raise csv.Error(_lt("the row is too long"))
        return piece

    read = read1


class _Lines:
    """The lines of a text, one by one: none longer than MAX_LINE, and how many quotes were in them since somebody last asked."""

    def __init__(self, text):
        self.text, self.quotes = text, 0

    def __iter__(self):
        return self

    def __next__(self):
        line = self.text.readline(MAX_LINE)
        if not line:
            raise StopIteration
        if len(line) == MAX_LINE and line[-1] not in "\r\n":
            while len(line) == MAX_LINE and line[-1] not in "\r\n":
                line = self.text.readline(MAX_LINE)
            raise csv.Error(_lt("the line is too long"))
        if '"' in line:
            self.quotes += line.count('"')
        return line


def _csv_rows(stream, encoding, delimiter, start, lenient):
    guessed = encoding == "auto"
    if guessed:
        encoding = find_encoding(stream, start)
    bounded = _Bounded(stream)
    if encoding == "utf-8":
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise FileError(_lt("The file is UTF-16, not UTF-8. Choose its encoding."))
        text = io.TextIOWrapper(bounded, "utf-8-sig", errors="surrogateescape", newline="")
    else:
        text = io.TextIOWrapper(bounded, encoding, newline="")
    if csv.field_size_limit() < MAX_CELL:
        csv.field_size_limit(MAX_CELL)  # a huge cell is refused with its row, not with the file
    lines = _Lines(text) if lenient else None  # one by one, each takes three times as long
    try:
        header = text.readline(MAX_HEADER)
        # a mark of the byte order in the text of a guessed encoding is no part of the first name
        header = header.removeprefix("\ufeff")
        if not_text(header) or len(header) == MAX_HEADER:
            raise FileError(NOT_TEXT)
        # strict: a quote that is never closed is an error, not a cell that swallows the rest of the file
        reader = csv.reader(
            itertools.chain([header], lines or text), delimiter=delimiter or find_delimiter(header), strict=not lenient
        )
        yield from _numbered(reader, lines, bounded)
    except UnicodeError as error:
        raise FileError(
            _lt("The file can't be read in this encoding. Choose another one, or save it as CSV UTF-8.")
        ) from error


def _numbered(reader, lines, bounded):
    number = read = 0
    while True:
        number += 1
        bounded.length = 0
        if lines:
            lines.quotes = 0
        problem = None
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells = []
            problem = BadLine(_lt("The line can't be read: %(error)s", error=error.args[0]))
            if not lines:
                raise FileError(
                    _lt(
                        "From row %(row)s on the file can't be read as CSV: a quote is opened and not closed, or stands "
                        "inside a cell.",
                        row=number,
                    )
                ) from error
        swallowed, read = reader.line_num - read, reader.line_num
        if lines and swallowed > 1 and (problem is not None or lines.quotes % 2):
            problem = BadLine(
                _lt(
                    "A quote is opened and not closed: %(count)s lines of the file from here on can't be read",
                    count=swallowed,
                )
            )
        if problem is None and not any(map(str.strip, cells)):
            continue
        if len(cells) > MAX_COLUMNS:
            raise FileError(TOO_WIDE)
        if "\x00" in "".join(cells):
            if lines:
                yield number, BadLine(_lt("The line holds a NUL byte, which is no text"))
                continue
            raise FileError(
                _lt("Row %(row)s holds a NUL byte: the file is not text, or not in this encoding.", row=number)
            )
        yield number, cells if problem is None else problem


def find_delimiter(header):
    """The sign between cells that stands most often in the first row, outside of quotes.

    >>> find_delimiter('a;b;"c,d,e,f"'), find_delimiter("a")
    (';', ',')
    """
    bare = re.sub(r'"[^"]*"', "", header)
    return max(",;\t|", key=bare.count)


# -- columns


def fold(name):
    """A column's name without case, accents, spaces and signs.

    >>> fold("Payment-Référence ") == fold("payment reference")
    True
    """
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(char for char in plain if char.isalnum())


def find_columns(header, names, chosen=None):
    """{target: place} of the columns of ``header`` whose folded names are among ``names[target]``.

    :param chosen: {target: column}, what a person has said; it comes before the names.
    :raise FileError: when two columns fit one target, and nobody chose.
    """
    places = {}
    for target, known in names.items():
        wanted = ((chosen or {}).get(target) or "").strip()
        if wanted:
            fitting = [place for place, cell in enumerate(header) if cell.strip() == wanted]
            if not fitting:
                raise FileError(_lt("The file has no column “%(column)s”.", column=wanted[:100]))
        else:
            fitting = [place for place, cell in enumerate(header) if fold(cell) in known]
        if len(fitting) > 1:
            raise FileError(
                _lt(
                    "Two columns may be the %(target)s: “%(first)s” and “%(second)s”. Say which it is, or rename one.",
                    target=target.replace("_", " "),
                    first=header[fitting[0]].strip()[:50],
                    second=header[fitting[1]].strip()[:50],
                )
            )
        if fitting:
            places[target] = fitting[0]
    return places


# -- text


def not_text(value):
    """
    >>> not_text("Müller"), not_text("M\\udcfcller"), not_text("a\\x00b")
    (False, True, True)
    """
    return "\x00" in value or bool(SURROGATE.search(value))


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


def clean(cells):
    """The cells without spaces at their ends or doubled inside."""
    return [" ".join(cell.split()) for cell in cells]


# -- COPY


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


def copy_rows(env, statement, lines):
    """Run ``statement``, a COPY … FROM STDIN, over ``lines`` of text; how many they were."""
    source = RowSource(lines)
    env.cr.copy_expert(statement, source, size=1 << 18)
    if isinstance(source.error, FileError):
        raise source.error.for_user(env) from source.error
    if source.error:
        raise source.error
    return env.cr.rowcount
