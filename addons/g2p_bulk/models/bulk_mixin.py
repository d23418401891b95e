from psycopg2.errors import UniqueViolation

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, mute_logger

from ..core import (
    ACTIVE_STATES,
    CHANGED,
    ERROR,
    MOVED_ON,
    NOT_RUN,
    OPEN_STATES,
    Conflict,
    commit,
    in_test_transaction,
    retrying,
    wrote_something,
)
from ..engine import words


class BulkMixin(models.AbstractModel):
    """A record that bulk operations work on (a program, a cycle, a batch …).

    What can be done to it are its steps, each a class (:class:`BulkStep`); :meth:`_bulk_start` starts one. The methods
    below collect what the steps declare. Transitions of the record, and acts on single rows that steps move, are no steps:
    the model names them in :meth:`_bulk_relies_on` and :meth:`_bulk_acts`, and calls :meth:`_bulk_check` before them.
    """

    _name = "g2p.bulk.mixin"
    _description = "Target of Bulk Operations"

    operation_ids = fields.One2many(
        "g2p.bulk.operation",
        "res_id",
        "Operations",
        domain=lambda self: [("res_model", "=", self._name)],
        groups="g2p_bulk.group_g2p_bulk_user",
        copy=False,
    )
    operation_count = fields.Integer("Number of Operations", compute="_compute_operation_count")
    running_operation_id = fields.Many2one(
        "g2p.bulk.operation", "Operation in Progress", compute="_compute_running_operation_id"
    )

    # OpenG2P's names of it; nothing is ever locked here but by the operation itself
    locked = fields.Boolean("Busy", compute="_compute_locked")
    locked_reason = fields.Char("Busy with", compute="_compute_locked")

    def _compute_locked(self):
        for record in self:
            operation = record.running_operation_id
            record.locked = operation.state in ACTIVE_STATES
            record.locked_reason = operation.name if record.locked else False

    def _compute_operation_count(self):
        # A number only, of records that the user can read.
        groups = (
            self.env["g2p.bulk.operation"]
            .sudo()
            ._read_group([("res_model", "=", self._name), ("res_id", "in", self.ids)], ["res_id"], ["__count"])
        )
        counts = dict(groups)
        for record in self:
            record.operation_count = counts.get(record.id, 0)

    def _compute_running_operation_id(self):
        """The operation that runs; else the one that stopped by errors and was neither started again nor given up."""
        self.running_operation_id = False
        operations = self.env["g2p.bulk.operation"]
        if not operations.has_access("read"):
            return
        latest = operations._read_group(
            [("res_model", "=", self._name), ("res_id", "in", self.ids)], ["res_id", "step"], ["id:max"]
        )
        open_operations = operations.browse(sorted(operation_id for _res_id, _step, operation_id in latest)).filtered(
            lambda operation: operation.state in (*ACTIVE_STATES, "failed")
        )
        # The last one wins: what runs before what failed, and what is newer before what is older.
        for operation in open_operations._not_completed().sorted(
            lambda operation: (operation.state in ACTIVE_STATES, operation.id)
        ):
            self.browse(operation.res_id).running_operation_id = operation

    # Actions

    def action_view_operations(self):
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id("g2p_bulk.action_g2p_bulk_operation")
        return action | {"domain": [("res_model", "=", self._name), ("res_id", "=", self.id)], "context": {}}

    # What a target says about itself

    @api.model
    def _bulk_step(self, code):
        """The step of this model with a code.

        :return: a g2p.bulk.step; None when there is none (any more: a plug-in is gone)
        """
        for step in self.env["g2p.bulk.step"]._of(self._name):
            if step._step == code:
                return step
        return None

    @api.model
    def _bulk_declared(self, *, transitions=False):
        """The steps that move rows, in their order; with the transitions when they are asked for too."""
        return [step for step in self.env["g2p.bulk.step"]._of(self._name) if transitions or step._has_rows]

    @api.model
    def _bulk_steps(self):
        """{step: label} of the steps that move rows."""
        return {step._step: step._label() for step in self._bulk_declared()}

    @api.model
    def _bulk_outcomes(self):
        """{outcome: (label, kind)} of all steps, kind one of done, skipped, failed; the engine's own come last."""
        outcomes = {}
        for step in self._bulk_declared():
            for outcome, told in step._outcomes().items():
                outcomes.setdefault(outcome, told)
        return outcomes | {
            CHANGED: (self.env._("Changed meanwhile"), "skipped"),
            NOT_RUN: (self.env._("Not done, cancelled"), "skipped"),
            MOVED_ON: (self.env._("Not done, the record had moved on"), "failed"),
            ERROR: (self.env._("Stopped by an error"), "failed"),
        }

    def _refresh_counters(self):
        """Count the figures that are kept on the records again, from the tables: what a step does when it is over."""

    def _bulk_company(self):
        return self.company_id if "company_id" in self._fields else self.env.company

    def _bulk_notification(self, operation):
        """The client action that tells what came of ``operation``. Counts that add up, in words."""
        counts = operation._counts_in_words()
        if operation.interruption:
            kind, sticky = "warning", True
            text = operation.interruption
        elif operation.state in ACTIVE_STATES:
            kind, sticky = "info", False
            text = self.env._(
                "%(rows)s rows are worked on in the background. You can go on with other work.",
                rows=operation._format_count(operation.planned),
            )
        elif operation.state == "failed":
            kind, sticky = "danger", True
            text = self.env._(
                "%(counts)s %(error)s Resume the operation when the cause is removed.",
                counts=counts,
                error=operation.last_error or "",
            )
        elif operation.state == "cancelled":
            kind, sticky = "warning", False
            text = self.env._("Cancelled. %(counts)s", counts=counts)
        else:
            kind, sticky = ("warning" if operation.failed else "success"), bool(operation.failed)
            text = counts or self.env._("There was nothing to do.")
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "title": operation.name,
                "type": kind,
                "sticky": sticky,
                "text": text,
                # The client fills %s with the links; any other % is a sign of the text.
                "message": text.replace("%", "%%") + " %s",
                "links": [
                    {
                        "label": self.env._("Details"),
                        "url": f"/odoo/bulk-operations/{operation.id}",
                    }
                ],
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    # What comes before what

    @api.model
    def _bulk_relies_on(self):
        """{step, transition or act: the steps that have to be whole before it}. Steps say so themselves
        (``_relies_on``); transitions and acts are added by the model, and by plug-ins also what steps of others wait for.

        Whatever is declared, only one step at a time works on a record, and nothing moves the record on while one does,
        or has failed and was neither resumed nor given up (:meth:`_bulk_harmless` names exceptions).
        """
        return {
            step._step: step._relies_on for step in self._bulk_declared(transitions=True) if step._relies_on is not None
        }

    @api.model
    def _bulk_acts(self):
        """Those names of :meth:`_bulk_relies_on` that change some rows and do not move the record on: they wait for the
        step that runs, but not for one that has failed."""
        return ()

    @api.model
    def _bulk_harmless(self):
        """{step, transition or act: steps that may run at the same time}. What was interrupted or has failed still stands
        in the way of what relies on it."""
        return {step._step: step._harmless for step in self._bulk_declared(transitions=True) if step._harmless}

    @api.model
    def _bulk_from_states(self):
        """{step: states of the record in which it may work}; a step that is not named works in any."""
        return {step._step: step._from_states for step in self._bulk_declared() if step._from_states}

    @api.model
    def _bulk_completed_by(self):
        """{step: steps that, done later, leave nothing of it to be finished}."""
        return {step._step: step._completed_by for step in self._bulk_declared() if step._completed_by}

    @api.model
    def _bulk_given_up(self):
        """Steps for which *Cancel* is an end: nothing waits for their rest."""
        return tuple(step._step for step in self._bulk_declared() if step._given_up)

    def _bulk_parents(self):
        """The records this one belongs to, outermost first: steps of both are started one after the other."""
        return []

    def _bulk_related(self, model):
        """The ids of the records of another model whose steps this one relies on: a tuple, or a query."""
        return tuple(parent.id for parent in self._bulk_parents() if parent._name == model)

    def _bulk_check(self, name):
        """Refuse a transition or an act before its time. Race-safe: until the end of the transaction no step starts on
        the record, and one that started at the same moment makes this transaction be repeated.

        :param name: a key of :meth:`_bulk_relies_on`
        """
        for record in self:
            record._bulk_gate()
            if refusal := record._bulk_refusal(name):
                raise UserError(refusal)

    def _bulk_gate(self):
        """Come one after the other, with the records this one belongs to. The rows are written, not only locked: who
        waited for them is told by the database that what it has read is old, and begins again."""
        self.ensure_one()
        self.env.flush_all()
        for record in (*self._bulk_parents(), self):
            self.env.cr.execute(
                SQL(
                    "UPDATE %(table)s SET id = id WHERE id = %(id)s", table=SQL.identifier(record._table), id=record.id
                ),
                log_exceptions=False,
            )

    def _bulk_refusal(self, name, resumed=None):
        """Why a step, transition or act can't be done yet, in words; False when it can.

        :param resumed: the operation that goes on with the step
        """
        self.ensure_one()
        # sudo: what is unfinished stands in the way whether or not the user may see it; only the sentence is shown
        operations = self.env["g2p.bulk.operation"].sudo()
        steps = self._bulk_steps()
        relied = self._bulk_relies_on()[name]
        act = name in self._bulk_acts()
        harmless = self._bulk_harmless().get(name, ())
        own = [step for step in steps if step not in (*harmless, *relied) and step != name]
        scopes = [(self._name, self.ids, own, ACTIVE_STATES if act or name in steps else OPEN_STATES)]
        for needed in relied:
            model, _colon, step = needed.rpartition(":")
            target = self.env[model] if model else self
            ids = self._bulk_related(model) if model else self.ids
            states = ACTIVE_STATES if act else OPEN_STATES
            if step == "*":
                scopes.append((target._name, ids, None, states))
                continue
            if not act and step not in target._bulk_given_up():
                states = (*states, "cancelled")
            scopes.append((target._name, ids, [step], states))
        unfinished = operations._unfinished(scopes) - (resumed or operations)
        if harmless and unfinished:
            unfinished = unfinished.filtered(
                lambda operation: (
                    operation.state not in ACTIVE_STATES
                    or operation.interruption
                    or (
                        operation.step
                        if operation.res_model == self._name
                        else f"{operation.res_model}:{operation.step}"
                    )
                    not in harmless
                )
            )
        if unfinished:
            return unfinished[-1]._why_wait()
        if resumed or act:
            return False
        for step in relied:
            # sudo: as above
            record = self.sudo()
            declared = None if ":" in step else record._bulk_step(step)
            if declared is not None and (sentence := declared._shortfall(record, name)):
                return sentence
        return False

    def _bulk_may_work(self, step):
        """Whether the record is in a state for which the step is made."""
        states = self._bulk_from_states().get(step)
        return not states or self.state in states

    def _bulk_check_start(self, step):
        """In the transaction that creates an operation: nothing unfinished, and the record is where it has to be."""
        self._bulk_gate()
        self.invalidate_recordset()
        twin = self.env["g2p.bulk.operation"].sudo()._active_operation(self, step)  # sudo: see `_bulk_start`
        if twin:
            twin._refuse_twin()
        if refusal := self._bulk_refusal(step):
            raise UserError(refusal)
        if not self._bulk_may_work(step):
            labels = dict(self._fields["state"]._description_selection(self.env))
            raise UserError(
                self.env._(
                    "%(record)s is in state “%(state)s”; this can only be done in “%(wanted)s”.",
                    record=self.display_name,
                    state=labels[self.state],
                    wanted=" / ".join(labels[state] for state in self._bulk_from_states()[step]),
                )
            )

    # Starting

    def _bulk_start(self, step, params=None, chunk_size=None, mode=None):
        """Start ``step`` on this record and return its operation. COMMITS: the last thing a button does.

        The caller needs write access on the record; the role for the step is checked by the button that calls this.

        :param dict params: what the step's methods find in ``operation.params``
        :param int chunk_size: rows per chunk, by default the parameter ``g2p_bulk.chunk_size``
        :param mode: ``inline`` (here and now), ``queue`` (one job per chunk), or None: the queue if a job runner is
            alive and the rows are at least ``g2p_bulk.inline_threshold``
        """
        self.ensure_one()
        label = self._bulk_steps()[step]
        self.check_access("write")
        # Write access on the target was checked above; users have no create access on operations.
        operations = self.env["g2p.bulk.operation"].sudo()
        now = fields.Datetime.now()
        vals = {
            "name": f"{label}: {self.display_name}",
            "step": step,
            "res_model": self._name,
            "res_id": self.id,
            "user_id": self.env.uid,
            "company_id": self._bulk_company().id,
            "params": params,
            "chunk_size": chunk_size or self._bulk_parameter("chunk_size", 10_000),
            "started_at": now,
            "resumed_at": now,
        }
        if twin := operations._active_operation(self, step):
            twin._refuse_twin()
        try:
            operation = self._bulk_create(vals, mode)
        except UniqueViolation as error:
            if not in_test_transaction(self.env.cr):
                self.env.cr.rollback()
            twin = operations._active_operation(self, step)
            if twin:
                twin._refuse_twin()
            raise UserError(
                self.env._("%(step)s was just started by someone else and is over already.", step=label)
            ) from error
        if operation.mode == "queue" and operation.planned:
            operation._enqueue()
        else:
            commit(self.env)
            operation._run_chunks()
        operation.invalidate_recordset()
        return operation.with_env(self.env)

    def _bulk_create(self, vals, mode):
        """The operation, planned. A button that has changed nothing yet may lose to others for a while: it is retried
        here, on what the others left, and says so in the log. What a button has changed before is not ours to repeat."""
        conflicts = []

        def create():
            # A refusal leaves nothing behind, even if the caller goes on.
            with self.env.cr.savepoint():
                self._bulk_check_start(vals["step"])
                with mute_logger("odoo.sql_db"):  # losing the race is no error of the log
                    # Write access on the target was checked by the caller; users have no create access on operations.
                    operation = self.env["g2p.bulk.operation"].sudo().create(vals)
                    operation.flush_recordset()
                operation._prepare(mode)
                operation._note_conflicts(conflicts)
                operation._note("started", words.start(operation), attempt=len(conflicts) + 1 if conflicts else None)
            return operation

        if in_test_transaction(self.env.cr) or wrote_something(self.env):
            return create()
        try:
            return retrying(self.env, create, vals["company_id"] or 0, conflicts)
        except Conflict as error:
            raise UserError(
                self.env._(
                    "%(name)s could not be started: other work kept changing the same rows. Try again in a minute.",
                    name=vals["name"],
                )
            ) from error

    @api.model
    def _bulk_parameter(self, name, default):
        # A number of the engine's configuration, of no interest to access rights.
        return int(self.env["ir.config_parameter"].sudo().get_param(f"g2p_bulk.{name}") or default)
