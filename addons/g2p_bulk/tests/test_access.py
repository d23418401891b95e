from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..tools import roles
from .common import Hooks, WorldCase

ORM = {"create", "write"}
PUBLIC = {
    "g2p.bulk.operation": {"action_cancel", "action_resume", "action_open_target", "action_open_outcome"},
    "g2p.bulk.chunk": set(),
    "g2p.bulk.log": set(),
    "g2p.bulk.mixin": {"action_view_operations"},
    "g2p.change.history": {"init"},
    "g2p.change.mixin": {"action_view_changes", "create", "write", "unlink"},
    "g2p.state.history": {"init"},
    "g2p.state.mixin": {"action_view_history"},
}


@tagged("post_install", "-at_install")
class TestAccess(WorldCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        groups = "base.group_user,g2p_bulk.group_g2p_bulk_user"
        cls.starter = new_test_user(cls.env, "bulk_starter", groups=groups)
        cls.colleague = new_test_user(cls.env, "bulk_colleague", groups=groups)
        cls.manager = new_test_user(cls.env, "bulk_manager", groups="base.group_user,g2p_bulk.group_g2p_bulk_manager")
        cls.stranger = new_test_user(cls.env, "bulk_stranger", groups="base.group_user")
        cls.env["ir.model.access"].create(
            {
                "name": "shelf",
                "model_id": cls.env["ir.model"]._get_id("g2p.bulk.test.shelf"),
                "group_id": cls.env.ref("g2p_bulk.group_g2p_bulk_user").id,
                "perm_read": True,
                "perm_write": True,
            }
        )
        cls.env["ir.model.access"].create(
            {
                "name": "shelf, read",
                "model_id": cls.env["ir.model"]._get_id("g2p.bulk.test.shelf"),
                "group_id": cls.env.ref("base.group_user").id,
                "perm_read": True,
            }
        )

    def test_who_holds_none_of_the_roles_is_told_whose_it_is(self):
        user, manager = "g2p_bulk.group_g2p_bulk_user", "g2p_bulk.group_g2p_bulk_manager"
        env = self.env(user=self.starter)
        roles.check(env, user, manager)
        roles.check(env(su=True), manager)
        self.assertFalse(roles.may(env, manager))
        names = [self.env.ref(group).display_name for group in (manager, "base.group_system")]
        with self.assertRaisesRegex(
            AccessError, f"^Only members of the role “{names[0]}” / “{names[1]}” may do this.$"
        ):
            roles.check(env, manager, "base.group_system")
        with self.assertRaisesRegex(AccessError, "^Ask the manager.$"):
            roles.check(env, manager, refusal="Ask the manager.")

    def failed_operation(self):
        shelf = self.fill(self.env, 10)
        Hooks.on_chunk = lambda *args: 1 / 0
        with mute_logger("odoo.addons.g2p_bulk.models.bulk_operation"):
            operation = shelf.with_user(self.starter)._bulk_start("move")
        Hooks.reset()
        return operation

    def test_the_starter_is_who_rows_are_moved_by(self):
        shelf = self.fill(self.env, 10)
        operation = shelf.with_user(self.starter)._bulk_start("move")
        self.assertEqual((operation.env.user, operation.user_id), (self.starter, self.starter))
        self.assertFalse(operation.env.su)
        history = self.env["g2p.state.history"].search([("operation_id", "=", operation.id)])
        self.assertEqual(history.user_id, self.starter)
        self.assertEqual(len(history), 10)

    def test_starting_needs_write_access_on_the_record(self):
        shelf = self.fill(self.env, 10)
        with self.assertRaises(AccessError):
            shelf.with_user(self.stranger)._bulk_start("move")

    def test_who_may_resume_and_cancel(self):
        operation = self.failed_operation()
        for user, allowed in ((self.colleague, False), (self.starter, True), (self.manager, True)):
            with self.subTest(user.login):
                mine = operation.with_user(user)
                mine.invalidate_recordset()
                self.assertEqual((mine.can_resume, mine.can_cancel), (allowed, allowed))
        for method in ("action_resume", "action_cancel"):
            with self.assertRaisesRegex(AccessError, "Only bulk_starter"):
                getattr(operation.with_user(self.colleague), method)()
            with self.assertRaises(AccessError):
                getattr(operation.with_user(self.stranger), method)()
        operation.with_user(self.manager).action_resume()
        self.assertEqual(operation.state, "done")

    def test_operations_cannot_be_made_or_changed_by_hand(self):
        operation = self.failed_operation()
        for user in (self.starter, self.manager):
            with self.assertRaises(AccessError):
                operation.with_user(user).write({"state": "done"})
            with self.assertRaises(AccessError):
                operation.with_user(user).unlink()
            with self.assertRaises(AccessError):
                operation.chunk_ids.with_user(user).write({"state": "done"})
            with self.assertRaises(AccessError):
                operation.log_ids.with_user(user).write({"message": "Nothing happened."})
            with self.assertRaises(AccessError):
                operation.log_ids.with_user(user).unlink()
            with self.assertRaises(AccessError):
                self.env["g2p.bulk.operation"].with_user(user).create(
                    {
                        "name": "x",
                        "step": "move",
                        "res_model": "g2p.bulk.test.shelf",
                        "res_id": 1,
                        "user_id": user.id,
                    }
                )

    def test_operations_of_other_companies_are_not_seen(self):
        other = self.env["res.company"].create({"name": "Other ministry"})
        operation = self.fill(self.env, 10, company_id=other.id)._bulk_start("move")
        self.assertEqual(operation.company_id, other)
        for model, field in (
            ("g2p.bulk.operation", "id"),
            ("g2p.bulk.chunk", "operation_id"),
            ("g2p.bulk.log", "operation_id"),
        ):
            rows = self.env[model].sudo().search([(field, "=", operation.id)])
            self.assertTrue(rows)
            self.assertFalse(rows.with_user(self.colleague)._filtered_access("read"))

    def test_a_user_without_the_group_sees_the_record_without_operations(self):
        shelf = self.failed_operation().env["g2p.bulk.test.shelf"].search([]).with_user(self.stranger)
        self.assertFalse(shelf[:1].running_operation_id)
        with self.assertRaises(AccessError):
            shelf[:1].operation_ids  # noqa: B018

    def test_only_these_methods_can_be_called_from_outside(self):
        for name, intended in PUBLIC.items():
            methods = set()
            for cls in type(self.env[name]).mro():
                # what every model of Odoo offers is guarded there, not added
                if cls.__module__.endswith(".models.base"):
                    continue
                if getattr(cls, "_module", None) == "g2p_bulk" and cls.__module__.startswith("odoo.addons.g2p_bulk."):
                    methods |= {
                        method
                        for method, value in vars(cls).items()
                        if callable(value) and not method.startswith("_") and not getattr(value, "_api_private", False)
                    }
            self.assertEqual(methods, intended, name)
