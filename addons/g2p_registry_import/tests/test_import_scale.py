"""Files of registrants at scale: what the set-based import writes, whom it asks, and how it is taken back."""

import base64
import csv
import io
import os
import random
import tempfile
from datetime import datetime
from unittest.mock import patch

import openpyxl
import phonenumbers
from psycopg2.errors import SerializationFailure

from odoo import api
from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, TransactionCase, new_test_user, tagged
from odoo.tools import SQL, mute_logger

from odoo.addons.g2p_bulk.models import bulk_step_read
from odoo.addons.g2p_bulk.tests.statements import counting_statements
from odoo.addons.g2p_bulk.tools import table_file, workbook

from ..tools import import_file, made, rows
from ..tools.people import People
from .test_import import REPOSITORY, as_csv

# Of a table's columns, those that tell rows or moments apart rather than what was entered.
OWN_COLUMNS = {
    "id",
    "create_date",
    "write_date",
    "changed_at",
    "commercial_partner_id",
    "partner_id",
    "barcode",
    "create_uid",
    "write_uid",
}


class ImportCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.cr.execute("DELETE FROM g2p_reg_id")  # whatever the database holds, these IDs are new
        cls.env.company.country_id = cls.env.ref("base.ke")
        cls.national = cls.env.ref("g2p_registry_base.id_type_national")
        cls.token = cls.env.ref("g2p_registry_base.id_type_token")
        cls.registrar = new_test_user(cls.env, "t_scale", groups="g2p_registry_base.group_g2p_registrar")

    def new_import(self, rows, name="registrants.csv", user=None, **values):
        content = as_csv(rows).encode() if isinstance(rows, list) else rows
        record = self.env["g2p.registrant.import"].with_user(user or self.registrar)
        return record.create({"name": name, "file": base64.b64encode(content), **values})

    def imported(self, rows, **values):
        record = self.new_import(rows, **values)
        record.action_check()
        record.action_import()
        return record

    def mapping(self, columns, **values):
        return self.env["g2p.registrant.import.mapping"].create(
            {
                "name": f"Mapping {columns}",
                "line_ids": [(0, 0, {"column": column, **line}) for column, line in columns.items()],
                **values,
            }
        )

    def refused(self, record):
        return {line.row_number: (line.column_name, line.reason) for line in record.refused_line_ids}

    def row(self, record):
        record.flush_recordset()
        self.cr.execute(f'SELECT * FROM "{record._table}" WHERE id = %s', [record.id])
        names = [column.name for column in self.cr.description]
        return {n: v for n, v in zip(names, self.cr.fetchone(), strict=True) if n not in OWN_COLUMNS}


