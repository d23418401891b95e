from lxml import etree

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..core import OPEN_STATES
from ..tools.question import question

# Steps from this place on end the record: their buttons come last.
LAST_PLACES = 900


class BulkPipeline(models.AbstractModel):
    """A record that is brought from step to step on its form: a button for each, the next one coloured; a question with
    figures before each; and one sentence on what is next. All of it is read from the steps, so that a plug-in's step is on
    the form without a change of it.
    """

    _name = "g2p.bulk.pipeline"
    _description = "Record with Steps on its Form"
    _inherit = ["g2p.bulk.mixin"]

    #: the key of the context that names the step to a question
    _step_key = "bulk_step"

    next_action = fields.Char(compute="_compute_next_action")
    next_step = fields.Char(compute="_compute_next_step")

    @api.depends_context("uid")
    def _compute_next_action(self):
        for record in self:
            record.next_action = record._next_action()

    @api.depends_context("uid")
    def _compute_next_step(self):
        for record in self:
            record.next_step = record._next_step()

    def _open_operations(self):
        """What runs on the record, or waits to be resumed."""
        # sudo: whether there is any, and its name, is told to whoever may read the record
        operations = self.env["g2p.bulk.operation"].sudo()
        return operations._unfinished([(self._name, self.ids, None, OPEN_STATES)]) if self.ids else operations

    def _next_action(self):
        """The screen name of the step that brings the record on; ``resume`` when something is unfinished; False when nothing
        is left to do."""
        self.ensure_one()
        if self._open_operations():
            return "resume"
        step = self._following_step()
        return False if step is None else step._screen_name()

    def _following_step(self):
        ranked = [
            (rank, step._place, step) for step in self._bulk_declared(transitions=True) if (rank := step._next(self))
        ]
        return min(ranked, key=lambda item: item[:2])[2] if ranked else None

    def _next_step(self):
        """One sentence for the person who opens the record."""
        self.ensure_one()
        if operations := self._open_operations():
            return operations[-1]._why_wait()
        step = self._following_step()
        return self._rest_text() if step is None else step._next_text(self)

    def _rest_text(self):
        """What is said when no step is next."""
        return False

    def action_confirm(self):
        """Button: ask, with figures, whether to do the step that the context names."""
        self.ensure_one()
        self.check_access("read")
        name = self.env.context.get(self._step_key)
        step = next((step for step in self._steps_on_screen() if step._screen_name() == name), None)
        if step is None:
            raise UserError(self.env._("There is no such step."))
        handed_over = step._asked(self)
        params = {"context": handed_over} if handed_over else {}
        method, label = step._answer(self)
        return question(self, method, step._title(), step._question(self), label, **params)

    def _press(self, code, params=None, **how):
        """Start a step, once it has checked who asks and when: the last thing that the method of a button does."""
        self.ensure_one()
        self._bulk_step(code)._check_may(self)
        return self._bulk_start(code, params, **how)._notification()

    @api.model
    def _steps_on_screen(self):
        return [step for step in self._bulk_declared(transitions=True) if step._button]

    @api.model
    def _get_view(self, view_id=None, view_type="form", **options):
        arch, view = super()._get_view(view_id, view_type, **options)
        if view_type == "form":
            for header in arch.iterfind("header"):
                self._put_buttons(header)
        return arch, view

    def _put_buttons(self, header):
        """The steps, each twice: coloured and first when it is next; plain else, before the plain buttons of the form, those
        that end the record after them."""
        steps = self._steps_on_screen()
        for position, step in enumerate(steps):
            header.insert(position, self._button_of(step, is_next=True))
        plain = next(
            (node for node in header.iterchildren("button") if "btn-primary" not in node.get("class", "")), None
        )
        status = next(header.iterchildren("field"), None)
        for step in steps:
            button = self._button_of(step, is_next=False)
            follower = plain if plain is not None and step._place < LAST_PLACES else status
            if follower is None:
                header.append(button)
            else:
                follower.addprevious(button)

    def _button_of(self, step, *, is_next):
        name = step._screen_name()
        handed_over = {self._step_key: repr(name), **step._button_context}
        attributes = {
            "name": "action_confirm",
            "type": "object",
            "string": step._title(),
            "help": step._help(),
            "class": "btn-primary" if is_next else "",
            "groups": step._groups or "",
            "context": f"{{{', '.join(f'{key!r}: {value}' for key, value in handed_over.items())}}}",
            "invisible": f"next_action {'!=' if is_next else '=='} {name!r} or not ({step._visible})",
        }
        return etree.Element("button", {key: value for key, value in attributes.items() if value})
