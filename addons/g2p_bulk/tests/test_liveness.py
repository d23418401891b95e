"""Is anybody still at work? What the form says of an operation whose process is gone, and what Resume then takes."""

from psycopg2 import InterfaceError
from psycopg2.errors import DiskFull, OperationalError

from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from odoo.addons.queue_job.exception import RetryableJobError

from .common import Hooks
from .workers import ENGINE, WorkersCase

LOCK_OF_THE_RUNNER = "SELECT pg_advisory_lock(2293787760715711918)"


@tagged("post_install", "-at_install")
class TestLiveness(WorkersCase):
    def cut_off(self, rows=40, **options):
        """An operation whose process died in its third chunk, a minute ago."""
        shelf_id = self.shelf(rows)

        def die(target, operation, low, high):
            if low == 20:
                target.env.cr._cnx.close()

        Hooks.on_chunk = die
        with mute_logger("odoo.sql_db", ENGINE), self.assertRaises(InterfaceError):
            self.start(shelf_id, chunk_size=10, mode="inline", **options)
        Hooks.reset()
        return shelf_id, self.age(shelf_id)

    def age(self, shelf_id, seconds=60):
        with self.worker() as env:
            operation = env["g2p.bulk.test.shelf"].browse(shelf_id).operation_ids
            env.cr.execute(
                SQL(
                    """
                UPDATE g2p_bulk_operation SET create_date = create_date - make_interval(secs => %(seconds)s),
                    resumed_at = resumed_at - make_interval(secs => %(seconds)s)
                WHERE id = %(id)s;
                UPDATE g2p_bulk_chunk SET finished_at = finished_at - make_interval(secs => %(seconds)s)
                WHERE operation_id = %(id)s AND finished_at IS NOT NULL
                """,
                    seconds=seconds,
                    id=operation.id,
                )
            )
            return operation.id

    def signs(self, operation_id):
        with self.worker() as env:
            operation = env["g2p.bulk.operation"].browse(operation_id)
            return operation.state, operation.interruption, operation.can_resume

    def test_the_death_of_a_process_is_noticed_and_resume_takes_its_chunk(self):
        shelf_id, operation_id = self.cut_off()
        state, interruption, can_resume = self.signs(operation_id)
        self.assertEqual((state, can_resume), ("running", True))
        self.assertIn("has ended before it was through: 2 of 4 chunks are left", interruption)
        with self.worker() as env:
            self.assertEqual(env["g2p.bulk.test.shelf"].browse(shelf_id).running_operation_id.id, operation_id)
            env["g2p.bulk.operation"].browse(operation_id).action_resume()
        self.assertEqual(self.outcome(shelf_id), ("done", {"moved": 36, "refused": 4}, {1: 40}, 1))
        with self.worker() as env:
            told = env["g2p.bulk.operation"].browse(operation_id).log_ids.sorted("id")
            self.assertEqual(told.mapped("kind"), ["started", "lost", "resumed", "ended"])
            self.assertIn("2 chunks are left to do", told[2].message)

    def test_while_a_process_is_at_work_nothing_is_offered(self):
        shelf_id = self.shelf(30)
        seen = []

        def look(target, operation, low, high):
            if low == 10:
                self.age(shelf_id)
                seen.append(self.signs(operation.id))

        Hooks.on_chunk = look
        self.start(shelf_id, chunk_size=10, mode="inline")
        self.assertEqual(seen, [("running", False, False)])

    def test_jobs_that_wait_for_a_runner_are_no_accident_those_without_one_are(self):
        shelf_id = self.shelf(30)
        self.start(shelf_id, chunk_size=10, mode="queue")
        operation_id = self.age(shelf_id, 600)
        self.assertIn("no job runner serves this database", self.signs(operation_id)[1])
        with self.registry.cursor() as runner:
            runner.execute(LOCK_OF_THE_RUNNER)
            self.assertEqual(self.signs(operation_id), ("running", False, False))
            runner.execute("SELECT pg_advisory_unlock_all()")

    def test_jobs_taken_by_a_dead_process_are_given_back_by_resume(self):
        shelf_id = self.shelf(30)
        with self.worker() as env:
            last_job = env["queue.job"].search([], order="id desc", limit=1).id or 0
        self.start(shelf_id, chunk_size=10, mode="queue")
        operation_id = self.age(shelf_id, 600)
        with self.registry.cursor() as runner:
            runner.execute(LOCK_OF_THE_RUNNER)
            with self.worker() as env:
                env["queue.job"].search([("id", ">", last_job)]).write(
                    {"state": "started", "date_enqueued": "2026-01-01 00:00:00"}
                )
            self.assertIn("3 of 3 chunks are left", self.signs(operation_id)[1])
            with self.worker() as env:
                env["g2p.bulk.operation"].browse(operation_id).action_resume()
                jobs = env["queue.job"].search([("id", ">", last_job)])
                self.assertEqual(jobs.mapped("state"), ["pending"] * 3)
            runner.execute("SELECT pg_advisory_unlock_all()")

    def test_the_watch_writes_it_down_once(self):
        _shelf_id, operation_id = self.cut_off()
        for _again in range(2):
            with self.worker() as env:
                env["g2p.bulk.operation"]._cron_notice_lost()
        with self.worker() as env:
            told = env["g2p.bulk.operation"].browse(operation_id).log_ids
            self.assertEqual(told.mapped("kind"), ["lost", "started"])

    def test_a_failed_operation_stays_on_the_form_until_it_is_resumed_or_started_again(self):
        shelf_id = self.shelf(20)
        Hooks.on_chunk = lambda *args: 1 / 0
        with mute_logger(ENGINE):
            failed_id = self.start(shelf_id, chunk_size=10)
        Hooks.reset()

        def on_the_form():
            with self.worker() as env:
                return env["g2p.bulk.test.shelf"].browse(shelf_id).running_operation_id.id

        self.assertEqual(on_the_form(), failed_id)
        self.start(shelf_id)
        self.assertFalse(on_the_form())

    def test_a_full_disk_is_said_in_words(self):
        shelf_id = self.shelf(20)

        def full(target, operation, low, high):
            if low == 10:
                target.env.cr.execute("DO $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$")

        Hooks.on_chunk = full
        with mute_logger("odoo.sql_db", ENGINE):
            operation_id = self.start(shelf_id, chunk_size=10)
        self.assertTrue(issubclass(DiskFull, OperationalError))
        with self.worker() as env:
            operation = env["g2p.bulk.operation"].browse(operation_id)
            self.assertEqual(operation.state, "failed")
            self.assertIn("its disk is full", operation.last_error)
            self.assertEqual(operation.chunk_ids.mapped("state"), ["done", "failed"])

    def test_a_job_whose_connection_breaks_is_left_to_the_queue_to_repeat(self):
        shelf_id = self.shelf(10)
        operation_id = self.start(shelf_id, mode="queue")
        Hooks.on_chunk = lambda target, *args: target.env.cr._cnx.close()
        with mute_logger("odoo.sql_db", ENGINE), self.worker() as env, self.assertRaises(RetryableJobError):
            env["g2p.bulk.operation"].browse(operation_id).chunk_ids._run_job()
        Hooks.reset()
        with self.worker() as env:
            env["g2p.bulk.operation"].browse(operation_id).chunk_ids._run_job()
        self.assertEqual(self.outcome(shelf_id), ("done", {"moved": 9, "refused": 1}, {1: 10}, 1))