@tagged("post_install", "-at_install")
class TestImportRows(ImportCase):
    def test_rows_are_stored_as_the_orm_stores_them(self):
        area = self.env["g2p.area"].create({"name": "Here", "code": "T-HERE"})
        header = ["Family name", "Given name", "Additional name", "Date of birth", "Gender", "Area code", "E-mail"]
        header += ["Phone number", "National ID", "Bank account number", "Income", "Occupation", "Shoe size"]
        cells = ["Müßig", "Öykü", "Ñ", "1990-02-28", "female", "T-HERE", "Oyku@Example.org", "+254 712 345678"]
        cells += ["N-1", "12-34 ab", "1,200.50", "weaver", "38"]
        record = self.imported([header, cells])
        self.assertEqual(self.refused(record), {})
        person = record.line_ids.partner_id
        twin = (
            self.env["res.partner"]
            .with_user(self.registrar)
            .with_context(tracking_disable=True)
            .create(
                {
                    "is_registrant": True,
                    "is_group": False,
                    "family_name": "Müßig",
                    "given_name": "Öykü",
                    "addl_name": "Ñ",
                    "birthdate": "1990-02-28",
                    "gender": "female",
                    "area_id": area.id,
                    "email": "Oyku@Example.org",
                    "income": 1200.5,
                    "occupation": "weaver",
                    "additional_g2p_info": {"Shoe size": "38"},
                    "phone_number_ids": [(0, 0, {"phone_no": "+254 712 345678"})],
                    "reg_ids": [(0, 0, {"id_type": self.token.id, "value": "N-1"})],
                    "bank_ids": [(0, 0, {"acc_number": "12-34 ab"})],
                }
            )
        )
        self.assertEqual(self.row(person), self.row(twin))
        self.assertEqual(person.name, "MÜSSIG, ÖYKÜ Ñ")
        self.assertEqual(person.commercial_partner_id, person)
        for field in ("phone_number_ids", "bank_ids", "reg_ids"):
            with self.subTest(field):
                mine, hand = self.row(person[field]), self.row(twin[field])
                if field == "reg_ids":
                    hand["id_type"] = mine["id_type"]
                self.assertEqual(mine, hand)

    def test_a_chunk_takes_the_same_statements_whatever_its_rows(self):
        def statements(people, prefix):
            header = ["Full name", "Date of birth", "Phone number", "National ID"]
            rows = [[f"Person{n} Here", "1990-01-01", f"+2547{n:08}", f"{prefix}{n}"] for n in range(people)]
            record = self.new_import([header, *rows])
            with counting_statements(self.env.cr) as count:
                record.action_check()
                record.action_import()
            self.assertEqual(record.imported_count, people)
            return count.statements

        statements(5, "V")
        statements(5, "W")
        self.assertEqual(statements(20, "A"), statements(900, "B"))

    def test_counts_of_the_operation_add_up_and_chunks_are_many(self):
        self.env["ir.config_parameter"].set_param("g2p_bulk.chunk_size", "7")
        rows = [["Full name", "National ID"], *([f"Person{n} Here", f"C{n % 25}"] for n in range(30))]
        record = self.imported(rows)
        self.assertEqual((record.imported_count, record.refused_count, record.total_count), (25, 5, 30))
        operation = record.sudo().operation_ids.filtered(lambda o: o.step == "import")
        self.assertEqual((operation.state, operation.counts), ("done", {"created": 25}))
        self.assertEqual(len(operation.chunk_ids), 4)

    def test_dates_of_each_column_in_its_own_form(self):
        mapping = self.mapping(
            {
                "n": {"target": "full_name"},
                "born": {"target": "birthdate", "date_format": "%m/%d/%Y"},
                "seen": {"target": "registration_date"},
            },
            date_format="%d.%m.%Y",
        )
        rows = [
            ["n", "born", "seen"],
            ["A B", "2/29/2000", "1.3.2020"],
            ["C D", "2/29/1900", ""],
            ["E F", "", "0.1.2020"],
        ]
        record = self.imported(rows, mapping_id=mapping.id)
        person = record.line_ids.partner_id
        self.assertEqual([str(person.birthdate), str(person.registration_date)], ["2000-02-29", "2020-03-01"])
        self.assertEqual({row: column for row, (column, _) in self.refused(record).items()}, {3: "born", 4: "seen"})

    def test_patterns_are_read_as_the_registry_reads_them(self):
        self.assertIsNone(import_file.portable_pattern(r"(?i)[a-z]{2}\d+"))
        for pattern in (r"[A-Za-z]{2}-?\d{3}", r"(?i)[a-z]{2}-?\d{3}", r"^(?:AB|CD)-?[0-9]{3}$"):
            with self.subTest(pattern):
                self.token.id_validation = pattern
                rows = [["Full name", "Token ID"], ["A B", "AB-123"], ["C D", "AB-1234"], ["E F", "xAB123"]]
                record = self.new_import(rows)
                record.action_check()
                self.assertEqual(set(self.refused(record)), {3, 4})
                self.assertIn("pattern", self.refused(record)[3][1])

    def test_phones_come_out_as_the_numbering_plans_say(self):
        random.seed(3)
        numbers = [f"+254{random.randrange(10**8, 10**9)}" for _ in range(150)]
        numbers += [f"+2540{random.randrange(10**8, 10**9)}" for _ in range(20)]
        numbers += ["0712345678", "+44 20 7946 0958", "712 345 678", "12", "+254 (712) 345-678", "+1 202 555 0123"]
        record = self.imported([["Full name", "Phone number"], *([f"P{i} X", n] for i, n in enumerate(numbers))])
        phones = record.line_ids.partner_id.phone_number_ids
        self.assertEqual(len(phones), len(numbers))
        for phone in phones:
            expected = phones._e164(phone.phone_no, "KE")
            self.assertEqual((phone.phone_sanitized, phone.is_valid), (expected, bool(expected)), phone.phone_no)
        valid = sum(phones.mapped("is_valid"))
        self.assertTrue(0 < valid < len(numbers))
        self.assertTrue(phonenumbers.is_valid_number(phonenumbers.parse("+254712345678")))

    def test_tags_come_by_name(self):
        tags = self.env["g2p.registrant.tags"].create([{"name": "Widow"}, {"name": "Farmer"}])
        record = self.imported([["Full name", "Tags"], ["A B", "widow; Farmer"], ["C D", "Nobody"], ["E F", ""]])
        self.assertEqual(record.line_ids.filtered(lambda line: line.row_number == 2).partner_id.tags_ids, tags)
        self.assertEqual(set(self.refused(record)), {3})

    def test_a_wallet_and_an_account_have_one_primary(self):
        header = ["Full name", "Mobile wallet number", "Bank account number"]
        record = self.imported([header, ["A B", "0712-345", "99 88"], ["C D", "", "77"]])
        accounts = record.line_ids.partner_id.bank_ids
        self.assertEqual(len(accounts), 3)
        self.assertEqual(accounts.filtered("is_primary").mapped("sanitized_acc_number"), ["0712345", "77"])

    def test_what_the_database_refuses_is_refused_row_by_row(self):
        self.env.cr.execute("ALTER TABLE res_partner ADD CONSTRAINT t_odd CHECK (occupation <> 'spy')")
        rows = [["Full name", "Occupation"], *([f"P{i} X", "spy" if i in (3, 11) else "baker"] for i in range(16))]
        record = self.imported(rows)
        self.assertEqual((record.imported_count, set(self.refused(record))), (14, {5, 13}))


