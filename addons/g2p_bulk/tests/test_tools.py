import csv
import doctest
import io
import os
import time
import zipfile
from datetime import date, datetime
from decimal import Decimal
from unittest.mock import patch

import openpyxl
from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.tests import TransactionCase, tagged
from odoo.tools import SQL

from ..tools import decimal_text, question, redaction, table_file, workbook
from ..tools.table_file import FileError, read_rows

SHEET = "xl/worksheets/sheet1.xml"
NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def load_tests(loader, tests, ignore):
    for module in (decimal_text, question, redaction, table_file, workbook):
        tests.addTests(doctest.DocTestSuite(module))
    return tests


def xlsx(*rows, change=None):
    """The bytes of a workbook with these rows; `change` gets the sheet first."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    if change:
        change(book.active)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def with_part(content, name, text):
    """The workbook with one part put in the place of another."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            if info.filename != name:
                new.writestr(info.filename, old.read(info))
        new.writestr(name, text)
    return stream.getvalue()


def sheet(body, after=""):
    return with_part(xlsx(), SHEET, f"<worksheet {NAMESPACE}><sheetData>{body}</sheetData>{after}</worksheet>")


def rows(content, name="table.xlsx", **options):
    return list(read_rows(io.BytesIO(content), name, **options))


def csv_bytes(table, encoding="utf-8"):
    output = io.StringIO(newline="")
    csv.writer(output).writerows(table)
    return output.getvalue().encode(encoding)


