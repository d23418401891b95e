from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..core import CHANGED, ERROR, MOVED_ON, NOT_RUN, job_environment, process_name
from ..engine.liveness import at_work
from ..engine.runner import Runner


class BulkChunk(models.Model):
    """One key range ``(low, high]`` of an operation. The work and ``state = 'done'`` are one transaction."""

    _name = "g2p.bulk.chunk"
    _description = "Bulk Operation Chunk"
    _order = "operation_id desc, low"
    _rec_name = "high"

    _operation_idx = models.Index("(operation_id, low)")
    _pending_idx = models.Index("(operation_id, low) WHERE state = 'pending'")

    operation_id = fields.Many2one("g2p.bulk.operation", "Operation", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one(related="operation_id.company_id")
    low = fields.Integer("After Key", readonly=True, required=True, aggregator=None)
    high = fields.Integer("Up to Key", readonly=True, required=True, aggregator=None)
    planned = fields.Integer("Rows", readonly=True)
    state = fields.Selection(
        [("pending", "Pending"), ("done", "Done"), ("failed", "Failed"), ("cancelled", "Cancelled")],
        required=True,
        readonly=True,
        default="pending",
    )
    counts = fields.Json(readonly=True)
    counts_text = fields.Char("Outcome", compute="_compute_counts_text")
    outcome = fields.Char("Has the outcome", compute="_compute_outcome", search="_search_outcome")
    attempts = fields.Integer(readonly=True, aggregator=None)
    error = fields.Text(readonly=True)
    finished_at = fields.Datetime("Finished", readonly=True)
    worker = fields.Char("Done By", readonly=True, help="Machine and number of the process that did the work.")

    @api.depends("counts")
    def _compute_counts_text(self):
        for chunk in self:
            counts = chunk.counts or {}
            outcomes = chunk.operation_id._outcomes(counts)
            chunk.counts_text = ", ".join(
                f"{outcomes[outcome][0]}: {count}" for outcome, count in counts.items() if count
            )

    def _compute_outcome(self):
        """There to be searched by."""
        self.outcome = False

    def _search_outcome(self, operator, value):
        if operator != "in":
            return NotImplemented
        return Domain.custom(
            to_sql=lambda model, alias, query: SQL(
                "%s ?| %s", SQL.identifier(alias, "counts"), [str(outcome) for outcome in value]
            )
        )

    @api.model
    def _claim(self, operation_id, chunk_id=None):
        """Lock one chunk that is to be done and that nobody has taken; empty when there is none.

        The lock ends with the transaction: a worker that dies leaves the chunk pending, and its work undone.
        """
        self.env.cr.execute(
            SQL(
                """
            SELECT chunk.id
            FROM g2p_bulk_chunk AS chunk
            JOIN g2p_bulk_operation AS operation ON operation.id = chunk.operation_id
            WHERE chunk.operation_id = %s AND chunk.state = 'pending' AND operation.state = 'running' %s
            ORDER BY chunk.low
            LIMIT 1
            FOR UPDATE OF chunk SKIP LOCKED
            """,
                operation_id,
                SQL("AND chunk.id = %s", chunk_id) if chunk_id else SQL(),
            ),
            log_exceptions=False,
        )
        return self.browse(row[0] for row in self.env.cr.fetchall())

    def _execute(self, attempt, fetched=None):
        """Do the work of a claimed chunk and mark it done, in the caller's transaction.

        :param fetched: what the step has got ready for it
        """
        operation = self.operation_id
        target = operation._target()
        target.invalidate_recordset()
        if target._bulk_may_work(operation.step):
            step = operation._step_of(target)
            counts = step._chunk(
                target, operation.with_env(target.env).with_context(g2p_fetched=fetched), self.low, self.high
            )
            target.env.flush_all()
        else:
            # The record went on while the work lay still: what was to be done to it then must not be done to it now.
            counts = {MOVED_ON: self.planned}
        counts = {outcome: int(count) for outcome, count in (counts or {}).items() if count}
        # Rows that no longer were what they were when the work was planned belong to no outcome of the step.
        # Rows that came in meanwhile were worked on too: then there is more than was planned.
        missing = self.planned - sum(counts.values())
        if missing > 0:
            counts[CHANGED] = counts.get(CHANGED, 0) + missing
        self.write(
            {
                "state": "done",
                "counts": counts,
                "planned": max(self.planned, sum(counts.values())),
                "attempts": self.attempts + attempt,
                "error": self.env._("Done at attempt %(attempt)s: other work touched the same rows.", attempt=attempt)
                if attempt > 1
                else False,
                "finished_at": fields.Datetime.now(),
                "worker": process_name(),
            }
        )
        operation._send_progress()

    @api.model
    def _next(self, operation):
        """The chunk that is to be done next, not claimed yet; empty when there is none."""
        return self.search([("operation_id", "=", operation.id), ("state", "=", "pending")], order="low", limit=1)

    def _set_failed(self, message):
        self.env.cr.execute(
            SQL(
                "SELECT id FROM g2p_bulk_chunk WHERE id = %s AND state = 'pending' FOR UPDATE",
                self.id,
            )
        )
        if self.env.cr.rowcount:
            self.write(
                {
                    "state": "failed",
                    "counts": {ERROR: self.planned},
                    "attempts": self.attempts + 1,
                    "error": message,
                    "finished_at": fields.Datetime.now(),
                    "worker": process_name(),
                }
            )
            self.operation_id._note("error", message, self)

    @api.model
    def _reset_failed(self, operation):
        operation.env.cr.execute(
            SQL(
                """
            UPDATE g2p_bulk_chunk SET state = 'pending', counts = NULL, error = NULL, finished_at = NULL
            WHERE operation_id = %s AND state = 'failed'
            """,
                operation.id,
            )
        )
        self.env.invalidate_all()

    @api.model
    def _cancel_pending(self, operation):
        """Chunks that a worker holds are left to it."""
        operation.env.cr.execute(
            SQL(
                """
            UPDATE g2p_bulk_chunk
            SET state = 'cancelled', counts = jsonb_build_object(%s, planned), finished_at = now() AT TIME ZONE 'UTC'
            WHERE id IN (
                SELECT id FROM g2p_bulk_chunk WHERE operation_id = %s AND state = 'pending' FOR UPDATE SKIP LOCKED
            )
            """,
                NOT_RUN,
                operation.id,
            )
        )
        self.env.invalidate_all()

    def _run_job(self):
        """The queue job of one chunk; one that is done already, or taken, is no work."""
        with job_environment(self.env) as env:
            return self._run_in(env)

    def _run_in(self, env):
        # The job was made by the engine, for an operation whose start was checked.
        chunk = self.with_env(env).sudo()
        operation = chunk.operation_id
        runner = Runner(operation)
        with at_work(operation):
            ran = runner.run_chunk(chunk.id) if chunk.exists() and chunk.state == "pending" else False
            ended = runner.finish_if_complete()
        if ended:
            runner.go_on()
        return chunk.counts_text if ran else self.env._("Nothing to do: the chunk is done or cancelled.")