@tagged("post_install", "-at_install")
class TestImportExisting(ImportCase):
    HEADER = ("Family name", "Given name", "National ID", "Token ID", "Phone number", "Occupation")

    def existing(self):
        return self.imported(
            [list(self.HEADER), ["Old", "Ann", "N1", "T1", "+254712345678", "baker"]]
        ).line_ids.partner_id

    def test_skip(self):
        self.existing()
        rows = [list(self.HEADER), ["New", "Ann", "N1", "", "", ""], ["New", "Ben", "N2", "", "", ""]]
        record = self.imported(rows, existing_policy="skip")
        self.assertEqual((record.imported_count, record.skipped_count, record.refused_count), (1, 1, 0))
        line = record.line_ids.filtered(lambda line: line.state == "skipped")
        self.assertIn("is the ID of OLD, ANN already", line.reason)

    def test_update(self):
        person = self.existing()
        account = self.env["res.partner"].create({"is_registrant": True, "given_name": "Other"})
        account.reg_ids = [(0, 0, {"id_type": self.token.id, "value": "T9"})]
        rows = [
            list(self.HEADER),
            ["New", "", "N1", "T2", "0712 345 678", ""],
            ["Ben", "B", "N2", "T9", "", ""],
            ["Cat", "C", "N3", "T3", "", ""],
        ]
        record = self.imported(rows, existing_policy="update", match_id_type_id=self.national.id)
        self.assertEqual((record.updated_count, record.imported_count, record.refused_count), (1, 1, 1))
        self.assertEqual(self.refused(record), {3: ("Token ID", "is the ID of a registrant already: T9")})
        self.assertEqual((person.name, person.given_name, person.occupation), ("NEW, ANN", "Ann", "baker"))
        self.assertEqual(set(person.reg_ids.mapped("value")), {"N1", "T2"})
        self.assertEqual(person.phone_number_ids.mapped("phone_no"), ["+254712345678"], "the same number, written anew")

    def test_update_needs_an_id_that_the_file_has(self):
        rows = [["Full name"], ["A B"]]
        with self.assertRaisesRegex(UserError, "who is updated"):
            self.new_import(rows, existing_policy="update", match_id_type_id=self.national.id).action_check()

    def test_a_registrant_out_of_the_importers_areas_is_not_changed(self):
        here, there = self.env["g2p.area"].create([{"name": n, "code": f"T-{n}"} for n in ("Here", "There")])
        person = self.existing()
        person.area_id = there
        self.registrar.g2p_area_ids = here
        rows = [["Full name", "National ID", "Area code"], ["A B", "N1", "T-Here"]]
        record = self.imported(rows, existing_policy="update", match_id_type_id=self.national.id)
        self.assertIn("may not change", self.refused(record)[2][1])
        self.assertEqual(person.sudo().area_id, there)


@tagged("post_install", "-at_install")
class TestImportHouseholds(ImportCase):
    def test_groups_and_members_in_one_file(self):
        self.env["ir.config_parameter"].set_param("g2p_bulk.chunk_size", "2")
        mapping = self.mapping(
            {
                "Name": {"target": "full_name"},
                "Home": {"target": "household", "id_type_id": self.token.id},
                "Role": {"target": "role"},
            }
        )
        rows = [["Name", "Home", "Role"], ["Ann Sow", "H1", ""], ["Ben Sow", "H2", "Head"], ["Cat Sow", "H1", "Head"]]
        rows += [["Dan Sow", "", ""], ["Eve Sow", "H2", "head"], ["Fay Sow", "H1", "Nobody"], ["Gus Sow", "H2", ""]]
        record = self.imported(rows, mapping_id=mapping.id)
        self.assertEqual(record.imported_count, 5)
        self.assertEqual({row: column for row, (column, _) in self.refused(record).items()}, {6: "Role", 7: "Role"})
        groups = record.line_ids.group_id.sorted("name")
        self.assertEqual(groups.mapped("name"), ["Household of Ben Sow", "Household of Cat Sow"])
        self.assertEqual(groups.mapped("z_ind_grp_num_individuals"), [2, 2])
        self.assertEqual(groups.reg_ids.mapped("id_type"), self.token)
        heads = groups.group_membership_ids.filtered("kind").individual
        self.assertEqual(sorted(heads.mapped("given_name")), ["Ben", "Cat"])

        again = self.imported([["Name", "Home", "Role"], ["Hal Sow", "H1", ""]], mapping_id=mapping.id)
        self.assertEqual(again.line_ids.group_id.name, "Household of Cat Sow")
        self.assertEqual(again.line_ids.group_id.z_ind_grp_num_individuals, 3)
        with self.assertRaisesRegex(UserError, "depends"):
            record.action_undo()

    def test_the_sample_needs_no_mapping(self):
        content = (REPOSITORY / "docs" / "samples" / "household_members.csv").read_bytes()
        record = self.imported(content)
        self.assertEqual((record.imported_count, self.refused(record)), (4, {}))
        groups = record.line_ids.group_id.sorted("name")
        self.assertEqual(groups.mapped("name"), ["Household of Almaz Tesfaye", "Household of Girma Abebe"])
        self.assertEqual(groups.mapped("z_ind_grp_num_individuals"), [3, 1])

    def test_groups_and_members_in_two_files(self):
        groups = self.imported([["name", "Token ID"], ["Sow", "G1"]], target_type="group")
        mapping = self.mapping(
            {
                "Name": {"target": "full_name"},
                "Group": {"target": "group_id", "id_type_id": self.token.id, "required": True},
                "Role": {"target": "role"},
            }
        )
        rows = [["Name", "Group", "Role"], ["Ann Sow", "G1", "Head"], ["Ben Sow", "G1", ""], ["Cat Sow", "G2", ""]]
        record = self.imported(rows, mapping_id=mapping.id)
        group = groups.line_ids.partner_id
        self.assertEqual(group.z_ind_grp_num_individuals, 2)
        self.assertEqual(group.group_membership_ids.filtered("kind").individual.given_name, "Ann")
        self.assertEqual(self.refused(record), {4: ("Group", "is the ID of no group of the registry: G2")})