@tagged("post_install", "-at_install")
class TestWorkbook(TransactionCase):
    def cell(self, xml):
        """(text, problem) of the one cell of a sheet."""
        [(_number, [cell])] = rows(sheet(f'<row r="1">{xml}</row>'))
        return str(cell), getattr(cell, "problem", None)

    def test_cells_come_as_a_person_would_write_them(self):
        content = xlsx(
            ["Ana", date(1990, 1, 2), datetime(2024, 1, 2, 3, 4, 5), 12345678901, 1.5, True, None, "  ", "é\n"],
            [None] * 9,
            ["x"],
        )
        self.assertEqual(
            rows(content),
            [
                (1, ["Ana", "1990-01-02", "2024-01-02 03:04:05", "12345678901", "1.5", "true", "", "  ", "é\n"]),
                (3, ["x"]),
            ],
        )

    def test_leading_zeros_of_a_format_stay(self):
        def zeros(book):
            book["A1"].number_format = "0000000000"

        self.assertEqual(rows(xlsx([7123], change=zeros)), [(1, ["0000007123"])])

    def test_what_a_spreadsheet_has_lost_is_marked(self):
        self.assertEqual(self.cell("<c><v>1234567890123456789</v></c>")[1], "digits")
        self.assertEqual(self.cell("<c><v>1.2345678901234567E+18</v></c>")[1], "digits")
        self.assertEqual(self.cell("<c><v>1.23456789012E+11</v></c>"), ("123456789012", None))
        self.assertEqual(self.cell("<c><f>1+1</f></c>")[1], "formula")
        self.assertEqual(self.cell("<c><f>1+1</f><v/></c>")[1], "formula")
        self.assertEqual(self.cell("<c><f>1+1</f><v>2</v></c>"), ("2", None))
        self.assertEqual(self.cell('<c t="e"><v>#N/A</v></c>'), ("#N/A", "value"))
        self.assertEqual(self.cell('<c t="str"><f>A1</f><v>Ana</v></c>'), ("Ana", None))
        self.assertEqual(self.cell('<c t="inlineStr"><is><r><t>A</t></r><r><t>na</t></r></is></c>'), ("Ana", None))

    def test_what_is_no_plain_table_is_refused_in_a_sentence(self):
        good = xlsx(["a"])
        deep = f"<worksheet {NAMESPACE}><sheetData>" + "<row><c><v>1</v></c></row>" * 3
        for why, content, name in (
            ("not an XLSX", with_part(good, SHEET, deep), "open.xlsx"),
            ("not an XLSX", b"PK\x03\x04 and nothing", "broken.xlsx"),
            ("not an XLSX", good[: len(good) // 2], "half.xlsx"),
            ("not an XLSX", b"a,b\n1,2\n", "text.xlsx"),
            ("not an XLSX", with_part(good, "xl/workbook.xml", "<workbook/>"), "empty.xlsx"),
            (
                "merged",
                sheet('<row r="1"><c r="A1"><v>1</v></c></row>', '<mergeCells><mergeCell ref="A1:A2"/></mergeCells>'),
                "m.xlsx",
            ),
            ("too many columns", sheet('<row r="1"><c r="XFD1"><v>1</v></c></row>'), "wide.xlsx"),
            ("not an XLSX", sheet('<row r="9999999"><c r="A9999999"><v>1</v></c></row>'), "rows.xlsx"),
            ("not an XLSX", sheet('<row r="1"><c r="A1" t="s"><v>99</v></c></row>'), "strings.xlsx"),
            (
                "not an XLSX",
                with_part(
                    good,
                    SHEET,
                    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
                    f"<worksheet {NAMESPACE}><sheetData><row><c><v>&b;</v></c></row></sheetData></worksheet>",
                ),
                "entities.xlsx",
            ),
            ("old form or has a password", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "old.xlsx"),
            ("named as text", good, "table.csv"),
            ("not an XLSX", b"GIF89a".ljust(10) and b"prefix" + good, "polyglot.xlsx"),
            ("picture", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "drawing.csv"),
            ("picture", b"\xef\xbb\xbf  <?xml version='1.0'?><a/>", "data.csv"),
            ("picture", b"%PDF-1.7", "paper.csv"),
            (r"\.exe are not taken", b"a,b", "tool.exe"),
            (r"\.xls are not taken", b"a,b", "table.xls"),
            ("path", b"a,b", "../../etc/passwd.csv"),
            ("path", b"a,b", "a\x00.csv"),
        ):
            with self.subTest(name), self.assertRaisesRegex(FileError, why):
                rows(content, name)

    def test_a_bomb_costs_neither_time_nor_memory(self):
        """As large as the file that once took 55 seconds and 491 MB."""
        bomb = sheet('<row><c t="inlineStr"><is><t>x</t></is></c></row>' * 2_600_000)
        self.assertLess(len(bomb), 400_000)
        large_string = with_part(
            sheet('<row><c t="s"><v>0</v></c></row>' * 400_000),
            "xl/sharedStrings.xml",
            f"<sst><si><t>{'x' * 30_000_000}</t></si></sst>",
        )
        for content in (bomb, large_string):
            started = time.monotonic()
            with self.assertRaisesRegex(FileError, "too large"):
                rows(content)
            self.assertLess(time.monotonic() - started, 20)

    def test_a_format_of_any_length_takes_no_time(self):
        for code in ("[" * 300_000, '"' * 300_001, "\\" * 300_001, "0" * 5_000_000):
            styles = (
                f'<styleSheet {NAMESPACE}><numFmts><numFmt numFmtId="200" formatCode="{code.replace(chr(34), "&quot;")}"/></numFmts>'
                '<cellXfs><xf numFmtId="200"/></cellXfs></styleSheet>'
            )
            cells = "".join(f'<row r="{number}"><c s="0"><v>7</v></c></row>' for number in range(1, 400))
            with self.subTest(code=code[:3]):
                # two seconds of the processor, which the whole of it is far from
                read = list(
                    table_file.workbook_rows(io.BytesIO(with_part(sheet(cells), "xl/styles.xml", styles)), seconds=2)
                )
                self.assertEqual(len(read), 399)
                self.assertLessEqual(max(len(cells[0]) for _number, cells in read), 300)

    def test_a_process_that_takes_too_long_or_too_much_is_killed(self):
        content = sheet("".join(f"<row><c><v>{number * 7919}</v></c></row>" for number in range(300_000)))
        stream = io.BytesIO(content)
        with self.assertRaisesRegex(FileError, "too much time or memory"):
            for _row in table_file.workbook_rows(io.BytesIO(content), seconds=1):
                pass
        strings = "".join(f"<si><t>{number:050}</t></si>" for number in range(180_000))
        large = with_part(xlsx(["x"]), "xl/sharedStrings.xml", f"<sst>{strings}</sst>")
        with self.assertRaisesRegex(FileError, "too (much time or memory|large)"):
            list(table_file.workbook_rows(io.BytesIO(large), megabytes=32))
        self.assertEqual(len(list(table_file.workbook_rows(io.BytesIO(large)))), 1)
        with self.assertRaisesRegex(FileError, "too much time or memory"):
            list(table_file.workbook_rows(stream, patience=0))

    def test_nobody_stays_when_the_reader_goes_away(self):
        content = xlsx(*([str(number), "x" * 100] for number in range(20_000)))
        processes = []
        popen = table_file.subprocess.Popen

        def noted(*args, **options):
            processes.append(popen(*args, **options))
            self.assertEqual(options["env"], {"LC_ALL": "C.UTF-8"}, "no secret of the server is handed on")
            return processes[-1]

        with patch.object(table_file.subprocess, "Popen", noted):
            reading = read_rows(io.BytesIO(content), "t.xlsx")
            self.assertEqual(next(reading)[0], 1)
            reading.close()
        self.assertIsNotNone(processes[0].returncode)
        self.assertFalse(os.path.exists(f"/proc/{processes[0].pid}"))


@tagged("post_install", "-at_install")
class TestCsv(TransactionCase):
    def test_encodings_are_found(self):
        table = [["Name", "Straße"], ["José", "Ærø"]]
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"):
            with self.subTest(encoding):
                self.assertEqual([cells for _number, cells in rows(csv_bytes(table, encoding), "t.csv")], table)
        self.assertEqual(rows(csv_bytes([["السلام"]], "cp1256"), "t.csv", encoding="cp1256"), [(1, ["السلام"])])

    def test_delimiters_and_quotes(self):
        for text in ('a;"b;c,d,e"\n1;2\n', 'a\t"b;c,d,e"\n1\t2\n', 'a|"b;c,d,e"\n1|2\n', 'a,"b;c,d,e"\n1,2\n'):
            self.assertEqual(rows(text.encode(), "t.csv"), [(1, ["a", "b;c,d,e"]), (2, ["1", "2"])])

    def test_a_row_without_end_is_bounded(self):
        class Endless(io.RawIOBase):
            def __init__(self):
                self.place = self.most = 0

            def readable(self):
                return True

            def readinto(self, buffer):
                data = (b'a,b\n1,"' if not self.place else b"").ljust(len(buffer), b"x")
                buffer[:] = data
                self.place += len(data)
                self.most = max(self.most, self.place)
                return len(data)

            def seek(self, place, whence=0):
                self.place = place
                return place

        stream = Endless()
        with self.assertRaises(FileError):
            list(read_rows(stream, "t.csv", "utf-8"))
        self.assertLess(stream.most, 64 << 20)

    def test_of_two_columns_that_fit_nobody_takes_one(self):
        names = {"amount": {"amount", "value"}}
        with self.assertRaisesRegex(FileError, "“Amount” and “Value”"):
            table_file.find_columns(["Amount", "x", "Value"], names)
        self.assertEqual(table_file.find_columns(["Amount", "x", "Value"], names, {"amount": "Value"}), {"amount": 2})
        with self.assertRaisesRegex(FileError, "no column “Sum”"):
            table_file.find_columns(["Amount"], names, {"amount": "Sum"})

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.lists(
                st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\ufeff"), max_size=12),
                min_size=2,
                max_size=4,
            ),
            min_size=1,
            max_size=5,
        )
    )
    def test_what_is_written_is_read(self, table):
        table = [["head", "second"], *table]
        expected = [cells for cells in table if any(map(str.strip, cells))]
        self.assertEqual([cells for _number, cells in rows(csv_bytes(table), "t.csv", encoding="utf-8")], expected)


