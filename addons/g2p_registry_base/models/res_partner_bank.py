from contextlib import suppress

import schwifty

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL


class ResPartnerBank(models.Model):
    """An account a registrant is paid on: at a bank, or a mobile wallet."""

    _inherit = "res.partner.bank"
    _guarded = True

    _primary_once = models.UniqueIndex(
        "(partner_id) WHERE is_primary AND active", "A registrant has one primary account."
    )
    _sanitized_idx = models.Index("(sanitized_acc_number)")
    _type_latest = models.Index("(account_type, id)")

    account_type = fields.Selection(
        [("bank", "Bank account"), ("mobile_wallet", "Mobile wallet")],
        string="Account type",
        default="bank",
        required=True,
    )
    provider = fields.Char(help="Who keeps the wallet, such as M-Pesa.")
    is_primary = fields.Boolean(
        string="Primary", copy=False, help="The account payments go to. The first account is primary by itself."
    )
    iban = fields.Char(string="IBAN", compute="_compute_iban", help="Where the bank's country has IBANs.")

    @api.depends("acc_number", "account_type", "clearing_number", "bank_id.bic", "bank_id.country")
    def _compute_iban(self):
        for account in self:
            account.iban = account.account_type == "bank" and account._as_iban()

    def _as_iban(self):
        """The account number as IBAN, or False: not every country, bank code or number makes one."""
        self.ensure_one()
        number = (self.acc_number or "").replace(" ", "")
        with suppress(ValueError):
            return str(schwifty.IBAN(number))
        try:
            bic = schwifty.BIC(self.bank_id.bic or "")
            # a BIC that stands for several bank codes tells no IBAN; the clearing number then must
            codes = [self.clearing_number] if self.clearing_number else bic.domestic_bank_codes or [bic.bank_code]
            if len(codes) != 1 or not number:
                return False
            country = self.bank_id.country.code or bic.country_code
            return str(schwifty.IBAN.generate(country, bank_code=codes[0], account_code=number))
        except (ValueError, LookupError, TypeError):
            return False

    @api.constrains("account_type", "provider", "bank_id")
    def _check_account_type(self):
        for account in self:
            if account.account_type == "mobile_wallet" and account.bank_id:
                raise ValidationError(
                    self.env._("%s is a mobile wallet: it has a provider, not a bank.", account.acc_number)
                )

    def _guard_secret(self):
        # sudo: whose account it is decides who may name it
        return self.sudo().filtered("partner_id.is_registrant").sudo(False)

    @api.model_create_multi
    def create(self, vals_list):
        accounts = super().create([{**vals, "is_primary": False} for vals in vals_list])
        wanted = self.browse(
            account.id for account, vals in zip(accounts, vals_list, strict=True) if vals.get("is_primary")
        )
        accounts._settle_primary(wanted)
        return accounts

    def write(self, vals):
        if not vals.keys() & {"is_primary", "active", "partner_id"}:
            return super().write(vals)
        partners = self.partner_id
        wanted = self.browse()
        if vals.get("is_primary"):
            wanted = self
            vals = {key: value for key, value in vals.items() if key != "is_primary"}
        if "partner_id" in vals or vals.get("active") is False:
            vals = {**vals, "is_primary": False}
        result = super().write(vals) if vals else True
        (self | partners.with_context(active_test=False).bank_ids)._settle_primary(wanted)
        return result

    def _settle_primary(self, wanted):
        """Each registrant of `self` ends with one primary account: the last of `wanted`, else the one it had, else the
        first. Two statements, whatever the number of accounts."""
        self.flush_model()
        chosen = SQL(
            """
            WITH registrant AS MATERIALIZED (
                SELECT DISTINCT account.partner_id
                FROM unnest(%s::integer[]) AS changed (id)
                JOIN res_partner_bank account ON account.id = changed.id
                JOIN res_partner partner ON partner.id = account.partner_id AND partner.is_registrant
            ), chosen AS MATERIALIZED (
                SELECT DISTINCT ON (account.partner_id) account.partner_id, account.id
                FROM registrant
                JOIN res_partner_bank account ON account.partner_id = registrant.partner_id AND account.active
                LEFT JOIN unnest(%s::integer[]) AS wanted (id) ON wanted.id = account.id
                ORDER BY account.partner_id, wanted.id DESC NULLS LAST, COALESCE(account.is_primary, FALSE) DESC,
                    account.sequence, account.id
            )
            """,
            self.ids,
            wanted.ids,
        )
        # first the old ones go, then the new ones come: the unique index is checked row by row
        self.env.cr.execute(
            SQL(
                """
                %s
                UPDATE res_partner_bank account
                SET is_primary = FALSE
                FROM chosen
                WHERE account.partner_id = chosen.partner_id AND account.id <> chosen.id AND account.is_primary
                """,
                chosen,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                %s
                UPDATE res_partner_bank account
                SET is_primary = TRUE
                FROM chosen
                WHERE account.id = chosen.id AND account.is_primary IS NOT TRUE
                """,
                chosen,
            )
        )
        self.invalidate_model(["is_primary"], flush=False)
