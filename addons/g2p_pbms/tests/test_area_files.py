"""Who is limited to areas reads the rows of these areas, of whatever file: by RPC, by search, by download."""

import base64

from odoo.exceptions import AccessError, UserError
from odoo.service.model import call_kw
from odoo.tests import HttpCase, TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.g2p_programs.tests.money import MoneyCase
from odoo.addons.g2p_registry_base.models.area_file import MIXIN, PeopleFile

PASSWORD = "a long password of a test"
# Files that hold no rows of people, and why.
NO_PEOPLE = {
    "g2p.registrant.import.refused_file": "computed from the rows that the user may read",
    "g2p.payment.reconciliation.outcome_file": "computed from the rows that the user may read",
}


@tagged("post_install", "-at_install")
class TestFilesOfPeople(TransactionCase):
    def test_every_file_that_is_kept_is_kept_from_other_areas(self):
        """A new model with a file has to say what it holds."""
        found = set()
        for model in self.env.values():
            if model._abstract or not model._name.startswith("g2p."):
                continue
            for name, field in model._fields.items():
                if field.type != "binary" or field.related or (model._transient and not field.attachment):
                    continue
                if isinstance(field, PeopleFile):
                    self.assertIn(model._name, self.env.registry.descendants([MIXIN], "_inherit"), name)
                    found.add(f"{model._name}.{name}")
                else:
                    self.assertIn(f"{model._name}.{name}", NO_PEOPLE)
        self.assertEqual(found, {"g2p.registrant.import.file", "g2p.payment.reconciliation.file"})