@tagged("post_install", "-at_install")
class TestDecimalText(TransactionCase):
    def sql(self, texts, mark):
        query = SQL(
            "SELECT (%s)::numeric::text FROM unnest(%s::text[]) WITH ORDINALITY AS given (text, place) ORDER BY place",
            decimal_text.number_sql(SQL("given.text"), mark),
            texts,
        )
        return [value and Decimal(value) for (value,) in self.env.execute_query(query)]

    def python(self, text, mark):
        try:
            return decimal_text.parse(text, mark)
        except ValueError:
            return None

    def test_a_decimal_comma_is_never_thousands(self):
        for mark in (".", ",", decimal_text.WHOLE, None):
            self.assertEqual(decimal_text.parse("1234,56", mark), Decimal("1234.56"))
            self.assertEqual(decimal_text.parse("0,123", mark), Decimal("0.123"))
            self.assertEqual(decimal_text.parse("1.234.567,8", mark), Decimal("1234567.8"))

    numbers = st.decimals(min_value=0, max_value=10**12, places=2, allow_nan=False, allow_infinity=False)

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(st.decimals(min_value=0, max_value=10**9, places=3, allow_nan=False), min_size=1, max_size=12),
        st.booleans(),
    )
    def test_a_column_that_proves_its_mark_is_read_back_exactly(self, numbers, comma):
        def written(number):
            text = f"{number:,.3f}"
            return text.translate(str.maketrans(",.", ".,")) if comma else text

        texts = [*map(written, numbers), written(Decimal("1234567.125"))]
        column = decimal_text.Column()
        for text in texts:
            column.add(text)
        self.assertEqual(column.mark, "," if comma else ".")
        self.assertEqual([decimal_text.parse(text, column.mark) for text in texts[:-1]], numbers)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.text("0123456789,. '+-eE", min_size=1, max_size=12), min_size=1, max_size=20))
    def test_python_and_postgresql_read_the_same(self, texts):
        texts = [" ".join(text.split()) for text in texts]
        for mark in (".", ",", decimal_text.WHOLE, None):
            self.assertEqual(self.sql(texts, mark), [self.python(text, mark) for text in texts])

    @settings(max_examples=50, deadline=None)
    @given(
        st.lists(st.sampled_from(["1,234", "12.345", "1", "7.5", "7,5", "1,234.5", "1.234,5", "1,234,567"]), max_size=6)
    )
    def test_nothing_that_may_be_two_numbers_is_guessed(self, texts):
        column = decimal_text.Column()
        for text in texts:
            column.add(text)
        for text in texts:
            if text in ("1,234", "12.345") and column.mark is None:
                self.assertTrue(column.is_open)
                with self.assertRaises(decimal_text.AmbiguousError):
                    decimal_text.parse(text, column.mark)
            else:
                decimal_text.parse(text, column.mark)
