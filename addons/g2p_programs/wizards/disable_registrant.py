from odoo import models
from odoo.tools.misc import formatLang


class DisableRegistrantWizard(models.TransientModel):
    """Says what money is due to who is disabled, or on its way to them."""

    _inherit = "g2p.disable.registrant.wizard"

    def _consequences(self, partners):
        # sudo: who may disable these people (checked before) decides about their money, and must know that
        entitlements = self.env["g2p.entitlement"].sudo()
        rows = entitlements._read_group(
            [
                ("partner_id", "in", partners.ids),
                ("state", "in", ("draft", "pending_validation", "approved", "trans2FSP")),
            ],
            ["state", "is_cash_entitlement", "currency_id"],
            ["__count", "initial_amount:sum", "transfer_fee:sum"],
        )

        def told(*states):
            """How many entitlements these are, and what reaches the beneficiary, in each currency."""
            count, amounts = 0, {}
            for state, is_cash, currency, number, amount, fee in rows:
                if state in states:
                    count += number
                    if is_cash:
                        amounts[currency] = amounts.get(currency, 0) + amount - fee
            words = ", ".join(
                formatLang(self.env, amount, currency_obj=currency) for currency, amount in amounts.items()
            )
            return f"{count} ({words})" if words else str(count) if count else ""

        sentences = super()._consequences(partners)
        if waiting := told("draft", "pending_validation"):
            sentences.append(
                self.env._("Entitlements that aren't approved yet: %s. They are left out while disabled.", waiting)
            )
        if due := told("approved"):
            sentences.append(
                self.env._("Approved and not sent yet: %s. It is held until the registrant is enabled again.", due)
            )
        if sent := told("trans2FSP"):
            sentences.append(
                self.env._(
                    "On its way: %s. Disabling doesn't call it back: tell finance if it must not be paid.",
                    sent,
                )
            )
        return sentences
