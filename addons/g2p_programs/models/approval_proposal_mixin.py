from odoo import models

from ..tools.explain import DomainExplanation


class ApprovalProposalMixin(models.AbstractModel):
    _inherit = "g2p.approval.proposal.mixin"

    def _proposal_words(self, name):
        """Conditions as people say them."""
        about = self._condition_fields() if "conditions_problem" in self._fields else {}
        if name not in about:
            return super()._proposal_words(name)
        model = self.env[self._condition_model(name)]
        return DomainExplanation(self._conditions(name), model, names_people=False).in_words()
