import logging
from collections import defaultdict
from datetime import timedelta

from psycopg2.errors import DeadlockDetected, DiskFull, InternalError_, LockNotAvailable

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL
from odoo.tools.misc import format_datetime, formatLang

from ..core import (
    LOCK_TIMEOUT,
    Conflict,
    in_test_transaction,
    own_transaction,
    percent,
    process_name,
    readable_error,
    retried,
    retrying,
    rows_per_second,
    seconds_left,
)
from .bulk_chunk import CHANGED, ERROR, MOVED_ON, NOT_RUN

_logger = logging.getLogger(__name__)

# A quota or a limit of file sizes has no error code of its own, but the words of a full disk.
FILE_FULL = "could not extend file"
# An operation of so many rows has the statistics of its tables taken again.
ANALYZE_FROM = 1_000

ACTIVE_STATES = ("pending", "running")
# Not over: nothing that relies on the step, and nothing that moves its record on, may go past these.
OPEN_STATES = (*ACTIVE_STATES, "failed")


class BulkOperation(models.Model):
    """One step done to a set of rows, on one record: what, by whom, how far, with what outcome.

    The rows move in chunks (``g2p.bulk.chunk``), each in its own transaction. Nothing of the operation's own row is
    written while chunks run, so that any number of workers can run them at a time; all figures are sums over chunks.
    """

    _name = "g2p.bulk.operation"
    _description = "Bulk Operation"
    _order = "id desc"

    _one_active = models.UniqueIndex(
        "(res_model, res_id, step) WHERE state IN ('pending', 'running')",
        "This step is already running on this record.",
    )
    _record_idx = models.Index("(res_model, res_id)")

    name = fields.Char(required=True, readonly=True)
    step = fields.Char("Step Code", required=True, readonly=True)
    step_label = fields.Char("Step", compute="_compute_step_label")
    res_model = fields.Char("Model", required=True, readonly=True)
    res_id = fields.Many2oneReference("Record", model_field="res_model", required=True, readonly=True)
    user_id = fields.Many2one("res.users", "Started By", required=True, readonly=True, ondelete="restrict")
    company_id = fields.Many2one("res.company", "Company", readonly=True, index="btree_not_null")
    params = fields.Json(readonly=True)

    state = fields.Selection(
        [
            ("pending", "Pending"),
            ("running", "Running"),
            ("done", "Done"),
            ("failed", "Failed"),
            ("cancelled", "Cancelled"),
        ],
        required=True,
        readonly=True,
        default="pending",
        index=True,
    )
    mode = fields.Selection([("inline", "At once"), ("queue", "In the background")], readonly=True)
    chunk_size = fields.Integer(readonly=True)
    chunk_ids = fields.One2many("g2p.bulk.chunk", "operation_id", "Chunks", readonly=True)
    log_ids = fields.One2many("g2p.bulk.log", "operation_id", "Log", readonly=True)
    started_at = fields.Datetime("Started", readonly=True)
    resumed_at = fields.Datetime(
        "Last Started",
        readonly=True,
        help="When the work was last started or resumed: the speed is measured from here.",
    )
    finished_at = fields.Datetime("Finished", readonly=True)
    last_error = fields.Text(readonly=True)

    planned = fields.Integer("Rows", readonly=True)
    counts = fields.Json(
        compute="_compute_figures", help="Number of rows by outcome; they add up to the rows processed."
    )
    count_lines = fields.Json(compute="_compute_figures", help="The counts with labels, in order, for the screen.")
    processed = fields.Integer(compute="_compute_figures")
    partial = fields.Integer("Rows of a Chunk at Work", readonly=True, help="Reported by steps whose chunks take long.")
    done = fields.Integer(compute="_compute_figures")
    skipped = fields.Integer(compute="_compute_figures")
    failed = fields.Integer(compute="_compute_figures")
    progress = fields.Integer("Progress (%)", compute="_compute_figures")
    speed = fields.Float("Rows per Second", compute="_compute_figures", digits=(16, 1))
    time_left = fields.Integer("Seconds Left", compute="_compute_figures")
    duration = fields.Float("Duration (s)", compute="_compute_figures", digits=(16, 1))
    can_cancel = fields.Boolean(compute="_compute_buttons")
    can_resume = fields.Boolean(compute="_compute_buttons")

    # Computes

    def _compute_step_label(self):
        for operation in self:
            model = self.env.get(operation.res_model)
            steps = model._bulk_steps() if hasattr(model, "_bulk_steps") else {}
            operation.step_label = steps.get(operation.step, operation.step)

    def _chunk_figures(self):
        """Per operation id: counts by outcome, rows processed in all and since the last start, last progress."""
        if not self.ids:
            return {}
        rows = self.env.execute_query(
            SQL(
                """
            WITH chunk AS (
                SELECT chunk.operation_id, chunk.state, chunk.planned, chunk.counts, chunk.finished_at,
                       chunk.finished_at >= operation.resumed_at AND chunk.state = 'done' AS recent
                FROM g2p_bulk_chunk AS chunk
                JOIN g2p_bulk_operation AS operation ON operation.id = chunk.operation_id
                WHERE chunk.operation_id IN %(ids)s AND chunk.state != 'pending'
            ), outcome AS (
                SELECT chunk.operation_id, count.key, SUM(count.value::bigint) AS total
                FROM chunk, jsonb_each_text(chunk.counts) AS count
                GROUP BY chunk.operation_id, count.key
            )
            SELECT operation_id,
                   (SELECT jsonb_object_agg(outcome.key, outcome.total) FROM outcome
                    WHERE outcome.operation_id = chunk.operation_id),
                   COALESCE(SUM(planned) FILTER (WHERE state != 'cancelled'), 0)::bigint,
                   COALESCE(SUM(planned) FILTER (WHERE recent), 0)::bigint,
                   MAX(finished_at)
            FROM chunk
            GROUP BY operation_id
            """,
                ids=self._ids,
            )
        )
        return {operation_id: figures for operation_id, *figures in rows}

    @api.depends("chunk_ids.state", "chunk_ids.counts", "state", "planned", "partial", "finished_at")
    def _compute_figures(self):
        figures = self._chunk_figures()
        now = fields.Datetime.now()
        for operation in self:
            counts, processed, recent, last_progress = figures.get(operation.id) or ({}, 0, 0, None)
            counts = counts or {}
            running = operation.state in ACTIVE_STATES
            begun = operation.resumed_at or operation.started_at or now
            end = now if running else operation.finished_at or last_progress or now
            totals = defaultdict(int)
            lines = []
            for outcome, (label, kind) in operation._outcomes(counts).items():
                if count := counts.get(outcome):
                    totals[kind] += count
                    lines.append({"outcome": outcome, "label": label, "kind": kind, "count": count})
            operation.counts = counts
            operation.count_lines = lines
            operation.processed = processed
            operation.done = totals["done"]
            operation.skipped = totals["skipped"]
            operation.failed = totals["failed"]
            shown = min(processed + (operation.partial or 0), operation.planned) if running else processed
            # an estimate is never the end
            operation.progress = (
                min(percent(shown, operation.planned), 99)
                if shown > processed
                else percent(processed, operation.planned)
            )
            operation.speed = rows_per_second(recent, (end - begun).total_seconds())
            operation.time_left = seconds_left(operation.planned - processed, operation.speed) if running else 0
            operation.duration = (end - (operation.started_at or end)).total_seconds()

    def _outcomes(self, counts=()):
        """{outcome: (label, kind)} of the target's outcomes, the engine's own, and unknown ones found in ``counts``."""
        model = self.env.get(self.res_model)
        outcomes = {}
        if hasattr(model, "_bulk_outcomes"):
            # One word may mean something else in another step.
            step = model._bulk_step(self.step)
            own = {} if step is None else step._outcomes()
            outcomes = own | {code: words for code, words in model._bulk_outcomes().items() if code not in own}
        for outcome in counts:
            outcomes.setdefault(outcome, (outcome.replace("_", " ").capitalize(), "done"))
        return outcomes

    @api.depends("state", "finished_at", "interruption")
    def _compute_buttons(self):
        for operation in self:
            allowed = operation._may_steer()
            operation.can_cancel = allowed and operation.state in ("pending", "running", "failed")
            operation.can_resume = allowed and (operation.state == "failed" or bool(operation.interruption))

    def _may_steer(self):
        return (
            self.env.su or self.user_id == self.env.user or self.env.user.has_group("g2p_bulk.group_g2p_bulk_manager")
        )

    # Actions

    def action_cancel(self):
        """Stop after the chunks that are running now. What is done stays done; the rest is not done, for good."""
        self.ensure_one()
        self._check_steering()
        # Reading and steering were checked above.
        operation = self.sudo()
        if not operation._set_cancelled():
            raise UserError(self.env._("%(name)s is over, there is nothing to cancel.", name=operation.name))
        with operation._at_work():
            operation._finish_if_complete()
        return operation._notification()

    def action_resume(self):
        """Run the chunks that failed or were never done."""
        self.ensure_one()
        self._check_steering()
        # Reading and steering were checked above.
        operation = self.sudo()
        operation._resume()
        if operation.mode == "queue" and self._runner_is_alive():
            operation._enqueue()
        else:
            operation._run_chunks()
        return operation._notification()

    def action_open_target(self):
        """The record the operation works on."""
        self.ensure_one()
        self.check_access("read")
        if self.res_model not in self.env or not self.env[self.res_model].browse(self.res_id).exists():
            raise UserError(self.env._("The record of %(name)s is no longer there.", name=self.name))
        return {
            "type": "ir.actions.act_window",
            "res_model": self.res_model,
            "res_id": self.res_id,
            "view_mode": "form",
        }

    def action_open_outcome(self, outcome):
        """The list of the rows with ``outcome``, where the target knows one."""
        self.ensure_one()
        self.check_access("read")
        target = self.env[self.res_model].browse(self.res_id)
        target.check_access("read")
        return self._rows_action(outcome) or target._bulk_outcome_action(self, outcome) or self.action_open_target()

    # The rows of an outcome

    def _rows_action(self, outcome):
        """The list of exactly the rows that a count counts, as far as the user may see them; None when nobody knows them.
        Of rows that changed under the step's hands nothing is kept: for them the parts of the work open that had any."""
        model, _condition = self._rows(outcome) or (None, None)
        name = f"{self.name}: {self._outcomes([outcome])[outcome][0]}"
        if model:
            return {
                "type": "ir.actions.act_window",
                "name": name,
                "res_model": model,
                "view_mode": "list,form",
                "views": [(False, "list"), (False, "form")],
                "domain": [("operation_outcome", "=", f"{self.id}:{outcome}")],
                "context": {"create": False, "active_test": False},
            }
        if outcome in (CHANGED, ERROR, NOT_RUN, MOVED_ON):
            return {
                "type": "ir.actions.act_window",
                "name": name,
                "res_model": "g2p.bulk.chunk",
                "view_mode": "list",
                "views": [(False, "list")],
                "domain": [("operation_id", "=", self.id), ("outcome", "=", outcome)],
                "context": {"create": False},
            }
        return None

    def _rows(self, outcome):
        """(model, condition over its table `t`) of the rows with an outcome, or None."""
        # sudo: which rows an operation counted is its own; who may see them is for the list to say
        operation = self.sudo()
        target = operation._target()
        step = target._bulk_step(self.step)
        return None if step is None else step._rows(target, operation.with_env(target.env), outcome)

    def _moved_rows(self, model, *to_states):
        """Over `t`, a table of rows with a state: this operation moved them (to one of these states), says the history.
        Asked by date and user first, by which the history is indexed."""
        return SQL(
            """
            t.id IN (
                SELECT moved.res_id FROM g2p_state_history AS moved
                WHERE moved.date >= %s AND moved.date <= %s AND moved.user_id = %s
                    AND moved.operation_id = %s AND moved.res_model = %s AND %s
            )
            """,
            self.create_date,
            (self.finished_at or fields.Datetime.now()) + timedelta(seconds=1),
            self.user_id.id,
            self.id,
            model,
            SQL("moved.to_state = ANY(%s)", list(to_states)) if to_states else SQL("TRUE"),
        )

    def _in_chunks_with(self, outcome, key):
        """:param SQL key: the key of a row; it lies in a chunk that counted the outcome"""
        return SQL(
            """
            EXISTS (
                SELECT FROM g2p_bulk_chunk AS part
                WHERE part.operation_id = %s AND part.counts ? %s AND %s > part.low AND %s <= part.high
            )
            """,
            self.id,
            outcome,
            key,
            key,
        )

    def _noted_rows(self, outcome, key=None):
        """:param SQL key: what was noted, by default the row's id; over `t`: noted with this outcome"""
        return SQL(
            "%s IN (SELECT noted.res_id FROM g2p_bulk_row AS noted WHERE noted.operation_id = %s AND noted.outcome = %s)",
            key or SQL("t.id"),
            self.id,
            outcome,
        )

    def _note_sql(self, source):
        """The INSERT that notes rows whose outcome can't be told from anything else afterwards; it fits as the body of a
        CTE. :param SQL source: columns outcome, id."""
        return SQL(
            "INSERT INTO g2p_bulk_row (operation_id, outcome, res_id) SELECT %s, source.* FROM (%s) AS source",
            self.id,
            source,
        )

    @api.private
    def init(self):
        self.env.cr.execute("""
            CREATE TABLE IF NOT EXISTS g2p_bulk_row (
                operation_id integer NOT NULL REFERENCES g2p_bulk_operation ON DELETE CASCADE,
                outcome varchar NOT NULL,
                res_id integer NOT NULL
            );
            CREATE INDEX IF NOT EXISTS g2p_bulk_row_operation_idx ON g2p_bulk_row (operation_id, outcome);
        """)

    def _check_steering(self):
        self.check_access("read")
        if not self._may_steer():
            raise AccessError(
                self.env._(
                    "Only %(user)s, who started it, or a manager of bulk operations can cancel or resume %(name)s.",
                    user=self.user_id.sudo().name,
                    name=self.name,
                )
            )

    # Life: planned, run, finished

    def _target(self):
        """The record the operation works on, as the superuser side of the user who started it.

        Rights were checked when the operation was started; the rows moved, written by and told of are that user's,
        whoever's process runs the chunk.
        """
        context = {"lang": self.user_id.lang, "tz": self.user_id.tz, "active_test": False}
        if self.company_id:
            context["allowed_company_ids"] = [self.company_id.id]
        env = self.env(user=self.user_id.id, context=context, su=True)
        return env[self.res_model].browse(self.res_id)

    def _step_of(self, target):
        """The step itself, which knows what to do."""
        step = target._bulk_step(self.step)
        if step is not None:
            return step
        raise UserError(
            self.env._(
                "Nobody knows the step of %(name)s any more: the module it came from was removed.", name=self.name
            )
        )

    def _prepare(self, mode):
        """Let the target have its say before anything starts, cut the chunks, and decide who runs them."""
        target = self._target()
        operation = self.with_env(target.env)
        step = self._step_of(target)
        step._before(target, operation)
        self._plan(step._source(target, operation))
        self.mode = mode or self._choose_mode(target._bulk_parameter("inline_threshold", 20_000))
        self.state = "running"
        self._send_progress()

    def _plan(self, source):
        """Cut the keys of ``source`` into gap-free ranges of about ``chunk_size`` rows, in one statement.

        rank() instead of row_number() keeps rows with the same key in the same chunk.
        """
        [[planned, chunks]] = self.env.execute_query(
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
            SELECT COALESCE(SUM(planned), 0)::bigint, COUNT(*) FROM inserted
            """,
                source=source,
                size=self.chunk_size,
                operation=self.id,
                uid=self.env.uid,
            )
        )
        self.invalidate_recordset()
        self.planned = planned
        return chunks

    def _turn_key(self):
        """What those who lost rows to each other wait their turn for: the money and the people of a company."""
        return self.company_id.id or 0

    def _choose_mode(self, inline_threshold):
        return "queue" if self.planned >= inline_threshold and self._runner_is_alive() else "inline"

    def _run_chunks(self):
        """Run chunks here until none is left to take, then finish. Several may do this at once."""
        with self._at_work():
            while self._run_chunk():
                pass
            self._finish_if_complete()

    def _run_chunk(self, chunk_id=None):
        """Run one chunk in its own transaction: the given one, or the next that nobody has taken.

        Returns whether there was one. A conflict with another transaction is retried; any other error is recorded
        in the chunk, whose work is rolled back, and the other chunks go on.
        """
        taken = chunk_id

        def work(attempt):
            nonlocal taken
            chunk = self.chunk_ids._claim(self.id, taken)
            if chunk:
                taken = chunk.id
                chunk._execute(attempt)
            return bool(chunk)

        def on_conflict(attempt, conflict):
            self._note_conflict(attempt, conflict, self.env["g2p.bulk.chunk"].browse(taken))

        try:
            return retrying(self.env, work, on_conflict, self._turn_key())
        except Exception as error:
            if self.env.cr.closed or self.env.cr.connection.closed or not taken:
                raise
            self._log_error("Chunk %s of bulk operation %s failed", taken, self.id, error=error)
            self._record_failure(taken, self._readable(error))
            return True

    def _log_error(self, *message, error):
        # A refusal that a person can read is no fault of the program.
        _logger.log(logging.INFO if isinstance(error, UserError) else logging.ERROR, *message, exc_info=error)

    def _readable(self, error):
        if isinstance(error, Conflict):
            return self.env._("Other work kept changing the same rows. Resume to try again.")
        if isinstance(error, DiskFull) or (isinstance(error, InternalError_) and FILE_FULL in str(error)):
            return self.env._(
                "The database server could not make its files any larger: its disk is full, or a quota is used up. "
                "What was done is kept; make room, then resume."
            )
        return readable_error(error)

    @retried
    def _record_failure(self, chunk_id, message):
        self.env["g2p.bulk.chunk"].browse(chunk_id)._set_failed(message)
        self.last_error = message
        self._send_progress()

    @retried
    def _set_cancelled(self):
        """Nobody takes a chunk of a cancelled operation; those that run now end as they would."""
        if self._locked_state() not in (*ACTIVE_STATES, "failed"):
            return False
        self.write({"state": "cancelled", "finished_at": False})
        self._note("cancelled")
        return True

    def _resume(self):
        @retried
        def prepare(self):
            state = self._locked_state()
            if state not in (*ACTIVE_STATES, "failed"):
                raise UserError(self.env._("%(name)s is over, there is nothing to resume.", name=self.name))
            if refusal := self._target()._bulk_refusal(self.step, resumed=self):
                raise UserError(refusal)
            if state == "failed":
                if twin := self._active_operation(self._target(), self.step):
                    twin._refuse_twin()
                self.chunk_ids._reset_failed(self)
            self._note_lost()
            self.write(
                {
                    "state": "running",
                    "finished_at": False,
                    "resumed_at": fields.Datetime.now(),
                    "last_error": False,
                }
            )
            left = len(self.chunk_ids.filtered(lambda chunk: chunk.state == "pending"))
            self._note("resumed", self.env._("%(left)s chunks are left to do.", left=left))

        prepare(self)

    def _finish_if_complete(self):
        """If no chunk is left to do: run the target's finishing hook and close, exactly once. Returns whether it did.

        Whoever completes the last chunk comes here after its commit, so at least one of them sees all chunks done;
        the lock on the operation lets only one of them finish.
        """
        conflicts = []

        def finish(attempt):
            finished = self._finish()
            if finished:
                # Who only came too late to close it has nothing to tell.
                for number, conflict in enumerate(conflicts, 1):
                    self._note("conflict", self._conflict_in_words(conflict), attempt=number)
            return finished

        try:
            return retrying(self.env, finish, lambda attempt, conflict: conflicts.append(conflict), self._turn_key())
        except Exception as error:
            if self.env.cr.closed or self.env.cr.connection.closed:
                raise
            self._log_error("Finishing bulk operation %s failed", self.id, error=error)
            self._record_finish_failure(self._readable(error))
            return True

    def _finish(self):
        state = self._locked_state()
        if state not in ("running", "cancelled") or self.finished_at:
            return False
        if state == "cancelled":
            self.chunk_ids._cancel_pending(self)
        [[pending, failed, planned]] = self.env.execute_query(
            SQL(
                """
            SELECT COUNT(*) FILTER (WHERE state = 'pending'), COUNT(*) FILTER (WHERE state = 'failed'),
                   COALESCE(SUM(planned), 0)::bigint
            FROM g2p_bulk_chunk
            WHERE operation_id = %s
            """,
                self.id,
            )
        )
        if pending:
            return False
        if state == "running":
            # Done is said only of what was done.
            self.state = "failed" if failed else "cancelled" if self._has_moved_on() else "done"
        self.write({"planned": planned, "finished_at": fields.Datetime.now()})
        target = self._target()
        step = self._step_of(target)
        if planned >= ANALYZE_FROM:
            # The next step must not be planned on what the table looked like before this one.
            for table in step._analyzed(target):
                self.env.cr.execute(SQL("ANALYZE %s", SQL.identifier(table)))
        step._finish(target, self.with_env(target.env))
        target.env["g2p.bulk.event"]._tell_of_operation(self)
        self._note("ended", self._end_in_words())
        self._send_progress()
        if self.mode == "queue":
            self._tell_user()
        return True

    def _has_moved_on(self):
        return bool(
            self.env.execute_query(
                SQL("SELECT 1 FROM g2p_bulk_chunk WHERE operation_id = %s AND counts ? %s LIMIT 1", self.id, MOVED_ON)
            )
        )

    @retried
    def _record_finish_failure(self, message):
        self._locked_state()
        self.write({"last_error": message, "finished_at": fields.Datetime.now()})
        # A cancelled operation stays cancelled; any other can be resumed, which finishes it again.
        if self.state != "cancelled":
            self.state = "failed"
        self._note("error", message)
        self._send_progress()

    def _locked_state(self):
        """The state, under a lock on the operation's row until the end of the transaction."""
        self.flush_recordset()
        self.env.cr.execute(
            SQL("SELECT state FROM g2p_bulk_operation WHERE id = %s FOR NO KEY UPDATE", self.id),
            log_exceptions=False,
        )
        row = self.env.cr.fetchone()
        self.invalidate_recordset()
        return row and row[0]

    @api.model
    def _active_operation(self, target, step):
        return self.search(
            [
                ("res_model", "=", target._name),
                ("res_id", "=", target.id),
                ("step", "=", step),
                ("state", "in", ACTIVE_STATES),
            ],
            limit=1,
        )

    def _refuse_twin(self):
        """Raise what a second start of the same step on the same record gets to read."""
        self.ensure_one()
        if self.interruption:
            raise UserError(
                self.env._(
                    "%(name)s, started by %(user)s at %(time)s, was interrupted: %(left)s of %(total)s rows are left. "
                    "Resume it: that runs the rest.",
                    **self._told(),
                )
            )
        raise UserError(self.env._("%(name)s is already running, started by %(user)s at %(time)s.", **self._told()))

    def _told(self):
        """What is said of an operation to people who may not be able to read it."""
        return {
            "name": self.name,
            "user": self.user_id.name,
            "time": format_datetime(self.env, self.started_at),
            "left": self._format_count(self.planned - self.processed),
            "total": self._format_count(self.planned),
        }

    def _why_wait(self):
        """What is unfinished about this operation and how to finish it, in one sentence."""
        self.ensure_one()
        _ = self.env._
        if self.interruption:
            text = _(
                "“%(name)s”, started by %(user)s at %(time)s, was interrupted, and %(left)s of %(total)s rows are left. "
                "Resume it first.",
                **self._told(),
            )
        elif self.state in ACTIVE_STATES:
            text = _(
                "“%(name)s”, started by %(user)s at %(time)s, is running, and %(left)s of %(total)s rows are left. "
                "Wait until it is through.",
                **self._told(),
            )
        elif self.state == "failed":
            told = self._told() | {"left": self._format_count(self.failed)}
            text = _(
                "“%(name)s”, started by %(user)s at %(time)s, was stopped by errors, and %(left)s of %(total)s rows are "
                "left. Resume it first; if that can't help, cancel it.",
                **told,
            )
        else:
            told = self._told() | {"left": self._format_count(self._rest())}
            text = _(
                "“%(name)s”, started by %(user)s at %(time)s, was cancelled before it was through, and %(left)s of "
                "%(total)s rows are left. Start it again first.",
                **told,
            )
        return text

    def _rest(self):
        """Rows that an operation which is over has not worked on."""
        counts = self.counts or {}
        return sum(counts.get(outcome, 0) for outcome in (NOT_RUN, MOVED_ON, ERROR))

    @api.model
    def _unfinished(self, scopes):
        """The operations that are not whole: each the last of its step on its record, and running, waiting, failed, or
        given up with a rest. One statement.

        :param scopes: [(model, ids as SQL or a tuple, steps or None for all of them, states that count)]
        """
        if not scopes:
            return self.browse()
        self.flush_model()
        conditions = [
            SQL(
                "(operation.res_model = %s AND operation.res_id IN %s AND %s AND operation.state IN %s)",
                model,
                SQL("(%s)", ids) if isinstance(ids, SQL) else (tuple(ids) or (None,)),
                SQL("TRUE") if steps is None else SQL("operation.step = ANY(%s)", list(steps)),
                tuple(states),
            )
            for model, ids, steps, states in scopes
        ]
        rows = self.env.execute_query(
            SQL(
                """
                SELECT operation.id
                FROM g2p_bulk_operation AS operation
                WHERE (%s)
                    AND NOT EXISTS (
                        SELECT FROM g2p_bulk_operation AS later
                        WHERE later.res_model = operation.res_model AND later.res_id = operation.res_id
                            AND later.step = operation.step AND later.id > operation.id
                    )
                    AND (
                        operation.state <> 'cancelled'
                        OR EXISTS (
                            SELECT FROM g2p_bulk_chunk AS chunk
                            WHERE chunk.operation_id = operation.id AND chunk.planned > 0
                                AND (chunk.state IN ('cancelled', 'failed') OR chunk.counts ? %s)
                        )
                    )
                ORDER BY operation.id
                """,
                SQL(" OR ").join(conditions),
                MOVED_ON,
            )
        )
        return self.browse(operation_id for [operation_id] in rows)._not_completed()

    def _not_completed(self):
        """Without those that a later operation of another step has brought to an end, as their target says."""
        left = self.browse()
        for operation in self:
            model = self.env.get(operation.res_model)
            others = model._bulk_completed_by().get(operation.step, ()) if hasattr(model, "_bulk_steps") else ()
            if not others or not self.search_count(
                [
                    ("res_model", "=", operation.res_model),
                    ("res_id", "=", operation.res_id),
                    ("step", "in", others),
                    ("state", "=", "done"),
                    ("id", ">", operation.id),
                ],
                limit=1,
            ):
                left += operation
        return left

    # Writing down what happened

    def _note(self, kind, message=None, chunk=None, attempt=None):
        """Add a line to the log, in the current transaction."""
        self.env["g2p.bulk.log"].create(
            {
                "operation_id": self.id,
                "chunk_id": chunk.id if chunk else False,
                "date": fields.Datetime.now(),
                "kind": kind,
                "attempt": attempt,
                "message": message,
                "user_id": self.env.uid,
                "worker": process_name(),
            }
        )

    def _note_conflict(self, attempt, conflict, chunk=None):
        """Write down, in a transaction of its own, what kept an attempt from success: it is rolled back already."""
        with own_transaction(self.env):
            self._note("conflict", self._conflict_in_words(conflict), chunk, attempt)

    def _conflict_in_words(self, conflict):
        if isinstance(conflict, LockNotAvailable):
            return self.env._(
                "Other work held a row for longer than %(time)s (lock timeout). Nothing of this attempt was kept.",
                time=LOCK_TIMEOUT,
            )
        if isinstance(conflict, DeadlockDetected):
            return self.env._(
                "This and other work waited for each other's rows (deadlock). Nothing of this attempt was kept."
            )
        return self.env._(
            "Other work changed the same rows meanwhile (serialization failure). Nothing of this attempt was kept."
        )

    def _start_in_words(self):
        where = dict(self._fields["mode"]._description_selection(self.env))[self.mode]
        return self.env._(
            "%(rows)s rows in %(chunks)s chunks. %(where)s.",
            rows=self._format_count(self.planned),
            chunks=self._format_count(len(self.chunk_ids)),
            where=where,
        )

    def _end_in_words(self):
        self.invalidate_recordset()
        label = dict(self._fields["state"]._description_selection(self.env))[self.state]
        return " ".join(filter(None, (f"{label}.", self._counts_in_words())))

    # Telling the user

    def _report(self, rows):
        """Show how far a chunk is that takes long, in a transaction of its own: nothing of the work is kept by it."""
        if in_test_transaction(self.env.cr):
            self.partial = rows
            return
        with self.env.registry.cursor() as cr:
            operation = self.with_env(self.env(cr=cr))
            operation.partial = rows
            operation._send_progress()

    def _send_progress(self):
        self.user_id._bus_send(
            "g2p_bulk.progress",
            {
                "id": self.id,
                "res_model": self.res_model,
                "res_id": self.res_id,
            },
        )

    def _counts_in_words(self):
        """Such as 'Enrolled: 12,431. Not eligible: 1,082.'"""
        return " ".join(f"{line['label']}: {self._format_count(line['count'])}." for line in self.count_lines or [])

    def _format_count(self, count):
        return formatLang(self.env, count, digits=0)

    def _notification(self):
        """The client action a button returns: what came of the operation, in words and counts."""
        self.ensure_one()
        # Called at the end of a button that has checked what it does; the figures shown are the operation's own.
        operation = self.sudo()
        operation.invalidate_recordset()
        target = operation.env[operation.res_model].browse(operation.res_id)
        return target._bulk_notification(operation)

    def _tell_user(self):
        params = self._target()._bulk_notification(self.with_env(self._target().env))["params"]
        self.user_id._bus_send(
            "simple_notification",
            {key: params[key] for key in ("title", "type", "sticky")} | {"message": params["text"]},
        )
