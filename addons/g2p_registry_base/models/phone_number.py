import re

import phonenumbers

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

from ..tools import search


class PhoneNumber(models.Model):
    """A phone number of a registrant: as it was given, and as E.164 where it can be understood."""

    _name = "g2p.phone.number"
    _inherit = ["g2p.change.mixin"]
    _personal_model = "contact"
    _description = "Phone Number"
    _order = "id desc"
    _rec_name = "phone_no"
    _changes_on = "partner_id"
    _watched_fields = ("partner_id", "phone_no", "country_id", "disabled")
    _rec_names_search = ["phone_no", "phone_sanitized"]

    _sanitized_idx = models.Index("(phone_sanitized varchar_pattern_ops) WHERE phone_sanitized IS NOT NULL")
    _number_idx = models.Index("(phone_no varchar_pattern_ops)")
    _search_idx = models.Index("USING gin (g2p_search_phone(phone_sanitized, phone_no) gin_trgm_ops)")
    _not_valid_idx = models.Index("(partner_id) WHERE is_valid IS NOT TRUE")

    partner_id = fields.Many2one("res.partner", string="Registrant", required=True, ondelete="cascade", index=True)
    phone_no = fields.Char(string="Phone number", required=True)
    country_id = fields.Many2one(
        "res.country",
        compute="_compute_country_id",
        store=True,
        readonly=False,
        precompute=True,
        help="The country a number without an international prefix belongs to: that of the registrant's company.",
    )
    phone_sanitized = fields.Char(
        string="International number", compute="_compute_phone_sanitized", store=True, precompute=True
    )
    is_valid = fields.Boolean(
        string="Valid",
        compute="_compute_phone_sanitized",
        store=True,
        precompute=True,
        help="The number exists in its country's numbering plan. Others are kept as they were given.",
    )
    date_collected = fields.Date(string="Collected on", default=fields.Date.context_today)
    disabled = fields.Datetime(string="Disabled on", readonly=True, copy=False)
    disabled_by = fields.Many2one("res.users", string="Disabled by", readonly=True, copy=False)

    @api.depends("partner_id")
    def _compute_country_id(self):
        for phone in self:
            phone.country_id = phone.country_id or phone._national_country()

    def _national_country(self):
        self.ensure_one()
        return self.partner_id.company_id.country_id or self.env.company.country_id

    @api.depends("phone_no", "country_id")
    def _compute_phone_sanitized(self):
        pattern = self._phone_regex()
        for phone in self:
            country = phone.country_id or phone._national_country()
            phone.phone_sanitized = self._e164(phone.phone_no, country.code, pattern)
            phone.is_valid = bool(phone.phone_sanitized)

    @api.onchange("phone_no", "country_id")
    def _onchange_phone_no(self):
        """A number that is understood is shown as it is dialled from anywhere, as it is typed; for another one, how a right one
        looks. It is kept all the same."""
        if not self.phone_no:
            return None
        country = self.country_id or self._national_country()
        if self.phone_sanitized:
            shown = self._international(self.phone_sanitized)
            # a pattern of the setting may know one spelling only
            if self._e164(shown, country.code, self._phone_regex()):
                self.phone_no = shown
            return None
        example = phonenumbers.example_number_for_type(country.code or "ZZ", phonenumbers.PhoneNumberType.MOBILE)
        if not country:
            message = self.env._(
                "%s belongs to no country yet: type it with + and the country's code, choose its country, or have the company's "
                "country set.",
                self.phone_no,
            )
        elif not example:
            message = self.env._(
                "%s is no number that is known. Choose its country, or write it with + and the country's code.",
                self.phone_no,
            )
        else:
            message = self.env._(
                "%(number)s is no number of %(country)s. A right one looks like this: %(national)s, or %(international)s.",
                number=self.phone_no,
                country=country.name,
                national=phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.NATIONAL),
                international=self._international(example),
            )
        return {"warning": {"title": self.env._("Phone number not known"), "message": message, "type": "notification"}}

    @api.model
    def _international(self, number):
        """`number` (E.164, or parsed) as people write it: +254 712 345678."""
        parsed = phonenumbers.parse(number) if isinstance(number, str) else number
        return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)

    @api.model
    def _holds(self, text):
        """A domain of the numbers with this part: 0712…, +254 712… and 254712… are the same number in Kenya.

        A part of three digits is looked for at the start of a number (without the country's code) and at its end.
        """
        digits = search.phone_digits(text)
        country = phonenumbers.country_code_for_region(self.env.company.country_id.code or "ZZ")
        code = str(country or "")
        national = digits.removeprefix("00") if digits.startswith("00") else digits
        if national != digits or text.strip().startswith("+") or len(digits) > len(code) + search.LEAST:
            national = national.removeprefix(code)
        national = national.lstrip("0")
        patterns = search.parts(national, start=code) if len(national) >= search.LEAST else []
        return Domain.custom(
            to_sql=lambda model, alias, query: SQL(
                "(%s)",
                SQL(" OR ").join(
                    SQL(
                        "g2p_search_phone(%s, %s) LIKE %s",
                        model._field_to_sql(alias, "phone_sanitized", query),
                        model._field_to_sql(alias, "phone_no", query),
                        pattern,
                    )
                    for pattern in patterns
                )
                if patterns
                else SQL("FALSE"),
            )
        )

    @api.constrains("date_collected")
    def _check_date_collected(self):
        today = fields.Date.context_today(self)
        for phone in self:
            if phone.date_collected and phone.date_collected > today:
                raise ValidationError(self.env._("The collection date of %s can't be in the future.", phone.phone_no))

    @api.model_create_multi
    def create(self, vals_list):
        phones = super().create([self._clean(vals) for vals in vals_list])
        phones._refresh_partner_phone(phones.partner_id.ids)
        return phones

    def write(self, vals):
        partner_ids = set(self.partner_id.ids) if "partner_id" in vals else set()
        result = super().write(self._clean(vals))
        if vals.keys() & {"phone_no", "partner_id", "disabled"}:
            self._refresh_partner_phone(list(partner_ids | set(self.partner_id.ids)))
        return result

    def unlink(self):
        partner_ids = self.partner_id.ids
        result = super().unlink()
        self._refresh_partner_phone(partner_ids)
        return result

    def disable_phone(self):
        self.check_access("write")
        # sudo: after the check of access; who and when are evidence, which nobody writes
        self.sudo().filtered(lambda phone: not phone.disabled).write(
            {"disabled": fields.Datetime.now(), "disabled_by": self.env.uid}
        )

    def enable_phone(self):
        self.check_access("write")
        # sudo: as above
        self.sudo().write({"disabled": False, "disabled_by": False})

    @api.model
    def _refresh_partner_phone(self, partner_ids):
        """A registrant's main phone is the list of the active numbers; one statement for all registrants."""
        if not partner_ids:
            return
        self.flush_model(["partner_id", "phone_no", "disabled"])
        partners = self.env["res.partner"]
        partners.flush_model(["phone"])
        self.env.cr.execute(
            SQL(
                """
                UPDATE res_partner
                SET phone = numbers.phone
                FROM (
                    SELECT partner.id, string_agg(number.phone_no, ', ' ORDER BY number.id) AS phone
                    FROM unnest(%s::integer[]) AS partner (id)
                    LEFT JOIN g2p_phone_number number ON number.partner_id = partner.id AND number.disabled IS NULL
                    GROUP BY partner.id
                ) numbers
                WHERE res_partner.id = numbers.id
                    AND res_partner.is_registrant
                    AND res_partner.phone IS DISTINCT FROM numbers.phone
                """,
                list(partner_ids),
            )
        )
        partners.browse(partner_ids).invalidate_recordset(["phone"], flush=False)

    @api.model
    def _clean(self, vals):
        if isinstance(vals.get("phone_no"), str):
            return {**vals, "phone_no": vals["phone_no"].strip()}
        return vals

    @api.model
    def _phone_regex(self):
        """The pattern of the setting, or None; a pattern that can't be read is no pattern."""
        # sudo: one parameter, read by name
        pattern = self.env["ir.config_parameter"].sudo().get_param("g2p_registry.phone_regex")
        try:
            return re.compile(pattern) if pattern else None
        except re.error:
            return None

    @api.model
    def _e164(self, number, country_code, pattern=None):
        """`number` as E.164, or False when no numbering plan (or not the setting's pattern) knows it."""
        if not number or (pattern and not pattern.fullmatch(number)):
            return False
        try:
            parsed = phonenumbers.parse(number, country_code or None)
        except phonenumbers.NumberParseException:
            return False
        if not phonenumbers.is_valid_number(parsed):
            return False
        return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
