from odoo import models


class DefaultEligibilityManager(models.Model):
    """Registrants that match a domain."""

    _name = "g2p.program_membership.manager.default"
    _description = "Eligibility by conditions"
    _inherit = "g2p.program_membership.manager"

    _reason_code = "conditions"
