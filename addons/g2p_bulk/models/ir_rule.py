from odoo import api, models
from odoo.exceptions import AccessError


class IrRule(models.Model):
    """Odoo names the records that somebody may not see in the refusal itself, when the session is in debug mode."""

    _inherit = "ir.rule"

    @api.model
    def _make_access_error(self, operation, records):
        error = super()._make_access_error(operation, records)
        if not records._guard_is_suite():
            return error
        operations = {
            "read": self.env._("read"),
            "write": self.env._("change"),
            "create": self.env._("create"),
            "unlink": self.env._("delete"),
        }
        refusal = AccessError(
            self.env._(
                "You may not %(operation)s this: %(model)s of another company, area or person. "
                "Switch the company if it is one of yours, or ask an administrator.",
                operation=operations[operation],
                model=records._description,
            )
        )
        if context := getattr(error, "context", None):
            refusal.context = context
        return refusal
