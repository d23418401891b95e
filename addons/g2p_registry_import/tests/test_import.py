import base64
import csv
import doctest
import io
import os
import random
from datetime import date
from pathlib import Path

import openpyxl

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.g2p_bulk.tests.statements import counting_statements

from ..tools import import_file

REPOSITORY = Path(__file__).parents[3]
SAMPLE = "registrants-openg2p-sample.csv"
HEADER = (
    "Registrant ID,ID,Token ID,Full Name,Date of Birth,Email ID,Address,Region,Phone Number,Gender,Home Owned,"
    "Employement Status,Annual Household Income (USD),Vehicles Owned,Account Number,Disability Status,Immigration Status"
).split(",")


def load_tests(loader, tests, ignore):
    tests.addTests(doctest.DocTestSuite(import_file))
    return tests


def generated_sample():
    """200 rows of the sample's form, for machines without the file."""
    random.seed(7)
    rows = [HEADER]
    for number in range(200):
        rows.append(
            [
                f"{8000000000 + number}",
                f"{9000000000 + number}",
                f"{number:036}",
                f"Given{number} Middle Family{number % 40}",
                f"{1 + number % 28:02}-{1 + number % 12:02}-{1940 + number % 60}",
                f"person{number}@myland.com",
                f"{number} Jones Road, Apt. 3",
                ("ET-OR", "ET-AA", "ET-SW")[number % 3],
                f"+745 {random.randrange(10**9, 10**10)}",
                ("Female", "Male")[number % 2],
                "yes",
                "employed_fulltime",
                "0_5000",
                "bicycle",
                f"{1000000000 + number}",
                "not_disabled",
                "non_immigrant",
            ]
        )
    return rows


def sample():
    """Rows of OpenG2P's sample, the header first."""
    for folder in (os.environ.get("G2P_SHARED_DATA"), REPOSITORY.parent / "shared" / "data"):
        if folder and (path := Path(folder) / SAMPLE).is_file():
            with path.open(newline="", encoding="utf-8") as file:
                return list(csv.reader(file))
    return generated_sample()


def as_csv(rows):
    output = io.StringIO(newline="")
    csv.writer(output).writerows(rows)
    return output.getvalue()


