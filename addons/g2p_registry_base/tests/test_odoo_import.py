import csv
from pathlib import Path

import openpyxl

from odoo.tests import TransactionCase, tagged
from odoo.tools import file_path

SAMPLES = Path(__file__).parents[3] / "docs" / "samples"


@tagged("post_install", "-at_install")
class TestOdooImport(TransactionCase):
    """The sample files go in by Odoo's own import."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # the samples start from a registry without these codes and IDs, whatever the database holds
        cls.env.cr.execute("UPDATE g2p_area SET code = 'before ' || code, name = 'before ' || name")
        cls.env.cr.execute("DELETE FROM g2p_reg_id")
        cls.env.invalidate_all()

    def rows(self, name):
        with (SAMPLES / f"{name}.csv").open(newline="") as file:
            header, *rows = csv.reader(file)
        return header, rows

    def load(self, model, header, rows, **context):
        result = self.env[model].with_context(import_file=True, **context).load(header, rows)
        self.assertFalse([m for m in result["messages"] if m["type"] == "error"], result["messages"])
        return self.env[model].browse(result["ids"])

    def test_areas_individuals_groups_and_members(self):
        self.env.company.country_id = self.env.ref("base.et")
        self.load("g2p.area", *self.rows("areas"))
        people = self.load("res.partner", *self.rows("individuals"), default_is_registrant=True, default_is_group=False)
        groups = self.load("res.partner", *self.rows("groups"), default_is_registrant=True, default_is_group=True)
        self.load("g2p.group.membership", *self.rows("group_members"))

        self.assertEqual(people[0].name, "TESFAYE, ALMAZ BEKELE")
        self.assertEqual(len(people[0].reg_ids), 2)
        self.assertEqual(people[0].area_id.code, "ET-OR")
        self.assertEqual(people[1].phone_number_ids.phone_sanitized, "+251922345678")
        self.assertEqual(people.mapped("is_registrant"), [True] * 5)
        self.assertTrue(people[0].bank_ids.is_primary)
        self.assertEqual(groups.mapped("z_ind_grp_num_individuals"), [3, 2])
        self.assertEqual(groups[0].group_membership_ids.filtered("kind").individual, people[0])

    def test_the_workbook_holds_the_same_individuals(self):
        header, rows = self.rows("individuals")
        for path in (SAMPLES / "individuals.xlsx", file_path("g2p_registry_base/static/import/individuals.xlsx")):
            sheet = openpyxl.load_workbook(path).active
            cells = [[str(cell or "") for cell in row] for row in sheet.iter_rows(values_only=True)]
            self.assertEqual(cells, [header, *rows])

    def test_templates_are_offered_and_exist(self):
        partners = self.env["res.partner"].with_context(default_is_registrant=True)
        for model in (partners, partners.with_context(default_is_group=True), self.env["g2p.group.membership"]):
            (template,) = model.get_import_templates()
            self.assertTrue(file_path(template["template"].lstrip("/")))
        self.assertIn("/base/", self.env["res.partner"].get_import_templates()[0]["template"])
