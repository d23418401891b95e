from odoo import api, fields, models, tools
from odoo.exceptions import UserError

from odoo.addons.g2p_bulk.tools.blanks import same_name


class GenderType(models.Model):
    """A choice of the field *gender*; registrants hold its value, people read its code."""

    _name = "gender.type"
    _inherit = ["g2p.change.mixin"]
    _description = "Gender Type"
    _order = "id"
    _rec_name = "code"

    _code_unique = models.UniqueIndex(same_name("code"), "A gender type with this code exists already.")
    _value_unique = models.UniqueIndex(same_name("value"), "A gender type with this value exists already.")

    code = fields.Char(required=True, help="What people read, such as “Female”.")
    value = fields.Char(required=True, help="What is stored and exchanged, such as “female”.")
    active = fields.Boolean(default=True)

    @api.model
    @tools.ormcache()
    def _selection(self):
        """(value, label) of every gender type; archived ones stay readable where they are in use."""
        self.flush_model()
        self.env.cr.execute("SELECT value, code, active FROM gender_type ORDER BY id")
        return [
            (value, code if active else self.env._("%s (archived)", code))
            for value, code, active in self.env.cr.fetchall()
        ]

    @api.model
    @tools.ormcache()
    def _values_by_name(self):
        """The value of each gender type in use, by its code and by itself, in lower case: as files may name it."""
        genders = self.search([("active", "=", True)])
        return {g.code.lower(): g.value for g in genders} | {g.value.lower(): g.value for g in genders}

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        self.env.registry.clear_cache()
        return records

    def write(self, vals):
        if "value" in vals:
            self.filtered(lambda gender: gender.value != vals["value"])._refuse_when_in_use()
        result = super().write(vals)
        self.env.registry.clear_cache()
        return result

    def unlink(self):
        result = super().unlink()
        self.env.registry.clear_cache()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_in_use(self):
        self._refuse_when_in_use()

    def _refuse_when_in_use(self):
        values = self.mapped("value")
        # sudo: whether anybody at all holds the value, not only those this user may see
        partners = self.env["res.partner"].sudo().with_context(active_test=False)
        if values and partners.search_count([("gender", "in", values)], limit=1):
            raise UserError(
                self.env._("Registrants hold this gender already, so its value can't change. Archive it instead.")
            )
