"""An operation in the background: one queue job for each chunk."""

from odoo.tools import SQL

from odoo.addons.queue_job.jobrunner.runner import Database

from ..core import commit


def job_key(chunk):
    return f"g2p_bulk.chunk.{chunk.id}"


def open_job_keys(operation_id):
    """The identity keys of the jobs of an operation's chunks that are to be done: one column."""
    return SQL(
        "SELECT 'g2p_bulk.chunk.' || id FROM g2p_bulk_chunk WHERE operation_id = %s AND state = 'pending'", operation_id
    )


def enqueue(operation):
    """One job per chunk that is to be done. A job that exists already is not made again; one that was taken by a process that
    is gone is given back to the runner."""
    requeue_dead(operation.env)
    for chunk in operation.chunk_ids.filtered(lambda chunk: chunk.state == "pending"):
        chunk.with_delay(
            description=f"{operation.name} ({chunk.low}, {chunk.high}]", identity_key=job_key(chunk)
        )._run_job()
    commit(operation.env)


def requeue_dead(env):
    """What the job runner does once a minute, at once and by its own statement: jobs that were taken more than ten seconds ago
    and that no process holds the lock of wait again."""
    env.cr.execute(Database._query_requeue_dead_jobs(Database))
    env["queue.job"].invalidate_model(flush=False)
