from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.g2p_bulk.tools.blanks import same_name


class GroupMembershipKind(models.Model):
    """A role of a member in a group. A unique one has at most one holder in a group at a time."""

    _name = "g2p.group.membership.kind"
    _inherit = ["g2p.change.mixin"]
    _description = "Group Membership Kind"
    _order = "name, id"

    _name_unique = models.UniqueIndex(same_name("name"), "A membership kind with this name exists already.")

    name = fields.Char(required=True)
    is_unique = fields.Boolean(string="Only one per group")

    def write(self, vals):
        self._refuse_when_shipped()
        result = super().write(vals)
        if "is_unique" in vals:
            # the trigger on this table settles who holds the role, and refuses a second holder
            self.flush_recordset(["is_unique"])
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_shipped(self):
        self._refuse_when_shipped()

    def _refuse_when_shipped(self):
        """Programs rely on the kinds that come with the registry, so only an update of the registry changes them."""
        if self.env.context.get("install_mode") or self.env.context.get("module") == "g2p_registry_base":
            return
        shipped = (
            self.env["ir.model.data"]
            .sudo()
            .search(  # sudo: external ids are not readable by all roles
                [("module", "=", "g2p_registry_base"), ("model", "=", self._name), ("res_id", "in", self.ids)]
            )
        )
        if shipped:
            names = ", ".join(self.browse(shipped.mapped("res_id")).mapped("name"))
            raise UserError(self.env._("%s comes with the registry and can't be changed or deleted.", names))
