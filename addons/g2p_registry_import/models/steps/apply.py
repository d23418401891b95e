import contextlib
import json

import psycopg2

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL, mute_logger

from ...tools import rows
from ...tools.households import Households
from ...tools.people import OWN_COLUMNS, People

WRITTEN = (
    "res.partner",
    "res.partner.bank",
    "g2p.reg.id",
    "g2p.phone.number",
    "g2p.group.membership",
    "g2p.registrant.import.line",
)


class _TakenBackError(Exception):
    """What was made inside was made to be looked at only."""


class Apply(models.AbstractModel):
    """Good rows become registrants; what has changed since they were checked is looked at again."""

    _name = "g2p.registrant.import.step.import"
    _inherit = "g2p.registrant.import.step"
    _description = "Import of Good Rows"

    _step = "import"
    _place = 30
    _from_states = ("checked", "submitted", "importing")
    _moves = (
        "res.partner",
        "g2p.reg.id",
        "g2p.phone.number",
        "res.partner.bank",
        "g2p.group.membership",
        "g2p.group.indicator",
    )
    _relies_on = ("check",)
    # A cancelled import is checked still: it can go on, or what it made can be taken back.
    _given_up = True
    _states = {
        "created": ("imported", "undone"),
        "updated": ("updated",),
        "skipped": ("skipped",),
        "refused": ("refused",),
    }

    def _label(self):
        return self.env._("Import")

    def _outcomes(self):
        _ = self.env._
        return {
            "created": (_("Created"), "done"),
            "updated": (_("Updated"), "done"),
            "skipped": (_("Skipped"), "skipped"),
            "refused": (_("Refused"), "skipped"),
        }

    def _before(self, record, operation):
        state = record._lock_state()
        agreed = (operation.params or {}).get("agreed")
        if state == "submitted" and not agreed:
            raise UserError(self.env._("%s awaits confirmation since: reload the page.", record.display_name))
        if state not in ("checked", "submitted"):
            raise UserError(self.env._("Check the file first."))
        operation.params = {"partner": self._defaults(record)}
        record.write({"state": "importing", "confirmed_by_id": self.env.uid})

    def _source(self, record, operation):
        return self._keys_of(record, "ok")

    def _chunk(self, record, operation, low, high):
        before = self._states_of(record, low, high)
        self._judge(record, rows.of_units(record, low, high))
        with self.env["g2p.change.history"]._because(self.env._("Import of %s", record.name)):
            self._apply(record, operation.params["partner"], low, high)
        for model in WRITTEN:
            self.env[model].invalidate_model(flush=False)
        after = self._states_of(record, low, high)
        names = {"imported": "created", "updated": "updated", "skipped": "skipped", "refused": "refused"}
        return {name: after.get(state, 0) - before.get(state, 0) for state, name in names.items()}

    def _finish(self, record, operation):
        """A failed import may be resumed, so it is still being imported; a cancelled one can go on as a new one."""
        record._count({"done": "done", "cancelled": "checked"}.get(operation.state))
        self.env["g2p.registration"]._registered(
            SQL(
                """
                SELECT registrant.id
                  FROM g2p_registrant_import_line AS line
                 CROSS JOIN LATERAL (VALUES (line.partner_id), (line.group_id)) AS registrant (id)
                 WHERE line.import_id = %s AND line.state IN ('imported', 'updated') AND registrant.id IS NOT NULL
                """,
                record.id,
            )
        )

    def _states_of(self, record, low, high):
        """{state: rows}"""
        which = rows.of_units(record, low, high)
        return dict(
            self.env.execute_query(
                SQL(
                    "SELECT line.state, count(*) FROM g2p_registrant_import_line line WHERE %s GROUP BY line.state",
                    which,
                )
            )
        )

    def _defaults(self, record):
        """{column: value} of a registrant whom the ORM made, of whatever modules there are, without what rows say."""
        row = {}
        with contextlib.suppress(_TakenBackError), self.env.cr.savepoint():
            partner = (
                self.env["res.partner"]
                .with_context(tracking_disable=True, mail_create_nolog=True, mail_create_nosubscribe=True)
                .create(
                    {
                        "name": "-",
                        "is_registrant": True,
                        "is_group": record.target_type == "group",
                        "company_id": record.company_id.id,
                    }
                )
            )
            partner.flush_recordset()
            [[row]] = self.env.execute_query(
                SQL("SELECT jsonb_strip_nulls(to_jsonb(partner)) FROM res_partner partner WHERE id = %s", partner.id)
            )
            raise _TakenBackError
        self.env.invalidate_all(flush=False)
        return {
            name: json.dumps(value) if isinstance(value, dict | list) else value
            for name, value in row.items()
            if name not in OWN_COLUMNS
        }

    def _apply(self, record, defaults, low, high):
        """Register the good rows of the units in (low, high]. What the database refuses is found by halves."""
        which = rows.of_units(record, low, high)
        try:
            with self.env.cr.savepoint(flush=False), mute_logger("odoo.sql_db"):
                self._write_registrants(record, defaults, which)
        except (psycopg2.IntegrityError, psycopg2.DataError) as error:
            units = [
                unit
                for (unit,) in self.env.execute_query(
                    SQL(
                        "SELECT DISTINCT unit FROM g2p_registrant_import_line line WHERE %s AND state = 'ok' ORDER BY 1",
                        which,
                    )
                )
            ]
            if len(units) <= 1:
                self._refuse_for(record, which, error)
                return
            middle = units[(len(units) - 1) // 2]
            self._apply(record, defaults, low, middle)
            self._apply(record, defaults, middle, high)

    def _refuse_for(self, record, which, error):
        """Refuse rows for what the database says of them."""
        model = next((m for m in self.env.values() if m._table == error.diag.table_name and not m._abstract), record)
        self.env.cr.execute(
            SQL(
                "UPDATE g2p_registrant_import_line line SET state = 'refused', column_name = NULL, reason = %(why)s, "
                "problems = jsonb_build_array(jsonb_build_array(NULL, %(why)s::text)) WHERE %(rows)s AND line.state = 'ok'",
                why=model._sql_error_to_message(error),
                rows=which,
            )
        )

    def _write_registrants(self, record, defaults, which):
        """A constant number of statements, whatever the number of rows."""
        execute = self.env.cr.execute
        people, households = People(record), Households(record)
        # the rows of this call, and of no other: those that are good before it
        execute("DROP TABLE IF EXISTS g2p_import_chunk")
        execute(
            SQL(
                """
                CREATE TEMPORARY TABLE g2p_import_chunk ON COMMIT DROP AS
                SELECT line.id AS line_id, line.row_number, line.area_id, line.data,
                    line.partner_id IS NULL AS is_new,
                    COALESCE(line.partner_id, nextval('res_partner_id_seq')::integer) AS partner_id,
                    (line.data->>'group')::integer AS group_id, FALSE AS group_created
                FROM (
                    SELECT * FROM g2p_registrant_import_line line WHERE %s AND line.state = 'ok' ORDER BY row_number
                ) line
                """,
                which,
            )
        )
        execute("ANALYZE g2p_import_chunk")
        if people.updates:
            people.update()
        people.insert(defaults)
        people.write_ids()
        people.write_phones()
        people.write_accounts()
        people.write_tags()
        households.write_members(defaults)
        households.write_answers()
        people.write_relationships()
        self._write_more(record)
        execute(
            """
            UPDATE g2p_registrant_import_line line
            SET state = CASE WHEN chunk.is_new THEN 'imported' ELSE 'updated' END, partner_id = chunk.partner_id,
                group_id = chunk.group_id, group_created = chunk.group_created
            FROM g2p_import_chunk chunk
            WHERE line.id = chunk.line_id
            """
        )
        execute("DROP TABLE g2p_import_chunk")

    @api.model
    def _write_more(self, record):
        """What addons make of the rows of `g2p_import_chunk`, once their registrants are there."""
