"""Who works on an operation, and whether anybody still does: processes die without a word."""

from contextlib import contextmanager, suppress
from typing import NamedTuple

from psycopg2 import Error as PostgresError

from odoo.tools import SQL

from odoo.addons.queue_job.jobrunner.runner import PG_ADVISORY_LOCK_ID

from ..core import advisory_lock_key, in_test_transaction
from .jobs import open_job_keys

# First half of the advisory lock that a process at work holds; the second half is the operation's id.
WORK_LOCK = 0x67327062
# Between making an operation and working on it, nobody is at work.
QUIET_SECONDS = 2
# A job runner finds the jobs of a dead process by itself, within a minute: until then there is nothing to resume.
RUNNER_SECONDS = 90


@contextmanager
def at_work(operation):
    """Be seen as at work on an operation, until the block or the process ends: the server lets go of the lock of a connection
    that is gone. Others may be at work on it too."""
    cr = operation.env.cr
    cr.execute("SELECT pg_advisory_lock_shared(%s, %s)", [WORK_LOCK, operation.id])
    try:
        yield
    except BaseException:
        # The lock outlives the transaction, and a transaction that failed could not give it back.
        if not in_test_transaction(cr):
            with suppress(PostgresError):
                cr.rollback()
        raise
    finally:
        with suppress(PostgresError):
            cr.execute("SELECT pg_advisory_unlock_shared(%s, %s)", [WORK_LOCK, operation.id])


def runner_is_alive(env):
    """Whether a job runner serves this database: it holds an advisory lock in it for as long as it lives."""
    classid, objid = advisory_lock_key(PG_ADVISORY_LOCK_ID)
    return bool(
        env.execute_query(
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


class Signs(NamedTuple):
    """What the database tells about an operation that is not over."""

    operation_id: int
    replica: bool  # read on a replica
    at_work: bool  # somebody holds the lock
    quiet: float  # seconds without progress
    left: int  # chunks to do
    total: int  # chunks
    waiting: int  # jobs that wait
    taken: int  # jobs that were taken

    def is_lost(self, queued, runner):
        """Whether nobody works on it any more.

        :param bool queued: it is run by jobs. :param bool runner: a job runner is alive

        >>> signs = Signs(1, False, False, 60, 2, 3, 0, 0)
        >>> signs.is_lost(queued=False, runner=False), signs._replace(at_work=True).is_lost(False, False)
        (True, False)
        >>> signs._replace(waiting=2).is_lost(queued=True, runner=True), signs._replace(waiting=2).is_lost(True, False)
        (False, True)
        >>> [signs._replace(taken=1, quiet=quiet).is_lost(True, True) for quiet in (60, 91)]
        [False, True]
        >>> [signs._replace(replica=True, quiet=quiet).is_lost(False, False) for quiet in (60, 91)]
        [False, True]
        """
        if self.replica:
            # A replica doesn't know who holds locks on the primary: only a long silence tells.
            return self.quiet > RUNNER_SECONDS
        if self.at_work or self.quiet < QUIET_SECONDS:
            return False
        if queued and runner and self.waiting:
            return False
        if queued and runner and self.taken:
            return self.quiet > RUNNER_SECONDS
        return True


def signs_of_life(operations):
    """[Signs] of operations, in one statement."""
    operations.flush_model(["resumed_at"])
    operations.env["g2p.bulk.chunk"].flush_model(["state", "finished_at"])
    rows = operations.env.execute_query(
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
            keys=open_job_keys(SQL("operation.id")),
            ids=operations._ids,
        )
    )
    return [Signs(*row) for row in rows]
