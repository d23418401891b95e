"""Who works on an operation, and whether anybody still does: processes die without a word."""

from contextlib import contextmanager, suppress

from psycopg2 import Error as PostgresError

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from odoo.addons.queue_job.jobrunner.runner import PG_ADVISORY_LOCK_ID

from ..core import advisory_lock_key, commit, in_test_transaction

ACTIVE_STATES = ("pending", "running")
# First half of the advisory lock that a process at work holds; the second half is the operation's id.
WORK_LOCK = 0x67327062
# Between making an operation and working on it, nobody is at work.
QUIET_SECONDS = 2
# A job runner finds the jobs of a dead process by itself, within a minute: until then there is nothing to resume.
RUNNER_SECONDS = 90


class BulkOperation(models.Model):
    # the life of an operation stands in bulk_operation.py; who keeps it alive is a thing of its own
    _inherit = "g2p.bulk.operation"  # pylint: disable=consider-merging-classes-inherited

    interruption = fields.Char(
        compute="_compute_interruption", help="Why nobody works on it although it is not over, in words."
    )

    # At work

    @contextmanager
    def _at_work(self):
        """Be seen as at work on this operation, until the block or the process ends: the server lets go of the lock of
        a connection that is gone. Others may be at work on it too."""
        self.env.cr.execute("SELECT pg_advisory_lock_shared(%s, %s)", [WORK_LOCK, self.id])
        try:
            yield
        except BaseException:
            # The lock outlives the transaction, and a transaction that failed could not give it back.
            if not in_test_transaction(self.env.cr):
                with suppress(PostgresError):
                    self.env.cr.rollback()
            raise
        finally:
            with suppress(PostgresError):
                self.env.cr.execute("SELECT pg_advisory_unlock_shared(%s, %s)", [WORK_LOCK, self.id])

    @api.model
    def _runner_is_alive(self):
        """Whether a job runner serves this database: it holds an advisory lock in it for as long as it lives."""
        classid, objid = advisory_lock_key(PG_ADVISORY_LOCK_ID)
        return bool(
            self.env.execute_query(
                SQL(
                    """
            SELECT 1 FROM pg_locks
            WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s AND objsubid = 1
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            LIMIT 1
            """,
                    classid,
                    objid,
                )
            )
        )

    # Interrupted

    @api.depends("state", "finished_at", "resumed_at", "chunk_ids.state")
    def _compute_interruption(self):
        self.interruption = False
        active = self.filtered(lambda operation: operation.state in ACTIVE_STATES)
        if not active.ids:
            return
        runner = active._runner_is_alive()
        for operation_id, replica, at_work, quiet, left, total, waiting, taken in active._signs_of_life():
            operation = self.browse(operation_id)
            if replica:
                # A replica doesn't know who holds locks on the primary: only a long silence tells.
                lost = quiet > RUNNER_SECONDS
            elif at_work or quiet < QUIET_SECONDS:
                lost = False
            elif operation.mode == "queue" and runner and waiting:
                lost = False
            elif operation.mode == "queue" and runner and taken:
                lost = quiet > RUNNER_SECONDS
            else:
                lost = True
            if not lost:
                continue
            if operation.mode == "queue" and not runner and not replica:
                operation.interruption = self.env._(
                    "Nobody works on it: %(left)s of %(total)s chunks wait, and no job runner serves this database. "
                    "What was done is kept; Resume runs the rest.",
                    left=left,
                    total=total,
                )
            elif left:
                operation.interruption = self.env._(
                    "The process that worked on it has ended before it was through: %(left)s of %(total)s chunks are "
                    "left. What was done is kept; Resume runs the rest.",
                    left=left,
                    total=total,
                )
            else:
                operation.interruption = self.env._(
                    "All chunks are done, but the process that worked on it has ended before it was closed. "
                    "Resume closes it."
                )

    def _signs_of_life(self):
        """Rows (operation id, read on a replica?, somebody at work?, seconds without progress, chunks left, chunks,
        jobs that wait, jobs that were taken)."""
        self.flush_model(["resumed_at"])
        self.env["g2p.bulk.chunk"].flush_model(["state", "finished_at"])
        return self.env.execute_query(
            SQL(
                """
            SELECT operation.id, pg_is_in_recovery(),
                   EXISTS (
                       SELECT FROM pg_locks
                       WHERE locktype = 'advisory' AND granted AND classid = %(lock)s AND objsubid = 2
                           AND objid = operation.id
                           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                   ),
                   EXTRACT(EPOCH FROM clock_timestamp() AT TIME ZONE 'UTC' - GREATEST(
                       operation.resumed_at, operation.create_date, chunk.last_progress
                   )),
                   chunk.left_over, chunk.total, COALESCE(job.waiting, 0), COALESCE(job.taken, 0)
            FROM g2p_bulk_operation AS operation
            CROSS JOIN LATERAL (
                SELECT COUNT(*) FILTER (WHERE state = 'pending') AS left_over, COUNT(*) AS total,
                       MAX(finished_at) AS last_progress
                FROM g2p_bulk_chunk
                WHERE operation_id = operation.id
            ) AS chunk
            CROSS JOIN LATERAL (
                SELECT COUNT(*) FILTER (WHERE state IN ('pending', 'wait_dependencies')) AS waiting,
                       COUNT(*) FILTER (WHERE state IN ('enqueued', 'started')) AS taken
                FROM queue_job
                WHERE operation.mode = 'queue' AND identity_key IN (%(keys)s)
            ) AS job
            WHERE operation.id IN %(ids)s
            """,
                lock=WORK_LOCK,
                keys=self._open_job_keys(SQL("operation.id")),
                ids=self._ids,
            )
        )

    @api.model
    def _cron_notice_lost(self):
        """Write down which operations nobody works on any more, once each, and tell who started them."""
        for operation in self.search(Domain("state", "in", ACTIVE_STATES)):
            if operation._note_lost():
                commit(self.env)

    def _note_lost(self):
        """Write down that the operation was cut off, unless that is known already. Returns whether it was news."""
        if not self.interruption or self.log_ids.filtered(
            lambda line: line.kind == "lost" and line.date >= self.resumed_at
        ):
            return False
        self._note("lost", self.interruption)
        self._send_progress()
        self.user_id._bus_send(
            "simple_notification",
            {"title": self.name, "type": "warning", "sticky": True, "message": self.interruption},
        )
        return True

    # Jobs

    def _job_key(self, chunk):
        return f"g2p_bulk.chunk.{chunk.id}"

    @api.model
    def _open_job_keys(self, operation_id):
        """The identity keys of the jobs of an operation's chunks that are to be done: one column."""
        return SQL(
            "SELECT 'g2p_bulk.chunk.' || id FROM g2p_bulk_chunk WHERE operation_id = %s AND state = 'pending'",
            operation_id,
        )

    def _enqueue(self):
        """One job per chunk that is to be done. A job that exists already is not made again; one that was taken by a
        process that is gone is given back to the runner."""
        self._requeue_dead_jobs()
        for chunk in self.chunk_ids.filtered(lambda chunk: chunk.state == "pending"):
            chunk.with_delay(
                description=f"{self.name} ({chunk.low}, {chunk.high}]",
                identity_key=self._job_key(chunk),
            )._run_job()
        commit(self.env)

    def _requeue_dead_jobs(self):
        """What the job runner does once a minute, at once: a job at work is locked, and a lock ends with its process."""
        self.env.cr.execute(
            SQL(
                """
            UPDATE queue_job
            SET state = 'pending', date_enqueued = NULL, date_started = NULL
            WHERE state IN ('enqueued', 'started') AND identity_key IN (%s)
                AND (
                    id IN (
                        SELECT queue_job_id FROM queue_job_lock
                        WHERE queue_job_id = queue_job.id
                        FOR NO KEY UPDATE SKIP LOCKED
                    )
                    OR NOT EXISTS (SELECT FROM queue_job_lock WHERE queue_job_id = queue_job.id)
                )
            """,
                self._open_job_keys(self.id),
            )
        )
        self.env["queue.job"].invalidate_model(flush=False)
