from odoo import api, models

from ..tools.kleene import three_valued

PROGRAMS = {
    "res.partner": {"program_membership_ids", "entitlement_ids"},
    "g2p.program_membership": {
        "id",
        "program_id",
        "state",
        "eligibility_verdict",
        "enrollment_date",
        "exit_date",
    },
    "g2p.program": {"id", "display_name", "name", "state", "target_type"},
    "g2p.cycle": {"id", "display_name", "name", "sequence", "state", "start_date", "end_date"},
    "g2p.entitlement": {
        "id",
        "partner_id",
        "program_id",
        "cycle_id",
        "benefit_code_id",
        "state",
        "is_cash_entitlement",
        "initial_amount",
        "transfer_fee",
        "currency_id",
        "valid_from",
        "valid_until",
    },
    "g2p.benefit.codes": {"id", "display_name", "benefit_mnemonic", "benefit_description", "benefit_type"},
    "res.currency": {"id", "display_name", "name"},
}


class ConditionCatalogue(models.AbstractModel):
    """Programs a registrant is in, and what is due to them."""

    _inherit = "g2p.condition.catalogue"

    @api.model
    def _names(self):
        names = super()._names()
        for model, known in PROGRAMS.items():
            names[model] = names.get(model, set()) | known
        return names


class ConditionMixin(models.AbstractModel):
    """Conditions of programs are three-valued: what can't be is refused when it is written, not when it is needed."""

    _inherit = "g2p.condition.mixin"

    def _take_apart(self, domain, model):
        three_valued(domain, self.env[model].sudo())  # sudo: nothing is read, the domain is only taken apart
        return super()._take_apart(domain, model)