@tagged("post_install", "-at_install")
class TestImportFiles(ImportCase):
    @mute_logger("odoo.tools.mimetypes.guess_mimetype")
    def test_broken_files_are_refused_in_one_sentence(self):
        book = openpyxl.Workbook()
        book.active.append([f"c{i}" for i in range(700)])
        wide = io.BytesIO()
        book.save(wide)
        columns = ",".join(f"c{i}" for i in range(10_000))
        for content, why, *name in (
            (random.Random(1).randbytes(5000), "not text"),
            (b"\x89PNG\r\n\x1a\n\x00\x00", "not text"),
            ("Full name\nAna".encode("utf-16-le"), "not text"),
            (b"Full name\nAna\nBe\x00n\n", "Row 3 holds a NUL byte"),
            (b'Full name,Address\nAna,here\n"Ben,there\nCat,where\n', "From row 3 on"),
            (b'Full name,Address\nAna,"he"re\n', "From row 2 on"),
            (b'Full name,Address\nAna,"' + b"x" * (17 << 20), "From row 2 on"),
            (f"{columns}\n".encode(), "too many columns"),
            (f"Full name\nAna\n{columns}\n".encode(), "too many columns"),
            (wide.getvalue(), "too many columns", "wide.xlsx"),
            (wide.getvalue(), "named as text"),
            (b"Ana,1990\nBen,1991\n", "holds names"),
            (b"\n\n", "empty"),
        ):
            with self.subTest(why, start=content[:20]), self.assertRaisesRegex(UserError, why):
                self.new_import(content, *name).action_check()

    def workbook(self, *rows):
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        stream = io.BytesIO()
        book.save(stream)
        return stream.getvalue()

    def test_all_that_is_wrong_with_a_row_is_said_at_once(self):
        self.imported([["Full name", "National ID"], ["Ann Sow", "N-1"]])
        record = self.new_import(
            [
                ["Full name", "Date of birth", "Income", "E-mail", "National ID", "Token ID"],
                ["", "1990-13-01", "many", "nobody", "N-1", "=1"],
                ["Ben Sow", "1990-01-01", "5", "", "N-2", ""],
                ["Cat Sow", "soon", "5", "", "N-2", ""],
            ]
        )
        record.action_check()
        refused = self.refused(record)
        self.assertEqual(refused[2][0], "Full name, Date of birth, Income, E-mail, Token ID, National ID")
        for words in (
            "Full name: is empty",
            "Date of birth: is not a date",
            "Income: is not a number: many",
            "E-mail: is not an e-mail",
            "National ID: is the ID of SOW, ANN already: N-1",
            "Token ID: starts like a spreadsheet formula",
        ):
            self.assertIn(words, refused[2][1])
        self.assertEqual(refused[4], ("Date of birth", "is not a date in the form YYYY-MM-DD: soon"))
        self.assertEqual(len(record.line_ids.filtered(lambda line: line.row_number == 2).problems), 6)

    def incomes(self, *texts, **values):
        rows = [["Full name", "Income"], *([f"P{number} Sow", text] for number, text in enumerate(texts))]
        record = self.imported(rows, **values)
        people = {line.row_number: line.partner_id.income for line in record.line_ids if line.partner_id}
        return [people.get(number) for number in range(2, len(texts) + 2)]

    def test_a_decimal_comma_is_told_from_thousands_by_the_column(self):
        self.assertEqual(self.incomes("1234,56", "1.234,5", "7"), [1234.56, 1234.5, 7])
        self.assertEqual(self.incomes("12,345.6", "1,234"), [12345.6, 1234])
        self.assertEqual(self.incomes("12,5", "1.234"), [12.5, 1234], "the other value proves the comma")
        self.assertEqual(self.incomes("1,234", "5"), [1234, 5], "this money has no three decimals")
        self.assertEqual(self.incomes("1 234 567,5", "12,34,567", "-5", "1e99"), [1234567.5, 1234567, None, None])
        self.assertEqual(self.incomes("1,234", decimal_mark=","), [1.234])
        self.env.company.currency_id = self.env.ref("base.KWD")
        self.env.company.currency_id.sudo().active = True
        with self.assertRaisesRegex(UserError, "Income.*1,234 may be two numbers"):
            self.incomes("1,234", "5")

    def test_what_a_workbook_has_lost_is_refused_in_an_id(self):
        content = self.workbook(
            ["Full name", "National ID", "Income", "Registration date"],
            ["Ann Sow", 1234567890123456789, 10.125, datetime(2024, 1, 2, 3, 4)],
            ["Ben Sow", 12.5, 1, None],
            ["Cat Sow", "=1+1", 1, None],
            ["Dan Sow", 123456789012, 1234.5, datetime(2024, 1, 2, 3, 4)],
            ["Eve Sow", "1.23E+11", 1, None],
        )
        record = self.new_import(content, "people.xlsx")
        record.action_check()
        refused = self.refused(record)
        self.assertEqual({column for column, _reason in refused.values()}, {"National ID"})
        for row, words in (
            (2, "more than 15 digits"),
            (3, "decimals"),
            (4, "without a stored value"),
            (6, "shortened"),
        ):
            self.assertIn(words, refused[row][1])
        record.action_import()
        person = record.line_ids.partner_id
        self.assertEqual((person.reg_ids.value, person.income), ("123456789012", 1234.5))
        self.assertEqual(str(person.registration_date), "2024-01-02")

    def test_of_two_columns_that_fit_nobody_takes_one(self):
        with self.assertRaisesRegex(UserError, "Two columns may be “Full name”: “Name” and “Full name”"):
            self.new_import([["Name", "Full name"], ["A", "B"]]).action_check()
        with self.assertRaisesRegex(UserError, "Two columns may be “Income”"):
            mapping = self.mapping({"N": {"target": "full_name"}, "A": {"target": "income"}, "B": {"target": "income"}})
            self.new_import([["N", "A", "B"], ["x", "1", "2"]], mapping_id=mapping.id).action_check()

    def test_the_encoding_may_be_found_from_the_file(self):
        for encoding in ("utf-8", "utf-16", "cp1252"):
            content = as_csv([["Full name"], ["José Muñoz"]]).encode(encoding)
            record = self.new_import(content, encoding="auto")
            record.action_check()
            record.action_import()
            self.assertEqual(record.line_ids.partner_id.name, "MUÑOZ, JOSÉ")

    def test_a_file_of_the_server(self):
        admin = new_test_user(self.env, "t_scale_admin", groups="g2p_registry_base.group_g2p_admin")
        with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile(suffix=".csv") as outside:
            imports = os.path.join(folder, "in")
            os.makedirs(os.path.join(imports, "deep"))
            with open(os.path.join(imports, "deep", "people.csv"), "w") as file:
                file.write("Full name\nAnn Sow\n")
            os.symlink(outside.name, os.path.join(imports, "link.csv"))
            os.symlink("/", os.path.join(imports, "root"))
            os.mkfifo(os.path.join(imports, "pipe.csv"))
            record = self.env["g2p.registrant.import"].with_user(admin).create({"server_path": "deep/people.csv"})
            self.assertEqual(record.name, "people.csv")
            with self.assertRaisesRegex(UserError, "not enabled"):
                record.action_check()
            self.env["ir.config_parameter"].set_param("g2p_registry_base.import_folder", imports)
            record.action_check()
            record.action_import()
            self.assertEqual(record.imported_count, 1)
            for path in (
                "../x.csv",
                outside.name,
                "/etc/passwd",
                "link.csv",
                "root/etc/passwd",
                "deep",
                "pipe.csv",
                "no",
            ):
                with self.subTest(path):
                    bad = self.env["g2p.registrant.import"].with_user(admin).create({"name": "x", "server_path": path})
                    with self.assertRaises(UserError):
                        bad.action_check()
            with self.assertRaises(AccessError):
                self.new_import([["Full name"], ["A B"]], server_path="deep/people.csv")
            with self.assertRaises(AccessError):
                self.new_import([["Full name"], ["A B"]]).write({"server_path": "deep/people.csv"})

    def test_the_same_file_is_noticed(self):
        rows = [["Full name"], ["Ann Sow"]]
        self.imported(rows)
        record = self.new_import(rows)
        record.action_check()
        self.assertIn("created 1", record.same_file_text)
        other = self.new_import([["Full name"], ["Ben Sow"]])
        other.action_check()
        self.assertFalse(other.same_file_text)

    def test_the_preview_shows_a_few_rows(self):
        rows = [["Full name", "Date of birth"], *([f"P{i} X", "1990-01-01" if i % 2 else "no"] for i in range(120))]
        record = self.new_import(rows)
        record.action_check()
        self.assertEqual((len(record.first_refused_ids), len(record.sample_line_ids)), (40, 10))
        self.assertIn("1990-01-01", record.sample_line_ids[0].summary)

    def test_the_preview_names_what_each_cell_becomes(self):
        header = ["Full name", "Date of birth", "Gender", "National ID", "Household number", "Role in the group"]
        record = self.new_import([header, ["Ann Sow", "1990-01-01", "Female", "77", "H1", "Head"]])
        record.action_check()
        self.assertEqual(
            record.line_ids.summary,
            "Name: SOW, ANN · Date of birth: 1990-01-01 · Gender: female · National ID: 77"
            " · Household number: H1 · Role in the group: Head",
        )

    def test_the_result_is_the_file_with_reasons(self):
        record = self.imported([["Full name", "National ID"], ["Ann  Sow", "=1"], ["Ben", "7"], ["Cat", "7"]])
        text = "".join(record._result_file("result")).lstrip("\ufeff")
        header, *rows = csv.reader(io.StringIO(text))
        self.assertEqual(header, ["Full name", "National ID", "row number", "result", "column", "reason"])
        self.assertEqual(
            [row[:4] for row in rows[:2]], [["Ann  Sow", "'=1", "2", "Refused"], ["Ben", "7", "3", "Created"]]
        )
        self.assertEqual(rows[2][5], "is the same ID as in row 3")


