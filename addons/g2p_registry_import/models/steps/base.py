from odoo import api, fields, models
from odoo.tools import SQL

from ...tools import ids, rows


class ImportStep(models.AbstractModel):
    """A step of an import: rows of a file come into another state, in ranges."""

    _name = "g2p.registrant.import.step"
    _inherit = "g2p.bulk.step"
    _description = "Step of an Import of Registrants"

    _target = "g2p.registrant.import"
    #: the column of the rows by which they are cut into ranges
    _key = "unit"
    #: {outcome: the states that its rows have had since}
    _states = {}

    def _rows(self, record, operation, outcome):
        if outcome not in self._states:
            return super()._rows(record, operation, outcome)
        return "g2p.registrant.import.line", SQL(
            "t.import_id = %s AND t.state = ANY(%s) AND %s",
            record.id,
            list(self._states[outcome]),
            operation._in_chunks_with(outcome, SQL.identifier("t", self._key)),
        )

    def _keys_of(self, record, state):
        """The rows in a state, as `_source` has them."""
        return SQL(
            "SELECT %s AS key FROM g2p_registrant_import_line WHERE import_id = %s AND state = %s",
            SQL.identifier(self._key),
            record.id,
            state,
        )

    # What the registry says of rows, when they are checked and again when they are registered

    @api.model
    def _refuse(self, found):
        """Refuse rows for one more reason each.

        :param SQL found: line_id, column_name, reason; one row for each line
        """
        self.env.cr.execute(rows.refusal(found))

    @api.model
    def _judge(self, record, which, seen=rows.GOOD):
        """Refuse, skip or tie to a registrant the rows of which the registry knows something.

        :param SQL which: the rows
        :param SQL seen: a condition on their states
        """
        self._refuse_known_ids(record, which, seen)
        self._refuse_before_birth(record, which, seen)

    @api.model
    def _refuse_known_ids(self, record, which, seen):
        """Rows of somebody who is registered: refused, skipped, or tied to the registrant they update."""
        if not ids.unique_columns(record):
            return
        if record.existing_policy == "update":
            self.env.cr.execute(ids.tying(record, which, seen))
        elif record.existing_policy == "skip":
            self.env.cr.execute(ids.skipping(ids.registered(record, which, seen)))
        else:
            self._refuse(ids.registered(record, which, seen))

    @api.model
    def _refuse_before_birth(self, record, which, seen):
        if not record._columns("registration_date") and record.existing_policy != "update":
            return  # registered today, and the check takes no birth of tomorrow
        self._refuse(
            SQL(
                """
                SELECT line.id AS line_id, %(column)s::text AS column_name, %(reason)s::text AS reason
                FROM g2p_registrant_import_line line
                LEFT JOIN res_partner partner ON partner.id = line.partner_id
                WHERE %(rows)s AND %(seen)s AND line.data ?| ARRAY['birthdate', 'registration_date']
                    -- a day that has not come is refused for that
                    AND (line.state = 'ok' OR (line.data->>'birthdate')::date <= %(today)s::date)
                    AND COALESCE((line.data->>'birthdate')::date, partner.birthdate)
                        > COALESCE((line.data->>'registration_date')::date, partner.registration_date, %(today)s::date)
                """,
                column=record._label("registration_date"),
                reason=self.env._("Nobody can be registered before their birth."),
                rows=which,
                seen=seen,
                today=fields.Date.context_today(record),
            )
        )
