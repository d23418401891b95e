"""What is said of operations, one text for one fact."""

from psycopg2.errors import DeadlockDetected, DiskFull, InternalError_, LockNotAvailable

from odoo.tools.misc import format_datetime, formatLang

from ..core import ACTIVE_STATES, ERROR, LOCK_TIMEOUT, MOVED_ON, NOT_RUN, Conflict, readable_error

# A quota or a limit of file sizes has no error code of its own, but the words of a full disk.
FILE_FULL = "could not extend file"


def count(env, number):
    return formatLang(env, number, digits=0)


def counts(operation):
    """Such as 'Enrolled: 12,431. Not eligible: 1,082.'"""
    return " ".join(f"{line['label']}: {count(operation.env, line['count'])}." for line in operation.count_lines or [])


def start(operation):
    where = dict(operation._fields["mode"]._description_selection(operation.env))[operation.mode]
    return operation.env._(
        "%(rows)s rows in %(chunks)s chunks. %(where)s.",
        rows=count(operation.env, operation.planned),
        chunks=count(operation.env, len(operation.chunk_ids)),
        where=where,
    )


def end(operation):
    operation.invalidate_recordset()
    label = dict(operation._fields["state"]._description_selection(operation.env))[operation.state]
    return " ".join(filter(None, (f"{label}.", counts(operation))))


def conflict(env, error):
    """What kept an attempt from success."""
    if isinstance(error, LockNotAvailable):
        return env._(
            "Other work held a row for longer than %(time)s (lock timeout). Nothing of this attempt was kept.",
            time=LOCK_TIMEOUT,
        )
    if isinstance(error, DeadlockDetected):
        return env._("This and other work waited for each other's rows (deadlock). Nothing of this attempt was kept.")
    return env._(
        "Other work changed the same rows meanwhile (serialization failure). Nothing of this attempt was kept."
    )


def failure(env, error):
    """Why a chunk or the end of an operation has failed."""
    if isinstance(error, Conflict):
        return env._("Other work kept changing the same rows. Resume to try again.")
    if isinstance(error, DiskFull) or (isinstance(error, InternalError_) and FILE_FULL in str(error)):
        return env._(
            "The database server could not make its files any larger: its disk is full, or a quota is used up. "
            "What was done is kept; make room, then resume."
        )
    return readable_error(error)


def interruption(operation, signs, runner):
    """Why nobody works on an operation that is not over.

    :param signs: the :class:`liveness.Signs` of it. :param bool runner: a job runner is alive
    """
    _ = operation.env._
    if operation.mode == "queue" and not runner and not signs.replica:
        return _(
            "Nobody works on it: %(left)s of %(total)s chunks wait, and no job runner serves this database. "
            "What was done is kept; Resume runs the rest.",
            left=signs.left,
            total=signs.total,
        )
    if signs.left:
        return _(
            "The process that worked on it has ended before it was through: %(left)s of %(total)s chunks are left. "
            "What was done is kept; Resume runs the rest.",
            left=signs.left,
            total=signs.total,
        )
    return _("All chunks are done, but the process that worked on it has ended before it was closed. Resume closes it.")


def twin(operation):
    """What a second start of the same step on the same record gets to read."""
    _ = operation.env._
    if operation.interruption:
        return _(
            "%(name)s, started by %(user)s at %(time)s, was interrupted: %(left)s of %(total)s rows are left. "
            "Resume it: that runs the rest.",
            **_told(operation),
        )
    return _("%(name)s is already running, started by %(user)s at %(time)s.", **_told(operation))


def why_wait(operation):
    """What is unfinished about an operation and how to finish it, in one sentence."""
    _ = operation.env._
    if operation.interruption:
        return _(
            "“%(name)s”, started by %(user)s at %(time)s, was interrupted, and %(left)s of %(total)s rows are left. "
            "Resume it first.",
            **_told(operation),
        )
    if operation.state in ACTIVE_STATES:
        return _(
            "“%(name)s”, started by %(user)s at %(time)s, is running, and %(left)s of %(total)s rows are left. "
            "Wait until it is through.",
            **_told(operation),
        )
    if operation.state == "failed":
        return _(
            "“%(name)s”, started by %(user)s at %(time)s, was stopped by errors, and %(left)s of %(total)s rows are "
            "left. Resume it first; if that can't help, cancel it.",
            **_told(operation, operation.failed),
        )
    # Rows that an operation which is over has not worked on.
    done = operation.counts or {}
    return _(
        "“%(name)s”, started by %(user)s at %(time)s, was cancelled before it was through, and %(left)s of "
        "%(total)s rows are left. Start it again first.",
        **_told(operation, sum(done.get(outcome, 0) for outcome in (NOT_RUN, MOVED_ON, ERROR))),
    )


def _told(operation, left=None):
    """What is said of an operation to people who may not be able to read it."""
    env = operation.env
    return {
        "name": operation.name,
        "user": operation.user_id.name,
        "time": format_datetime(env, operation.started_at),
        "left": count(env, operation.planned - operation.processed if left is None else left),
        "total": count(env, operation.planned),
    }
