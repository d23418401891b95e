from contextlib import contextmanager

from odoo import api, models, tools
from odoo.tools import SQL


class BulkStep(models.AbstractModel):
    """One thing that is done to a record and the set that hangs on it: a class per step, in a file of its own.

    What the step is stands at the top as declarations; what it does stands below, in the order in which it happens.
    The engine, the order of steps, the buttons, the question before a step and the sentence “Next” read the
    declarations, so that a plug-in adds a step by a class and changes one by ``_inherit``; nothing is listed elsewhere.

    The methods get the record that is worked on. While an operation runs they are called as superuser with the user who
    started it as ``env.uid``, in the operation's company; they may run twice, or at the same time as others for other
    ranges: idempotence is theirs, by constraint.
    """

    _name = "g2p.bulk.step"
    _description = "Step of a Bulk Operation"

    #: the model of the record that is worked on
    _target = None
    #: the code of the step in operations; a class without one is a base for steps
    _step = None
    #: where it stands in the order of the steps of its target; from 900 on, its button comes last
    _place = 100
    #: whether it moves rows; without, it is a transition of the record alone and has no operation
    _has_rows = True
    #: states of the record in which it may work: asked at the start, under the record's lock, and again by each chunk
    _from_states = ()
    #: models whose rows it makes or moves: PostgreSQL takes their statistics again when it is done
    _moves = ()
    #: steps that have to be whole before it: ``step``, or ``model:step`` of the records that ``_bulk_related`` of the target
    #: names (``model:*``: all of them). Whole: the last operation of the step neither runs, nor waits, nor has failed, nor was
    #: cancelled with a rest, and the set adds up (:meth:`_shortfall`). A step that never ran is whole. None: the step has no
    #: place in the order, it only says what is next.
    _relies_on = ()
    #: steps that may run at the same time; tests with two connections stand behind it
    _harmless = ()
    #: steps that, done later, leave nothing of this one to be finished
    _completed_by = ()
    #: *Cancel* is an end of it: nothing waits for its rest
    _given_up = False
    #: it waits for something outside of the database before each chunk (:meth:`_fetch`)
    _fetches = False

    # On screens of a `g2p.bulk.pipeline`
    #: the public method of the target that the button calls; None: no button
    _button = None
    #: the name by which screens ask about it, by default its code
    _asked_as = None
    #: who sees the button: XML ids of groups, separated by commas
    _groups = None
    #: when it is shown: an expression over the fields of the form
    _visible = "True"
    #: {key: expression over the fields of the form}: what the button hands over beside its name
    _button_context = {}
    #: the part of the pipeline it belongs to
    _stage = 0

    # What it says

    @api.model
    def _label(self):
        """What people call it, translated."""
        raise NotImplementedError

    @api.model
    def _title(self):
        """What stands on the button and above the question."""
        return self._label()

    @api.model
    def _help(self):
        """One line on what the button does."""
        return ""

    @api.model
    def _question(self, record):
        """What happens when the answer is yes, with figures."""
        raise NotImplementedError

    @api.model
    def _answer(self, record):
        """(method, label) of the button that answers the question: the step's own, but where it would do nothing, and
        something else comes first."""
        return self._button, self._title()

    @api.model
    def _asked(self, record):
        """Before the question: refuse what can't be done now. Returns the context that the answer is pressed with."""
        return {}

    @api.model
    def _next(self, record):
        """Whether it is what brings the record on: a rank, of which the lowest wins; False when it is not."""
        return False

    @api.model
    def _next_text(self, record):
        """One sentence on what is to be done next, for who reads it."""
        return f"{self._title()}."

    @api.model
    def _screen_name(self):
        return self._asked_as or self._step

    @api.model
    def _outcomes(self):
        """{outcome: (label, kind)} of the rows, kind one of done, skipped, failed; in the order in which they are shown."""
        return {}

    @api.model
    def _skipped_words(self, number, count):
        """So many rows were skipped: what people call that of this step. `count` is the number in words."""
        return self.env._("%s skipped", count)

    @api.model
    def _failed_words(self, number, count):
        """So many rows are not good: what people call that of this step."""
        return self.env._("%s failed", count)

    @api.model
    def _rows(self, record, operation, outcome):
        """Which rows have an outcome of an operation that has worked on the record.

        :return: (model, SQL): a condition over the model's table under the alias ``t``; the model inherits
            ``g2p.bulk.row.mixin``. From the history of states (``operation._moved_rows``), from what the rows say
            themselves, or, where nothing tells afterwards, from what the step has noted (``operation._noted_rows``).
            None: nobody knows.
        """
        return

    @api.model
    def _shortfall(self, record, name):
        """What is missing in the set that the step leaves behind, before ``name`` (a step, transition or act that relies on
        it), in a sentence that says what to do; False when it adds up."""
        return False

    # What it does, in this order

    @api.model
    def _before(self, record, operation):
        """Once, in the transaction that creates the operation: check, reserve, fill ``operation.params``. Raising refuses."""

    @api.model
    def _source(self, record, operation):
        """What to work on, as SQL: one integer column ``key``, one row per unit counted."""
        raise NotImplementedError

    @api.model
    def _chunk(self, record, operation, low, high):
        """The work on the keys in ``(low, high]``, in a constant number of statements. Returns {outcome: rows}."""
        raise NotImplementedError

    @api.model
    @contextmanager
    def _fetch(self, record, operation):
        """Before a chunk, of steps with ``_fetches``: get ready what may keep us waiting (another process, the network), while no
        transaction is open. What it reads from the database for that it ends with :func:`core.commit`. The chunk finds what
        is yielded as ``operation.env.context["g2p_fetched"]``, at each attempt; its transaction is inside."""
        yield

    @api.model
    def _finish(self, record, operation):
        """Each time the operation comes to an end, in its own transaction: look at ``operation.state``, which is ``done``,
        ``failed`` (it may be resumed or cancelled yet) or ``cancelled``. Must not start another operation. By default the
        record's figures are counted again."""
        record._refresh_counters()

    @api.model
    def _then(self, record, operation):
        """After the end of an operation that is done, in no transaction: what follows by itself, such as the next step."""

    # Which there are

    @api.model
    def _of(self, target):
        """The steps of a model in their order: [step]."""
        return [self.env[name] for name in self._names_of(target)]

    @api.model
    @tools.ormcache("target")
    def _names_of(self, target):
        base = self.env.registry["g2p.bulk.step"]
        found = [
            (model._place, model._step, name)
            for name, model in self.env.registry.items()
            if issubclass(model, base) and model._target == target and model._step
        ]
        codes = [code for _place, code, _name in found]
        if doubled := {code for code in codes if codes.count(code) > 1}:
            raise ValueError(f"steps of {target} that two classes declare: {sorted(doubled)}")
        return tuple(name for _place, _code, name in sorted(found))

    @api.model
    def _analyzed(self, record):
        return [self.env[name]._table for name in self._moves]

    # Helpers

    @api.model
    def _range(self, alias, column, low, high):
        """The keys of a chunk as a condition: ``alias.column`` in ``(low, high]``."""
        key = SQL.identifier(alias, column)
        return SQL("%s > %s AND %s <= %s", key, low, key, high)
