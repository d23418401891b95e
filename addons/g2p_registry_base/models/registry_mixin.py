from odoo import fields, models


class RegistryMixin(models.AbstractModel):
    """A registry of its own kind: farmers, students, workers … Each of its records belongs to one registrant.

    A module adds a registry by one model that inherits this one, with its fields, its access lines and its views.
    Eligibility rules may then ask about it: they are conditions on the model, evaluated to sets of registrants.
    """

    _name = "g2p.registry.mixin"
    _description = "Registry"

    registrant_id = fields.Many2one(
        "res.partner",
        required=True,
        index=True,
        ondelete="cascade",
        domain=[("is_registrant", "=", True)],
    )