@tagged("post_install", "-at_install")
class TestImportLife(ImportCase):
    def rows(self, people=6, prefix="L"):
        return [["Full name", "National ID"], *([f"Person{n} Here", f"{prefix}{n}"] for n in range(people))]

    def test_another_user_confirms(self):
        self.env["ir.config_parameter"].set_param("g2p_registry_base.import_maker_checker", "True")
        checker = new_test_user(self.env, "t_checker", groups="g2p_registry_base.group_g2p_registrar")
        record = self.new_import(self.rows())
        record.action_check()
        with self.assertRaisesRegex(UserError, "Submit"):
            record.action_import()
        with self.assertRaises(AccessError):
            record.with_user(checker).read(["name"])
        record.action_submit()
        with self.assertRaisesRegex(AccessError, "Another user"):
            record.action_import()
        theirs = record.with_user(checker)
        self.assertTrue(theirs.may_confirm)
        with self.assertRaises(AccessError):
            theirs.write({"file": base64.b64encode(b"Full name\nMallory\n")})
        with self.assertRaises(AccessError):
            theirs.action_check()
        theirs.action_import()
        self.assertEqual((record.state, record.imported_count, record.confirmed_by_id), ("done", 6, checker))
        self.assertTrue(theirs.line_ids)

    def test_a_change_after_submission_takes_it_back(self):
        self.env["ir.config_parameter"].set_param("g2p_registry_base.import_maker_checker", "True")
        record = self.new_import(self.rows())
        record.action_check()
        record.action_submit()
        record.date_format = "%d/%m/%Y"
        self.assertEqual((record.state, record.submitted_by_id.id), ("draft", False))

    def test_state_and_counts_are_not_written_by_hand(self):
        record = self.new_import(self.rows())
        for vals in (
            {"state": "checked"},
            {"imported_count": 3},
            {"confirmed_by_id": self.registrar.id},
            {"layout": []},
        ):
            with self.subTest(vals), self.assertRaises(AccessError):
                record.write(vals)
        with self.assertRaises(AccessError):
            self.new_import(self.rows(), state="checked")

    def test_a_failing_chunk_is_resumed(self):
        self.env["ir.config_parameter"].set_param("g2p_bulk.chunk_size", "2")
        record = self.new_import(self.rows())
        record.action_check()
        write = People.write_tags
        calls = []

        def failing(this):
            calls.append(1)
            if len(calls) == 2:
                raise ZeroDivisionError
            return write(this)

        with patch.object(People, "write_tags", failing), mute_logger("odoo.addons.g2p_bulk.models.bulk_operation"):
            record.action_import()
        operation = record.sudo().operation_ids.filtered(lambda o: o.step == "import")
        self.assertEqual((operation.state, record.state, record.imported_count), ("failed", "importing", 4))
        with self.assertRaises(UserError):
            record.action_import()
        operation.with_user(self.registrar).action_resume()
        self.assertEqual((operation.state, record.state, record.imported_count), ("done", "done", 6))
        people = record.line_ids.partner_id
        self.assertEqual((len(people), len(people.reg_ids)), (6, 6))

    def test_undo(self):
        before = self.env["res.partner"].with_context(active_test=False).search_count([])
        record = self.imported(self.rows())
        other = new_test_user(self.env, "t_other", groups="g2p_registry_base.group_g2p_registrar")
        with self.assertRaises(AccessError):
            record.with_user(other).action_undo()
        users = self.env["res.partner"].with_context(active_test=False).search_count([]) - before - 6
        record.action_undo()
        self.assertEqual((record.state, record.imported_count), ("undone", 0))
        self.assertEqual(self.env["res.partner"].with_context(active_test=False).search_count([]), before + users)
        with self.assertRaises(UserError):
            record.action_undo()
        self.assertEqual(self.imported(self.rows()).imported_count, 6, "the IDs are free again")

    def test_undo_of_households(self):
        mapping = self.mapping({"Name": {"target": "full_name"}, "Home": {"target": "household"}})
        record = self.imported([["Name", "Home"], ["Ann Sow", "1"], ["Ben Sow", "1"]], mapping_id=mapping.id)
        partners = record.line_ids.partner_id | record.line_ids.group_id
        self.assertEqual(len(partners), 3)
        record.action_undo()
        self.assertFalse(partners.exists())

    def test_no_undo_of_what_others_depend_on(self):
        record = self.imported(self.rows())
        people = record.line_ids.partner_id
        group = self.env["res.partner"].create({"is_registrant": True, "is_group": True, "name": "G"})
        membership = self.env["g2p.group.membership"].create({"group": group.id, "individual": people[0].id})
        with self.assertRaisesRegex(UserError, "Group Membership|depends"):
            record.action_undo()
        membership.unlink()
        child = self.env["res.partner"].create({"name": "child", "parent_id": people[1].id})
        with self.assertRaisesRegex(UserError, "depends"):
            record.action_undo()
        child.unlink()
        record.action_undo()
        self.assertFalse(people.exists())

    def test_who_comes_to_be_used_while_an_import_is_undone_stays(self):
        record = self.imported(self.rows())
        people = record.line_ids.partner_id
        child = self.env["res.partner"].create({"name": "child", "parent_id": people[1].id})
        undo = type(self.env["g2p.registrant.import.step.undo"])
        with patch.object(undo, "_refuse_used", lambda *args: None):  # looked before the child was there
            record.action_undo()
        self.assertEqual(people.exists(), people[1])
        operation = record.operation_ids[0]
        self.assertEqual((operation.state, operation.counts), ("done", {"removed": 5, "in_use": 1}))
        self.assertEqual((record.state, record.imported_count), ("done", 1))
        child.unlink()
        record.action_undo()
        self.assertEqual((record.state, record.imported_count), ("undone", 0))
        self.assertFalse(people.exists())

    def test_a_chunk_of_undo_does_not_read_what_else_is_registered(self):
        """Each of those who are taken back is looked up by key in the table of registrants, however many there are."""
        self.env.cr.execute(
            """
            INSERT INTO res_partner (name, complete_name, is_registrant, is_group, active, type)
            SELECT 'Other', 'Other', TRUE, FALSE, TRUE, 'contact' FROM generate_series(1, 5000)
            """
        )
        record = self.imported(self.rows())
        self.env.flush_all()
        self.env.cr.execute("ANALYZE res_partner")
        self.env.cr.execute(SQL("CREATE TEMP TABLE g2p_undo_made AS %s", made.made(rows.of_units(record, 0, 100))))
        self.env.cr.execute("ANALYZE g2p_undo_made")
        self.env.cr.execute(SQL("EXPLAIN (COSTS OFF) %s", made.used_units(made.references(self.env))))
        scans = [line.strip() for [line] in self.env.cr.fetchall() if "Seq Scan on res_partner " in line]
        self.assertEqual(scans, [])

    def test_history_is_not_deleted(self):
        record = self.imported(self.rows())
        with self.assertRaises(UserError):
            record.unlink()
        self.new_import(self.rows()).unlink()


