from contextlib import suppress

import schwifty

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

from odoo.addons.base.models.res_bank import sanitize_account_number

# What says where money goes and to whom.
PAYEE_FIELDS = (
    "partner_id",
    "acc_number",
    "acc_holder_name",
    "account_type",
    "provider",
    "bank_id",
    "clearing_number",
)

REASONED = (*PAYEE_FIELDS, "active", "is_primary")  # what nobody changes without saying why

# Since when an account is what it is, and by whom, is said by the database: whoever writes it, by whatever way, and nobody
# can say otherwise. An account that becomes the primary one, or active again, changes for who is paid.
CHANGED = """
CREATE OR REPLACE FUNCTION g2p_account_changed() RETURNS trigger AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NOT (
        (OLD.partner_id, OLD.acc_number, OLD.acc_holder_name, OLD.account_type, OLD.provider, OLD.bank_id, OLD.clearing_number)
        IS DISTINCT FROM
        (NEW.partner_id, NEW.acc_number, NEW.acc_holder_name, NEW.account_type, NEW.provider, NEW.bank_id, NEW.clearing_number)
        OR NEW.is_primary AND OLD.is_primary IS NOT TRUE
        OR NEW.active AND OLD.active IS NOT TRUE
    ) THEN
        NEW.changed_at := OLD.changed_at;
        NEW.changed_by := OLD.changed_by;
    ELSE
        -- the clock, not the start of the transaction: a change that was long in coming is still the later one
        NEW.changed_at := clock_timestamp() AT TIME ZONE 'UTC';
        NEW.changed_by := CASE
            WHEN TG_OP = 'INSERT' THEN NEW.create_uid
            WHEN NEW.write_date IS DISTINCT FROM OLD.write_date OR NEW.write_date = now() AT TIME ZONE 'UTC' THEN NEW.write_uid
            ELSE nullif(current_setting('g2p.user_id', true), '')::integer
        END;
    END IF;
    RETURN NEW;
END $$ LANGUAGE plpgsql;

CREATE OR REPLACE TRIGGER g2p_account_changed BEFORE INSERT OR UPDATE ON res_partner_bank
    FOR EACH ROW EXECUTE FUNCTION g2p_account_changed();
"""


class ResPartnerBank(models.Model):
    """An account a registrant is paid on: at a bank, or a mobile wallet."""

    _name = "res.partner.bank"
    _inherit = ["res.partner.bank", "g2p.change.mixin", "g2p.search.mixin"]
    _guarded = True
    _changes_on = "partner_id"
    _watched_fields = REASONED
    _personal_model = "account"

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
    changed_at = fields.Datetime(
        "As it is since",
        readonly=True,
        copy=False,
        help="When number, holder, bank or provider last changed, or when it became the account in force.",
    )
    changed_by = fields.Many2one("res.users", "Changed by", readonly=True, copy=False)
    needs_reason = fields.Boolean(compute="_compute_needs_reason")
    change_reason = fields.Char(
        "Why it changes",
        compute="_compute_change_reason",
        readonly=False,
        exportable=False,
        help="Kept with the change.",
    )
    iban = fields.Char(string="IBAN", compute="_compute_iban", help="Where the bank's country has IBANs.")

    def init(self):
        self.env.cr.execute(CHANGED)
        return super().init()

    @api.depends(*PAYEE_FIELDS, "active", "is_primary")
    def _compute_needs_reason(self):
        for account in self:
            account.needs_reason = account._moves_money({name: account[name] for name in REASONED})

    def _compute_change_reason(self):
        """A reason belongs to one change: it is asked anew."""
        self.change_reason = False

    def _moves_money(self, vals):
        """Whether `vals` change where money of a registrant goes: an account that is there, or another one in its place."""
        known = self._origin
        partner = (known or self).partner_id._origin
        if not partner.is_registrant:
            return False
        if vals.get("is_primary") and not known.is_primary and (partner.bank_ids - known).filtered("is_primary"):
            return True
        return bool(known) and any(
            (known[name] or False) != (value or False)
            if known._fields[name].type != "many2one"
            else known[name].id != (value.id if isinstance(value, models.BaseModel) else value or False)
            for name, value in vals.items()
            if name in REASONED and name != "is_primary"
        )

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
        if any("change_reason" in vals for vals in vals_list):
            reasons = dict.fromkeys(filter(None, (vals.get("change_reason") for vals in vals_list)))
            vals_list = [{name: vals[name] for name in vals if name != "change_reason"} for vals in vals_list]
            reason = "; ".join(reasons) or self.env.context.get("g2p_reason")
            return self.with_context(g2p_reason=reason).create(vals_list)
        self.check_access("create")
        for vals in vals_list:
            if vals.get("is_primary"):
                self.new({"partner_id": vals.get("partner_id"), "acc_number": vals.get("acc_number")})._ask_for_reason(
                    {"is_primary": True}
                )
        accounts = super().create([{**vals, "is_primary": False} for vals in vals_list])
        wanted = self.browse(
            account.id for account, vals in zip(accounts, vals_list, strict=True) if vals.get("is_primary")
        )
        accounts._settle_primary(wanted)
        return accounts

    def write(self, vals):
        if "change_reason" in vals:
            reason = vals["change_reason"] or self.env.context.get("g2p_reason")
            vals = {name: value for name, value in vals.items() if name != "change_reason"}
            return self.with_context(g2p_reason=reason).write(vals)
        # Which account is the primary one is moved by a statement, which asks nobody.
        self.check_access("write")
        self._ask_for_reason(vals)
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
        self.check_access("write")
        return result

    @api.model
    def _search_reference_domains(self, number):
        """By the account's number, however it is written."""
        return [Domain("sanitized_acc_number", "=like", f"{sanitize_account_number(number)}%")]

    @api.model
    def _sql_error_to_message(self, exc):
        if exc.diag.constraint_name == "res_partner_bank_unique_number":
            return self.env._("This registrant has this account already; it may be among those that are not in use.")
        return super()._sql_error_to_message(exc)

    def _ask_for_reason(self, vals):
        """Money will go elsewhere: whoever wants that says why. Steps of the system give their own reason."""
        if self.env.su or (self.env.context.get("g2p_reason") or "").strip():
            return
        for account in self:
            if account._moves_money(vals):
                raise UserError(
                    self.env._(
                        "Say why the account %(account)s of %(registrant)s changes, in “Why it changes”: the reason is "
                        "kept with the change.",
                        account=account.acc_number,
                        registrant=account.partner_id.name,
                    )
                )

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
                SET is_primary = FALSE, write_uid = %s, write_date = now() AT TIME ZONE 'UTC'
                FROM chosen
                WHERE account.partner_id = chosen.partner_id AND account.id <> chosen.id AND account.is_primary
                """,
                chosen,
                self.env.uid,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                %s
                UPDATE res_partner_bank account
                SET is_primary = TRUE, write_uid = %s, write_date = now() AT TIME ZONE 'UTC'
                FROM chosen
                WHERE account.id = chosen.id AND account.is_primary IS NOT TRUE
                """,
                chosen,
                self.env.uid,
            )
        )
        self.invalidate_model(["is_primary", "changed_at", "changed_by", "write_uid", "write_date"], flush=False)
