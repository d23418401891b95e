import json

from odoo import SUPERUSER_ID, api, models, tools
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.http import request

from ..tools import blanks, bounds, guards, migration


class Base(models.AbstractModel):
    """What every model of the suite promises, without doing anything for it.

    In the database: a required name is not blank (`tools/blanks.py`), numbers and dates have bounds (`tools/bounds.py`).
    Every export is on record. And whoever creates or writes outside superuser mode, by whatever way the values come (RPC,
    import, commands of a parent, context, defaults, copy), is held to this (`tools/guards.py`):

    - **Evidence is not written.** A stored field that its model declares read-only, and every one in
      ``_protected_fields``, takes no value but its own default and what :meth:`_guard_own_values` gives. Steps and buttons
      write it as superuser.
    - **Parents are fixed.** A many2one that access goes through (the record rules say so), that owns the record (required,
      deleted with it), that the record delegates to, or that is in ``_fixed_fields`` (any field, also one that forms show
      read-only), is set once. The same value again is no change. ``_loose_fields`` takes a field out, with a comment that says what holds instead.
    - **Targets are readable.** Whatever a relational field is set to, the user may read it: else its label would tell of
      other companies and areas. Wizards and forms that are being filled in (``onchange``) too.
    - **Papers are one's own.** An attachment that a field is set to was brought by the user and belongs to nothing else:
      evidence is not moved to other readers.
    - **Access is checked again afterwards**, on the records as they have become.

    Models of Odoo that the suite extends take part with ``_guarded = True``; of those, only fields of the suite are evidence.
    All other models are held to the third promise where they point to a guarded model (see ``_guard_secret``).
    """

    _inherit = "base"

    _guarded = False
    _protected_fields = ()
    _fixed_fields = ()
    _loose_fields = ()

    # In the database

    def _auto_init(self):
        result = super()._auto_init()
        bounds.add(self)
        blanks.refuse(self.env.cr, self)
        return result

    @api.model
    def _load_records(self, data_list, update=False):
        """What an addon has taken over from another one stays as people have left it, although it is installed just now."""
        names = [data["xml_id"] for data in data_list if data.get("xml_id")]
        update = update or migration.is_taken_over(self.env.cr, self.env.context.get("install_module"), names)
        return super()._load_records(data_list, update)

    @api.model
    def _sql_error_to_message(self, exc):
        constraint = exc.diag.constraint_name
        return (
            blanks.message(self, constraint) or bounds.message(self, constraint) or super()._sql_error_to_message(exc)
        )

    # What is guarded

    @api.model
    def _guard_is_suite(self):
        return self._guarded or (type(self)._original_module or "").startswith("g2p_")

    @api.model
    @tools.ormcache("self._name")
    def _guard_spec(self):
        """The :class:`guards.Guard` of this model, or None. Record rules are part of it: a change of rules clears the
        cache."""
        return guards.specification(self)

    def _guard_secret(self):
        """The records of ``self`` that models outside the suite may name only to those who can read them."""
        return self

    @api.model
    def _guard_own_values(self, vals_list):
        """What the model itself writes down about new records (who, when, which number), one dict for each of
        ``vals_list``, or None: the only way, beside a field's default, for a protected field to be set by a creation."""
        return

    # CRUD

    @api.model_create_multi
    def create(self, vals_list):
        guard = self._guard_spec()
        if guard is None or (self.env.su and not guard.is_suite):
            return super().create(vals_list)
        model = guards.without_defaults(self, guard)
        if self.env.su:
            # The code knows what it does; what defaults bring is checked all the same, see `_add_missing_default_values`.
            if own := model._guard_own_values(vals_list):
                vals_list = [given | vals for vals, given in zip(vals_list, own, strict=True)]
            return super(Base, model).create(vals_list).with_env(self.env)
        defaults = guards.relational_defaults(model, guard)
        if guard.protected:
            for vals in vals_list:
                guards.check_created(model, guard.protected & vals.keys(), vals)
        guards.check_targets(model, guard, [defaults | vals for vals in vals_list] if defaults else vals_list)
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
            guards.refuse_protected(self, touched)
        if touched := guard.fixed & vals.keys():
            guards.check_fixed(self, touched, vals)
        guards.check_targets(self, guard, [vals])
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
        model = guards.without_defaults(self, guard)
        if not field_names:
            # Also what a model's `default_get` takes from the context, such as the active record.
            names = [name for name in fields_spec if name in guard.relations and name not in values]
            guards.check_form(
                model, guard, model.default_get(names) | guards.relational_defaults(model, guard) | values
            )
        else:
            guards.check_form(model, guard, values)
        return super(Base, model).onchange(values, field_names, fields_spec)

    def _add_missing_default_values(self, values):
        vals = super()._add_missing_default_values(values)
        guard = self._guard_spec()
        if guard is None or not guard.is_suite:
            return vals
        if self.env.uid != SUPERUSER_ID:
            # Also what a model's `default_get` takes from the context, such as the active record.
            added = {name: vals[name] for name in guard.relations.keys() - values.keys() if vals.get(name)}
            guards.check_targets(self.sudo(False), guard, [added])
        # Defaults that users may set for themselves (ir.default) are no source of evidence; the model's own is.
        stored = self.env["ir.default"]._get_model_defaults(self._name)
        for name in (guard.protected & stored.keys()) - values.keys():
            field = self._fields[name]
            if field.default:
                vals[name] = field.default(self)
            else:
                vals.pop(name, None)
        return vals

    # Search

    @api.model
    def _search(self, domain, *args, **kwargs):
        """Whoever asks for what can't be searched (an operator that the field has no answer to, a value of another kind) is told so in
        a sentence."""
        try:
            return super()._search(domain, *args, **kwargs)
        except (ValueError, TypeError, OverflowError, NotImplementedError, AssertionError) as error:
            if self.env.su or not self._guard_is_suite():
                raise
            raise UserError(
                self.env._(
                    "%(model)s can't be searched this way: %(why)s",
                    model=self._description,
                    why=str(error) or self.env._("the field has no such comparison."),
                )
            ) from error

    @api.model
    def _search_display_name(self, operator, value):
        """What has no name is found by none: of a model without one, Odoo would return every record, whatever was typed."""
        if not self._guard_is_suite() or self._rec_names_search or self._rec_name:
            return super()._search_display_name(operator, value)
        if operator.endswith("like") and not value:
            return Domain.FALSE if operator in Domain.NEGATIVE_OPERATORS else Domain.TRUE
        raise UserError(
            self.env._("%s: these have no name to be found by. Filter them by their fields.", self._description)
        )

    # Exports

    def export_data(self, fields_to_export):
        """Every export of a list comes by here: the web client's as CSV and as XLSX, and a script's."""
        personal = self._check_export(fields_to_export)
        result = super().export_data(fields_to_export)
        self.env["g2p.export.log"]._note(
            self._name,
            len(self),
            columns=fields_to_export,
            domain=self._exported_domain(),
            personal=personal,
        )
        return result

    def _check_export(self, fields_to_export):
        """Refuse columns that the user may not take along. Returns the kinds of personal data among the others."""
        return set()

    def _exported_domain(self):
        """The filter that the web client exported by; for rows that were picked, their numbers."""
        if request and request.httprequest.path.startswith("/web/export/"):
            params = json.loads(request.params.get("data") or "{}")
            if not params.get("ids"):
                return params.get("domain")
        return [["id", "in", self.ids[:1000]]]
