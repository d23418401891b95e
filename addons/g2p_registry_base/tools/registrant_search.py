"""Registrants by what people say of them: words of their name in any order, (a part of) an ID or of a phone number."""

from odoo import fields
from odoo.fields import Domain
from odoo.tools import SQL

from . import search

MEMBER_PART = 5  # so much of a member's ID or phone finds the household; less is everybody's


class RegistrantSearch:
    """A search as a user, who finds nobody by what they may not read."""

    def __init__(self, partners):
        self.partners = partners
        self.env = partners.env

    def domain(self, text, others):
        """The registrants whom `text` means, and `others` (a domain of other contacts)."""
        words = search.words(text)[: search.WORDS]
        letters = [word for word in words if not any(map(str.isdigit, word))]
        if not words:
            return others
        if len(letters) == len(words):
            # names only: a plain condition, so that PostgreSQL may choose between the index of names and the order of ids
            domain = self._named([[word] for word in words])
            return domain | self._misspelt(domain, words) | others
        found = [
            self.partners._search(
                self._named([[word] for word in words]), active_test=False, bypass_access=True
            ).select(),
            self.partners._search(others, active_test=False, bypass_access=True).select(),
        ]
        numbers = self._numbered(text)
        found += numbers
        if letters:
            # a name and a number: both must fit
            digits = " ".join(word for word in words if word not in letters)
            fits = Domain(
                "id", "in", SQL("(%s)", search.union(self._numbered(digits) or [SQL("SELECT NULL::integer")]))
            )
            both = self._named([[word] for word in letters]) & fits
            found.append(self.partners._search(both, active_test=False, bypass_access=True).select())
        if numbers and len(search.number(text)) >= MEMBER_PART and self.env["g2p.group.membership"].has_access("read"):
            # who comes with an ID or a phone may be a member of the household that is in the list
            of_members = Domain("individual", "in", SQL("(%s)", search.union(numbers))) & (
                Domain("ended_date", "=", False) | Domain("ended_date", ">", fields.Datetime.now())
            )
            found.append(search.column(self.env["g2p.group.membership"]._search(of_members), "group"))
        return Domain("id", "in", SQL("(%s)", search.union(found)))

    def _named(self, sought):
        return Domain("is_registrant", "=", True) & Domain.custom(
            to_sql=lambda model, alias, query: search.named(
                SQL.identifier(alias, "search_words", to_flush=model._fields["complete_name"]), sought
            )
        )

    def _misspelt(self, exact, words):
        """A domain of individuals and of groups named nearly so: of those only of whom nobody is named so exactly."""
        nobody = [
            kind
            for kind in (Domain("is_group", "=", False), Domain("is_group", "=", True))
            if not self.partners.with_context(active_test=False).search_count(exact & kind, limit=1)
        ]
        if not nobody:
            return Domain.FALSE
        sought = [[word, *(f" {other} " for other in search.near(self.env.cr, word))] for word in words]
        if all(len(spellings) == 1 for spellings in sought):
            return Domain.FALSE
        return self._named(sought) & Domain.OR(nobody)

    def _numbered(self, text):
        """Queries of the ids of registrants with an ID or a phone number that holds `text`, as the user may read them."""
        found = []
        number = search.number(text)
        ids = self.env["g2p.reg.id"]
        if len(number) >= search.LEAST and ids.has_access("read"):
            found.append(search.column(ids._search(ids._holds(number)), "partner_id"))
        phones = self.env["g2p.phone.number"]
        digits = search.phone_digits(text)
        if digits and phones.has_access("read"):
            found.append(search.column(phones._search(phones._holds(text)), "partner_id"))
        return found