@tagged("post_install", "-at_install")
class TestImportInBackground(ImportCase):
    """A large file is read by a job, with a bar, and checked by another when it is read."""

    def setUp(self):
        super().setUp()
        self.reported = []
        operations = self.env.registry["g2p.bulk.operation"]
        report = operations._report

        def noted(operation, rows):
            report(operation, rows)  # nothing may be read from the database while COPY runs
            self.reported.append(rows)

        self.env["ir.config_parameter"].set_param("g2p_bulk.inline_threshold", "100")
        self.patch(bulk_step_read, "REPORT_ROWS", 100)
        self.patch(operations, "_runner_is_alive", lambda self: True)
        self.patch(operations, "_report", noted)

    def jobs(self, record, step):
        operation = self.env["g2p.bulk.operation"].search(
            [("res_model", "=", record._name), ("res_id", "=", record.id), ("step", "=", step)],
            order="id desc",
            limit=1,
        )
        for chunk in operation.chunk_ids:
            chunk._run_job()
        operation.invalidate_recordset()
        return operation

    def test_a_large_file_is_read_and_checked_by_jobs(self):
        rows = [["Full name", "Date of birth"], *([f"Person{number} Here", "1990-01-01"] for number in range(1_000))]
        record = self.new_import(rows)
        action = record.action_check()
        self.assertIn("in the background", action["params"]["message"])
        self.assertFalse(record.line_ids, "nothing was read in the request")
        with self.assertRaisesRegex(UserError, "already running"):
            record.action_check()
        with self.assertRaises(UserError):
            record.action_import()
        operation = self.jobs(record, "read")
        self.assertEqual((operation.state, operation.counts, operation.planned), ("done", {"read": 1_000}, 1_000))
        self.assertEqual(operation.progress, 100)
        self.assertTrue(len(self.reported) == 10 and self.reported == sorted(self.reported), self.reported)
        operation.write({"state": "running", "partial": 400})
        operation.chunk_ids.write({"state": "pending", "counts": False})
        self.env.flush_all()
        operation.invalidate_recordset(["progress"])
        self.assertEqual(operation.progress, 40, "the bar goes by what is reported")
        operation.partial = 5_000
        self.assertEqual(operation.progress, 99, "and an estimate is never the end")
        operation.chunk_ids.write({"state": "done", "counts": {"read": 1_000}})
        operation.state = "done"
        self.assertEqual(self.jobs(record, "check").state, "done")
        self.assertEqual((record.state, record.ok_count), ("checked", 1_000))

    def test_a_large_workbook_too(self):
        book = openpyxl.Workbook()
        book.active.append(["Full name"])
        for number in range(500):
            book.active.append([f"Person{number} Here"])
        stream = io.BytesIO()
        book.save(stream)
        record = self.new_import(stream.getvalue(), "people.xlsx")
        record.action_check()
        self.assertEqual(self.jobs(record, "read").counts, {"read": 500})

    @mute_logger("odoo.addons.g2p_bulk.models.bulk_operation")
    def test_a_file_that_can_not_be_read_says_so_and_another_one_can(self):
        record = self.new_import(b"Full name\n" + b"Ana Sow\n" * 2_000 + b'"Ben\n')
        record.action_check()
        operation = self.jobs(record, "read")
        self.assertEqual(operation.state, "failed")
        self.assertIn("From row 2002 on the file can't be read", operation.last_error)
        self.assertFalse(record.line_ids)
        record.file = base64.b64encode(b"Full name\nAnn Sow\n")
        record.action_check()
        self.assertEqual((record.state, record.ok_count), ("checked", 1))

    def test_a_small_file_is_read_at_once(self):
        record = self.new_import([["Full name"], ["Ann Sow"]])
        record.action_check()
        self.assertEqual(record.state, "checked")
        self.assertEqual(set(record.operation_ids.mapped("mode")), {"inline"})


