"""What a field that names somebody shows of each person it suggests, and which of them, if any, is the one who was typed."""

from odoo.tools import format_date

from ..models.area import SEPARATOR
from . import search

AREA_LEVELS = 2  # the place, and what it lies in


class Suggestions:
    """Registrants suggested to a user, who is told of each only what they may read; queries as for one of them."""

    def __init__(self, partners):
        self.partners = partners._filtered_access("read").filtered("is_registrant")
        self.env = partners.env

    def facts(self):
        """{id: what tells this registrant from a namesake}: date of birth, an ID, the area."""
        self.partners.fetch(self._readable("birthdate", "area_id", "kind"))
        ids = self._by_partner("g2p.reg.id", "value")
        facts = {}
        for partner in self.partners:
            born = not partner.is_group and self._readable("birthdate") and partner.birthdate
            told = [
                self.env._("born %s", format_date(self.env, born)) if born else "",
                partner.kind.display_name if partner.is_group and self._readable("kind") else "",
                *ids.get(partner.id, [])[:1],
                SEPARATOR.join((partner.area_id.display_name or "").split(SEPARATOR)[:AREA_LEVELS])
                if self._readable("area_id")
                else "",
            ]
            facts[partner.id] = " · ".join(filter(None, told))
        return facts

    def meant(self, text):
        """The one registrant whose whole name (words in any order), ID or phone number `text` is; nobody where there are two."""
        words, number, digits = sorted(search.words(text)), search.number(text), search.phone_digits(text)
        meant = self.partners.filtered(lambda partner: sorted(search.words(partner.name)) == words)
        if any(map(str.isdigit, number)):
            numbers = self._by_partner("g2p.reg.id", "value")
            phones = self._by_partner("g2p.phone.number", "phone_no", "phone_sanitized")
            meant |= self.partners.filtered(
                lambda partner: (
                    number in map(search.number, numbers.get(partner.id, ()))
                    or (digits and digits in map(search.phone_digits, phones.get(partner.id, ())))
                )
            )
        return meant if len(meant) == 1 else meant.browse()

    def _readable(self, *names):
        fields = self.partners._fields
        return [name for name in names if self.partners._has_field_access(fields[name], "read")]

    def _by_partner(self, model, *names):
        """{registrant's id: values of these columns, the oldest first}, as the user may read them"""
        found = {}
        if self.env[model].has_access("read"):
            for row in self.env[model].search_fetch(
                [("partner_id", "in", self.partners.ids)], ["partner_id", *names], order="id"
            ):
                found.setdefault(row.partner_id.id, []).extend(filter(None, (row[name] for name in names)))
        return found
