"""What moved is told as a set, whether a step moved it or a button."""

from unittest.mock import patch

from odoo.tests import tagged
from odoo.tools import SQL

from .common import WorldCase

BOOK = "g2p.bulk.test.book"


@tagged("post_install", "-at_install")
class TestEvents(WorldCase):
    def setUp(self):
        super().setUp()
        self.told = []
        event = self.env.registry["g2p.bulk.event"]

        def moved(listener, model, moves):
            rows = listener.env.execute_query(SQL("SELECT res_id, from_state, to_state FROM (%s) AS moves", moves))
            self.told.append((model, sorted(rows)))

        for name, replacement in (("_listens_to", lambda listener: {BOOK}), ("_moved", moved)):
            patcher = patch.object(event, name, replacement)
            patcher.start()
            self.addCleanup(patcher.stop)

    def books(self, shelf):
        return self.env[BOOK].search([("shelf_id", "=", shelf.id)], order="key")

    def test_a_step_tells_what_it_moved_once_as_one_set(self):
        shelf = self.fill(self.env, 25)
        shelf._bulk_start("move", chunk_size=5)
        [(model, rows)] = self.told
        self.assertEqual(model, BOOK)
        expected = [(book.id, "draft", "refused" if book.key % 10 == 0 else "moved") for book in self.books(shelf)]
        self.assertEqual(rows, sorted(expected))

    def test_a_button_tells_of_its_rows_when_it_is_saved(self):
        books = self.books(self.fill(self.env, 3))
        books[0]._transition("moved")
        books[1]._transition("moved")
        self.assertEqual(self.told, [], "nothing is told of what may be taken back")
        self.env.cr.precommit.run()
        [(model, rows)] = self.told
        self.assertEqual((model, rows), (BOOK, sorted((book.id, "draft", "moved") for book in books[:2])))
        self.env.cr.precommit.run()
        self.assertEqual(len(self.told), 1)

    def test_what_a_step_moved_is_not_told_again_as_an_act(self):
        shelf = self.fill(self.env, 5)
        shelf._bulk_start("move")
        self.env.cr.precommit.run()
        self.assertEqual(len(self.told), 1)

    def test_nobody_listening_costs_nothing(self):
        books = self.books(self.fill(self.env, 1))
        with patch.object(self.env.registry["g2p.bulk.event"], "_listens_to", lambda listener: set()):
            books._transition("moved")
        self.env.cr.precommit.run()
        self.assertEqual(self.told, [])
