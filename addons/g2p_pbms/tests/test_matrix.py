"""Who may do what: every model of the suite × every role × read, write, create, delete, against `security/matrix.csv`.

The file is for reading: one line a model, one column a role, the letters r w c d. When rights change on purpose, write it
again with `G2P_WRITE_MATRIX=1` and look at the difference.
"""

import csv
import os
from pathlib import Path

from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, tagged

from odoo.addons.g2p_bulk.tests.users import new_test_users

MATRIX = Path(__file__).parents[1] / "security" / "matrix.csv"
OPERATIONS = {"r": "read", "w": "write", "c": "create", "d": "unlink"}
ROLES = {
    "Administrator": "g2p_registry_base.group_g2p_admin",
    "Registrar": "g2p_registry_base.group_g2p_registrar",
    "Program Validator": "g2p_programs.g2p_program_validator",
    "Program Cycle Approver": "g2p_programs.g2p_program_cycle_approver",
    "Program Manager": "g2p_programs.g2p_program_manager",
    "Finance Validator": "g2p_programs.g2p_finance_validator",
    "Cashier": "g2p_payment_cash.g2p_cashier",
    "Support": "g2p_registry_base.group_g2p_support",
    "Auditor": "g2p_registry_base.group_g2p_auditor",
    "No role": "base.group_user",
    "Portal": "base.group_portal",
    "Public": "base.group_public",
}

# Configuration that all companies share: it names no person and no money, so there is no row to hide.
SHARED = {
    "g2p.approval.kind",
    "g2p.area",
    "g2p.area.kind",
    "g2p.benefit.codes",
    "g2p.document.tag",
    "g2p.group.kind",
    "g2p.group.membership.kind",
    "g2p.id.type",
    "g2p.membership.change.reason",
    "g2p.payment.batch.tag",
    "g2p.registrant.import.mapping",
    "g2p.registrant.import.mapping.line",
    "g2p.registrant.tags",
    "g2p.registry",
    "g2p.relationship",
    "gender.type",
}


@tagged("post_install", "-at_install")
class TestMatrix(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = new_test_users(cls.env, ROLES, "matrix ")

    def suite_models(self):
        """Every model of the suite that has a table, and the two of Odoo's that hold registrants."""
        names = [
            name
            for name, model in self.env.registry.items()
            if name.startswith("g2p.") and not model._abstract and "test" not in name
        ]
        return sorted([*names, "gender.type", "res.partner", "res.partner.bank"])

    def actual(self):
        rows = {}
        for name in self.suite_models():
            rows[name] = {
                role: "".join(
                    letter
                    for letter, operation in OPERATIONS.items()
                    if self.env[name].with_user(user).has_access(operation)
                )
                for role, user in self.users.items()
            }
        return rows

    def test_rights_are_those_of_the_file(self):
        actual = self.actual()
        if os.environ.get("G2P_WRITE_MATRIX"):
            with MATRIX.open("w", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(["model", *ROLES])
                for name, rights in actual.items():
                    writer.writerow([name, *rights.values()])
        with MATRIX.open() as file:
            expected = {row.pop("model"): row for row in csv.DictReader(file)}
        self.assertEqual(set(actual), set(expected), "models in the product and in the file")
        for name, rights in expected.items():
            with self.subTest(name):
                self.assertEqual(actual[name], rights)

    def test_no_line_without_a_group(self):
        self.env.cr.execute(
            """
            SELECT access.name FROM ir_model_access AS access
              JOIN ir_model AS model ON model.id = access.model_id
             WHERE access.group_id IS NULL AND access.active
               AND (model.model LIKE 'g2p.%' OR model.model = 'gender.type')
            """
        )
        self.assertFalse(self.env.cr.fetchall())

    def test_every_model_has_a_line(self):
        names = self.suite_models()
        self.env.cr.execute(
            """
            SELECT DISTINCT model.model FROM ir_model_access AS access
              JOIN ir_model AS model ON model.id = access.model_id WHERE model.model = ANY(%s)
            """,
            [names],
        )
        self.assertEqual(sorted(row[0] for row in self.env.cr.fetchall()), names)

    def test_every_table_has_a_record_rule(self):
        names = [name for name in self.suite_models() if not self.env[name]._transient and name not in SHARED]
        self.env.cr.execute(
            """
            SELECT DISTINCT model.model FROM ir_rule AS rule
              JOIN ir_model AS model ON model.id = rule.model_id WHERE rule.active AND model.model = ANY(%s)
            """,
            [names],
        )
        self.assertEqual(sorted(row[0] for row in self.env.cr.fetchall()), names)

    def test_registrants_are_for_roles_only(self):
        registrant = self.env["res.partner"].create(
            {"is_registrant": True, "family_name": "Hidden", "given_name": "Person"}
        )
        for role, user in self.users.items():
            found = self.env["res.partner"].with_user(user).has_access("read") and self.env["res.partner"].with_user(
                user
            ).search_count([("id", "=", registrant.id)])
            with self.subTest(role):
                self.assertEqual(bool(found), role not in ("Cashier", "No role", "Portal", "Public"))
        with self.assertRaises(AccessError):
            registrant.with_user(self.users["No role"]).read(["name"])
