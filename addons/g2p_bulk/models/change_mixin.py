import contextlib

from lxml import etree

from odoo import api, models

from ..tools import changes


class ChangeMixin(models.AbstractModel):
    """A model whose changes are on record, whoever makes them and by whatever way: a trigger writes them.

    One line is enough: ``_inherit = ["g2p.change.mixin"]`` watches every stored field that people set. Big tables name theirs.
    """

    _name = "g2p.change.mixin"
    _description = "Changes on Record"

    # Names of the fields that are watched. None: every stored field that isn't computed. What classes that extend the
    # model name is added, so a plug-in names its own fields only.
    _watched_fields = None
    # {field: why its changes needn't be on record}
    _unwatched_fields = {}
    # Fields of which only a digest is kept. Binary fields are always kept so.
    _secret_fields = ()
    # SQL over "row": only then. None: always.
    _secret_where = None
    # Whether new records are on record too: by default where all fields are watched. Never for what is imported in millions.
    _watched_create = None
    # The way to the record on which changes are shown and by which they are read: "partner_id", "manager_id.program_id".
    # The first step is the parent. None: the record itself.
    _changes_on = None
    # The way to another record that shows the change too; by default the first step of _changes_on.
    _changes_parent = None
    # A trigger by row, which statements that set no watched column do not wake: for few watched fields of a table that steps
    # update by the million.
    _watched_by_row = False
    # SQL over "row", the row that changes: only such rows are watched ("row.is_registrant").
    _changes_where = None
    # Whether rows of this model are people, whom areas hide from some of those who see all changes.
    _changes_personal = False

    @api.model
    def _watched(self):
        """The watched fields, as fields of this model that have a column or a relation table."""
        declared = [
            vars(base)["_watched_fields"]
            for base in type(self).__mro__
            if vars(base).get("_watched_fields") is not None
        ]
        if declared:
            return [self._fields[name] for name in sorted({name for names in declared for name in names})]
        unwatched = self._all_unwatched()
        return [
            field
            for name, field in sorted(self._fields.items())
            if name not in unwatched and changes.is_business(field)
        ]

    @api.model
    def _all_unwatched(self):
        # What nobody can write is moved by buttons and steps, which keep a history of their own.
        reasons = dict.fromkeys(getattr(self, "_protected_fields", ()), "moved by buttons and steps")
        for base in reversed(type(self).__mro__):
            reasons.update(vars(base).get("_unwatched_fields") or {})
        return reasons

    @api.model
    def _watches_create(self):
        if self._watched_create is not None:
            return self._watched_create
        return not any(vars(base).get("_watched_fields") is not None for base in type(self).__mro__)

    @api.model
    def _changes_owner_model(self):
        return self._changes_end(self._changes_on)

    @api.model
    def _changes_parent_path(self):
        """The way to the record that shows the change beside its owner, or None."""
        if self._changes_parent:
            return self._changes_parent
        first, _dot, rest = (self._changes_on or "").partition(".")
        return first if rest else None

    @api.model
    def _changes_end(self, path):
        """The name of the model at the end of a path of many2one fields."""
        model = self
        for name in path.split(".") if path else ():
            model = self.env[model._fields[name].comodel_name]
        return model._name

    # CRUD: updates say who by write_uid; for deletions and links the trigger reads a setting of the transaction

    @api.model_create_multi
    def create(self, vals_list):
        names = {name for vals in vals_list for name in vals}
        with self._changes_said(names):
            return super().create(vals_list)

    def write(self, vals):
        with self._changes_said(vals):
            return super().write(vals)

    def unlink(self):
        with self.env["g2p.change.history"]._because(self.env.context.get("g2p_reason")):
            return super().unlink()

    def _changes_said(self, names):
        """Tell the triggers who and why, where a row itself can't: links of many2many fields, and a reason in the context."""
        history = self.env["g2p.change.history"]
        reason = self.env.context.get("g2p_reason")
        links = {
            self._fields[name].relation
            for name in names
            if name in self._fields and self._fields[name].type == "many2many"
        }
        if reason or links & history._watched_relations():
            return history._because(reason)
        return contextlib.nullcontext()

    # Screens

    @api.model
    def _get_view(self, view_id=None, view_type="form", **options):
        """Each form of a watched model has the button; nobody has to think of it."""
        arch, view = super()._get_view(view_id, view_type, **options)
        if view_type == "form" and not self._transient and (sheet := arch.find(".//sheet")) is not None:
            box = sheet.find("./div[@name='button_box']")
            if box is None:
                box = etree.Element("div", {"name": "button_box", "class": "oe_button_box"})
                sheet.insert(0, box)
            if box.find("./button[@name='action_view_changes']") is None:
                etree.SubElement(
                    box,
                    "button",
                    {
                        "name": "action_view_changes",
                        "type": "object",
                        "class": "oe_stat_button",
                        "icon": "fa-history",
                        "string": self.env._("Changes"),
                        "groups": "g2p_bulk.group_g2p_bulk_user",
                        "invisible": "not id",
                    },
                )
        return arch, view

    # Actions

    def _change_records(self):
        """Recordsets whose changes, with all that belongs to them, are shown as those of ``self``."""
        return [self]

    def action_view_changes(self):
        """The changes of these records and of what belongs to them: accounts of a registrant, rules of a program."""
        self.check_access("read")
        domain = self.env["g2p.change.history"]._about(self._change_records())
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Changes"),
            "res_model": "g2p.change.history",
            "view_mode": "list",
            "domain": list(domain),
        }
