"""What is looked at when records are made or changed by anybody but the superuser; the promises are those of the model
`base`, see there."""

import ast
from collections import defaultdict
from typing import NamedTuple

from odoo import models
from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.models import MAGIC_COLUMNS
from odoo.orm.identifiers import NewId

RELATIONAL = ("many2one", "many2one_reference", "reference", "one2many", "many2many")
SHARED_COMODELS = ("res.company", "res.users")
# The system's own vocabulary, the same for everybody: a label of it tells of nobody.
OPEN_COMODELS = ("ir.model", "ir.model.fields", "properties.base.definition", "res.groups")


class Guard(NamedTuple):
    """What is looked at when records of a model are made or changed by anybody but the superuser."""

    is_suite: bool
    protected: frozenset  # refused
    fixed: frozenset  # set once
    relations: dict  # name → type, of fields whose targets have to be readable


# What is guarded


def specification(model):
    """The :class:`Guard` of this model, or None. Record rules are part of it: a change of rules clears the cache."""
    if model._abstract:
        return None
    suite = model._guard_is_suite()
    relations = {
        name: field.type
        for name, field in model._fields.items()
        if field.type in RELATIONAL
        and field.comodel_name not in OPEN_COMODELS
        and (
            suite
            or field.type in ("reference", "many2one_reference")
            or (field.comodel_name in model.env and model.env[field.comodel_name]._guard_is_suite())
        )
    }
    if not suite:
        return Guard(False, frozenset(), frozenset(), relations) if relations else None
    protected = {name for name in model._protected_fields if name in model._fields}
    if not model._transient:
        protected |= {
            name
            for name, field in model._fields.items()
            if field.store
            and field.readonly
            and name not in MAGIC_COLUMNS
            and name not in model._fixed_fields
            and (field._module or "").startswith("g2p_")
        }
    fixed = {*model._fixed_fields, *parents(model)} - protected - {*model._loose_fields}
    return Guard(True, frozenset(protected), frozenset(fixed), relations)


def parents(model):
    """Names of the many2ones of this model that carry access or ownership."""
    if model._transient or not model._auto:
        return set()
    found = {*model._inherits.values()} if not model._guarded else set()
    for name, field in model._fields.items():
        if (
            field.type == "many2one"
            and field.store
            and field.required
            and field.ondelete == "cascade"
            and not (model._guarded and not (field._module or "").startswith("g2p_"))
        ):
            found.add(name)
    for path in rule_paths(model):
        name, _dot, rest = path.partition(".")
        field = model._fields.get(name)
        if rest and field and field.type == "many2one" and field.store:
            found.add(name)
    return {name for name in found if model._fields[name].comodel_name not in SHARED_COMODELS}