class AreaCase(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.north, cls.south = cls.env["g2p.area"].create(
            [{"name": "North", "code": "A-N"}, {"name": "South", "code": "A-S"}]
        )
        cls.env["ir.config_parameter"].set_param("g2p_registry_base.import_maker_checker", "")

    def limited(self, login, groups):
        return new_test_user(
            self.env, login=login, groups=groups, password=PASSWORD, g2p_area_ids=[(6, 0, self.north.ids)]
        )

    def rpc(self, user, model, method, *args, **kwargs):
        self.env.invalidate_all()
        return call_kw(self.env(user=user)[model], method, list(args), kwargs)

    def registrants(self, user):
        content = "Full name,Area code,Phone number\nNorthern Ann,A-N,+254712000001\nSouthern Ben,A-S,+254712000002\nLost,XX,\n"
        record = (
            self.env["g2p.registrant.import"]
            .with_user(user)
            .create({"name": "people.csv", "file": base64.b64encode(content.encode())})
        )
        record.action_check()
        record.action_import()
        return record

    def reconciliation(self, user):
        self.large.area_id, self.small.area_id = self.north, self.south
        cycle = self.paid_out()
        payments = self.env["g2p.payment"].search([("cycle_id", "=", cycle.id)])
        lines = "\n".join(
            [f"{payment.name},paid,{payment.amount_issued},{payment.partner_id.name}" for payment in payments]
            + ["unknown-reference,paid,1,Somebody"]
        )
        record = (
            self.env["g2p.payment.reconciliation"]
            .with_user(user)
            .create(
                {"filename": "bank.csv", "file": base64.b64encode(f"Reference,Status,Amount,Reason\n{lines}".encode())}
            )
        )
        record.action_check()
        return record


@tagged("post_install", "-at_install")
class TestAreaFiles(AreaCase):
    def refused_file(self, user, record):
        """Every way to the bytes of somebody else's file, tried as a remote client would."""
        model, attachments = record._name, "ir.attachment"
        attachment = self.env[attachments].search(
            [("res_model", "=", model), ("res_id", "=", record.id), ("res_field", "=", "file")]
        )
        self.assertTrue(attachment.raw)
        self.assertFalse(attachment.index_content, "the text of the file is nowhere else")
        [values] = self.rpc(user, model, "read", record.ids, ["file", "state"])
        self.assertFalse(values["file"])
        self.assertTrue(values["state"], "of the record itself the user sees the rest")
        [values] = self.rpc(user, model, "web_read", record.ids, {"file": {}})
        self.assertFalse(values["file"])
        exported = self.env(user=user)[model].browse(record.ids)
        self.env.invalidate_all()
        self.assertEqual(exported._export_rows([["file"]]), [[""]])
        for field in ("raw", "datas", "name", "checksum"):
            with self.assertRaises(AccessError):
                self.rpc(user, attachments, "read", attachment.ids, [field])
        with self.assertRaises(AccessError):
            self.rpc(user, attachments, "copy", attachment.ids)
        for domain in (
            [("id", "=", attachment.id)],
            [("res_model", "=", model), ("res_field", "=", "file")],
            [("res_field", "=", "file"), ("checksum", "=", attachment.checksum)],
        ):
            self.assertEqual(self.rpc(user, attachments, "search_count", domain), 0)
        with self.assertRaises(AccessError):
            self.env(user=user)["ir.binary"]._get_stream_from(self.env(user=user)[model].browse(record.ids), "file")

    def test_rows_of_an_import(self):
        registrar = new_test_user(self.env, "area_registrar", groups="g2p_registry_base.group_g2p_registrar")
        auditor = self.limited("area_auditor", "g2p_registry_base.group_g2p_auditor")
        record = self.registrants(registrar)
        self.refused_file(auditor, record)
        rows = self.rpc(
            auditor, "g2p.registrant.import.line", "search_read", [("import_id", "=", record.id)], ["row_number", "raw"]
        )
        self.assertEqual([row["row_number"] for row in rows], [2])
        hidden = record.line_ids.filtered(lambda line: line.row_number > 2)
        with self.assertRaises(AccessError):
            self.rpc(auditor, "g2p.registrant.import.line", "read", hidden.ids, ["raw"])
        self.env.invalidate_all()
        text = "".join(self.env(user=auditor)["g2p.registrant.import"].browse(record.id)._result_file("result"))
        self.assertIn("Northern Ann", text)
        self.assertNotIn("Southern", text)
        everybody = new_test_user(self.env, "area_all", groups="g2p_registry_base.group_g2p_auditor")
        self.assertEqual(
            self.rpc(everybody, "g2p.registrant.import.line", "search_count", [("import_id", "=", record.id)]), 3
        )
        self.assertTrue(self.rpc(everybody, "g2p.registrant.import", "read", record.ids, ["file"])[0]["file"])
        other = self.limited("area_other", "g2p_registry_base.group_g2p_registrar")
        with self.assertRaises(AccessError):
            self.rpc(other, "g2p.registrant.import", "read", record.ids, ["name"])
        self.assertFalse(self.rpc(other, "g2p.registrant.import.line", "search", [("import_id", "=", record.id)]))

    def test_ones_own_import_is_ones_own_whole(self):
        registrar = self.limited("area_own", "g2p_registry_base.group_g2p_registrar")
        record = self.registrants(registrar)
        self.assertEqual((record.imported_count, record.refused_count), (1, 2))
        self.assertTrue(self.rpc(registrar, "g2p.registrant.import", "read", record.ids, ["file"])[0]["file"])
        self.assertEqual(
            self.rpc(registrar, "g2p.registrant.import.line", "search_count", [("import_id", "=", record.id)]), 3
        )
        attachment = self.env["ir.attachment"].search(
            [("res_model", "=", record._name), ("res_id", "=", record.id), ("res_field", "=", "file")]
        )
        self.assertTrue(self.rpc(registrar, "ir.attachment", "read", attachment.ids, ["raw"]))

    def test_lines_of_a_reconciliation(self):
        record = self.reconciliation(self.finance)
        for user in (
            self.limited("area_auditor", "g2p_registry_base.group_g2p_auditor"),
            self.limited("area_manager", "g2p_programs.g2p_program_manager"),
            self.limited("area_finance", "g2p_programs.g2p_finance_validator"),
        ):
            with self.subTest(user.login):
                self.refused_file(user, record)
                rows = self.rpc(
                    user,
                    "g2p.payment.reconciliation.line",
                    "search_read",
                    [("reconciliation_id", "=", record.id)],
                    ["reason"],
                )
                self.assertEqual([row["reason"] for row in rows], [self.large.name])
                self.env.invalidate_all()
                mine = self.env(user=user)["g2p.payment.reconciliation"].browse(record.id)
                text = "".join(mine._outcome_lines())
                self.assertNotIn(self.small.name, text)
                self.assertNotIn("Somebody", text)

    def test_a_file_of_somebody_with_areas_reaches_no_payment_outside(self):
        user = self.limited("area_payer", "g2p_programs.g2p_finance_validator")
        record = self.reconciliation(user)
        outcomes = dict(
            record.line_ids.sudo().mapped(lambda line: (line.reason, (line.outcome, line.payment_id.partner_id)))
        )
        nobody = self.env["res.partner"]
        self.assertEqual(outcomes[self.large.name], ("matched", self.large))
        self.assertEqual(outcomes[self.small.name], ("unmatched", nobody), "as if there were no such payment")
        record.action_apply()
        paid = self.env["g2p.payment"].search([("status", "=", "paid"), ("partner_id", "in", self.families.ids)])
        self.assertEqual(paid.partner_id, self.large)

    def test_nobody_with_areas_works_with_the_file_of_somebody_else(self):
        """Their own areas would not count: those of who made the record say what its file reaches."""
        user = self.limited("area_borrower", "g2p_programs.g2p_finance_validator")
        record = self.reconciliation(self.finance)
        draft = self.env["g2p.payment.reconciliation"].with_user(self.finance).create({})
        for model, ids in ((record._name, record.ids), (draft._name, draft.ids)):
            for values in (
                {"file": base64.b64encode(b"Reference,Status,Amount"), "filename": "mine.csv"},
                {"filename": "mine.csv"},
                {"reference_column": "Bank"},
                {"cycle_id": self.grant.cycle_ids[0].id},
            ):
                with self.subTest(values), self.assertRaisesRegex(AccessError, "of your own"):
                    self.rpc(user, model, "write", ids, values)
            with self.assertRaisesRegex(AccessError, "of your own"):
                self.rpc(user, model, "action_check", ids)
            with self.assertRaises(AccessError):
                values = {"name": "x", "res_model": model, "res_id": ids[0], "res_field": "file", "raw": "Reference"}
                self.rpc(user, "ir.attachment", "create", values)
        for press in ("action_confirm_apply", "action_apply"):
            with self.assertRaisesRegex(UserError, "^2 lines of this file are about payments outside"):
                self.rpc(user, record._name, press, record.ids)
        with self.assertRaisesRegex(UserError, "^2 lines of this file"):
            self.env(user=user)[record._name].browse(record.ids)._bulk_start("reconcile")
        self.assertFalse(
            self.env["g2p.payment"].search([("status", "!=", False), ("cycle_id", "in", self.grant.cycle_ids.ids)])
        )
        # Who sees no less may apply it; a file of somebody with areas reaches no further by that.
        self.rpc(self.users["finance"], record._name, "action_apply", record.ids)
        self.assertEqual(record.state, "applied")

    def test_a_file_is_applied_by_who_sees_all_that_it_is_about(self):
        user = self.limited("area_moved", "g2p_programs.g2p_finance_validator")
        record = self.reconciliation(user)
        self.assertEqual(record.matched_count, 1)
        self.large.area_id = self.south
        with self.assertRaisesRegex(UserError, "^1 lines of this file"):
            self.rpc(user, record._name, "action_apply", record.ids)
        self.rpc(self.finance, record._name, "action_apply", record.ids)
        paid = self.env["g2p.payment"].search([("status", "=", "paid"), ("partner_id", "in", self.families.ids)])
        self.assertEqual(paid.partner_id, self.large, "what its owner saw when it was read, and no more")


@tagged("post_install", "-at_install")
class TestAreaDownload(HttpCase, AreaCase):
    @mute_logger("odoo.http")
    def test_the_download_of_a_file_asks_the_same(self):
        registrar = new_test_user(
            self.env, "area_http", groups="g2p_registry_base.group_g2p_registrar", password=PASSWORD
        )
        self.limited("area_http_auditor", "g2p_registry_base.group_g2p_auditor")
        imported, reconciled = self.registrants(registrar), self.reconciliation(self.finance)
        attachments = self.env["ir.attachment"].search(
            [
                ("res_model", "in", [imported._name, reconciled._name]),
                ("res_id", "in", [imported.id, reconciled.id]),
                ("res_field", "=", "file"),
            ]
        )
        urls = [
            f"/web/content/{imported._name}/{imported.id}/file",
            f"/web/content?model={reconciled._name}&id={reconciled.id}&field=file",
            *(f"/web/content/{attachment.id}" for attachment in attachments),
            *(f"/web/content/{attachment.id}?download=true" for attachment in attachments),
        ]
        self.authenticate("area_http_auditor", PASSWORD)
        for url in urls:
            with self.subTest(url):
                answer = self.url_open(url)
                self.assertNotEqual(answer.status_code, 200)
                self.assertNotIn("Southern", answer.text)
        result = self.url_open(imported.action_download_result()["url"]).text
        self.assertIn("Northern Ann", result)
        self.assertNotIn("Southern", result)
        outcome = self.url_open(f"/g2p_programs/reconciliation/{reconciled.id}/outcome.csv").text
        self.assertIn(self.large.name, outcome)
        self.assertNotIn(self.small.name, outcome)
        self.authenticate("area_http", PASSWORD)
        self.assertIn("Southern", self.url_open(urls[0]).text)
