import logging

import psycopg2

from odoo import api, models
from odoo.tools import sql

from ..tools import bounds

_logger = logging.getLogger(__name__)


class Base(models.AbstractModel):
    """Every number and date of the suite has bounds, kept by the database. See `tools/bounds.py`."""

    _inherit = "base"

    def _auto_init(self):
        result = super()._auto_init()
        if self._auto and not self._abstract:
            self._add_bounds()
        return result

    @api.model
    def _bounded_fields(self):
        """{constraint: field} of this table."""
        return {
            bounds.constraint_name(field, self._table): field
            for field in self._fields.values()
            if bounds.bounded(field)
        }

    @api.model
    def _add_bounds(self):
        """Add the constraints that are not there yet, after the columns were made."""
        for name, field in self._bounded_fields().items():
            self.pool.post_constraint(
                self.env.cr, lambda cr, name=name, field=field: self._add_bound(cr, name, field), name
            )

    def _add_bound(self, cr, name, field):
        definition = bounds.definition(field)
        known = sql.constraint_definition(cr, self._table, name)
        if known == definition:
            return
        try:
            with cr.savepoint(flush=False):
                if known:
                    sql.drop_constraint(cr, self._table, name)
                sql.add_constraint(cr, self._table, name, definition)
        except psycopg2.errors.CheckViolation:
            # Rows of before are there: new ones can't be checked by this constraint until somebody corrects them.
            _logger.error(
                "%s has values beyond the bounds of %s: correct them and update the module", self._table, field
            )

    def _sql_error_to_message(self, exc):
        field = self._bounded_fields().get(exc.diag.constraint_name)
        if not field:
            return super()._sql_error_to_message(exc)
        label = field._description_string(self.env)
        if field.type in ("date", "datetime"):
            return self.env._(
                "%(field)s lies outside what can be: give a date between the years 1900 and 2199.", field=label
            )
        if "<= 100" in bounds.definition(field):
            return self.env._("%(field)s is a share of something: give a number from 0 to 100.", field=label)
        return self.env._(
            "%(field)s is larger than anything that can be: give a number below %(most)s.",
            field=label,
            most=f"{bounds.MOST:,}",
        )