def rule_paths(model):
    """The field paths that the record rules of this model ask about, whomever they are for."""
    # sudo: rules, read by model; nothing of them goes to the user
    rules = model.env["ir.rule"].sudo().search([("model_id.model", "=", model._name)])
    paths = set()
    for domain in rules.mapped("domain_force"):
        try:
            tree = ast.parse((domain or "[]").strip(), mode="eval")
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Tuple | ast.List) and len(node.elts) == 3:
                first = node.elts[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    paths.add(first.value)
    return paths


# Evidence


def without_defaults(model, guard):
    """This model without the values for evidence that the caller's context holds."""
    context = model.env.context
    forged = {key for key in context if key.startswith("default_") and key.removeprefix("default_") in guard.protected}
    if not forged:
        return model
    return model.with_env(model.env(context={key: value for key, value in context.items() if key not in forged}))


def check_created(records, names, vals):
    """Evidence takes no value but its own default."""
    for name in names:
        field = records._fields[name]
        default = field.default(records) if field.default else False
        if (vals[name] or False) != (default or False):
            refuse_protected(records, [name])


def refuse_protected(records, names):
    raise AccessError(
        records.env._(
            "%(fields)s of %(model)s can't be edited. Use the buttons of the form, which check what is allowed.",
            fields=labels(records, names),
            model=records._description,
        )
    )


def labels(records, names):
    return ", ".join(records._fields[name]._description_string(records.env) for name in sorted(names))


# Parents


def check_fixed(records, names, vals):
    """The same value again is no change."""
    records.check_access("write")
    # sudo: what is there is compared, and told to nobody
    for record in records.sudo():
        changed = [
            name
            for name in names
            if (current := records._fields[name].convert_to_write(record[name], record))
            and current != (plain(records._fields[name], vals[name]) or False)
        ]
        if changed:
            raise AccessError(
                records.env._(
                    "%(fields)s of %(model)s can't be changed: it is chosen once. "
                    "Make a new record in the right place, and close or delete this one.",
                    fields=labels(records, changed),
                    model=records._description,
                )
            )


def plain(field, value):
    """A written value as the database would hold it: of a many2one the id, whatever it was given as.

    >>> from types import SimpleNamespace
    >>> plain(SimpleNamespace(type="many2one"), {"id": 7}), plain(SimpleNamespace(type="char"), "7")
    (7, '7')
    """
    if field.type != "many2one":
        return value
    return next(iter(ids_of("many2one", value)), False)


# Targets


def relational_defaults(records, guard):
    """{name: value} of the relational fields that the caller's context or user-defined defaults would fill."""
    stored = records.env["ir.default"]._get_model_defaults(records._name)
    defaults = {name: stored[name] for name in guard.relations.keys() & stored.keys()}
    for key, value in records.env.context.items():
        if key.startswith("default_") and (name := key.removeprefix("default_")) in guard.relations:
            defaults[name] = value
    return {name: value for name, value in defaults.items() if value and name not in guard.protected}


def ids_of(kind, value):
    """Ids of existing records that a written value names.

    >>> ids_of("many2one", "7"), ids_of("many2one", (7, "Seven")), ids_of("many2one", False)
    ([7], [7], [])
    >>> ids_of("many2many", [Command.link(3), Command.set([4, 5]), Command.create({}), Command.unlink(6), 9])
    [3, 4, 5, 9]
    """
    if isinstance(value, models.BaseModel):
        return [id_ for id_ in value._origin._ids if id_]
    if kind in ("many2one", "many2one_reference"):
        if isinstance(value, dict):
            value = value.get("id")
        elif isinstance(value, tuple | list):
            value = value[0] if value else False
        if not value or isinstance(value, NewId):
            return [value.origin] if value and value.origin else []
        # Texts and fractions are taken by the database as well.
        return [int(value)]
    ids = []
    for command in value or ():
        if not isinstance(command, tuple | list):
            if command and not isinstance(command, NewId):
                ids.append(int(command))
        elif not command:
            continue
        elif command[0] in (Command.LINK, Command.UPDATE):
            ids.append(command[1])
        elif command[0] == Command.SET:
            ids.extend([command[2]] if isinstance(command[2], int) else command[2])
    return [id_ for id_ in ids if isinstance(id_, int) and id_]


def targets_of(records, guard, vals_list):
    """{(comodel, field): ids} that the values name, those in the lines of forms included."""
    targets = defaultdict(set)
    for vals in vals_list:
        for name in guard.relations.keys() & vals.keys():
            value = vals[name]
            if not value:
                continue
            kind = guard.relations[name]
            field = records._fields[name]
            if kind == "reference":
                if isinstance(value, models.BaseModel):
                    targets[value._name, name].update(value.ids)
                else:
                    comodel, _comma, res_id = str(value).partition(",")
                    if comodel in records.env and res_id.strip().isdigit():
                        targets[comodel, name].add(int(res_id))
            elif kind == "many2one_reference":
                # sudo: the name of a model, of records that are being written
                given = [vals[field.model_field]] if field.model_field in vals else []
                for comodel in {*given} or {*records.sudo().mapped(field.model_field)}:
                    if comodel and comodel in records.env:
                        targets[comodel, name].update(ids_of(kind, value))
            else:
                targets[field.comodel_name, name].update(ids_of(kind, value))
    return targets


def check_targets(records, guard, vals_list):
    """Refuse targets that the user can't read, unless they were there before."""
    by_comodel = defaultdict(set)
    targets = targets_of(records, guard, vals_list)
    for (comodel, _name), ids in targets.items():
        by_comodel[comodel] |= ids
    for comodel, ids in by_comodel.items():
        chosen = records.env[comodel].browse(ids)
        forbidden = chosen - chosen._filtered_access("read")
        if forbidden and not guard.is_suite:
            forbidden &= forbidden._guard_secret() if forbidden._guard_is_suite() else forbidden.browse()
        if not forbidden:
            continue
        for (named, name), named_ids in targets.items():
            if named == comodel and (wrong := named_ids & {*forbidden.ids}) and not holds(records, name, wrong):
                raise AccessError(
                    records.env._(
                        "%(field)s of %(model)s: what was given is out of your reach, or isn't there. "
                        "Choose a record that you can see.",
                        field=labels(records, [name]),
                        model=records._description,
                    )
                )
    if guard.is_suite:
        check_papers(records, targets)


def check_papers(records, targets):
    """Refuse papers that belong elsewhere, or were brought by others, unless they were there before."""
    for (comodel, name), ids in targets.items():
        if comodel == "ir.attachment":
            new = [id_ for id_ in ids if not holds(records, name, {id_})]
            records.env[comodel].browse(new)._check_handed_to(records)


def check_form(records, guard, values):
    """As :func:`check_targets`, for values that are not written yet, with those of the lines in them."""
    check_targets(records, guard, [values])
    for name in guard.relations.keys() & values.keys():
        if guard.relations[name] not in ("one2many", "many2many"):
            continue
        comodel = records.env[records._fields[name].comodel_name]
        line_guard = comodel._guard_spec()
        for command in values[name] or () if line_guard else ():
            if isinstance(command, tuple | list) and command[0] in (Command.CREATE, Command.UPDATE):
                known = isinstance(command[1], int) and command[1]
                check_form(comodel.browse(known or ()), line_guard, command[2] or {})


def holds(records, name, ids):
    """Whether each record of ``records`` names ``ids`` already: keeping what is there is no choice."""
    # sudo: what is there is compared, and told to nobody
    kind = records._fields[name].type
    return bool(records) and all(
        ids <= {*(record[name].ids if kind != "many2one_reference" else [record[name]])} for record in records.sudo()
    )
