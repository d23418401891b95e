"""What comes before what: a step and a transition wait for the steps they rely on."""

import threading

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from .common import Hooks, WorldCase
from .workers import PATIENCE, WorkersCase


def break_second_chunk(target, operation, low, high):
    if low:
        raise UserError("No")


@tagged("post_install", "-at_install")
class TestOrder(WorldCase):
    def failed(self, shelf):
        Hooks.on_chunk = break_second_chunk
        operation = shelf._bulk_start("move", chunk_size=10)
        Hooks.reset()
        self.assertEqual(operation.state, "failed")
        return operation

    def refusal(self, function, *args):
        with self.assertRaises(UserError) as refused:
            function(*args)
        return str(refused.exception)

    def test_what_relies_on_a_failed_step_waits_for_it(self):
        shelf = self.fill(self.env, 20)
        operation = self.failed(shelf)
        for refused in (self.refusal(shelf._bulk_start, "other"), self.refusal(shelf.seal)):
            self.assertRegex(
                refused, r"“Move: Shelf”, started by .+, was stopped by errors, and 10 of 20 rows are left.*Resume"
            )
        # An act on single rows waits only for what runs.
        shelf._bulk_check("touch")
        operation.action_resume()
        shelf._bulk_start("other")
        shelf.seal()

    def test_what_relies_on_a_cancelled_step_waits_for_its_rest(self):
        shelf = self.fill(self.env, 20)
        self.failed(shelf).action_cancel()
        for refused in (self.refusal(shelf._bulk_start, "other"), self.refusal(shelf.seal)):
            self.assertRegex(refused, "was cancelled before it was through, and 10 of 20 rows are left. Start it again")
        shelf._bulk_start("move")
        shelf.seal()

    def test_another_step_may_complete_it(self):
        shelf = self.fill(self.env, 20)
        self.failed(shelf)
        shelf._bulk_start("undo")
        self.assertFalse(shelf.running_operation_id)
        shelf.seal()

    def test_a_transition_waits_for_any_step_of_the_record(self):
        shelf = self.fill(self.env, 20)
        seen = {}

        def look(target, operation, low, high):
            seen["running"] = self.refusal(target.seal)
            seen["act"] = self.refusal(target._bulk_check, "touch")
            seen["step"] = self.refusal(target._bulk_start, "undo")

        Hooks.on_chunk = look
        shelf._bulk_start("move")
        for refused in seen.values():
            self.assertRegex(refused, "“Move: Shelf”, started by .+, is running, and 20 of 20 rows are left. Wait")

    def test_a_set_that_does_not_add_up_is_not_gone_past(self):
        shelf = self.fill(self.env, 20, complaint="Three books are missing.")
        self.assertEqual(self.refusal(shelf.seal), "Three books are missing.")
        self.assertEqual(self.refusal(shelf._bulk_start, "other"), "Three books are missing.")

    def test_a_step_whose_record_has_moved_on_does_nothing_and_says_so(self):
        shelf = self.fill(self.env, 20)
        operation = self.failed(shelf)
        # Whatever moved it: the button waits.
        shelf.state = "sealed"
        operation.action_resume()
        self.assertEqual(operation.counts, {"moved": 9, "refused": 1, "moved_on": 10})
        self.assertEqual(operation.state, "cancelled")
        self.assertIn("Not done, the record had moved on: 10", operation._notification()["params"]["text"])
        self.assertEqual(self.touched(shelf), {0: 10, 1: 10})
        self.assertIn("this can only be done in “Open”", self.refusal(shelf._bulk_start, "move"))

    def test_an_interrupted_step_that_is_pressed_says_resume(self):
        shelf = self.fill(self.env, 20)
        operation = self.failed(shelf)
        operation.write({"state": "running", "mode": "inline"})
        self.env.cr.execute(
            "UPDATE g2p_bulk_operation SET resumed_at = '2020-01-01', create_date = '2020-01-01' WHERE id = %s",
            [operation.id],
        )
        self.env.cr.execute(
            """
            UPDATE g2p_bulk_chunk
            SET finished_at = '2020-01-01', state = CASE state WHEN 'failed' THEN 'pending' ELSE state END
            WHERE operation_id = %s
            """,
            [operation.id],
        )
        self.env.invalidate_all()
        self.assertRegex(self.refusal(shelf._bulk_start, "move"), "was interrupted: 10 of 20 rows are left. Resume it")
        self.assertRegex(self.refusal(shelf.seal), "was interrupted, and 10 of 20 rows are left. Resume it first")

    def test_a_step_without_a_declaration_does_not_start(self):
        shelf = self.fill(self.env, 1)
        declared = type(shelf)._bulk_relies_on
        self.patch(
            type(shelf),
            "_bulk_relies_on",
            lambda record: {name: steps for name, steps in declared(record).items() if name != "move"},
        )
        with self.assertRaises(KeyError):
            shelf._bulk_start("move")


