"""Which columns are personal, and who may take them along in an export.

An export is a copy that no rule follows any more. So what a role needs on the screen is not yet what it may carry away:
three kinds of personal data are granted one by one, by groups that roles imply.
"""

from odoo import api, models
from odoo.exceptions import AccessError

# kind → the group whose members may export it
GROUPS = {
    "contact": "g2p_registry_base.group_g2p_export_contact",
    "identity": "g2p_registry_base.group_g2p_export_identity",
    "account": "g2p_registry_base.group_g2p_export_account",
}


class Base(models.AbstractModel):
    _inherit = "base"

    # The kind of personal data that all of a model is, its label included.
    _personal_model = None
    # {field: kind}. A class that extends the model names its own fields only, they are added.
    _personal_fields = {}

    @api.model
    def _personal_kinds(self, path):
        """The kinds of personal data that an exported column holds: of each model and field on its way."""
        name, _slash, rest = path.partition("/")
        name = name.partition(".")[0] if not name.startswith(".") else name
        kinds = {self._personal_model} if self._personal_model else set()
        if name in ("id", ".id"):
            return set()  # a number names nobody
        for base in type(self).__mro__:
            if kind := (vars(base).get("_personal_fields") or {}).get(name):
                kinds.add(kind)
        if (field := self._fields.get(name)) is None:
            return kinds
        if field.related:
            kinds |= self._personal_kinds(field.related.replace(".", "/"))
        if field.relational:
            kinds |= self.env[field.comodel_name]._personal_kinds(rest or "display_name")
        return kinds

    def _check_export(self, fields_to_export):
        kinds = super()._check_export(fields_to_export)
        if self.env.su:
            return kinds
        refused = {}
        for path in fields_to_export:
            for kind in self._personal_kinds(path.replace(":id", "/id")):
                kinds.add(kind)
                if not self.env.user.has_group(GROUPS[kind]):
                    refused[path] = kind
        if refused:
            raise AccessError(
                self.env._(
                    "These columns hold personal data that your role does not export: %(columns)s. Leave them out, or ask "
                    "an administrator.",
                    columns=", ".join(sorted(refused)),
                )
            )
        return kinds
