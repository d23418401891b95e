"""Registrants side by side, as the user may see them: what the review of duplicates shows."""

import re

from odoo.tools import format_date

GROUP_REGISTRAR = "g2p_registry_base.group_g2p_registrar"


def differ(values):
    """Signs and case do not make a difference, nor does a value that is missing.

    >>> differ(["+254 700", "254-700", ""]), differ(["Rana", "Rai"])
    (False, True)
    """
    return len({re.sub(r"[\W_•]", "", value).upper() for value in values if value}) > 1


class SideBySide:
    def __init__(self, partners):
        self.partners = partners
        self.env = partners.env

    def lines(self):
        """[(label, [one text for each member])]"""
        _ = self.env._
        partners = self.partners
        genders = dict(partners._fields["gender"]._description_selection(self.env))
        households = dict(self._grouped("g2p.group.membership", "individual", partners, [("is_ended", "=", False)]))
        people = dict(self._grouped("g2p.group.membership", "group", partners, [("is_ended", "=", False)]))
        none = self.env["g2p.group.membership"]
        return [
            (_("Name"), [partner.name or "" for partner in partners]),
            (_("Date of birth"), [self._birth(partner) for partner in partners]),
            (_("Gender"), [genders.get(partner.gender, "") for partner in partners]),
            (_("Area"), [partner.area_id.display_name or "" for partner in partners]),
            *self.kept_of_all(),
            (_("Lives in"), [", ".join(households.get(p, none).group.mapped("name")) for p in partners]),
            (_("People"), [self._people_text(people.get(partner, none).individual) for partner in partners]),
            (_("Registered"), [format_date(self.env, partner.registration_date) for partner in partners]),
            (_("Programs"), [str(partner.program_membership_count or "") for partner in partners]),
            (_("Entitlements"), [str(partner.entitlements_count or "") for partner in partners]),
        ]

    def kept_of_all(self):
        """[(label, [one text for each member])] of what a registrant may have several of."""
        _ = self.env._
        accounts = dict(self._grouped("res.partner.bank", "partner_id", self.partners))
        return [
            (_("IDs"), [self._documents(partner) for partner in self.partners]),
            (_("Phone numbers"), [self._phones(partner) for partner in self.partners]),
            (_("Accounts"), [self._accounts(accounts.get(partner)) for partner in self.partners]),
        ]

    def _grouped(self, model, field, partners, domain=()):
        """(partner, records of the model) in one search, as far as the user may read them."""
        if not self.env[model].has_access("read"):
            return []
        return self.env[model].search([(field, "in", partners.ids), *domain], order="id").grouped(field).items()

    def _birth(self, partner):
        text = format_date(self.env, partner.birthdate)
        return self.env._("about %s", text) if text and partner.birthdate_not_exact else text

    def _people_text(self, individuals):
        names = individuals.mapped("name")
        return ", ".join(names[:6]) + (self.env._(" and %s more", len(names) - 6) if len(names) > 6 else "")

    def _documents(self, partner):
        return ", ".join(
            sorted(f"{document.id_type.name}: {self._masked(document.value)}" for document in partner.reg_ids)
        )

    def _phones(self, partner):
        active = partner.phone_number_ids.filtered(lambda phone: not phone.disabled)
        return ", ".join(sorted(phone.phone_sanitized or phone.phone_no for phone in active))

    def _accounts(self, accounts):
        return ", ".join(sorted(self._masked(account.sanitized_acc_number) for account in accounts or ()))

    def _masked(self, value):
        """A number as far as the user needs it: registrars, who correct it, see it all; others its end."""
        if not value or self.env.user.has_group(GROUP_REGISTRAR):
            return value or ""
        return "•" * (len(value) - 3) + value[-3:] if len(value) > 4 else "•" * len(value)
