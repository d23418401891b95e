"""The members of a set side by side: what the review screen shows."""

import re

from odoo import api, fields, models
from odoo.tools import format_date

GROUP_REGISTRAR = "g2p_registry_base.group_g2p_registrar"


class DuplicateComparison(models.AbstractModel):
    """One column for each member, one line for each thing to compare; read as the user, so rules and roles hold."""

    _name = "g2p.duplicate.comparison"
    _description = "Comparison of duplicates"

    comparison = fields.Json("Members side by side", compute="_compute_comparison")

    @api.depends_context("uid", "allowed_company_ids")
    def _compute_comparison(self):
        for duplicate in self:
            members, count = duplicate._compared_members()
            members = members._filtered_access("read").sorted("id")
            duplicate.comparison = {
                "members": [
                    {
                        "id": member.id,
                        "name": partner.name,
                        "stays": member == duplicate.survivor_id,
                        "partner_id": partner.id,
                    }
                    for member, partner in zip(members, duplicate._partners_of(members), strict=True)
                ],
                "lines": [
                    {"label": label, "values": values, "differs": self._differ(values)}
                    for label, values in duplicate._comparison_lines(members)
                    if any(values)
                ],
                "hidden": max(count - len(members), 0),
                **duplicate._comparison_buttons(),
            }

    def _compared_members(self):
        """(members, how many there are with those whom the user may not see)"""
        return self[self._members_field], self.members_count

    def _comparison_buttons(self):
        """Whether *Keep this one* is offered, and whether somebody has chosen."""
        return {
            "open": self.state == "duplicate" and self.env.user.has_group(self._decider),
            "decided": bool(self.decided_by_id),
        }

    def _differ(self, values):
        """Signs and case do not make a difference, nor does a value that is missing."""
        return len({re.sub(r"[\W_•]", "", value).upper() for value in values if value}) > 1

    def _partners_of(self, members):
        """The registrants behind members, in the same order."""
        raise NotImplementedError  # pragma: no cover - abstract contract

    def _comparison_lines(self, members):
        """[(label, [one text for each member])]"""
        _ = self.env._
        partners = self._partners_of(members)
        genders = dict(partners._fields["gender"]._description_selection(self.env))
        accounts = dict(self._grouped("res.partner.bank", "partner_id", partners))
        households = dict(self._grouped("g2p.group.membership", "individual", partners, [("is_ended", "=", False)]))
        people = dict(self._grouped("g2p.group.membership", "group", partners, [("is_ended", "=", False)]))
        none = self.env["g2p.group.membership"]
        return [
            (_("Name"), [partner.name or "" for partner in partners]),
            (_("Date of birth"), [self._birth(partner) for partner in partners]),
            (_("Gender"), [genders.get(partner.gender, "") for partner in partners]),
            (_("Area"), [partner.area_id.display_name or "" for partner in partners]),
            (_("IDs"), [self._documents(partner) for partner in partners]),
            (_("Phone numbers"), [self._phones(partner) for partner in partners]),
            (_("Accounts"), [self._accounts(accounts.get(partner)) for partner in partners]),
            (_("Lives in"), [", ".join(households.get(p, none).group.mapped("name")) for p in partners]),
            (_("People"), [self._people_text(people.get(partner, none).individual) for partner in partners]),
            (_("Registered"), [format_date(self.env, partner.registration_date) for partner in partners]),
            (_("Programs"), [str(partner.program_membership_count or "") for partner in partners]),
            (_("Entitlements"), [str(partner.entitlements_count or "") for partner in partners]),
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
