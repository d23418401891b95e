"""The settings of a program that a scenario tries out, in words: ``{(whose, label): value}``.

The label None stands for the thing itself: a manager, the proxy means test, the program.
"""

import hashlib
from functools import partial

from odoo import models

from odoo.addons.g2p_programs.tools.constants import MANAGER_ELIGIBILITY, MANAGER_ENTITLEMENT

# The kinds of managers that a scenario tries out; the others stay as they are.
KINDS = (MANAGER_ELIGIBILITY, MANAGER_ENTITLEMENT)
NO_SETTING = ("program_id", *models.MAGIC_COLUMNS)


class Told(str):
    """A value as it is compared, whoever looks; `words` says it as it is shown."""

    def __new__(cls, value, words):
        told = super().__new__(cls, value)
        told.words = words
        return told


def of_managers(program, kind):
    """The settings of the managers of a kind."""
    settings = {}
    types = {}
    for manager in program.get_managers(kind):
        # Managers of one type are matched in their order: what they are called may be what was changed.
        types[manager._name] = types.get(manager._name, 0) + 1
        number = types[manager._name]
        who = manager._description if number == 1 else f"{manager._description} {number}"
        settings |= _of_record(manager, who)
    return settings


def of_pmt(program):
    """The settings of the version of the proxy means test that the program works with."""
    model = program.pmt_model_id
    return _of_record(model, model._description) if program.pmt_config and model else {}


def of_program(program, names, who):
    """The program's own settings with these names."""
    return {
        **{
            (who, _label(program._fields[name], program.env)): in_words(program, program._fields[name])
            for name in names
        },
        (who, None): True,
    }


def _of_record(record, who):
    settings = {(who, None): True}
    for field in record._fields.values():
        if _is_setting(field):
            value = in_words(record, field)
            if hasattr(record, "_proposal_words") and field.type in ("char", "monetary", "one2many"):
                value = Told(value, partial(record._proposal_words, field.name))
            settings[who, _label(field, record.env)] = value
    return settings


def _label(field, env):
    return field._description_string(env)


def _is_setting(field):
    stored = field.store or field.type == "one2many"
    return stored and field.copy and not field.related and field.name not in NO_SETTING


def in_words(record, field):
    """The value of a field."""
    env, value = record.env, record[field.name]
    if field.type == "one2many":
        return "; ".join(
            ", ".join(
                f"{_label(part, env)} {in_words(line, part)}"
                for part in line._fields.values()
                if _is_setting(part) and part.name != field.inverse_name and line[part.name]
            )
            for line in value
        )
    if field.type in ("many2one", "many2many"):
        return ", ".join(value.mapped("display_name")) or "–"
    if field.type == "boolean":
        return env._("yes") if value else env._("no")
    if field.type == "selection":
        return dict(field._description_selection(env)).get(value) or "–"
    exported = field.convert_to_export(value, record)
    return f"{exported:g}" if isinstance(exported, float) else str(exported or ("0" if value == 0 else "–"))


def differences(before, after):
    """[(whose, label, old, new)] of what is not the same. Of what is added or removed as a whole there is one line, without a
    label; the settings of what is removed are not listed.

    >>> before = {("Cash", None): True, ("Cash", "Amount"): "100", ("Area", None): True, ("Area", "Areas"): "North"}
    >>> after = {("Cash", None): True, ("Cash", "Amount"): "150", ("Tag", None): True, ("Tag", "Tags"): "Poor"}
    >>> for line in differences(before, after):
    ...     print(line)
    ('Cash', 'Amount', '100', '150')
    ('Area', None, True, None)
    ('Tag', None, None, True)
    ('Tag', 'Tags', None, 'Poor')
    """
    found = []
    for who, label in {**before, **after}:
        old, new = before.get((who, label)), after.get((who, label))
        if old != new and (label is None or (who, None) not in before or (who, None) in after):
            found.append((who, label, old, new))
    return found


def sentences(env, before, after):
    """The same in words."""
    _ = env._

    def shown(value):
        return value.words() or "–" if isinstance(value, Told) else value

    lines = []
    for who, label, old, new in differences(before, after):
        if label is None:
            lines.append(_("%s is removed", who) if new is None else _("%s is added", who))
        else:
            lines.append(
                _("%(who)s: %(setting)s %(old)s → %(new)s", who=who, setting=label, old=shown(old), new=shown(new))
            )
    return lines


def fingerprint(*settings):
    """A text that changes whenever a setting does.

    >>> fingerprint({("Cash", "Amount"): "100"}) == fingerprint({("Cash", "Amount"): "100"})
    True
    >>> fingerprint({("Cash", "Amount"): "100"}) == fingerprint({("Cash", "Amount"): "150"})
    False
    """
    return hashlib.sha256(repr(list(settings)).encode()).hexdigest()
