"""Each export is on record; what is personal leaves by the roles that need it, and by no other."""

import inspect
import json
import re
import sys

from psycopg2.errors import InsufficientPrivilege

from odoo import http
from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.g2p_bulk.tests.users import new_test_users
from odoo.addons.g2p_programs.tests.money import MoneyCase
from odoo.addons.g2p_registry_base.models.personal import GROUPS

from .test_matrix import ROLES

# Who exports lists, and which personal columns: README of g2p_registry_base says why.
MAY = {
    "Administrator": {"contact", "identity", "account"},
    "Registrar": {"contact", "identity"},
    "Program Cycle Approver": set(),
    "Program Manager": set(),
    "Finance Validator": {"account"},
    "Auditor": {"identity", "account"},
}
# Fields whose names sound personal and that are not, or hold nothing that a name does not tell.
NOT_PERSONAL = {
    "g2p.bulk.chunk": "counts",
    "g2p.cycle.membership": "reasons",
    "gender.type": "a word",
    "g2p.pmt.category": "a choice",
}
SOUNDS = re.compile(
    r"phone|mobile|e?mail|birth|address|street|zip$|iban|acc_number|account_number|acc_holder|reg_ids|id_number|answers|attributes$|income|raw$"
)
PLUMBING = (
    "message_",
    "activity_",
    "website_message",
    "email_cc",
    "phone_blacklisted",
    "mobile_blacklisted",
    "phone_mobile_search",
    "type_address_label",
)


