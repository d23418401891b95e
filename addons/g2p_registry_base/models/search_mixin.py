from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..tools import search

LEAST = 4  # characters of a reference number; fewer are everybody's


class SearchMixin(models.AbstractModel):
    """One search box for rows that tell of a registrant: by the registrant, or by a reference number of the row itself.

    A model names the fields that hold its numbers; each has an index that serves its beginning.
    """

    _name = "g2p.search.mixin"
    _description = "Search by registrant or reference"

    _search_registrant = "partner_id"
    _search_references = ()

    search_text = fields.Char(
        "Registrant or reference", compute="_compute_search_text", search="_search_search_text", exportable=False
    )

    def _compute_search_text(self):
        self.search_text = False

    @api.model
    def _search_search_text(self, operator, value):
        if operator != "ilike" or not isinstance(value, str):
            return NotImplemented
        value = search.sought(value)
        registrant = Domain(self._search_registrant, "ilike", value)
        number = value.strip().replace("%", "").replace("_", "").replace("\\", "")
        if len(number) < LEAST or not any(map(str.isdigit, number)):
            return registrant
        # one query for each way, so that each is answered by its index
        ways = [registrant, *self._search_reference_domains(number)]
        # the rules of these rows are applied by who asks; those of registrants are applied here
        queries = [self._search(way, active_test=False, bypass_access=True).select() for way in ways]
        return Domain("id", "in", SQL("(%s)", search.union(queries)))

    @api.model
    def _search_reference_domains(self, number):
        """Domains of rows whose reference numbers begin with `number`."""
        spellings = dict.fromkeys((number, number.lower(), number.upper()))
        return [Domain(name, "=like", f"{text}%") for name in self._search_references for text in spellings]