@tagged("post_install", "-at_install")
class TestOrderAtOnce(WorkersCase):
    def test_a_transition_does_not_slip_in_while_a_step_starts(self):
        """The step's operation is not committed yet when the transition looks."""
        shelf_id = self.shelf(20)
        begun, sealed = threading.Event(), threading.Event()

        def before(target, operation):
            begun.set()
            sealed.wait(0.5)

        def seal():
            begun.wait(PATIENCE)
            with self.worker() as env:
                try:
                    env["g2p.bulk.test.shelf"].browse(shelf_id).seal()
                    env.cr.commit()
                finally:
                    sealed.set()

        Hooks.on_before = before
        with mute_logger("odoo.sql_db"):
            operation_id, conflict = self.in_threads(lambda: self.start(shelf_id), seal)
        # The database made it begin again, which a request does by itself; then it reads that the step runs, or is over.
        self.assertEqual(getattr(conflict, "pgcode", None), "40001", conflict)
        with self.worker() as env:
            self.assertEqual(env["g2p.bulk.operation"].browse(operation_id).state, "done")
            self.assertEqual(env["g2p.bulk.test.shelf"].browse(shelf_id).state, "open")

    def test_a_step_does_not_slip_in_while_the_record_moves_on(self):
        shelf_id = self.shelf(20)
        moved, pressed = threading.Event(), threading.Event()

        def seal():
            with self.worker() as env:
                env["g2p.bulk.test.shelf"].browse(shelf_id).seal()
                env.flush_all()
                moved.set()
                pressed.wait(0.5)
                env.cr.commit()

        def start():
            moved.wait(PATIENCE)
            return self.start(shelf_id)

        with mute_logger("odoo.sql_db"):
            _sealed, refusal = self.in_threads(seal, start)
        self.assertIsInstance(refusal, UserError)
        self.assertIn("this can only be done in “Open”", str(refusal))
        with self.worker() as env:
            self.assertFalse(
                env["g2p.bulk.operation"].search([("res_id", "=", shelf_id), ("res_model", "=", "g2p.bulk.test.shelf")])
            )

    def test_many_who_want_the_same_rows_take_turns(self):
        """Eight operations, each of which writes a row that all write, and takes its time: none fails."""
        shelf_ids = [self.shelf(2) for _number in range(8)]
        common = self.shelf(1)

        def compete(target, operation, low, high):
            target.env.cr.execute(
                SQL("UPDATE g2p_bulk_test_book SET touched = touched + 1 WHERE shelf_id = %s", common)
            )
            threading.Event().wait(0.03)

        Hooks.on_chunk = compete
        with mute_logger("odoo.sql_db"):
            self.in_threads(*(lambda shelf_id=shelf_id: self.start(shelf_id, chunk_size=1) for shelf_id in shelf_ids))
        for shelf_id in shelf_ids:
            self.assertEqual(self.outcome(shelf_id)[:2], ("done", {"moved": 2}))
        with self.worker() as env:
            self.assertEqual(self.touched(env["g2p.bulk.test.shelf"].browse(common)), {16: 1})
