from odoo import api, models
from odoo.exceptions import AccessError


class SharedMixin(models.AbstractModel):
    """Configuration of one company, or of all where it names none. What is of all companies is changed by administrators, and by
    who works for all of them: nobody else says what others are asked, or how they pay."""

    _name = "g2p.shared.mixin"
    _description = "Configuration of a company or of all"

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

    def _check_everybodys(self):
        """Refuse records of all companies to who works for some."""
        user = self.env.user
        if self.env.su or user.has_group("g2p_registry_base.group_g2p_admin"):
            return
        # sudo: whether there are companies that the user does not work for; which of these are shared
        if self.sudo().filtered(lambda record: not record.company_id) and self.env["res.company"].sudo().search_count(
            [("id", "not in", user.company_ids.ids)], limit=1
        ):
            raise AccessError(
                self.env._(
                    "This is used by all companies: an administrator changes it, or makes one for your company alone (%s).",
                    self._description,
                )
            )
