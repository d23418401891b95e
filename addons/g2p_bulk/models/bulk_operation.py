import logging

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.tools import SQL

from ..core import (
    ACTIVE_STATES,
    CHANGED,
    ERROR,
    MOVED_ON,
    NOT_RUN,
    OPEN_STATES,
    commit,
    in_test_transaction,
    process_name,
)
from ..engine import figures, jobs, liveness, outcome_rows, words
from ..engine.runner import Runner
from ..tools import roles

_logger = logging.getLogger(__name__)


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
    counts_text = fields.Char(compute="_compute_figures", help="The counts in words.")
    skipped_text = fields.Char(compute="_compute_figures", help="What was skipped, as people call it of this step.")
    failed_text = fields.Char(compute="_compute_figures", help="What is not good, as people call it of this step.")
    progress = fields.Integer("Progress (%)", compute="_compute_figures")
    speed = fields.Float("Rows per Second", compute="_compute_figures", digits=(16, 1))
    time_left = fields.Integer("Seconds Left", compute="_compute_figures")
    duration = fields.Float("Duration (s)", compute="_compute_figures", digits=(16, 1))
    interruption = fields.Char(
        compute="_compute_interruption", help="Why nobody works on it although it is not over, in words."
    )
    can_cancel = fields.Boolean(compute="_compute_buttons")
    can_resume = fields.Boolean(compute="_compute_buttons")

    # Computes

    def _compute_step_label(self):
        for operation in self:
            model = self.env.get(operation.res_model)
            steps = model._bulk_steps() if hasattr(model, "_bulk_steps") else {}
            operation.step_label = steps.get(operation.step, operation.step)

    @api.depends("chunk_ids.state", "chunk_ids.counts", "state", "planned", "partial", "finished_at")
    def _compute_figures(self):
        known = figures.of_chunks(self)
        now = fields.Datetime.now()
        for operation in self:
            told = figures.Figures(operation, known.get(operation.id), now)
            operation.counts = told.counts
            operation.count_lines = told.lines
            for name in ("processed", "progress", "speed", "time_left", "duration"):
                operation[name] = getattr(told, name)
            for kind in ("done", "skipped", "failed"):
                operation[kind] = told.totals[kind]
            operation.counts_text = words.counts(operation)
            step = operation._declared_step()
            for kind, say in (("skipped", step._skipped_words), ("failed", step._failed_words)):
                number = told.totals[kind]
                operation[f"{kind}_text"] = say(number, operation._format_count(number)) if number else False

    def _declared_step(self):
        """The step; the bare base of all of them when the plug-in that declared it is gone."""
        model = self.env.get(self.res_model)
        step = model._bulk_step(self.step) if hasattr(model, "_bulk_step") else None
        return self.env["g2p.bulk.step"] if step is None else step

    def _outcomes(self, counts=()):
        """{outcome: (label, kind)} of the target's outcomes, the engine's own, and unknown ones found in ``counts``."""
        model = self.env.get(self.res_model)
        outcomes = {}
        if hasattr(model, "_bulk_outcomes"):
            # One word may mean something else in another step.
            own = self._declared_step()._outcomes()
            outcomes = own | {code: words for code, words in model._bulk_outcomes().items() if code not in own}
        for outcome in counts:
            outcomes.setdefault(outcome, (outcome.replace("_", " ").capitalize(), "done"))
        return outcomes

    @api.depends("state", "finished_at", "resumed_at", "chunk_ids.state")
    def _compute_interruption(self):
        self.interruption = False
        active = self.filtered(lambda operation: operation.state in ACTIVE_STATES)
        if not active.ids:
            return
        runner = active._runner_is_alive()
        for signs in liveness.signs_of_life(active):
            operation = self.browse(signs.operation_id)
            if signs.is_lost(operation.mode == "queue", runner):
                operation.interruption = words.interruption(operation, signs, runner)

    @api.depends("state", "finished_at", "interruption")
    def _compute_buttons(self):
        for operation in self:
            allowed = operation._may_steer()
            operation.can_cancel = allowed and operation.state in OPEN_STATES
            operation.can_resume = allowed and (operation.state == "failed" or bool(operation.interruption))

    def _may_steer(self):
        return self.user_id == self.env.user or roles.may(self.env, "g2p_bulk.group_g2p_bulk_manager")

    # Actions

    def action_cancel(self):
        """Stop after the chunks that are running now. What is done stays done; the rest is not done, for good."""
        self.ensure_one()
        self._check_steering()
        # Reading and steering were checked above.
        operation = self.sudo()
        if not operation._set_cancelled():
            raise UserError(self.env._("%(name)s is over, there is nothing to cancel.", name=operation.name))
        with liveness.at_work(operation):
            Runner(operation).finish_if_complete()
        return operation._notification()

    def action_resume(self):
        """Run the chunks that failed or were never done."""
        self.ensure_one()
        self._check_steering()
        # Reading and steering were checked above.
        operation = self.sudo()
        Runner(operation).resume()
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
        return self._rows_action(outcome) or self.action_open_target()

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
        return outcome_rows.moved(self, model, to_states)

    def _in_chunks_with(self, outcome, key):
        return outcome_rows.in_chunks_with(self, outcome, key)

    def _noted_rows(self, outcome, key=None):
        return outcome_rows.noted(self, outcome, key)

    def _note_sql(self, source):
        return outcome_rows.note(self, source)

    @api.private
    def init(self):
        self.env.cr.execute(outcome_rows.TABLE)

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
        Runner(self).prepare(mode)

    def _run_chunks(self):
        Runner(self).run()

    def _enqueue(self):
        jobs.enqueue(self)

    def _set_cancelled(self):
        return Runner(self).cancel()

    @api.model
    def _runner_is_alive(self):
        return liveness.runner_is_alive(self.env)

    def _log_error(self, *message, error):
        # A refusal that a person can read is no fault of the program.
        _logger.log(logging.INFO if isinstance(error, UserError) else logging.ERROR, *message, exc_info=error)

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
        raise UserError(words.twin(self))

    def _why_wait(self):
        """What is unfinished about this operation and how to finish it, in one sentence."""
        self.ensure_one()
        return words.why_wait(self)

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

    def _note_conflicts(self, conflicts, chunk=None):
        """Write down what kept earlier attempts from success, first things first."""
        for attempt, conflict in enumerate(conflicts, 1):
            self._note("conflict", words.conflict(self.env, conflict), chunk, attempt)

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
        return words.counts(self)

    def _format_count(self, count):
        return words.count(self.env, count)

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
