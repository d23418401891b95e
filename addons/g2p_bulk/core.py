"""The parts of the engine that need no model: arithmetic, transactions, retries, readable errors."""

import contextlib
import logging
import os
import random
import socket
import time

from psycopg2 import Error as PostgresError
from psycopg2 import IntegrityError, InterfaceError, OperationalError, errorcodes

from odoo.exceptions import UserError
from odoo.modules import module
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from odoo.addons.queue_job.exception import RetryableJobError

_logger = logging.getLogger(__name__)

# Rivals for one row fail one after the other, as each of them commits: so many may meet.
MAX_ATTEMPTS = 10
BACKOFF_SECONDS = 0.05
BACKOFF_MOST_SECONDS = 1.0
# A row that other work holds for so long is a conflict too: let go, wait, and begin afresh.
LOCK_TIMEOUT = "10s"
ERROR_LENGTH = 500
# A job whose connection broke is tried again after so many seconds: the database server may be starting.
RECONNECT_SECONDS = 10
# Who lost to others waits for a turn: of those who try again, one at a time does. First half of an advisory lock; the second
# half is what they compete for.
TURN_LOCK = 0x67327074

ACTIVE_STATES = ("pending", "running")
# Not over: nothing that relies on the step, and nothing that moves its record on, may go past these.
OPEN_STATES = (*ACTIVE_STATES, "failed")
# Outcomes the engine adds, so that an operation's counts always add up to its rows.
CHANGED = "changed"
ERROR = "error"
NOT_RUN = "not_run"
MOVED_ON = "moved_on"

Conflict = PG_CONCURRENCY_EXCEPTIONS_TO_RETRY


def percent(part, whole):
    """Progress as a whole number that says 100 only when nothing is left.

    >>> percent(0, 10), percent(5, 10), percent(10, 10)
    (0, 50, 100)
    >>> percent(999_999, 1_000_000)
    99
    >>> percent(0, 0)
    100
    """
    return part * 100 // whole if whole else 100


def rows_per_second(rows, seconds):
    """Speed, unknown (0) until there is something to measure.

    >>> rows_per_second(10_000, 4)
    2500.0
    >>> rows_per_second(0, 4), rows_per_second(10, 0)
    (0.0, 0.0)
    """
    return rows / seconds if rows and seconds > 0 else 0.0


