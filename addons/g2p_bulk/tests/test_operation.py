from itertools import pairwise

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from odoo.addons.queue_job.job import Job
from odoo.addons.queue_job.jobrunner.runner import PG_ADVISORY_LOCK_ID

from .common import Hooks, WorldCase
from .statements import counting_statements

ENGINE = "odoo.addons.g2p_bulk.models.bulk_operation"


@tagged("post_install", "-at_install")
class TestOperation(WorldCase):
    def test_an_operation_counts_every_row(self):
        shelf = self.fill(self.env, 95)
        operation = shelf._bulk_start("move", chunk_size=20)
        self.assertEqual(operation.state, "done")
        self.assertEqual(operation.counts, {"moved": 86, "refused": 9})
        self.assertEqual((operation.planned, operation.done, operation.skipped, operation.failed), (95, 86, 9, 0))
        self.assertEqual(operation.progress, 100)
        self.assertEqual(self.touched(shelf), {1: 95})
        self.assertEqual(shelf.finished, 1)

    def test_chunks_are_gap_free_and_end_every_chunk_size_rows(self):
        shelf = self.fill(self.env, 25)
        self.env.cr.execute(SQL("UPDATE g2p_bulk_test_book SET key = key * 7 WHERE shelf_id = %s", shelf.id))
        operation = shelf._bulk_start("move", chunk_size=10)
        self.assertEqual(
            [(chunk.low, chunk.high, chunk.planned) for chunk in operation.chunk_ids],
            [(6, 70, 10), (70, 140, 10), (140, 175, 5)],
        )

    def test_rows_with_the_same_key_share_a_chunk(self):
        shelf = self.fill(self.env, 12)
        self.env.cr.execute(SQL("UPDATE g2p_bulk_test_book SET key = 5 WHERE shelf_id = %s AND key > 3", shelf.id))
        operation = shelf._bulk_start("move", chunk_size=5)
        self.assertEqual([(chunk.low, chunk.high, chunk.planned) for chunk in operation.chunk_ids], [(0, 5, 12)])
        self.assertEqual(operation.counts, {"moved": 12})

    def test_nothing_to_do_is_done_at_once(self):
        operation = self.fill(self.env, 0)._bulk_start("move")
        self.assertEqual((operation.state, operation.planned, operation.counts or {}), ("done", 0, {}))
        self.assertIn("nothing to do", operation._notification()["params"]["message"])

    def test_a_second_run_finds_nothing(self):
        shelf = self.fill(self.env, 30)
        shelf._bulk_start("move")
        self.assertEqual(shelf._bulk_start("move").planned, 0)
        self.assertEqual(self.touched(shelf), {1: 30})

    def test_rows_that_changed_meanwhile_are_counted(self):
        shelf = self.fill(self.env, 20)

        def someone_else_is_faster(target, operation, low, high):
            target.env.cr.execute(
                SQL("UPDATE g2p_bulk_test_book SET state = 'moved' WHERE shelf_id = %s AND key = 15", target.id)
            )

        Hooks.on_chunk = someone_else_is_faster
        operation = shelf._bulk_start("move", chunk_size=10)
        self.assertEqual(operation.counts, {"moved": 17, "refused": 2, "changed": 1})
        self.assertEqual(sum(operation.counts.values()), operation.planned)

    def test_rows_that_came_in_meanwhile_are_counted(self):
        shelf = self.fill(self.env, 20)

        def one_more(target, operation, low, high):
            if low == 0:
                target.env["g2p.bulk.test.book"].create({"shelf_id": target.id, "key": 3})

        Hooks.on_chunk = one_more
        operation = shelf._bulk_start("move", chunk_size=10)
        self.assertEqual(operation.planned, 21)
        self.assertEqual(sum(operation.counts.values()), 21)

    def test_a_chunk_that_raises_leaves_the_others_done_and_is_resumed(self):
        shelf = self.fill(self.env, 50)

        def broken(target, operation, low, high):
            if low == 20:
                raise UserError(target.env._("The shelf is locked from 21 to 30."))

        Hooks.on_chunk = broken
        with mute_logger(ENGINE):
            operation = shelf._bulk_start("move", chunk_size=10)
        self.assertEqual(operation.state, "failed")
        self.assertEqual(operation.chunk_ids.mapped("state"), ["done", "done", "failed", "done", "done"])
        self.assertEqual(operation.last_error, "The shelf is locked from 21 to 30.")
        self.assertEqual(operation.counts, {"moved": 36, "refused": 4, "error": 10})
        self.assertEqual(operation.failed, 10)
        self.assertEqual(self.touched(shelf), {0: 10, 1: 40})
        notification = operation._notification()["params"]
        self.assertEqual(notification["type"], "danger")
        self.assertIn("The shelf is locked", notification["message"])

        Hooks.reset()
        operation.action_resume()
        self.assertEqual(operation.state, "done")
        self.assertFalse(operation.last_error)
        self.assertEqual(operation.counts, {"moved": 45, "refused": 5})
        self.assertEqual(self.touched(shelf), {1: 50})

    def test_an_unexpected_error_stores_no_data_of_rows(self):
        shelf = self.fill(self.env, 10)

        def bad_cast(target, operation, low, high):
            target.env.cr.execute("SELECT 'Abebe Bikila'::integer")

        Hooks.on_chunk = bad_cast
        with mute_logger(ENGINE, "odoo.sql_db"):
            operation = shelf._bulk_start("move")
        self.assertEqual(operation.state, "failed")
        self.assertEqual(operation.last_error, "InvalidTextRepresentation: invalid text representation")

    def test_cancel_keeps_what_is_done_and_counts_the_rest(self):
        shelf = self.fill(self.env, 50)

        def cancel_in_the_third(target, operation, low, high):
            if low == 20:
                operation._set_cancelled()

        Hooks.on_chunk = cancel_in_the_third
        operation = shelf._bulk_start("move", chunk_size=10)
        self.assertEqual(operation.state, "cancelled")
        self.assertEqual(operation.counts, {"moved": 27, "refused": 3, "not_run": 20})
        self.assertEqual(sum(operation.counts.values()), operation.planned)
        self.assertTrue(operation.finished_at)
        self.assertEqual(shelf.finished, 1)
        with self.assertRaises(UserError):
            operation.action_resume()
        with self.assertRaises(UserError):
            operation.action_cancel()
        self.assertEqual(shelf._bulk_start("move").planned, 20)

    def test_a_failed_operation_can_be_given_up(self):
        shelf = self.fill(self.env, 10)
        Hooks.on_chunk = lambda *args: 1 / 0
        with mute_logger(ENGINE):
            operation = shelf._bulk_start("move")
        states = []
        Hooks.on_finish = lambda target, op: states.append(op.state)
        operation.action_cancel()
        self.assertEqual((operation.state, states), ("cancelled", ["cancelled"]))

    def test_a_refusal_before_the_start_leaves_no_operation(self):
        shelf = self.fill(self.env, 10)

        def no_money(target, operation):
            raise UserError(target.env._("The fund is short."))

        Hooks.on_before = no_money
        with self.assertRaisesRegex(UserError, "The fund is short"):
            shelf._bulk_start("move")
        self.assertFalse(shelf.operation_ids)

    def test_what_happens_before_may_fill_the_parameters(self):
        def reserve(target, operation):
            operation.params = {**operation.params, "reserved": 7}

        Hooks.on_before = reserve
        operation = self.fill(self.env, 10)._bulk_start("move", {"given": 1})
        self.assertEqual(operation.params, {"given": 1, "reserved": 7})

    def test_a_finishing_hook_that_raises_is_finished_by_resume(self):
        shelf = self.fill(self.env, 10)
        Hooks.on_finish = lambda *args: 1 / 0
        with mute_logger(ENGINE):
            operation = shelf._bulk_start("move")
        self.assertEqual((operation.state, operation.last_error), ("failed", "ZeroDivisionError: division by zero"))
        self.assertEqual(shelf.finished, 0)
        Hooks.reset()
        operation.action_resume()
        self.assertEqual((operation.state, shelf.finished), ("done", 1))
        self.assertEqual(self.touched(shelf), {1: 10})

    def test_one_running_operation_per_record_and_step(self):
        shelf = self.fill(self.env, 10)
        seen = {}

        def start_again(target, operation, low, high):
            self.assertEqual(target.running_operation_id, operation)
            with self.assertRaises(UserError) as refusal:
                target._bulk_start("move")
            seen["message"] = str(refusal.exception)

        Hooks.on_chunk = start_again
        shelf._bulk_start("move")
        self.assertRegex(seen["message"], r"Move: Shelf is already running, started by \S+.* at .+")
        self.assertFalse(shelf.running_operation_id)

    def test_the_lock_is_in_the_database(self):
        self.env.cr.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'g2p_bulk_operation_one_active'")
        [[definition]] = self.env.cr.fetchall()
        self.assertIn("UNIQUE", definition)
        self.assertIn("WHERE", definition)

    def test_an_unknown_step_is_refused(self):
        with self.assertRaises(KeyError):
            self.fill(self.env, 1)._bulk_start("dance")

    def _statements_per_chunk(self, size):
        marks = []
        shelf = self.fill(self.env, size * 4)
        Hooks.on_chunk = lambda target, *args: marks.append(target.env.cr.sql_log_count)
        with counting_statements(self.env.cr):
            shelf._bulk_start("move", chunk_size=size)
        Hooks.reset()
        return [after - before for before, after in pairwise(marks)]

    def test_the_number_of_statements_of_a_chunk_does_not_depend_on_its_size(self):
        self._statements_per_chunk(10)
        small, large = self._statements_per_chunk(100), self._statements_per_chunk(2000)
        self.assertEqual(small, large)
        self.assertEqual(len(set(small)), 1, small)
        self.assertLessEqual(small[0], 20)

    # In the background

    def test_a_chunk_is_a_job_in_the_engines_channel(self):
        shelf = self.fill(self.env, 35)
        operation = shelf._bulk_start("move", chunk_size=10, mode="queue")
        self.assertEqual((operation.state, operation.mode), ("running", "queue"))
        self.assertEqual(self.touched(shelf), {0: 35})
        self.assertIn("background", operation._notification()["params"]["message"])
        jobs = self._jobs(operation)
        self.assertEqual(len(jobs), 4)
        self.assertEqual(set(jobs.mapped("channel")), {"root.g2p_bulk"})
        self.assertEqual(len(set(jobs.mapped("identity_key"))), 4)

        operation._enqueue()
        self.assertEqual(len(self._jobs(operation)), 4, "a job that waits already is not made twice")

        for job in jobs:
            self.assertEqual(shelf.finished, 0)
            Job.load(self.env, job.uuid).perform()
            shelf.invalidate_recordset()
        self.assertEqual((operation.state, shelf.finished), ("done", 1))
        self.assertEqual(operation.counts, {"moved": 32, "refused": 3})

        self.assertIn("Nothing to do", Job.load(self.env, jobs[0].uuid).perform())
        shelf.invalidate_recordset()
        self.assertEqual((self.touched(shelf), shelf.finished), ({1: 35}, 1))

    def test_a_failed_job_is_resumed_where_it_stopped(self):
        shelf = self.fill(self.env, 30)
        operation = shelf._bulk_start("move", chunk_size=10, mode="queue")

        def broken(target, operation, low, high):
            if low == 10:
                raise ValueError("broken")

        Hooks.on_chunk = broken
        with mute_logger(ENGINE):
            for job in self._jobs(operation):
                Job.load(self.env, job.uuid).perform()
        self.assertEqual(operation.chunk_ids.mapped("state"), ["done", "failed", "done"])
        self.assertEqual((operation.state, operation.last_error), ("failed", "ValueError: broken"))
        Hooks.reset()
        operation.action_resume()
        self.assertEqual((operation.state, self.touched(shelf)), ("done", {1: 30}))

    def test_the_queue_is_chosen_for_many_rows_when_a_runner_lives(self):
        self.env["ir.config_parameter"].set_param("g2p_bulk.inline_threshold", "20")
        shelf = self.fill(self.env, 20)
        self.assertFalse(shelf.env["g2p.bulk.operation"]._runner_is_alive())
        self.assertEqual(shelf._bulk_start("move").mode, "inline")
        with self.registry.cursor() as runner:
            runner.execute("SELECT pg_advisory_lock(%s)", (PG_ADVISORY_LOCK_ID,))
            self.addCleanup(self._release_advisory_lock)
            self.assertTrue(shelf.env["g2p.bulk.operation"]._runner_is_alive())
            self.assertEqual(self.fill(self.env, 20)._bulk_start("move").mode, "queue")
            self.assertEqual(self.fill(self.env, 19)._bulk_start("move").mode, "inline")
            runner.execute("SELECT pg_advisory_unlock(%s)", (PG_ADVISORY_LOCK_ID,))

    def _release_advisory_lock(self):
        self.assertFalse(self.env["g2p.bulk.operation"]._runner_is_alive())

    def _jobs(self, operation):
        keys = [f"g2p_bulk.chunk.{chunk.id}" for chunk in operation.chunk_ids]
        return self.env["queue.job"].search([("identity_key", "in", keys)], order="id")