@tagged("post_install", "-at_install")
class TestImportDownload(HttpCase):
    def test_the_result_is_sent_to_who_may_read_it(self):
        password = "a long password of a test"
        registrar = new_test_user(self.env, "t_dl", password=password, groups="g2p_registry_base.group_g2p_registrar")
        new_test_user(self.env, "t_dl_other", password=password, groups="g2p_registry_base.group_g2p_registrar")
        content = base64.b64encode(b"Full name,Date of birth\nAnn,no\nBen,\n")
        record = self.env["g2p.registrant.import"].with_user(registrar).create({"name": "f.csv", "file": content})
        record.action_check()
        self.authenticate("t_dl", password)
        answer = self.url_open(record.action_download_result()["url"])
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(len(list(csv.reader(io.StringIO(answer.text)))), 3)
        answer = self.url_open(record.action_download_refused()["url"])
        self.assertEqual(len(list(csv.reader(io.StringIO(answer.text)))), 2)
        self.authenticate("t_dl_other", password)
        self.assertEqual(self.url_open(record.action_download_result()["url"]).status_code, 404)


@tagged("post_install", "-at_install")
class TestImportRace(TransactionCase):
    """Two users press the button at the same time: real transactions, real commits."""

    def test_one_of_two_confirms_wins(self):
        with self.registry.cursor() as cr:
            env = api.Environment(cr, self.env.ref("base.user_admin").id, {})
            content = base64.b64encode(b"Full name\nRacing Ann\nRacing Ben\n")
            record = env["g2p.registrant.import"].create({"name": "race.csv", "file": content})
            record.action_check()
            cr.commit()
            record_id = record.id
        self.addCleanup(self._remove, record_id)
        with self.registry.cursor() as one, self.registry.cursor() as two:
            first = api.Environment(one, self.env.ref("base.user_admin").id, {})["g2p.registrant.import"].browse(
                record_id
            )
            second = api.Environment(two, self.env.ref("base.user_admin").id, {})["g2p.registrant.import"].browse(
                record_id
            )
            self.assertEqual(second.state, "checked")  # its transaction has begun
            first.action_import()
            with self.assertRaises(Exception) as caught, mute_logger("odoo.sql_db"):
                second.action_import()
            self.assertIsInstance(caught.exception, UserError | SerializationFailure)
            two.rollback()
            with self.assertRaises(UserError):
                second.action_import()
            two.rollback()
            self.assertEqual(second.imported_count, 2)

    def transactions(self):
        """{session of this database that has a transaction open: what it does}"""
        self.env.cr.execute(
            "SELECT pid, state FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
        )
        return dict(self.env.cr.fetchall())

    def test_no_transaction_waits_for_a_reader_that_hangs(self):
        """A workbook is read by a process of its own. While that keeps us waiting, the session of the import has no transaction
        open, and when it is killed the person is told; the rows of the reading before stay."""
        book = openpyxl.Workbook()
        for row in (["Full name"], ["Racing Ann"], ["Racing Ben"]):
            book.active.append(row)
        stream = io.BytesIO()
        book.save(stream)
        with self.registry.cursor() as cr:
            env = api.Environment(cr, self.env.ref("base.user_admin").id, {})
            record = env["g2p.registrant.import"].create(
                {"name": "race.xlsx", "file": base64.b64encode(stream.getvalue())}
            )
            record.action_check()
            record_id = record.id
        self.addCleanup(self._remove, record_id)

        looked = []
        popen = table_file.subprocess.Popen

        def hanging(*args, **options):
            process = popen(*args, **options)
            looked.append((process, session, self.transactions()))
            return process

        with (
            self.registry.cursor() as cr,
            tempfile.NamedTemporaryFile("w", suffix=".py") as script,
            patch.object(workbook, "__file__", script.name),
            patch.object(table_file, "PATIENCE_SECONDS", 1),
            patch.object(table_file.subprocess, "Popen", hanging),
        ):
            script.write("import time; time.sleep(600)")
            script.flush()
            session = cr.connection.info.backend_pid
            record = api.Environment(cr, self.env.ref("base.user_admin").id, {})["g2p.registrant.import"].browse(
                record_id
            )
            with self.assertRaisesRegex(UserError, "took too much time or memory"):
                record.action_check()
            [(process, session, open_then)] = looked
            self.assertNotIn(session, open_then)
            self.assertIsNotNone(process.returncode, "the reader is killed")
            self.assertEqual(record.operation_ids[0].state, "cancelled")
            self.assertEqual((record.state, len(record.line_ids)), ("checked", 2))
            cr.rollback()

    def _remove(self, record_id):
        with self.registry.cursor() as cr:
            env = api.Environment(cr, self.env.ref("base.user_admin").id, {})
            record = env["g2p.registrant.import"].browse(record_id)
            if record.state == "done":
                record.action_undo()
            cr.execute(
                SQL("DELETE FROM g2p_bulk_operation WHERE res_model = %s AND res_id = %s", record._name, record_id)
            )
            cr.execute(SQL("DELETE FROM g2p_registrant_import WHERE id = %s", record_id))
