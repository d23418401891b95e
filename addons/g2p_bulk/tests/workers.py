"""Workers with connections of their own, on tables that all of them see."""

import threading
from contextlib import contextmanager
from unittest.mock import patch

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry

from .common import WorldCase

ENGINE = "odoo.addons.g2p_bulk.models.bulk_operation"
PATIENCE = 5


class WorkersCase(WorldCase):
    @classmethod
    def _make_tables(cls):
        """Tables that other connections see too; dropped at the end."""
        cls.addClassCleanup(cls._drop_tables)
        with cls.registry.cursor() as cr:
            cls._drop(cr)
            cr.execute("""
                CREATE TABLE g2p_bulk_test_shelf (
                    id serial PRIMARY KEY, name varchar, company_id integer, finished integer,
                    state varchar, complaint varchar, create_uid integer, create_date timestamp, write_uid integer, write_date timestamp
                );
                CREATE TABLE g2p_bulk_test_book (
                    id serial PRIMARY KEY, shelf_id integer, key integer, touched integer, price integer, title varchar,
                    state varchar, create_uid integer, create_date timestamp, write_uid integer, write_date timestamp
                );
            """)

    @classmethod
    def _drop(cls, cr):
        cr.execute("""
            DROP TABLE IF EXISTS g2p_bulk_test_shelf, g2p_bulk_test_book;
            DELETE FROM g2p_bulk_operation WHERE res_model = 'g2p.bulk.test.shelf';
            ALTER TABLE g2p_state_history DISABLE TRIGGER g2p_state_history_append_only;
            DELETE FROM g2p_state_history WHERE res_model = 'g2p.bulk.test.book';
            ALTER TABLE g2p_state_history ENABLE TRIGGER g2p_state_history_append_only;
            DELETE FROM queue_job WHERE identity_key LIKE 'g2p_bulk.chunk.%';
        """)

    @classmethod
    def _drop_tables(cls):
        with cls.registry.cursor() as cr:
            cls._drop(cr)

    @contextmanager
    def worker(self):
        with self.registry.cursor() as cr:
            yield api.Environment(cr, SUPERUSER_ID, {})

    def shelf(self, rows):
        with self.worker() as env:
            return self.fill(env, rows).id

    def start(self, shelf_id, **options):
        with self.worker() as env:
            return env["g2p.bulk.test.shelf"].browse(shelf_id)._bulk_start("move", **options).id

    def outcome(self, shelf_id):
        """(state of the last operation, its counts, {times touched: books}, times finished), freshly read."""
        with self.worker() as env:
            shelf = env["g2p.bulk.test.shelf"].browse(shelf_id)
            operation = shelf.operation_ids[:1]
            return operation.state, operation.counts, self.touched(shelf), shelf.finished

    def in_threads(self, *functions):
        """Run them at the same time; returns what each returned or raised."""
        results = [None] * len(functions)

        def call(number, function):
            try:
                results[number] = function()
            except Exception as error:
                results[number] = error

        threads = [threading.Thread(target=call, args=pair, daemon=True) for pair in enumerate(functions)]
        # The main thread may hold the registry's lock, when it tests at the end of loading modules.
        with patch.object(Registry, "_lock", threading.RLock()):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
                self.assertFalse(thread.is_alive(), "a worker hangs")
        return results
