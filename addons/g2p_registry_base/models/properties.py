import math

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

NUMBERS = ("integer", "float", "monetary")
TEXTS = ("char", "text", "selection")
TYPES = (*NUMBERS, *TEXTS, "boolean", "date", "tags", "many2one", "separator")
COMODELS = ("g2p.area",)


class PropertiesMixin(models.AbstractModel):
    """Answers to questions that users define (Odoo's properties), with a promise: an answer is of its question's type.

    Odoo's properties take whatever they are given. A model that inherits this refuses, on every inlet, an answer of a
    wrong type and one to an unknown question, and offers its answers to SQL.
    """

    _name = "g2p.properties.mixin"
    _description = "Typed Properties"

    may_edit_questions = fields.Boolean(
        compute="_compute_may_edit_questions",
        exportable=False,
        help="Whether the reader may change what is asked here.",
    )

    def _properties_fields(self):
        """{name of a properties field of this model that is guarded}"""
        return ()

    @api.depends_context("uid", "allowed_company_ids")
    def _compute_may_edit_questions(self):
        """As the server would answer a change of the questions: role, rule and whose they are."""
        self.may_edit_questions = False
        for name in self._properties_fields():
            for container, records in self.grouped(self._fields[name].definition_record).items():
                records.may_edit_questions = bool(container) and container.sudo(False).has_access("write")

    @api.model_create_multi
    def create(self, vals_list):
        for name in self._properties_fields():
            for vals in vals_list:
                if vals.get(name):
                    self._check_given(name, vals[name], self._questions_of(name, vals))
        records = super().create(vals_list)
        for name in self._properties_fields():
            if any(vals.get(name) for vals in vals_list):
                records._check_answers(name)
        return records

    def write(self, vals):
        names = [name for name in self._properties_fields() if vals.get(name)]
        for name in names:
            self._check_given(name, vals[name], self._fields[name]._get_properties_definition(self[:1]))
        result = super().write(vals)
        for name in names:
            self._check_answers(name)
        return result

    @api.model
    def _questions_of(self, name, vals):
        """The questions that a record made with ``vals`` answers; the ORM leaves answers to others out without a word."""
        field = self._fields[name]
        container = self.env[self._fields[field.definition_record].comodel_name].browse(
            vals.get(field.definition_record)
        )
        # sudo: what the questions are is no secret to who answers them
        return container.sudo()[field.definition_record_field]

    @api.model
    def _check_given(self, name, given, questions):
        """Check what somebody gives for the properties field ``name``: answers by name, or the web client's list of
        questions with their answers."""
        if isinstance(given, dict):
            answers = given
        elif isinstance(given, list) and all(isinstance(item, dict) and item.get("type") for item in given):
            if any(item.get("definition_changed") or item.get("definition_deleted") for item in given):
                return  # the questions themselves change; the answers are checked against the new ones
            answers = {item.get("name"): self._without_label(item) for item in given}
        else:
            raise ValidationError(
                self.env._("%s takes answers by the names of their questions.", self._fields[name].string)
            )
        self._check_against(questions, [answers])

    @api.model
    def _without_label(self, item):
        """The client gives the record of a link with its label."""
        answer = item.get("value")
        linked = item["type"] == "many2one" and isinstance(answer, list | tuple) and len(answer) == 2
        return answer[0] if linked else answer

    def _check_answers(self, name):
        """Refuse answers of a wrong type, or to no question, in the properties field ``name`` of ``self``."""
        field = self._fields[name]
        for container, records in self.grouped(field.definition_record).items():
            # sudo: as above
            questions = container.sudo()[field.definition_record_field]
            self._check_against(questions, [record[name]._values or {} for record in records])

    @api.model
    def _check_against(self, questions, all_answers):
        questions = {question["name"]: question for question in questions or ()}
        linked = {}
        for answers in all_answers:
            if unknown := answers.keys() - questions.keys():
                raise ValidationError(
                    self.env._("There is no question named %s.", ", ".join(sorted(str(name) for name in unknown)))
                )
            for name, answer in answers.items():
                question = questions[name]
                if answer is None or (answer is False and question["type"] != "boolean"):
                    continue  # not answered
                label = question.get("string") or name
                if reason := self._answer_problem(question, answer):
                    raise ValidationError(self.env._("“%(question)s” %(reason)s.", question=label, reason=reason))
                if question["type"] == "many2one":
                    linked.setdefault(question.get("comodel"), {})[answer] = label
        for model, labels in linked.items():
            if model not in COMODELS or labels.keys() - set(self.env[model].browse(labels).exists().ids):
                raise ValidationError(
                    self.env._("“%s” takes a record that exists.", ", ".join(sorted(set(labels.values()))))
                )

    @api.model
    def _answer_problem(self, question, answer):
        """Why ``answer`` is none to ``question``, in words that do not repeat it; None when it is one."""
        kind = question["type"]
        is_number = isinstance(answer, int | float) and not isinstance(answer, bool) and math.isfinite(answer)
        if kind == "boolean" and not isinstance(answer, bool):
            return self.env._("takes yes or no")
        if kind == "integer" and not (is_number and float(answer).is_integer()):
            return self.env._("takes a whole number")
        if kind in ("float", "monetary") and not is_number:
            return self.env._("takes a number")
        if kind in ("char", "text") and not isinstance(answer, str):
            return self.env._("takes text")
        if kind == "date" and not self._is_date(answer):
            return self.env._("takes a date, such as 2026-01-31")
        if kind == "selection" and answer not in [option[0] for option in question.get("selection") or ()]:
            return self.env._("takes one of its choices")
        if kind == "tags":
            tags = [tag[0] for tag in question.get("tags") or ()]
            if not isinstance(answer, list) or any(tag not in tags for tag in answer):
                return self.env._("takes some of its tags")
        if kind == "many2one" and (not isinstance(answer, int) or isinstance(answer, bool)):
            return self.env._("takes the number of a record")
        if kind not in TYPES:
            return self.env._("is of a kind that is not supported: %s", kind)
        return None

    @api.model
    def _is_date(self, answer):
        try:
            return isinstance(answer, str) and fields.Date.to_string(fields.Date.to_date(answer)) == answer
        except ValueError:
            return False

    # -- questions

    @api.model
    def _check_questions(self, questions):
        """Refuse questions of kinds that can't be checked and read by SQL."""
        for question in questions or ():
            label = question.get("string") or question["name"]
            if question["type"] not in TYPES:
                raise ValidationError(
                    self.env._(
                        "“%s”: a question asks for text, a number, yes or no, a date, a choice, tags, an amount of money or "
                        "an area.",
                        label,
                    )
                )
            if question["type"] == "many2one" and question.get("comodel") not in (*COMODELS, False, None):
                raise ValidationError(self.env._("“%s”: a question may link to areas only.", label))
            default = question.get("default")
            if default and question["type"] != "many2one" and (reason := self._answer_problem(question, default)):
                raise ValidationError(
                    self.env._("“%(question)s” %(reason)s as its default.", question=label, reason=reason)
                )

    # -- SQL

    @api.model
    def _property_sql(self, alias, field, name, kind):
        """The answer to question ``name`` as SQL, NULL when there is none or it is not of the kind.

        :param alias: the table's alias in the query
        :param field: the properties field
        :param kind: the question's type: integer, float, monetary → numeric; boolean; date; char, text, selection → text;
            many2one → integer; tags → jsonb, a list of tags
        """
        answer = SQL("(%s -> %s)", SQL.identifier(alias, field), name)
        text = SQL("(%s ->> %s)", SQL.identifier(alias, field), name)
        of = {"boolean": "boolean", "tags": "array"} | dict.fromkeys((*NUMBERS, "many2one"), "number")
        is_kind = SQL("jsonb_typeof(%s) = %s", answer, of.get(kind, "string"))
        if kind in NUMBERS:
            value = SQL("%s::numeric", text)
        elif kind == "many2one":
            value = SQL("%s::integer", text)
        elif kind == "boolean":
            value = SQL("%s::boolean", text)
        elif kind == "tags":
            value = answer
        elif kind == "date":
            # what is no day of the calendar, such as 2026-02-30, is no date
            month = SQL("make_date(left(%s, 4)::integer, substr(%s, 6, 2)::integer, 1)", text, text)
            day = SQL("%s + (right(%s, 2)::integer - 1)", month, text)
            form = SQL(r"%s ~ '^(?!0000)\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$'", text)
            value = SQL(
                "CASE WHEN %s THEN CASE WHEN date_trunc('month', %s) = %s THEN %s END END", form, day, month, day
            )
        elif kind in TEXTS:
            value = text
        else:
            raise ValueError(f"No SQL for a property of type {kind!r}")
        return SQL("(CASE WHEN %s THEN %s END)", is_kind, value)
