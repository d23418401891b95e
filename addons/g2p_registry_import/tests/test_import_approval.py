"""The second person's confirmation of an import is a request like any other: roles, companies, changes, two at once."""

from odoo import api
from odoo.exceptions import AccessError, UserError
from odoo.service.model import call_kw
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.g2p_approval.tests.common import forget_requests

from .test_import_scale import ImportCase

REGISTRAR = "g2p_registry_base.group_g2p_registrar"
PARAMETER = "g2p_registry_base.import_maker_checker"


@tagged("post_install", "-at_install")
class TestImportApproval(ImportCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["ir.config_parameter"].set_param(PARAMETER, "True")
        cls.kind = cls.env.ref("g2p_registry_import.approval_kind_import")
        cls.checker = new_test_user(cls.env, "t_import_checker", groups=REGISTRAR)

    def rpc(self, user, records, method, *args):
        """A call as it comes from outside; what it changes is undone where it is refused."""
        with self.env.cr.savepoint():
            result = call_kw(self.env[records._name].with_user(user), method, [records.ids, *args], {})
            self.env.flush_all()
        self.env.invalidate_all()
        return result

    def handed_over(self, **values):
        record = self.new_import([["Full name", "National ID"], ["Ann", "1"], ["Ben", "2"], ["Cat", "2"]], **values)
        self.rpc(self.registrar, record, "action_check")
        self.rpc(self.registrar, record, "action_submit")
        return record, record.sudo().approval_request_ids

    def test_it_is_asked_for_and_agreed_to_in_the_inbox(self):
        record, request = self.handed_over()
        self.assertEqual((record.state, request.state, request.requested_by), ("submitted", "waiting", self.registrar))
        self.assertEqual(request.name, "Import of 2 rows: registrants.csv")
        self.assertEqual([figure["value"] for figure in request.figures[:4]], [3, 2, 1, 0])
        inbox = self.env["g2p.approval.request"].with_user(self.checker).search([("can_decide", "=", True)])
        self.assertIn(request, inbox)
        answer = self.rpc(self.checker, request, "action_approve", "Looks right", request.digest)
        self.assertIn("done", answer["params"]["message"])
        self.assertEqual((request.state, record.state, record.imported_count), ("done", "done", 2))
        self.assertEqual(record.confirmed_by_id, self.checker)
        self.assertEqual(request.decision_ids.mapped("user_id"), self.checker)

    def test_the_button_of_the_import_says_the_same(self):
        record, request = self.handed_over()
        self.assertTrue(record.with_user(self.checker).may_confirm)
        self.assertFalse(record.with_user(self.registrar).may_confirm)
        answer = self.rpc(self.checker, record, "action_import")
        self.assertIn("Created", answer["params"]["text"])
        self.assertEqual((request.state, record.state, request.decision_ids.user_id), ("done", "done", self.checker))

    def test_nobody_else_says_a_word(self):
        record, request = self.handed_over()
        other = self.env["res.company"].create({"name": "Other country"})
        area = self.env["g2p.area"].create({"name": "Small place"})
        portal = new_test_user(self.env, "t_import_portal", groups="base.group_portal")
        nobody = [
            self.registrar,
            new_test_user(
                self.env, "t_import_there", groups=REGISTRAR, company_id=other.id, company_ids=[(6, 0, other.ids)]
            ),
            new_test_user(self.env, "t_import_local", groups=REGISTRAR, g2p_area_ids=[(6, 0, area.ids)]),
            new_test_user(self.env, "t_import_support", groups="g2p_registry_base.group_g2p_support"),
            new_test_user(self.env, "t_import_auditor", groups="g2p_registry_base.group_g2p_auditor"),
            portal,
        ]
        for user in nobody:
            for records, method, args in (
                (request, "action_approve", ("Yes", request.digest)),
                (request, "action_reject", ("No", request.digest)),
                (record, "action_import", ()),
            ):
                with self.subTest(user=user.login, method=method), self.assertRaises(AccessError):
                    self.rpc(user, records, method, *args)
        self.assertEqual((record.state, request.state), ("submitted", "waiting"))

    def test_nobody_confirms_rows_that_they_do_not_see(self):
        record, request = self.handed_over()
        area = self.env["g2p.area"].create({"name": "Small place"})
        chief = new_test_user(
            self.env, "t_import_chief", groups="g2p_registry_base.group_g2p_admin", g2p_area_ids=[(6, 0, area.ids)]
        )
        with self.assertRaisesRegex(UserError, "3 of these rows are outside"):
            self.rpc(chief, record, "action_import")
        self.assertEqual((record.state, request.state), ("submitted", "waiting"))

    def test_refused_with_a_remark_it_goes_back(self):
        record, request = self.handed_over()
        with self.assertRaisesRegex(UserError, "Say why"):
            self.rpc(self.checker, request, "action_reject", " ", request.digest)
        self.rpc(self.checker, request, "action_reject", "Last year's list", request.digest)
        self.assertEqual((request.state, record.state, record.submitted_by_id.id), ("refused", "checked", False))
        self.assertIn("Last year's list", record.with_user(self.registrar).approval_stage_ids.said)
        self.assertTrue(request.with_user(self.checker).name, "who decided goes on seeing what it was about")
        # It is handed over again, as a request of its own.
        self.rpc(self.registrar, record, "action_submit")
        self.assertEqual(record.sudo().approval_request_ids.mapped("state"), ["waiting", "refused"])

    def test_taken_back_by_who_asked(self):
        record, request = self.handed_over()
        self.rpc(self.registrar, request, "action_withdraw")
        self.assertEqual((request.state, record.state), ("withdrawn", "checked"))

    def test_a_change_of_the_file_or_an_option_voids_it(self):
        for values in ({"existing_policy": "skip"}, {"file": record_file()}):
            with self.subTest(values):
                record, request = self.handed_over()
                record.with_user(self.registrar).write(values)
                self.assertEqual((record.state, request.state), ("draft", "void"))
                with self.assertRaises(UserError):
                    self.rpc(self.checker, request, "action_approve", "Yes", request.digest)

    def test_a_row_that_changed_is_agreed_to_by_nobody(self):
        for statement in (
            'UPDATE g2p_registrant_import_line SET data = data || \'{"name": "MALLORY"}\' WHERE id = %s',
            "UPDATE g2p_registrant_import_line SET state = 'refused' WHERE id = %s",
            "DELETE FROM g2p_registrant_import_line WHERE id = %s",
        ):
            with self.subTest(statement):
                record, request = self.handed_over()
                self.env.cr.execute(statement, [record.sudo().line_ids[0].id])
                self.env.invalidate_all()
                self.rpc(self.checker, request, "action_approve", "Yes", request.digest)
                self.assertEqual((request.state, record.state, record.imported_count), ("void", "draft", 0))
                self.assertFalse(request.decision_ids)

    def test_rows_that_were_forgotten_are_asked_for_no_more(self):
        record, request = self.handed_over()
        self.env.cr.execute(
            "UPDATE g2p_registrant_import SET write_date = write_date - interval '31 days' WHERE id = %s", [record.id]
        )
        self.env.invalidate_all()
        self.env["g2p.registrant.import"]._gc_rows()
        self.assertEqual((request.state, record.state, record.sudo().line_ids.ids), ("void", "draft", []))

    def test_a_department_does_without(self):
        self.kind.off_company_ids = self.env.company
        record = self.new_import([["Full name"], ["Ann Sow"]])
        self.rpc(self.registrar, record, "action_check")
        self.assertTrue(record.with_user(self.registrar).may_confirm)
        with self.assertRaisesRegex(UserError, "No confirmation"):
            self.rpc(self.registrar, record, "action_submit")
        self.rpc(self.registrar, record, "action_import")
        self.assertEqual(record.state, "done")
        self.assertFalse(record.sudo().approval_request_ids)

    def test_what_waits_is_not_let_through_by_switching_it_off(self):
        record, request = self.handed_over()
        for change in ("kind", "parameter"):
            with self.subTest(change), self.env.cr.savepoint() as savepoint:
                if change == "kind":
                    self.kind.off_company_ids = self.env.company
                else:
                    self.env["ir.config_parameter"].set_param(PARAMETER, "False")
                with self.assertRaises(AccessError):
                    self.rpc(self.registrar, record, "action_import")
                self.rpc(self.checker, record, "action_import")
                self.assertEqual((request.state, record.state), ("done", "done"))
                savepoint.rollback()
                self.env.invalidate_all()

    def test_what_awaited_confirmation_before_is_asked_for(self):
        """A database of the version before has imports that wait, and no requests."""
        from ..hooks import post_init_hook

        record, request = self.handed_over()
        request._end("withdrawn")
        record.sudo().write({"state": "submitted", "submitted_by_id": self.registrar.id})
        post_init_hook(self.env)
        waiting = record._approval_open("import").sudo()
        self.assertEqual((waiting.state, waiting.requested_by), ("waiting", self.registrar))
        self.rpc(self.checker, waiting, "action_approve", "Yes", waiting.digest)
        self.assertEqual(record.state, "done")


def record_file():
    return b"RnVsbCBuYW1lCk1hbGxvcnkK"


@tagged("post_install", "-at_install")
class TestTwoConfirmAtOnce(TransactionCase):
    """Real transactions, real commits; taken away at the end."""

    def setUp(self):
        super().setUp()
        self.user_ids, self.record_id = [], None
        self.addCleanup(self.clean)
        with self.registry.cursor() as cr:
            env = api.Environment(cr, api.SUPERUSER_ID, {"no_reset_password": True})
            self.parameter = env["ir.config_parameter"].get_param(PARAMETER)
            env["ir.config_parameter"].set_param(PARAMETER, "True")
            users = [new_test_user(env, f"t_import_{name}", groups=REGISTRAR) for name in ("one", "two", "three")]
            record = env["g2p.registrant.import"].with_user(users[0])
            record = record.create({"name": "twice.csv", "file": record_file()})
            self.record_id, self.user_ids = record.id, [user.id for user in users]
            record.action_check()
            record.action_submit()

    def clean(self):
        with self.registry.cursor() as cr:
            env = api.Environment(cr, api.SUPERUSER_ID, {})
            env["ir.config_parameter"].set_param(PARAMETER, self.parameter)
            record = env["g2p.registrant.import"].browse(self.record_id).exists()
            if record.state == "done":
                record.action_undo()
            forget_requests(env, record.approval_request_ids.ids)
            cr.execute(
                "DELETE FROM g2p_bulk_operation WHERE res_model = %s AND res_id = ANY(%s)", [record._name, record.ids]
            )
            cr.execute("DELETE FROM g2p_registrant_import WHERE id = ANY(%s)", [record.ids])
            env.invalidate_all(flush=False)
            users = env["res.users"].browse(self.user_ids)
            partners = users.partner_id
            users.unlink()
            partners.unlink()

    def test_it_is_imported_once(self):
        """Two confirm at the same moment; one who presses twice is the same."""
        with self.registry.cursor() as one, self.registry.cursor() as two:
            first, second = (
                api.Environment(cr, user_id, {})["g2p.registrant.import"].browse(self.record_id)
                for cr, user_id in ((one, self.user_ids[1]), (two, self.user_ids[2]))
            )
            self.assertEqual(second.state, "submitted")  # its transaction has begun
            first.action_import()
            one.commit()
            with self.assertRaises(Exception) as caught, mute_logger("odoo.sql_db"):
                second.action_import()
            self.assertIn(type(caught.exception).__name__, ("SerializationFailure", "UserError", "AccessError"))
            two.rollback()
            with self.assertRaises(UserError):
                second.action_import()
            two.rollback()
        with self.registry.cursor() as cr:
            record = api.Environment(cr, api.SUPERUSER_ID, {})["g2p.registrant.import"].browse(self.record_id)
            self.assertEqual((record.state, record.imported_count), ("done", 1))
            self.assertEqual(len(record.approval_request_ids.decision_ids), 1)