@tagged("post_install", "-at_install")
class TestColumns(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.by_role = new_test_users(cls.env, ROLES, "export ")
        cls.large.phone = "+251911000001"
        cls.kind = cls.env["g2p.id.type"].create({"name": "Export ID"})
        cls.env["g2p.reg.id"].create({"partner_id": cls.large.id, "id_type": cls.kind.id, "value": "EXP-1"})
        cls.env.flush_all()

    def test_every_field_that_sounds_personal_has_a_kind(self):
        seen = 0
        for name, model in sorted(self.env.registry.items()):
            if (
                not (name in ("res.partner", "res.partner.bank") or name.startswith("g2p."))
                or model._abstract
                or model._transient
                or ".test." in name
                or name in NOT_PERSONAL
            ):
                continue
            for field in model._fields.values():
                if (
                    not SOUNDS.search(field.name)
                    or field.name.startswith(PLUMBING)
                    or field.type in ("boolean", "integer", "selection", "properties_definition")
                ):
                    continue
                with self.subTest(model=name, field=field.name):
                    self.assertTrue(
                        self.env[name]._personal_kinds(field.name), f"{name}.{field.name}: name it in _personal_fields"
                    )
                seen += 1
        self.assertGreater(seen, 20)

    def test_kinds_are_found_on_every_way(self):
        for model, path, kinds in (
            ("res.partner", "name", set()),
            ("res.partner", "phone_number_ids/phone_no", {"contact"}),
            ("res.partner", "reg_ids", {"identity"}),
            ("res.partner", "reg_ids/id", {"identity"}),
            ("res.partner", "registrant_attributes.income_source", {"identity"}),
            ("g2p.program_membership", "partner_id/phone", {"contact"}),
            ("g2p.program_membership", "partner_id/bank_ids/acc_number", {"account"}),
            ("g2p.program_membership", "birthdate", {"identity"}),
            ("g2p.entitlement", "partner_id/reg_ids/value", {"identity"}),
            ("g2p.entitlement", "partner_id", set()),
            ("g2p.group.membership", "individual_birthdate", {"identity"}),
            ("g2p.payment", "account_number", {"account"}),
            ("g2p.change.history", "old_value", {"identity"}),
        ):
            with self.subTest(model=model, path=path):
                self.assertEqual(self.env[model]._personal_kinds(path), kinds, (model, path))

    def test_roles(self):
        columns = {"contact": "phone", "identity": "reg_ids/value", "account": "bank_ids/acc_number"}
        for role, user in self.by_role.items():
            registrant = self.large.with_user(user)
            with self.subTest(role):
                if role not in MAY:
                    with self.assertRaises(UserError):
                        registrant.export_data(["id", "name"])
                    continue
                self.assertTrue(registrant.export_data([".id", "name"])["datas"])
                for kind, column in columns.items():
                    if kind in MAY[role]:
                        self.assertTrue(registrant.export_data([column])["datas"])
                    else:
                        with self.assertRaisesRegex(AccessError, "personal data that your role does not export"):
                            registrant.export_data(["name", column])
                self.assertEqual({kind for kind, group in GROUPS.items() if user.has_group(group)}, MAY[role])

    def test_an_export_of_a_script_is_on_record(self):
        user = self.by_role["Registrar"]
        (self.large + self.small).with_user(user).export_data(["name", "phone"])
        row = self.env["g2p.export.log"].search([], limit=1)
        self.assertEqual(
            (row.user_id, row.res_model, row.rows_count, row.columns, row.personal, row.kind),
            (user, "res.partner", 2, "name, phone", "contact", "list"),
        )
        self.assertIn(str(self.large.id), row.domain)

    def test_what_was_refused_is_no_export(self):
        before = self.env["g2p.export.log"].search_count([])
        with self.assertRaises(AccessError):
            self.large.with_user(self.by_role["Program Manager"]).export_data(["phone"])
        self.assertEqual(self.env["g2p.export.log"].search_count([]), before)

    def test_the_record_stays_and_is_for_auditors(self):
        self.large.with_user(self.by_role["Registrar"]).export_data(["name"])
        for statement in (
            "UPDATE g2p_export_log SET rows_count = 0",
            "DELETE FROM g2p_export_log",
            "TRUNCATE g2p_export_log",
        ):
            with mute_logger("odoo.sql_db"), self.assertRaises(InsufficientPrivilege), self.cr.savepoint():
                self.cr.execute(statement)
        readers = {
            role for role, user in self.by_role.items() if self.env["g2p.export.log"].with_user(user).has_access("read")
        }
        self.assertEqual(readers, {"Administrator", "Auditor"})
        row = self.env["g2p.export.log"].with_user(self.by_role["Administrator"]).search([], limit=1)
        for attempt in (row.unlink, lambda: row.write({"rows_count": 0}), lambda: row.create({"res_model": "x"})):
            with self.assertRaises(AccessError):
                attempt()


@tagged("post_install", "-at_install")
class TestRoutesAreOnRecord(TransactionCase):
    def test_every_route_of_the_suite_that_sends_a_file(self):
        """Each controller of the suite puts what it sends on record."""
        found = 0
        for module in sorted(name for name in sys.modules if re.match(r"odoo\.addons\.g2p_\w+\.controllers\.", name)):
            for cls in vars(sys.modules[module]).values():
                if isinstance(cls, type) and issubclass(cls, http.Controller) and cls.__module__ == module:
                    routes = [name for name, method in vars(cls).items() if hasattr(method, "original_routing")]
                    if routes:
                        with self.subTest(controller=cls.__name__, routes=routes):
                            self.assertIn('["g2p.export.log"]._note(', inspect.getsource(cls))
                        found += len(routes)
        self.assertGreaterEqual(found, 4)


@tagged("post_install", "-at_install")
class TestDownloads(MoneyCase, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clerk = new_test_user(
            cls.env,
            login="downloads",
            password="downloads-8",
            groups="g2p_registry_base.group_g2p_registrar,g2p_programs.g2p_finance_validator",
        )

    def last(self):
        self.env.invalidate_all()
        return self.env["g2p.export.log"].search([], limit=1)

    def test_lists_as_csv_and_xlsx(self):
        self.authenticate("downloads", "downloads-8")
        for kind in ("csv", "xlsx"):
            for ids, domain in ((False, [["is_group", "=", True], ["name", "ilike", "Large"]]), (self.small.ids, [])):
                response = self.url_open(
                    f"/web/export/{kind}",
                    data={
                        "data": json.dumps(
                            {
                                "model": "res.partner",
                                "fields": [{"name": "name", "label": "Name", "type": "char"}],
                                "ids": ids,
                                "domain": domain,
                                "import_compat": False,
                                "context": {},
                            }
                        ),
                        "csrf_token": self.csrf_token(),
                    },
                )
                self.assertEqual(response.status_code, 200, response.text[:500])
                row = self.last()
                self.assertEqual((row.user_id, row.res_model, row.rows_count), (self.clerk, "res.partner", 1))
                self.assertEqual(json.loads(row.domain), domain or [["id", "in", ids]])

    def csrf_token(self):
        return http.Request.csrf_token(self)

    def test_there_is_no_way_by_json(self):
        self.env["ir.config_parameter"].set_param("web.json.enabled", "True")
        self.authenticate("downloads", "downloads-8")
        for path in ("/json/contacts", "/json/1/contacts"):
            self.assertIn(self.url_open(path).status_code, (401, 403, 404))

    def test_a_file_of_payments(self):
        cycle = self.paid_out()
        [batch] = self.payments(cycle).batch_id
        batch.with_user(self.manager).action_export()
        self.authenticate("downloads", "downloads-8")
        response = self.url_open(f"/g2p_programs/batch/{batch.id}/payments.csv")
        self.assertEqual(response.status_code, 200)
        row = self.last()
        self.assertEqual(
            (row.user_id, row.res_model, row.res_id, row.kind, row.rows_count),
            (self.clerk, "g2p.payment.batch", batch.id, "file", 3),
        )