def seconds_left(remaining, speed):
    """Whole seconds, rounded up so that work in progress never shows 0.

    >>> seconds_left(1_000, 2_500.0)
    1
    >>> seconds_left(0, 2_500.0), seconds_left(1_000, 0.0)
    (0, 0)
    """
    return int(-(-remaining // speed)) if remaining > 0 and speed else 0


def backoff(attempt, jitter=random.random):
    """Seconds to wait before attempt ``attempt + 1``: doubling to a second, half of it random so that rivals part ways.

    >>> [backoff(attempt, lambda: 1.0) for attempt in (1, 2, 3, 6, 9)]
    [0.05, 0.1, 0.2, 1.0, 1.0]
    >>> backoff(1, lambda: 0.0)
    0.025
    """
    return min(BACKOFF_SECONDS * 2 ** (attempt - 1), BACKOFF_MOST_SECONDS) * (0.5 + jitter() / 2)


def advisory_lock_key(lock_id):
    """How pg_locks shows a 64-bit advisory lock: (classid, objid).

    >>> advisory_lock_key((7 << 32) + 9)
    (7, 9)
    """
    return (lock_id >> 32) & 0xFFFFFFFF, lock_id & 0xFFFFFFFF


def readable_error(error):
    """One line for a person, without data of the rows: PostgreSQL puts values into details, and into data errors' texts.

    >>> readable_error(ValueError("first line\\nsecond line"))
    'ValueError: first line'
    >>> readable_error(ZeroDivisionError())
    'ZeroDivisionError'
    >>> from odoo.exceptions import UserError
    >>> readable_error(UserError("The fund is short."))
    'The fund is short.'
    """
    kind = type(error).__name__
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, IntegrityError):
        return f"{kind}: {error.diag.constraint_name or error.diag.column_name} ({error.diag.table_name})"
    if isinstance(error, PostgresError) and (error.pgcode or "").startswith("22"):
        return f"{kind}: {errorcodes.lookup(error.pgcode).lower().replace('_', ' ')}"
    first_line = next(iter(str(error).strip().splitlines()), "")
    return f"{kind}: {first_line}"[:ERROR_LENGTH] if first_line else kind


def in_test_transaction(cr):
    """Whether ``cr`` is the transaction of the test that runs, which is never committed: the engine then uses savepoints."""
    return bool(module.current_test) and getattr(module.current_test, "cr", None) is cr


def commit(env):
    """Make durable what was done so far, so that what follows can be rolled back alone."""
    env.flush_all()
    if not in_test_transaction(env.cr):
        env.cr.commit()


@contextlib.contextmanager
def own_transaction(env):
    """Commit the block, or roll it back if it raises. What came before must be committed already."""
    if in_test_transaction(env.cr):
        with env.cr.savepoint():
            yield
        return
    try:
        yield
        env.cr.commit()
    except BaseException:
        # A connection that broke has nothing to roll back: keep the error that says so.
        with contextlib.suppress(PostgresError):
            env.cr.rollback()
        raise


@contextlib.contextmanager
def job_environment(env):
    """The environment in which a queue job does its work: jobs may not commit on their own cursor, which holds the lock on the
    job, so they get one of their own. What a broken connection cuts off is tried again."""
    if in_test_transaction(env.cr):
        yield env
        return
    try:
        with env.registry.cursor() as cr:
            yield env(cr=cr)
    except (InterfaceError, OperationalError) as error:
        raise RetryableJobError(env._("The connection to the database broke."), seconds=RECONNECT_SECONDS) from error


@contextlib.contextmanager
def turn(env, key):
    """Wait until nobody else holds the turn for ``key``, and hold it. Between transactions: who waits holds no row, and what
    follows sees what the others have left. The server lets go of the lock of a connection that is gone."""
    if in_test_transaction(env.cr):
        yield
        return
    env.cr.execute("SELECT pg_advisory_lock(%s, %s)", [TURN_LOCK, key])
    env.cr.commit()
    try:
        yield
    finally:
        with contextlib.suppress(PostgresError):
            env.cr.execute("SELECT pg_advisory_unlock(%s, %s)", [TURN_LOCK, key])
            env.cr.commit()


def retrying(env, work, turn_key=0, conflicts=None):
    """Run ``work()`` in its own transaction, again when the database reports a conflict with another one.

    The first attempt takes its chance; who lost waits for a turn, so that many who want the same rows come one after the
    other instead of all failing each other's attempts.

    :param int turn_key: what the rivals compete for, such as a company's id
    :param list conflicts: gets what each failed attempt has met: its length says which attempt this is, and what was met is
        for ``work`` to write down with what it does, or for the caller when the last attempt has failed
    """
    conflicts = [] if conflicts is None else conflicts
    with contextlib.ExitStack() as stack:
        while True:
            try:
                with own_transaction(env):
                    if not in_test_transaction(env.cr):
                        env.cr.execute("SET LOCAL lock_timeout = %s", [LOCK_TIMEOUT])
                    return work()
            except Conflict as conflict:
                conflicts.append(conflict)
                attempt = len(conflicts)
                _logger.info("Attempt %d of %d: %s", attempt, MAX_ATTEMPTS, errorcodes.lookup(conflict.pgcode))
                if attempt == MAX_ATTEMPTS:
                    raise
                if attempt == 1:
                    stack.enter_context(turn(env, turn_key))
                else:
                    time.sleep(backoff(attempt))


def wrote_something(env):
    """Whether this transaction has changed anything yet: if not, it can be rolled back and begun again."""
    env.flush_all()
    env.cr.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
    return env.cr.fetchone()[0]


def process_name():
    """Which process of which machine this is, for people who look for it.

    >>> machine, number = process_name().rsplit(":", 1)
    >>> int(number) == os.getpid()
    True
    """
    return f"{socket.gethostname()}:{os.getpid()}"
