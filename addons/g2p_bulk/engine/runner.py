"""The life of an operation: planned, run, finished. Each thing is a transaction of its own, or none."""

from contextlib import ExitStack, contextmanager, nullcontext

from odoo import fields
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..core import MOVED_ON, OPEN_STATES, Conflict, own_transaction, retrying
from . import words
from .liveness import at_work

# An operation of so many rows has the statistics of its tables taken again.
ANALYZE_FROM = 1_000


class Runner:
    """:param operation: one g2p.bulk.operation, as superuser"""

    def __init__(self, operation):
        self.operation, self.env = operation, operation.env

    # Planned

    def prepare(self, mode):
        """Let the step have its say before anything starts, cut the chunks, and decide who runs them."""
        operation = self.operation
        target = operation._target()
        step = operation._step_of(target)
        seen = operation.with_env(target.env)
        step._before(target, seen)
        self._plan(step._source(target, seen))
        if not mode:
            large = operation.planned >= target._bulk_parameter("inline_threshold", 20_000)
            mode = "queue" if large and operation._runner_is_alive() else "inline"
        operation.write({"mode": mode, "state": "running"})
        operation._send_progress()

    def _plan(self, source):
        """Cut the keys of ``source`` into gap-free ranges of about ``chunk_size`` rows, in one statement.

        rank() instead of row_number() keeps rows with the same key in the same chunk.
        """
        [[planned]] = self.env.execute_query(
            SQL(
                """
                WITH ranked AS (
                    SELECT source.key, rank() OVER (ORDER BY source.key) AS position
                    FROM (%(source)s) AS source
                    WHERE source.key IS NOT NULL
                ), cut AS (
                    SELECT (position - 1) / %(size)s AS part, MIN(key) AS first, MAX(key) AS high, COUNT(*) AS planned
                    FROM ranked
                    GROUP BY part
                ), inserted AS (
                    INSERT INTO g2p_bulk_chunk
                        (operation_id, low, high, planned, state, attempts, create_uid, create_date, write_uid, write_date)
                    SELECT %(operation)s, LAG(high, 1, first - 1) OVER (ORDER BY part), high, planned, 'pending', 0,
                           %(uid)s, now() AT TIME ZONE 'UTC', %(uid)s, now() AT TIME ZONE 'UTC'
                    FROM cut
                    ORDER BY part
                    RETURNING planned
                )
                SELECT COALESCE(SUM(planned), 0)::bigint FROM inserted
                """,
                source=source,
                size=self.operation.chunk_size,
                operation=self.operation.id,
                uid=self.env.uid,
            )
        )
        self.operation.invalidate_recordset()
        self.operation.planned = planned

    # Run

    def run(self):
        """Run chunks here until none is left to take, then finish. Several may do this at once."""
        with at_work(self.operation):
            while self.run_chunk():
                pass
            ended = self.finish_if_complete()
        if ended:
            self.go_on()

    def run_chunk(self, chunk_id=None):
        """Run one chunk in its own transaction: the given one, or the next that nobody has taken.

        Returns whether there was one. A conflict with another transaction is retried; any other error is recorded
        in the chunk, whose work is rolled back, and the other chunks go on.
        """
        taken = self.env["g2p.bulk.chunk"].browse(chunk_id or ())
        fetches = self._fetches()
        if fetches and not taken:
            taken = taken._next(self.operation)
            if not taken:
                return False
        fetched = None

        def work(attempt):
            nonlocal taken
            chunk = taken._claim(self.operation.id, taken.id)
            if chunk:
                taken = chunk
                chunk._execute(attempt, fetched)
            return bool(chunk)

        try:
            with self._fetched() if fetches else nullcontext() as fetched:
                return self._retried(work, lambda: taken)
        except Exception as error:
            if self._is_disconnected() or not taken:
                raise
            self.operation._log_error("Chunk %s of bulk operation %s failed", taken.id, self.operation.id, error=error)
            self._record_failure(taken, words.failure(self.env, error))
            return True

    def _fetches(self):
        model = self.env.get(self.operation.res_model)
        step = None if model is None else model._bulk_step(self.operation.step)
        return step is not None and step._fetches

    @contextmanager
    def _fetched(self):
        """What the step gets ready before its chunk; an error leaves no transaction open."""
        operation = self.operation
        with ExitStack() as stack:
            with own_transaction(self.env):
                target = operation._target()
                step = operation._step_of(target)
                fetched = stack.enter_context(step._fetch(target, operation.with_env(target.env)))
            yield fetched

    def go_on(self):
        """What follows by itself on the end of the operation."""
        operation = self.operation
        operation.invalidate_recordset()
        if operation.state == "done":
            target = operation._target()
            operation._step_of(target)._then(target, operation.with_env(target.env))

    def _record_failure(self, chunk, message):
        def record(attempt):
            chunk._set_failed(message)
            self.operation.last_error = message
            self.operation._send_progress()
            return True

        self._retried(record)

    # Cancelled, resumed

    def cancel(self):
        """Nobody takes a chunk of a cancelled operation; those that run now end as they would. Whether it was not over."""

        def set_cancelled(attempt):
            if self._locked_state() not in OPEN_STATES:
                return False
            self.operation.write({"state": "cancelled", "finished_at": False})
            self.operation._note("cancelled")
            return True

        return self._retried(set_cancelled)

    def resume(self):
        """Make the chunks that failed, or were never done, ready to run."""
        self._retried(lambda attempt: self._make_ready())

    def _make_ready(self):
        operation = self.operation
        state = self._locked_state()
        if state not in OPEN_STATES:
            raise UserError(self.env._("%(name)s is over, there is nothing to resume.", name=operation.name))
        if refusal := operation._target()._bulk_refusal(operation.step, resumed=operation):
            raise UserError(refusal)
        if state == "failed":
            if twin := operation._active_operation(operation._target(), operation.step):
                twin._refuse_twin()
            operation.chunk_ids._reset_failed(operation)
        operation._note_lost()
        operation.write(
            {"state": "running", "finished_at": False, "resumed_at": fields.Datetime.now(), "last_error": False}
        )
        left = len(operation.chunk_ids.filtered(lambda chunk: chunk.state == "pending"))
        operation._note("resumed", self.env._("%(left)s chunks are left to do.", left=left))
        return True

    # Finished

    def finish_if_complete(self):
        """If no chunk is left to do: run the step's finishing hook and close, exactly once. Returns whether it did.

        Whoever completes the last chunk comes here after its commit, so at least one of them sees all chunks done;
        the lock on the operation lets only one of them finish.
        """
        try:
            return self._retried(lambda attempt: self._finish())
        except Exception as error:
            if self._is_disconnected():
                raise
            self.operation._log_error("Finishing bulk operation %s failed", self.operation.id, error=error)
            self._record_finish_failure(words.failure(self.env, error))
            return True

    def _finish(self):
        operation = self.operation
        state = self._locked_state()
        if state not in ("running", "cancelled") or operation.finished_at:
            return False
        if state == "cancelled":
            operation.chunk_ids._cancel_pending(operation)
        [[pending, failed, moved_on, planned]] = self.env.execute_query(
            SQL(
                """
                SELECT COUNT(*) FILTER (WHERE state = 'pending'), COUNT(*) FILTER (WHERE state = 'failed'),
                       COUNT(*) FILTER (WHERE counts ? %s), COALESCE(SUM(planned), 0)::bigint
                FROM g2p_bulk_chunk
                WHERE operation_id = %s
                """,
                MOVED_ON,
                operation.id,
            )
        )
        if pending:
            return False
        if state == "running":
            # Done is said only of what was done.
            operation.state = "failed" if failed else "cancelled" if moved_on else "done"
        operation.write({"planned": planned, "finished_at": fields.Datetime.now()})
        target = operation._target()
        step = operation._step_of(target)
        if planned >= ANALYZE_FROM:
            # The next step must not be planned on what the table looked like before this one.
            for table in step._analyzed(target):
                self.env.cr.execute(SQL("ANALYZE %s", SQL.identifier(table)))
        step._finish(target, operation.with_env(target.env))
        target.env["g2p.bulk.event"]._tell_of_operation(operation)
        operation._note("ended", words.end(operation))
        operation._send_progress()
        if operation.mode == "queue":
            operation._tell_user()
        return True

    def _record_finish_failure(self, message):
        def record(attempt):
            self._locked_state()
            self.operation.write({"last_error": message, "finished_at": fields.Datetime.now()})
            # A cancelled operation stays cancelled; any other can be resumed, which finishes it again.
            if self.operation.state != "cancelled":
                self.operation.state = "failed"
            self.operation._note("error", message)
            self.operation._send_progress()
            return True

        self._retried(record)

    # Helpers

    def _retried(self, work, chunk=lambda: None):
        """``work(attempt)`` in a transaction of its own, again while others are in the way.

        What was in the way is written down with what was done at last; who only came too late to do it has nothing to tell.

        :param work: returns whether it has done anything. :param chunk: the chunk it was about
        """
        conflicts = []

        def noted():
            done = work(len(conflicts) + 1)
            if done:
                self.operation._note_conflicts(conflicts, chunk())
            return done

        try:
            # Those who lost rows to each other wait their turn for the money and the people of a company.
            return retrying(self.env, noted, self.operation.company_id.id or 0, conflicts)
        except Conflict:
            with own_transaction(self.env):
                self.operation._note_conflicts(conflicts, chunk())
            raise

    def _locked_state(self):
        """The state, under a lock on the operation's row until the end of the transaction."""
        operation = self.operation
        operation.flush_recordset()
        self.env.cr.execute(
            SQL("SELECT state FROM g2p_bulk_operation WHERE id = %s FOR NO KEY UPDATE", operation.id),
            log_exceptions=False,
        )
        row = self.env.cr.fetchone()
        operation.invalidate_recordset()
        return row and row[0]

    def _is_disconnected(self):
        return self.env.cr.closed or self.env.cr.connection.closed
