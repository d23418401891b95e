from psycopg2.errors import InsufficientPrivilege

from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged
from odoo.tools import SQL, mute_logger

from .common import WorldCase


@tagged("post_install", "-at_install")
class TestState(WorldCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clerk = new_test_user(cls.env, "bulk_clerk", groups="base.group_user,g2p_bulk.group_g2p_bulk_user")
        cls.env["ir.model.access"].create(
            [
                {
                    "name": name,
                    "model_id": cls.env["ir.model"]._get_id(name),
                    "group_id": cls.env.ref("base.group_user").id,
                    "perm_read": True,
                    "perm_write": True,
                    "perm_create": True,
                    "perm_unlink": True,
                }
                for name in ("g2p.bulk.test.shelf", "g2p.bulk.test.book")
            ]
        )
        cls.books = cls.env["g2p.bulk.test.book"].create([{"key": key, "title": f"Book {key}"} for key in range(1, 6)])

    def history(self, records):
        return self.env["g2p.state.history"].search([("res_model", "=", records._name), ("res_id", "in", records.ids)])

    def test_a_user_cannot_write_the_state(self):
        book = self.books[0].with_user(self.clerk)
        book.write({"title": "New title"})
        with self.assertRaisesRegex(AccessError, "State of Book can't be edited"):
            book.write({"state": "moved"})
        with self.assertRaises(AccessError):
            book.write({"title": "x", "price": 3})
        with self.assertRaises(AccessError):
            book.state = "moved"

    def test_a_user_cannot_create_in_another_state(self):
        books = self.env["g2p.bulk.test.book"].with_user(self.clerk)
        self.assertEqual(books.create({"title": "a"}).state, "draft")
        self.assertEqual(books.create({"title": "a", "state": "draft"}).state, "draft")
        with self.assertRaises(AccessError):
            books.create([{"title": "a"}, {"title": "b", "state": "moved"}])

    def test_a_context_default_is_no_way_round(self):
        books = self.env["g2p.bulk.test.book"].with_user(self.clerk)
        book = books.with_context(default_state="moved", default_price=7).create({"title": "a"})
        self.assertEqual((book.state, book.price), ("draft", 0))
        self.assertEqual(book.env.context.get("default_state"), "moved", "the caller's context stays its own")

    def test_a_user_defined_default_is_no_way_round(self):
        self.env["ir.default"].set("g2p.bulk.test.book", "state", "moved", user_id=self.clerk.id)
        self.assertEqual(self.env["g2p.bulk.test.book"].with_user(self.clerk).create({"title": "a"}).state, "draft")

    def test_a_copy_starts_anew(self):
        self.books[0]._transition("moved")
        self.assertEqual(self.books[0].with_user(self.clerk).copy().state, "draft")

    def test_a_transition_moves_and_tells(self):
        two = self.books[:2].with_user(self.clerk)
        self.assertEqual(two._transition("refused", "out of print"), 2)
        self.assertEqual(two.mapped("state"), ["refused", "refused"])
        self.assertEqual(two.mapped("write_uid"), self.clerk)
        rows = self.history(two)
        self.assertEqual(len(rows), 2)
        self.assertEqual(
            set(rows.mapped(lambda row: (row.from_state, row.to_state, row.reason, row.user_id))),
            {("draft", "refused", "out of print", self.clerk)},
        )

    def test_a_transition_to_where_one_is_leaves_no_trace(self):
        self.assertEqual(self.books._transition("draft"), 0)
        self.assertFalse(self.history(self.books))
        self.assertEqual(self.books.browse()._transition("moved"), 0)

    def test_a_set_is_moved_in_one_statement(self):
        model = self.env["g2p.bulk.test.book"]
        self.books[0]._transition("refused")
        self.env.flush_all()
        with self.assertQueryCount(1):
            moved = model._transition_where(
                SQL("t.id IN %s", self.books._ids),
                SQL("CASE WHEN t.key = 2 THEN NULL WHEN t.key = 3 THEN 'refused' ELSE 'moved' END"),
                SQL("'now at ' || t.price"),
                assign={"price": SQL("t.key * 10")},
            )
        self.assertEqual(moved, 4)
        self.assertEqual(self.books.mapped("state"), ["moved", "draft", "refused", "moved", "moved"])
        self.assertEqual(self.books.mapped("price"), [10, 0, 30, 40, 50])
        rows = self.history(self.books).sorted("id")
        self.assertEqual(len(rows), 5, "one of the first transition, four of the second")
        self.assertIn(
            (self.books[0].id, "refused", "moved", "now at 10"),
            rows.mapped(lambda row: (row.res_id, row.from_state, row.to_state, row.reason)),
        )

    def test_where_a_row_came_from_may_be_given(self):
        self.books[0]._transition("refused")
        model = self.env["g2p.bulk.test.book"]
        self.assertEqual(model._transition_where(SQL("t.id IN %s", self.books._ids), "moved", from_state="draft"), 4)
        self.assertEqual(self.books[0].state, "refused")
        self.assertEqual(set(self.history(self.books[1:]).mapped("from_state")), {"draft"})

    def test_a_step_with_its_own_statement_writes_history(self):
        source = SQL("SELECT id, NULL, state, 'imported' FROM g2p_bulk_test_book WHERE id IN %s", self.books._ids)
        self.assertEqual(self.env["g2p.bulk.test.book"]._history_insert(source), 5)
        self.assertEqual(self.history(self.books).mapped("reason"), ["imported"] * 5)

    def test_history_is_append_only(self):
        self.books._transition("moved")
        for statement in (
            "UPDATE g2p_state_history SET to_state = 'draft'",
            "DELETE FROM g2p_state_history",
            "TRUNCATE g2p_state_history",
        ):
            with (
                self.subTest(statement),
                mute_logger("odoo.sql_db"),
                self.assertRaisesRegex(InsufficientPrivilege, "append-only"),
                self.env.cr.savepoint(),
            ):
                self.env.cr.execute(statement)

    def test_the_history_button_lists_the_records_history(self):
        self.books[0]._transition("moved")
        action = self.books[0].with_user(self.clerk).action_view_history()
        rows = self.env["g2p.state.history"].with_user(self.clerk).search(action["domain"])
        self.assertEqual(rows.mapped("to_state"), ["moved"])

    def test_history_is_as_visible_as_its_record(self):
        self.books._transition("moved")
        self.env["ir.rule"].create(
            {
                "name": "books up to three",
                "model_id": self.env["ir.model"]._get_id("g2p.bulk.test.book"),
                "domain_force": "[('key', '<=', 3)]",
            }
        )
        history = self.env["g2p.state.history"].with_user(self.clerk)
        rows = self.history(self.books)
        domain = [("res_model", "=", "g2p.bulk.test.book"), ("res_id", "in", self.books.ids)]
        self.assertEqual(set(history.search(domain).mapped("res_id")), set(self.books[:3].ids))
        self.assertEqual(
            set(rows.with_user(self.clerk)._filtered_access("read").mapped("res_id")), set(self.books[:3].ids)
        )
        with self.assertRaises(AccessError):
            rows.filtered(lambda row: row.res_id == self.books[4].id).with_user(self.clerk).read(["reason"])
