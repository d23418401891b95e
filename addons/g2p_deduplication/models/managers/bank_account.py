from odoo import api, models
from odoo.tools import SQL


class DeduplicationManager(models.Model):
    _inherit = "g2p.deduplication.manager"

    @api.model
    def _selection_manager_ref_id(self):
        return [
            *super()._selection_manager_ref_id(),
            ("g2p.deduplication.manager.bank_account", self.env._("Bank account or wallet")),
            ("g2p.deduplication.manager.fuzzy", self.env._("Similar name and date of birth")),
        ]


class BankAccountDeduplicationManager(models.Model):
    """The same account in use: the number without spaces and signs, and the provider for a mobile wallet. The bank is
    part of it only where both accounts name one: many are registered without."""

    _name = "g2p.deduplication.manager.bank_account"
    _description = "Deduplication by bank account"
    _inherit = "g2p.base.deduplication.manager"
    _only_a_sign = True

    def _collision_keys(self, people):
        return SQL(
            """
            SELECT account.account_type || ':' || account.sanitized_acc_number || ':'
                   || CASE WHEN account.account_type = 'mobile_wallet' THEN lower(COALESCE(account.provider, '')) ELSE '' END
                   AS key,
                   people.registrant_id, NULL::text AS evidence
              FROM (%s) AS people
              JOIN res_partner_bank AS account ON account.partner_id = people.partner_id
             WHERE account.active AND account.sanitized_acc_number ~ '[[:alnum:]]'
            """,
            people,
        )

    def _looks_at(self):
        return self.env._("account")

    def _reason(self):
        return self.env._("The same bank account")