@tagged("post_install", "-at_install")
class TestImport(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rows = sample()
        cls.env.cr.execute("DELETE FROM g2p_reg_id")  # whatever the database holds, these IDs are new
        column = cls.rows[0].index("Region")
        codes = sorted({row[column] for row in cls.rows[1:]})
        present = cls.env["g2p.area"].search([("code", "in", codes)]).mapped("code")
        cls.env["g2p.area"].create([{"name": code, "code": code} for code in codes if code not in present])
        cls.mapping = cls.env.ref("g2p_registry_import.import_mapping_openg2p_sample")
        cls.registrar = new_test_user(cls.env, "t_import", groups="g2p_registry_base.group_g2p_registrar")

    def new_import(self, content, name="registrants.csv", mapping=None, **values):
        if isinstance(content, list):
            content = as_csv(content)
        if isinstance(content, str):
            content = content.encode()
        return (
            self.env["g2p.registrant.import"]
            .with_user(self.registrar)
            .create(
                {
                    "name": name,
                    "file": base64.b64encode(content),
                    "mapping_id": mapping.id if mapping else False,
                    **values,
                }
            )
        )

    def refused(self, record):
        return {line.row_number: (line.column_name, line.reason) for line in record.refused_line_ids}

    # -- a household that comes in two files

    HOUSEHOLD = (
        ["Household number", "Name", "Date of birth", "Gender", "Role"],
        ["HH-001", "Almaz Tesfaye", "1980-03-04", "Female", "Head"],
        ["HH-001", "Dawit Tesfaye", "1981-31-04", "Male", ""],
        ["HH-001", "Hanna Tesfaye", "2010-03-04", "Xyz", ""],
        ["HH-002", "Abel Girma", "1980-03-04", "Male", "Head"],
    )

    def household_mapping(self):
        columns = {
            "Household number": "household",
            "Name": "full_name",
            "Date of birth": "birthdate",
            "Gender": "gender",
            "Role": "role",
        }
        lines = [Command.create({"column": name, "target": target}) for name, target in columns.items()]
        return self.env["g2p.registrant.import.mapping"].create({"name": "Households", "line_ids": lines})

    def corrected(self, record):
        """The download of refused rows, put right."""
        text = "".join(record._result_file("refused")).removeprefix("\ufeff")
        return text.replace("1981-31-04", "1981-03-31").replace("Xyz", "Female")

    def test_corrected_rows_join_the_household_that_was_imported(self):
        for mapping in (self.env["g2p.registrant.import.mapping"], self.household_mapping()):
            with self.subTest(mapping.name):
                first = self.new_import(list(self.HOUSEHOLD), mapping=mapping)
                first.action_check()
                self.assertEqual((first.refused_count, first.known_household_count), (2, 0))
                first.action_import()
                household = (
                    first.line_ids.filtered(lambda line: line.state == "imported").sorted("row_number")[0].group_id
                )
                second = self.new_import(self.corrected(first), mapping=mapping)
                second.action_check()
                self.assertEqual((second.ok_count, second.known_households), (2, "join"))
                self.assertIn(f"HH-001 was imported before: {household.name}", second.known_households_text)
                self.assertIn(
                    "Household numbers imported before: 1.", second.action_confirm_import()["params"]["message"]
                )
                second.action_import()
                people = second.line_ids.partner_id
                self.assertEqual(people.individual_membership_ids.group, household)
                self.assertFalse(people.filtered("additional_g2p_info"), "why rows were refused is no fact of anybody")
                self.assertEqual(len(household.group_membership_ids), 3)
                second.action_undo()
                self.assertFalse(people.exists())
                self.assertEqual(len(household.group_membership_ids), 1)
                first.action_undo()
                self.assertFalse(household.exists())

    def test_a_number_that_another_file_has_used_is_told_and_chosen(self):
        """Numbers of a file may be its own: without a sign that it goes on with another one, its households are others."""
        first = self.new_import(list(self.HOUSEHOLD))
        first.action_check()
        first.action_import()
        other = [["Name", "Household number"], ["Liya Bekele", "HH-002"]]
        second = self.new_import(other)
        second.action_check()
        self.assertEqual((second.known_households, second.known_household_count), ("new", 1))
        self.assertIn("Another household is made of each", second.known_households_text)
        second.known_households = "join"
        self.assertEqual(second.state, "draft")
        second.action_check()
        self.assertEqual(second.known_households, "join")
        second.action_import()
        household = first.line_ids.filtered(lambda line: line.row_number == 5).group_id
        self.assertEqual(second.line_ids.group_id, household)
        third = self.new_import(other)
        third.action_check()
        third.action_import()
        self.assertNotEqual(third.line_ids.group_id, household)

    # -- the sample, whole

    def test_the_sample_goes_in_whole(self):
        self.assertEqual(len(self.rows), 201)
        record = self.new_import(self.rows, mapping=self.mapping)
        record.action_check()
        self.assertEqual((record.total_count, record.ok_count, record.refused_count), (200, 200, 0))
        self.assertFalse(record.line_ids.partner_id, "a check registers nobody")

        question = record.action_confirm_import()["params"]
        self.assertEqual(
            (question["method"], question["message"]), ("action_import", "200 of 200 rows are registered.")
        )
        with counting_statements(self.env.cr) as count:
            record.action_import()
        self.assertLess(count.statements, 120)
        self.assertEqual((record.state, record.imported_count, record.ok_count), ("done", 200, 0))

        people = record.line_ids.partner_id
        self.assertEqual(len(people), 200)
        self.assertEqual(len(people.reg_ids), 600)
        self.assertEqual(len(people.bank_ids.filtered("is_primary")), 200)
        self.assertTrue(all(person.area_id and person.birthdate and person.gender for person in people))
        phones = people.phone_number_ids
        self.assertEqual(len(phones), 200)

        by_registrant_id = {
            reg_id.value: reg_id.partner_id
            for reg_id in people.reg_ids.filtered(
                lambda r: r.id_type == self.env.ref("g2p_registry_base.id_type_registrant")
            )
        }
        for cells in self.rows[1:]:
            row = dict(zip(self.rows[0], cells, strict=True))
            person = by_registrant_id[row["Registrant ID"]]
            day, month, year = map(int, row["Date of Birth"].split("-"))
            self.assertEqual(person.birthdate, date(year, month, day))
            self.assertEqual(person.area_id.code, row["Region"])
            self.assertEqual(person.phone_number_ids.phone_no, row["Phone Number"])
            self.assertEqual(
                (person.phone_number_ids.is_valid, person.phone_number_ids.phone_sanitized), (False, False)
            )
            self.assertEqual(person.bank_ids.acc_number, row["Account Number"])
            self.assertEqual({row["ID"], row["Token ID"]} - set(person.reg_ids.mapped("value")), set())
            words = row["Full Name"].upper().split()
            self.assertEqual(person.name, f"{words[-1]}, {' '.join(words[:-1])}" if len(words) > 1 else words[0])
            self.assertEqual(
                person.additional_g2p_info["Annual Household Income (USD)"], row["Annual Household Income (USD)"]
            )
            self.assertFalse(person.income, "a band is not an amount")

    def test_the_same_file_again_is_refused_row_by_row(self):
        self.new_import(self.rows, mapping=self.mapping).action_check()
        first = self.new_import(self.rows, mapping=self.mapping)
        first.action_check()
        first.action_import()
        with self.assertRaises(UserError):
            first.action_import()
        again = self.new_import(self.rows, mapping=self.mapping)
        again.action_check()
        self.assertEqual((again.ok_count, again.refused_count), (0, 200))

    # -- rows made bad on purpose

    def test_bad_rows_are_refused_one_by_one_and_the_good_go_in(self):
        rows = [list(row) for row in self.rows[:21]]
        position = {name: index for index, name in enumerate(rows[0])}

        def spoil(row_number, column, value):
            rows[row_number - 1][position[column]] = value

        spoil(3, "Registrant ID", rows[1][position["Registrant ID"]])
        spoil(4, "Date of Birth", "31-02-1990")
        spoil(5, "Date of Birth", "01-01-2990")
        spoil(6, "Region", "XX-99")
        spoil(7, "Full Name", "   ")
        spoil(8, "Address", "x" * 5_000_000)
        spoil(10, "Full Name", '=HYPERLINK("http://evil.example","x")')
        spoil(11, "Address", "@SUM(A1:A9)")
        spoil(12, "Gender", "Unheard of")
        spoil(13, "Email ID", "no address")
        spoil(14, "Phone Number", "+251 911 234 567")
        spoil(15, "Account Number", "-1+1")
        spoil(16, "Phone Number", "=1+1")
        content = as_csv(rows)
        lines = content.encode().split(b"\r\n")
        lines[8] = lines[8].replace(b"myland", b"myl\xe4nd")  # row 9: Latin-1 inside UTF-8
        lines[16] += b",one cell more"

        record = self.new_import(b"\r\n".join(lines), mapping=self.mapping)
        record.action_check()
        refused = self.refused(record)
        expected = {
            3: ("Registrant ID", "same ID as in row 2"),
            4: ("Date of Birth", "not a date in the form DD-MM-YYYY: 31-02-1990"),
            5: ("Date of Birth", "future"),
            6: ("Region", "no area of the registry: XX-99"),
            7: ("Full Name", "empty"),
            8: ("Address", "too long: 5000000"),
            9: ("Email ID", "not text"),
            10: ("Full Name", "formula"),
            11: ("Address", "formula"),
            12: ("Gender", "no gender"),
            13: ("Email ID", "not an e-mail"),
            15: ("Account Number", "formula"),
            16: ("Phone Number", "formula"),
            17: (False, "more cells"),
        }
        self.assertEqual(set(refused), set(expected))
        for row_number, (column, reason) in expected.items():
            with self.subTest(row=row_number):
                self.assertEqual(refused[row_number][0], column)
                self.assertIn(reason, refused[row_number][1])

        record.action_import()
        self.assertEqual((record.imported_count, record.refused_count), (6, 14))
        self.assertEqual(record.total_count, record.imported_count + record.refused_count)

    def test_disabilities_and_households_come_with_their_figures(self):
        record = self.new_import(
            [
                ["Full Name", "Gender", "Disability", "Household", "Role"],
                ["Almaz Tesfaye", "Female", "Yes", "H1", "Head"],
                ["Dawit Tesfaye", "Male", "no", "H1", ""],
                ["Hana Tesfaye", "Female", "", "H1", ""],
                ["Abel Girma", "Male", "perhaps", "H2", ""],
            ]
        )
        record.action_check()
        self.assertEqual(self.refused(record)[5][0], "Disability")
        self.assertIn("neither yes nor no: perhaps", self.refused(record)[5][1])
        record.action_import()
        people = record.line_ids.partner_id.sorted("id")
        self.assertEqual(people.mapped("disability"), ["yes", "no", False])
        household = people.individual_membership_ids.group
        self.assertEqual((household.z_ind_grp_num_individuals, household.z_ind_grp_num_disabled), (3, 1))
        self.assertEqual((household.z_ind_grp_num_females, household.z_ind_grp_is_female_headed), (2, True))

    def test_refused_rows_are_downloaded_without_formulas(self):
        rows = [["Full Name", "Address"], ["=cmd|' /C calc'!A0", "+ home"], ["Almaz Tesfaye", "Adama"], ["", "@x"]]
        record = self.new_import(rows)
        record.action_check()
        text = base64.b64decode(record.refused_file).decode("utf-8-sig")
        header, *lines = csv.reader(io.StringIO(text))
        self.assertEqual(header, ["row number", "column", "reason", "Full Name", "Address"])
        self.assertEqual([line[:2] for line in lines], [["2", "Full Name, Address"], ["4", "Full Name, Address"]])
        self.assertTrue(all(not cell.startswith(("=", "+", "-", "@")) for line in lines for cell in line))
        self.assertIn("refused_file", record.action_download_refused()["url"])

    def test_an_id_registered_meanwhile_is_refused_at_the_import(self):
        record = self.new_import([["Full Name", "National ID"], ["Almaz Tesfaye", "77"], ["Dawit Tesfaye", "78"]])
        record.action_check()
        self.assertEqual(record.ok_count, 2)
        other = self.env["res.partner"].create({"is_registrant": True, "given_name": "Other"})
        national = self.env.ref("g2p_registry_base.id_type_national")
        other.reg_ids = [(0, 0, {"id_type": national.id, "value": "77"})]
        record.action_import()
        self.assertEqual(record.line_ids.filtered("partner_id").partner_id.name, "TESFAYE, DAWIT")
        self.assertEqual(self.refused(record), {2: ("National ID", "is the ID of OTHER already: 77")})

    def test_case_is_no_other_id_in_a_file_either(self):
        national = self.env.ref("g2p_registry_base.id_type_national")
        area = self.env["g2p.area"].create({"name": "Elsewhere", "code": "T-ELSE"})
        other = self.env["res.partner"].create({"is_registrant": True, "given_name": "Other", "area_id": area.id})
        other.reg_ids = [(0, 0, {"id_type": national.id, "value": "ab-7"})]
        rows = [
            ["Full Name", "National ID"],
            ["Almaz Tesfaye", "AB-7"],
            ["Dawit Tesfaye", "cd-8"],
            ["Hana Tesfaye", "CD-8"],
        ]
        record = self.new_import(rows)
        record.action_check()
        refused = self.refused(record)
        self.assertEqual(refused[2], ("National ID", "is the ID of OTHER already: AB-7"))
        self.assertEqual(refused[4], ("National ID", "is the same ID as in row 3"))
        # of who is not for the user to see, the ID is named and not the person
        here = self.env["g2p.area"].create({"name": "Here", "code": "T-ONE"})
        record.create_uid.sudo().g2p_area_ids = here
        record.action_check()
        self.assertEqual(self.refused(record)[2], ("National ID", "is the ID of a registrant already: AB-7"))

    def test_a_row_the_registry_refuses_does_not_hold_up_its_batch(self):
        rows = [["Full Name", "Date of Birth", "Registration date"]]
        rows += [[f"Person{i} Tesfaye", "1990-01-01", "2020-01-01"] for i in range(9)]
        rows[5][2] = "1980-01-01"
        record = self.new_import(rows)
        record.action_check()
        self.assertEqual(record.ok_count, 8)
        self.assertIn("before their birth", record.refused_line_ids.reason)
        # what the check can't know: the registry's rule holds when the rows go in
        self.env.cr.execute(
            'UPDATE g2p_registrant_import_line SET data = data || \'{"registration_date": "1980-01-01"}\' '
            "WHERE import_id = %s AND row_number = 3",
            [record.id],
        )
        record.action_import()
        self.assertEqual((record.imported_count, record.refused_count), (7, 2))
        self.assertIn("before their birth", self.refused(record)[3][1])

    # -- other forms of files

    def test_a_file_in_another_encoding_says_so(self):
        latin = as_csv([["Full Name"], ["Jos\u00e9 Mu\u00f1oz"], ["Ana Ruiz"]]).encode("cp1252")
        record = self.new_import(latin)
        record.action_check()
        self.assertEqual(self.refused(record), {2: ("Full Name", "is not text in the chosen encoding")})
        record.encoding = "cp1252"
        self.assertEqual(record.state, "draft")
        record.action_check()
        record.action_import()
        self.assertIn("MUÑOZ, JOSÉ", record.line_ids.partner_id.mapped("name"))
        with self.assertRaisesRegex(UserError, "UTF-16"):
            self.new_import("Full Name\nAna".encode("utf-16")).action_check()

    def test_a_workbook_goes_in(self):
        book = openpyxl.Workbook()
        book.active.append(["Full name", "Date of birth", "National ID"])
        book.active.append(["Almaz Tesfaye", date(1984, 3, 12), 1000000001])
        stream = io.BytesIO()
        book.save(stream)
        record = self.new_import(stream.getvalue(), "registrants.xlsx")
        record.action_check()
        record.action_import()
        person = record.line_ids.partner_id
        self.assertEqual((person.name, person.birthdate), ("TESFAYE, ALMAZ", date(1984, 3, 12)))
        self.assertEqual(person.reg_ids.value, "1000000001")

    def test_groups_go_in_with_their_type(self):
        rows = [["name", "kind"], ["Tesfaye", "household"], ["Girma", "Clan"]]
        record = self.new_import(rows, target_type="group")
        record.action_check()
        self.assertEqual(self.refused(record), {3: ("Group type", "is no group type of the registry: Clan")})
        record.action_import()
        group = record.line_ids.partner_id
        self.assertEqual((group.name, group.is_group, group.kind.name), ("Tesfaye", True, "Household"))

    def test_a_file_of_groups_is_not_taken_for_people(self):
        with open(REPOSITORY / "docs/samples/groups.csv", "rb") as file:
            record = self.new_import(file.read(), "groups.csv")
        with self.assertRaisesRegex(UserError, "Column “kind”.*Imports: Groups"):
            record.action_check()

    def test_columns_that_were_not_understood_are_named(self):
        record = self.new_import([["name", "area_id", "Roof"], ["Tesfaye", "ET", "tin"]])
        record.action_check()
        self.assertIn("area_id, Roof", record.unknown_columns_text)
        known = self.new_import([["name"], ["Girma"]])
        known.action_check()
        self.assertFalse(known.unknown_columns_text)

    @mute_logger("odoo.tools.mimetypes.guess_mimetype")
    def test_files_that_are_no_files_of_registrants_say_why(self):
        for content, name, why in (
            ("", "empty.csv", "empty"),
            ("Full Name,Full Name\nA,B\n", "twice.csv", "twice"),
            ("Colour,Size\nred,1\n", "other.csv", "holds names"),
            (b"PK\x03\x04nonsense", "broken.xlsx", "workbook"),
        ):
            with self.subTest(name), self.assertRaisesRegex(UserError, why):
                self.new_import(content, name).action_check()
        with self.assertRaisesRegex(UserError, "missing.*Registrant ID"):
            self.new_import("Full Name\nA\n", mapping=self.mapping).action_check()

    # -- who may

    def test_a_registrar_of_an_area_imports_into_that_area(self):
        column = self.rows[0].index("Region")
        area = self.env["g2p.area"].search([("code", "=", self.rows[1][column])])
        self.registrar.g2p_area_ids = area
        record = self.new_import(self.rows, mapping=self.mapping)
        record.action_check()
        inside = sum(row[column] == area.code for row in self.rows[1:])
        self.assertEqual((record.ok_count, record.refused_count), (inside, 200 - inside))
        self.assertIn("outside the areas", record.refused_line_ids[0].reason)

    def test_imports_are_ones_own(self):
        record = self.new_import([["Full Name"], ["Almaz Tesfaye"]])
        record.action_check()
        other = new_test_user(self.env, "t_import_2", groups="g2p_registry_base.group_g2p_registrar")
        auditor = new_test_user(self.env, "t_import_3", groups="g2p_registry_base.group_g2p_auditor")
        support = new_test_user(self.env, "t_import_4", groups="g2p_registry_base.group_g2p_support")
        with self.assertRaises(AccessError):
            record.with_user(other).action_import()
        with self.assertRaises(AccessError):
            record.line_ids.with_user(other).read(["raw"])
        self.assertTrue(record.with_user(auditor).read(["name"]))
        with self.assertRaises(AccessError):
            record.with_user(auditor).action_import()
        with self.assertRaises(AccessError):
            record.with_user(support).read(["name"])
        with self.assertRaises(AccessError):
            record.line_ids.write({"state": "ok"})
