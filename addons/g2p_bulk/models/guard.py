import ast
from collections import defaultdict
from typing import NamedTuple

from odoo import SUPERUSER_ID, api, models, tools
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


class Base(models.AbstractModel):
    """What every model of the suite promises to whoever creates or writes, without doing anything for it.

    Outside superuser mode, by whatever way the values come (RPC, import, commands of a parent, context, defaults, copy):

    - **Evidence is not written.** A stored field that its model declares read-only, and every one in
      ``_protected_fields``, takes no value but its own default and what :meth:`_guard_own_values` gives. Steps and buttons
      write it as superuser.
    - **Parents are fixed.** A many2one that access goes through (the record rules say so), that owns the record (required,
      deleted with it), that the record delegates to, or that is in ``_fixed_fields`` (any field, also one that forms show
      read-only), is set once. The same value again is no change. ``_loose_fields`` takes a field out, with a comment that says what holds instead.
    - **Targets are readable.** Whatever a relational field is set to, the user may read it: else its label would tell of
      other companies and areas. Wizards and forms that are being filled in (``onchange``) too.
    - **Access is checked again afterwards**, on the records as they have become.

    Models of Odoo that the suite extends take part with ``_guarded = True``; of those, only fields of the suite are evidence.
    All other models are held to the third promise where they point to a guarded model (see ``_guard_secret``).
    """

    _inherit = "base"

    _guarded = False
    _protected_fields = ()
    _fixed_fields = ()
    _loose_fields = ()

    # What is guarded

    @api.model
    def _guard_is_suite(self):
        return self._guarded or (type(self)._original_module or "").startswith("g2p_")

    @api.model
    @tools.ormcache("self._name")
    def _guard_spec(self):
        """The :class:`Guard` of this model, or None. Record rules are part of it: a change of rules clears the cache."""
        if self._abstract:
            return None
        suite = self._guard_is_suite()
        relations = {
            name: field.type
            for name, field in self._fields.items()
            if field.type in RELATIONAL
            and field.comodel_name not in OPEN_COMODELS
            and (
                suite
                or field.type in ("reference", "many2one_reference")
                or (field.comodel_name in self.env and self.env[field.comodel_name]._guard_is_suite())
            )
        }
        if not suite:
            return Guard(False, frozenset(), frozenset(), relations) if relations else None
        protected = {name for name in self._protected_fields if name in self._fields}
        if not self._transient:
            protected |= {
                name
                for name, field in self._fields.items()
                if field.store
                and field.readonly
                and name not in MAGIC_COLUMNS
                and name not in self._fixed_fields
                and (field._module or "").startswith("g2p_")
            }
        fixed = {*self._fixed_fields, *self._guard_parents()} - protected - {*self._loose_fields}
        return Guard(True, frozenset(protected), frozenset(fixed), relations)

    @api.model
    def _guard_parents(self):
        """Names of the many2ones of this model that carry access or ownership."""
        if self._transient or not self._auto:
            return set()
        parents = {*self._inherits.values()} if not self._guarded else set()
        for name, field in self._fields.items():
            if (
                field.type == "many2one"
                and field.store
                and field.required
                and field.ondelete == "cascade"
                and not (self._guarded and not (field._module or "").startswith("g2p_"))
            ):
                parents.add(name)
        for path in self._guard_rule_paths():
            name, _dot, rest = path.partition(".")
            field = self._fields.get(name)
            if rest and field and field.type == "many2one" and field.store:
                parents.add(name)
        return {name for name in parents if self._fields[name].comodel_name not in SHARED_COMODELS}

    @api.model
    def _guard_rule_paths(self):
        """The field paths that the record rules of this model ask about, whomever they are for."""
        # sudo: rules, read by model; nothing of them goes to the user
        rules = self.env["ir.rule"].sudo().search([("model_id.model", "=", self._name)])
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

    def _guard_secret(self):
        """The records of ``self`` that models outside the suite may name only to those who can read them."""
        return self

    # CRUD

    @api.model_create_multi
    def create(self, vals_list):
        guard = self._guard_spec()
        if guard is None or (self.env.su and not guard.is_suite):
            return super().create(vals_list)
        model = self._guard_without_defaults(guard)
        if self.env.su:
            # The code knows what it does; what defaults bring is checked all the same, see `_add_missing_default_values`.
            if own := model._guard_own_values(vals_list):
                vals_list = [given | vals for vals, given in zip(vals_list, own, strict=True)]
            return super(Base, model).create(vals_list).with_env(self.env)
        defaults = model._guard_relational_defaults(guard)
        if guard.protected:
            for vals in vals_list:
                model._guard_check_created(guard.protected & vals.keys(), vals)
        model._guard_check_targets(guard, [defaults | vals for vals in vals_list] if defaults else vals_list)
        if guard.is_suite and (own := model._guard_own_values(vals_list)):
            vals_list = [vals | given for vals, given in zip(vals_list, own, strict=True)]
        records = super(Base, model).create(vals_list)
        if guard.is_suite:
            records.check_access("create")
        return records.with_env(self.env)

    def write(self, vals):
        guard = None if self.env.su else self._guard_spec()
        if guard is None or not self or not vals:
            return super().write(vals)
        if touched := guard.protected & vals.keys():
            self._guard_refuse_protected(touched)
        if touched := guard.fixed & vals.keys():
            self._guard_check_fixed(touched, vals)
        self._guard_check_targets(guard, [vals])
        result = super().write(vals)
        if guard.is_suite:
            self.check_access("write")
        return result

    def copy_data(self, default=None):
        vals_list = super().copy_data(default)
        guard = None if self.env.su else self._guard_spec()
        if guard is None or not guard.protected:
            return vals_list
        evidence = guard.protected - (default or {}).keys()
        return [vals and {name: value for name, value in vals.items() if name not in evidence} for vals in vals_list]

    def onchange(self, values, field_names, fields_spec):
        guard = None if self.env.su else self._guard_spec()
        if guard is None:
            return super().onchange(values, field_names, fields_spec)
        model = self._guard_without_defaults(guard)
        if not field_names:
            # Also what a model's `default_get` takes from the context, such as the active record.
            names = [name for name in fields_spec if name in guard.relations and name not in values]
            model._guard_check_form(guard, model.default_get(names) | model._guard_relational_defaults(guard) | values)
        else:
            model._guard_check_form(guard, values)
        return super(Base, model).onchange(values, field_names, fields_spec)

    # Evidence

    def _guard_without_defaults(self, guard):
        """This model without the values for evidence that the caller's context holds."""
        context = self.env.context
        forged = {
            key for key in context if key.startswith("default_") and key.removeprefix("default_") in guard.protected
        }
        if not forged:
            return self
        return self.with_env(self.env(context={key: value for key, value in context.items() if key not in forged}))

    def _add_missing_default_values(self, values):
        vals = super()._add_missing_default_values(values)
        guard = self._guard_spec()
        if guard is None or not guard.is_suite:
            return vals
        if self.env.uid != SUPERUSER_ID:
            # Also what a model's `default_get` takes from the context, such as the active record.
            added = {name: vals[name] for name in guard.relations.keys() - values.keys() if vals.get(name)}
            self.sudo(False)._guard_check_targets(guard, [added])
        # Defaults that users may set for themselves (ir.default) are no source of evidence; the model's own is.
        stored = self.env["ir.default"]._get_model_defaults(self._name)
        for name in (guard.protected & stored.keys()) - values.keys():
            field = self._fields[name]
            if field.default:
                vals[name] = field.default(self)
            else:
                vals.pop(name, None)
        return vals

    @api.model
    def _guard_own_values(self, vals_list):
        """What the model itself writes down about new records (who, when, which number), one dict for each of
        ``vals_list``, or None: the only way, beside a field's default, for a protected field to be set by a creation."""
        return

    def _guard_check_created(self, names, vals):
        for name in names:
            field = self._fields[name]
            default = field.default(self) if field.default else False
            if (vals[name] or False) != (default or False):
                self._guard_refuse_protected([name])

    def _guard_refuse_protected(self, names):
        raise AccessError(
            self.env._(
                "%(fields)s of %(model)s can't be edited. Use the buttons of the form, which check what is allowed.",
                fields=self._guard_labels(names),
                model=self._description,
            )
        )

    def _guard_labels(self, names):
        return ", ".join(self._fields[name]._description_string(self.env) for name in sorted(names))

    # Parents

    def _guard_check_fixed(self, names, vals):
        self.check_access("write")
        # sudo: what is there is compared, and told to nobody
        for record in self.sudo():
            changed = [
                name
                for name in names
                if (current := self._fields[name].convert_to_write(record[name], record))
                and current != (self._guard_plain(self._fields[name], vals[name]) or False)
            ]
            if changed:
                raise AccessError(
                    self.env._(
                        "%(fields)s of %(model)s can't be changed: it is chosen once. "
                        "Make a new record in the right place, and close or delete this one.",
                        fields=self._guard_labels(changed),
                        model=self._description,
                    )
                )

    @api.model
    def _guard_plain(self, field, value):
        """A written value as the database would hold it: of a many2one the id, whatever it was given as."""
        if field.type != "many2one":
            return value
        return next(iter(self._guard_ids("many2one", value)), False)

    # Targets

    @api.model
    def _guard_relational_defaults(self, guard):
        """{name: value} of the relational fields that the caller's context or user-defined defaults would fill."""
        stored = self.env["ir.default"]._get_model_defaults(self._name)
        defaults = {name: stored[name] for name in guard.relations.keys() & stored.keys()}
        for key, value in self.env.context.items():
            if key.startswith("default_") and (name := key.removeprefix("default_")) in guard.relations:
                defaults[name] = value
        return {name: value for name, value in defaults.items() if value and name not in guard.protected}

    @api.model
    def _guard_ids(self, kind, value):
        """Ids of existing records that a written value names."""
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

    def _guard_targets(self, guard, vals_list):
        """{(comodel, field): ids} that the values name, those in the lines of forms included."""
        targets = defaultdict(set)
        for vals in vals_list:
            for name in guard.relations.keys() & vals.keys():
                value = vals[name]
                if not value:
                    continue
                kind = guard.relations[name]
                field = self._fields[name]
                if kind == "reference":
                    if isinstance(value, models.BaseModel):
                        targets[value._name, name].update(value.ids)
                    else:
                        comodel, _comma, res_id = str(value).partition(",")
                        if comodel in self.env and res_id.strip().isdigit():
                            targets[comodel, name].add(int(res_id))
                elif kind == "many2one_reference":
                    # sudo: the name of a model, of records that are being written
                    given = [vals[field.model_field]] if field.model_field in vals else []
                    for comodel in {*given} or {*self.sudo().mapped(field.model_field)}:
                        if comodel and comodel in self.env:
                            targets[comodel, name].update(self._guard_ids(kind, value))
                else:
                    targets[field.comodel_name, name].update(self._guard_ids(kind, value))
        return targets

    def _guard_check_targets(self, guard, vals_list):
        """Refuse targets that the user can't read, unless they were there before."""
        by_comodel = defaultdict(set)
        targets = self._guard_targets(guard, vals_list)
        for (comodel, _name), ids in targets.items():
            by_comodel[comodel] |= ids
        for comodel, ids in by_comodel.items():
            records = self.env[comodel].browse(ids)
            forbidden = records - records._filtered_access("read")
            if forbidden and not guard.is_suite:
                forbidden &= forbidden._guard_secret() if forbidden._guard_is_suite() else forbidden.browse()
            if not forbidden:
                continue
            for (named, name), named_ids in targets.items():
                if named == comodel and (wrong := named_ids & {*forbidden.ids}) and not self._guard_holds(name, wrong):
                    raise AccessError(
                        self.env._(
                            "%(field)s of %(model)s: what was given is out of your reach, or isn't there. "
                            "Choose a record that you can see.",
                            field=self._guard_labels([name]),
                            model=self._description,
                        )
                    )

    def _guard_check_form(self, guard, values):
        """As :meth:`_guard_check_targets`, for values that are not written yet, with those of the lines in them."""
        self._guard_check_targets(guard, [values])
        for name in guard.relations.keys() & values.keys():
            if guard.relations[name] not in ("one2many", "many2many"):
                continue
            comodel = self.env[self._fields[name].comodel_name]
            line_guard = comodel._guard_spec()
            for command in values[name] or () if line_guard else ():
                if isinstance(command, tuple | list) and command[0] in (Command.CREATE, Command.UPDATE):
                    known = isinstance(command[1], int) and command[1]
                    comodel.browse(known or ())._guard_check_form(line_guard, command[2] or {})

    def _guard_holds(self, name, ids):
        """Whether each record of ``self`` names ``ids`` already: keeping what is there is no choice."""
        # sudo: what is there is compared, and told to nobody
        kind = self._fields[name].type
        return bool(self) and all(
            ids <= {*(record[name].ids if kind != "many2one_reference" else [record[name]])} for record in self.sudo()
        )
