"""What is Odoo's own and decides all the same: settings of the suite, defaults, and who holds which role."""

from odoo import models


class IrConfigParameter(models.Model):
    _name = "ir.config_parameter"
    _inherit = ["ir.config_parameter", "g2p.change.mixin"]

    _changes_where = "row.key LIKE 'g2p%'"
    _secret_fields = ("value",)
    _secret_where = "row.key ~* 'secret|password|token|private|credential'"


class IrDefault(models.Model):
    """A default that a user saves for a field is a setting too."""

    _name = "ir.default"
    _inherit = ["ir.default", "g2p.change.mixin"]

    _changes_where = (
        "EXISTS (SELECT FROM ir_model_fields AS field WHERE field.id = row.field_id AND field.model LIKE 'g2p.%')"
    )


class ResUsers(models.Model):
    _name = "res.users"
    _inherit = ["res.users", "g2p.change.mixin"]

    _watched_fields = ("login", "active", "company_id", "company_ids", "group_ids")
    _watched_create = True


class ResGroups(models.Model):
    _name = "res.groups"
    _inherit = ["res.groups", "g2p.change.mixin"]

    _watched_fields = ("name", "implied_ids")
    _watched_create = True
