"""Several workers, real commits: what the engine promises when processes race and die."""

import threading
import time
from unittest.mock import patch

from psycopg2 import InterfaceError
from psycopg2.errors import SerializationFailure

from odoo import SUPERUSER_ID, api
from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from odoo.addons.queue_job.controllers.main import _prevent_commit

from .. import core
from .common import Hooks
from .workers import ENGINE, PATIENCE, WorkersCase


@tagged("post_install", "-at_install")
class TestWorkers(WorkersCase):
    def test_every_chunk_is_committed_for_others_to_see(self):
        shelf_id = self.shelf(30)
        seen = []

        def look(target, operation, low, high):
            with self.worker() as env:
                seen.append(env["g2p.bulk.operation"].browse(operation.id).processed)

        Hooks.on_chunk = look
        self.start(shelf_id, chunk_size=10)
        self.assertEqual(seen, [0, 10, 20])

    def test_the_second_of_two_starts_is_refused_while_the_first_runs(self):
        shelf_id = self.shelf(20)
        running, refused = threading.Event(), threading.Event()

        def wait(target, operation, low, high):
            running.set()
            refused.wait(PATIENCE)

        def second():
            running.wait(PATIENCE)
            try:
                return self.start(shelf_id)
            finally:
                refused.set()

        Hooks.on_chunk = wait
        _, refusal = self.in_threads(lambda: self.start(shelf_id, chunk_size=10), second)
        self.assertIsInstance(refusal, UserError)
        self.assertRegex(str(refusal), "Move: Shelf is already running, started by .+ at .+")
        self.assertEqual(self.outcome(shelf_id), ("done", {"moved": 18, "refused": 2}, {1: 20}, 1))

    def test_of_two_starts_at_the_same_moment_one_is_refused(self):
        shelf_id = self.shelf(20)
        begun = threading.Event()

        def hold_the_uncommitted_operation(target, operation):
            begun.set()
            time.sleep(0.4)

        def second():
            begun.wait(PATIENCE)
            return self.start(shelf_id)

        Hooks.on_before = hold_the_uncommitted_operation
        # The chunk outlives the second start, which waits for the first one's commit.
        Hooks.on_chunk = lambda *args: time.sleep(0.4)
        with mute_logger("odoo.sql_db"):
            first, refusal = self.in_threads(lambda: self.start(shelf_id), second)
        self.assertIsInstance(first, int)
        self.assertIsInstance(refusal, UserError)
        self.assertIn("is already running, started by", str(refusal))
        self.assertEqual(self.outcome(shelf_id)[2:], ({1: 20}, 1))

    def test_two_workers_share_the_chunks_and_nothing_is_done_twice(self):
        shelf_id = self.shelf(400)
        operation_id = self.start(shelf_id, chunk_size=10, mode="queue")
        ran = {}

        def note(target, operation, low, high):
            ran.setdefault(threading.get_ident(), []).append(low)
            time.sleep(0.002)

        def work():
            with self.worker() as env:
                env["g2p.bulk.operation"].browse(operation_id)._run_chunks()

        Hooks.on_chunk = note
        self.assertEqual(self.in_threads(work, work), [None, None])
        self.assertEqual(self.outcome(shelf_id), ("done", {"moved": 360, "refused": 40}, {1: 400}, 1))
        self.assertEqual(len(ran), 2, "both workers took part")
        self.assertEqual(self._history_rows(shelf_id), 400)

    def test_the_jobs_of_all_chunks_at_once_finish_once(self):
        shelf_id = self.shelf(60)
        operation_id = self.start(shelf_id, chunk_size=10, mode="queue")
        with self.worker() as env:
            chunk_ids = env["g2p.bulk.operation"].browse(operation_id).chunk_ids.ids
        barrier = threading.Barrier(3)

        def jobs(mine):
            barrier.wait(PATIENCE)
            for chunk_id in mine:
                with self.registry.cursor() as cr, _prevent_commit(cr):
                    api.Environment(cr, SUPERUSER_ID, {})["g2p.bulk.chunk"].browse(chunk_id)._run_job()

        results = self.in_threads(
            lambda: jobs(chunk_ids[:4]), lambda: jobs(chunk_ids[3:]), lambda: jobs(chunk_ids[::2])
        )
        self.assertEqual(results, [None, None, None])
        self.assertEqual(self.outcome(shelf_id), ("done", {"moved": 54, "refused": 6}, {1: 60}, 1))

    def test_the_work_of_a_killed_worker_is_undone_and_resumed(self):
        shelf_id = self.shelf(40)

        def die_after_the_work(target, operation, low, high):
            if low == 20:
                target.env.cr.execute("UPDATE g2p_bulk_test_book SET touched = 99")
                target.env.cr._cnx.close()

        Hooks.on_chunk = die_after_the_work
        with mute_logger("odoo.sql_db", ENGINE), self.assertRaises(InterfaceError):
            self.start(shelf_id, chunk_size=10)
        state, counts, touched, finished = self.outcome(shelf_id)
        self.assertEqual((state, counts), ("running", {"moved": 18, "refused": 2}))
        self.assertEqual((touched, finished), ({0: 20, 1: 20}, 0))
        with self.worker() as env:
            operation = env["g2p.bulk.test.shelf"].browse(shelf_id).operation_ids
            self.assertEqual(operation.chunk_ids.mapped("state"), ["done", "done", "pending", "pending"])

        Hooks.reset()
        with self.worker() as env:
            env["g2p.bulk.operation"].browse(operation.id).action_resume()
        self.assertEqual(self.outcome(shelf_id), ("done", {"moved": 36, "refused": 4}, {1: 40}, 1))

    def test_a_conflict_is_retried(self):
        shelf_id = self.shelf(10)
        conflicts = []

        def meet_another(target, operation, low, high):
            if len(conflicts) < 2:
                conflicts.append(low)
                # The snapshot is taken, then another transaction changes the rows that are to be moved.
                with self.worker() as env:
                    env.cr.execute(SQL("UPDATE g2p_bulk_test_book SET price = 1 WHERE shelf_id = %s", shelf_id))

        Hooks.on_chunk = meet_another
        with mute_logger("odoo.sql_db"):
            operation_id = self.start(shelf_id)
        self.assertEqual(self.outcome(shelf_id), ("done", {"moved": 9, "refused": 1}, {1: 10}, 1))
        with self.worker() as env:
            chunk = env["g2p.bulk.operation"].browse(operation_id).chunk_ids
            self.assertEqual(chunk.attempts, 3)
            self.assertIn("attempt 3", chunk.error)
            told = chunk.operation_id.log_ids.sorted("id")
            self.assertEqual(told.mapped("kind"), ["started", "conflict", "conflict", "ended"])
            self.assertEqual(told.filtered("chunk_id").mapped("attempt"), [1, 2])
            self.assertEqual(told.chunk_id, chunk)
            self.assertIn("serialization failure", told[1].message)

    def test_a_conflict_without_end_fails_the_chunk_readably(self):
        shelf_id = self.shelf(20)

        def always(target, operation, low, high):
            if low == 0:
                target.env.cr.execute("DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$")

        Hooks.on_chunk = always
        with mute_logger("odoo.sql_db", ENGINE), patch.object(core, "BACKOFF_SECONDS", 0.001):
            operation_id = self.start(shelf_id, chunk_size=10)
        with self.worker() as env:
            operation = env["g2p.bulk.operation"].browse(operation_id)
            self.assertEqual(operation.state, "failed")
            self.assertEqual(operation.chunk_ids.mapped("state"), ["failed", "done"])
            self.assertEqual(operation.last_error, "Other work kept changing the same rows. Resume to try again.")
            self.assertNotIn(SerializationFailure.__name__, operation.last_error)
            kinds = operation.log_ids.mapped("kind")
            self.assertEqual((kinds.count("conflict"), kinds.count("error")), (core.MAX_ATTEMPTS, 1))

    def test_a_row_held_by_others_is_let_go_after_a_while_and_tried_again(self):
        shelf_id = self.shelf(10)
        with self.worker() as env:
            [book_id] = env["g2p.bulk.test.book"].search([("shelf_id", "=", shelf_id)], limit=1).ids
        begun = threading.Event()
        Hooks.on_chunk = lambda *args: begun.set()

        def hold_a_row():
            with self.worker() as env:
                env.cr.execute(SQL("SELECT FROM g2p_bulk_test_book WHERE id = %s FOR UPDATE", book_id))
                begun.wait(PATIENCE)
                time.sleep(0.5)

        with mute_logger("odoo.sql_db"), patch.object(core, "LOCK_TIMEOUT", "100ms"):
            _, operation_id = self.in_threads(hold_a_row, lambda: time.sleep(0.2) or self.start(shelf_id))
        self.assertEqual(self.outcome(shelf_id), ("done", {"moved": 9, "refused": 1}, {1: 10}, 1))
        with self.worker() as env:
            told = env["g2p.bulk.operation"].browse(operation_id).log_ids.filtered(lambda line: line.kind == "conflict")
            self.assertTrue(told)
            self.assertIn("lock timeout", told[-1].message)

    def test_a_start_that_loses_to_others_is_repeated_and_says_so(self):
        shelf_id = self.shelf(10)
        other_id = self.shelf(1)
        prices = []

        def reserve(target, operation):
            # What a rival commits between our snapshot and our change: of a row that both want, such as a fund's account.
            if len(prices) < 3:
                with self.worker() as env:
                    env.cr.execute(SQL("UPDATE g2p_bulk_test_shelf SET name = 'Rival' WHERE id = %s", other_id))
                prices.append(len(prices))
            target.env.cr.execute(SQL("UPDATE g2p_bulk_test_shelf SET company_id = NULL WHERE id = %s", other_id))

        Hooks.on_before = reserve
        with mute_logger("odoo.sql_db"):
            operation_id = self.start(shelf_id)
        self.assertEqual(self.outcome(shelf_id)[2:], ({1: 10}, 1))
        with self.worker() as env:
            told = env["g2p.bulk.operation"].browse(operation_id).log_ids.sorted("id")
            self.assertEqual(told.mapped("kind"), ["conflict"] * 3 + ["started", "ended"])
            self.assertEqual(told.mapped("attempt"), [1, 2, 3, 4, 0])

    def test_a_start_after_other_changes_is_left_to_the_caller_to_repeat(self):
        shelf_id = self.shelf(10)

        def lose(target, operation):
            target.env.cr.execute("DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$")

        Hooks.on_before = lose
        with mute_logger("odoo.sql_db"), self.worker() as env:
            shelf = env["g2p.bulk.test.shelf"].browse(shelf_id)
            shelf.name = "Changed by the button"
            with self.assertRaises(SerializationFailure):
                shelf._bulk_start("move")
            env.cr.rollback()
        with self.worker() as env:
            shelf = env["g2p.bulk.test.shelf"].browse(shelf_id)
            self.assertEqual((shelf.name, shelf.operation_ids.ids), ("Shelf", []))

    def test_cancel_from_another_session_stops_after_the_running_chunk(self):
        shelf_id = self.shelf(50)

        def cancel_elsewhere(target, operation, low, high):
            if low == 10:
                with self.worker() as env:
                    env["g2p.bulk.operation"].browse(operation.id).action_cancel()

        Hooks.on_chunk = cancel_elsewhere
        self.start(shelf_id, chunk_size=10)
        state, counts, touched, finished = self.outcome(shelf_id)
        self.assertEqual((state, counts), ("cancelled", {"moved": 18, "refused": 2, "not_run": 30}))
        self.assertEqual((touched, finished), ({0: 30, 1: 20}, 1))

    def _history_rows(self, shelf_id):
        with self.worker() as env:
            env.cr.execute(
                SQL(
                    """
                SELECT COUNT(*) FROM g2p_state_history
                WHERE res_model = 'g2p.bulk.test.book'
                    AND res_id IN (SELECT id FROM g2p_bulk_test_book WHERE shelf_id = %s)
                """,
                    shelf_id,
                )
            )
            return env.cr.fetchone()[0]
