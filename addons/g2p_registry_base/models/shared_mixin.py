from odoo import api, models
from odoo.exceptions import AccessError

from odoo.addons.g2p_bulk.tools import roles


class SharedMixin(models.AbstractModel):
    """Configuration of one company, or of all where it names none. What is of all companies is changed by administrators,
    however many companies there are: nobody else says what others are asked, or how they pay. What others make is of their own
    company."""

    _name = "g2p.shared.mixin"
    _description = "Configuration of a company or of all"

    @api.model
    def default_get(self, fields_list):
        values = super().default_get(fields_list)
        if "company_id" in fields_list and not values.get("company_id") and not self._changes_everybodys():
            values["company_id"] = self.env.company.id
        return values

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        records._check_everybodys()
        return records

    def write(self, vals):
        self._check_everybodys()
        result = super().write(vals)
        if "company_id" in vals:
            self._check_everybodys()
        return result

    def unlink(self):
        self._check_everybodys()
        return super().unlink()

    def _check_access(self, operation):
        """Who asks beforehand whether they may change these (a form does, before it offers it) hears what a change would."""
        refused = super()._check_access(operation)
        if refused is None and operation in ("write", "unlink"):
            try:
                self._check_everybodys()
            except AccessError as refusal:
                error = refusal
                return self, lambda: error
        return refused

    @api.model
    def _changes_everybodys(self):
        return roles.may(self.env, "g2p_registry_base.group_g2p_admin")

    def _check_everybodys(self):
        """Refuse records of all companies to everybody but administrators."""
        # sudo: which of these are shared; nothing is shown
        if not self._changes_everybodys() and self.sudo().filtered(lambda record: not record.company_id):
            raise AccessError(
                self.env._(
                    "This is used by all companies: an administrator changes it, or makes one for your company alone (%s).",
                    self._description,
                )
            )
