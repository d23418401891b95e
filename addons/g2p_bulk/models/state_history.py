from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL


class StateHistory(models.Model):
    """Who moved which record from which state to which, when and why. Rows are only ever added, by set-based SQL.

    The table has no foreign key: history outlives what it tells about, and costs one index per million rows, not four.
    """

    _name = "g2p.state.history"
    _description = "State History"
    _auto = False
    _order = "id desc"
    _rec_name = "to_state"

    res_model = fields.Char("Model", readonly=True)
    res_id = fields.Many2oneReference("Record", model_field="res_model", readonly=True)
    from_state = fields.Char("From", readonly=True)
    to_state = fields.Char("To", readonly=True)
    reason = fields.Char(readonly=True)
    user_id = fields.Many2one("res.users", "User", readonly=True)
    operation_id = fields.Many2one("g2p.bulk.operation", "Operation", readonly=True)
    date = fields.Datetime(readonly=True)
    record_readable = fields.Boolean(compute="_compute_record_readable", search="_search_record_readable")

    def init(self):
        self.env.cr.execute("""
            CREATE TABLE IF NOT EXISTS g2p_state_history (
                id bigserial PRIMARY KEY,
                res_model varchar NOT NULL,
                res_id integer NOT NULL,
                from_state varchar,
                to_state varchar NOT NULL,
                reason varchar,
                user_id integer,
                operation_id integer,
                date timestamp NOT NULL
            );
            -- The transaction that wrote the row: what tells the moves of one act on single rows. Set first and its default
            -- afterwards, so that rows of before keep none.
            ALTER TABLE g2p_state_history ADD COLUMN IF NOT EXISTS act bigint;
            ALTER TABLE g2p_state_history ALTER COLUMN act SET DEFAULT txid_current();
            CREATE INDEX IF NOT EXISTS g2p_state_history_act_idx
                ON g2p_state_history USING brin (act) WITH (autosummarize = on);
            CREATE INDEX IF NOT EXISTS g2p_state_history_record_idx ON g2p_state_history (res_model, res_id);
            -- Rows of one operation lie together, so a block range index costs next to nothing and finds them.
            CREATE INDEX IF NOT EXISTS g2p_state_history_when_who_idx
                ON g2p_state_history USING brin (date, user_id) WITH (autosummarize = on);
            CREATE OR REPLACE FUNCTION g2p_state_history_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    RAISE EXCEPTION 'The state history is append-only: % is not allowed', TG_OP
                        USING ERRCODE = 'insufficient_privilege';
                END
            $$;
            CREATE OR REPLACE TRIGGER g2p_state_history_append_only
                BEFORE UPDATE OR DELETE OR TRUNCATE ON g2p_state_history
                FOR EACH STATEMENT EXECUTE FUNCTION g2p_state_history_append_only();
        """)

    @api.depends("res_model", "res_id")
    @api.depends_context("uid", "allowed_company_ids")
    def _compute_record_readable(self):
        self.record_readable = False
        visible = self.env(su=False)
        for res_model, rows in self.grouped("res_model").items():
            if res_model in visible:
                records = visible[res_model].browse(rows.mapped("res_id"))
                readable = set(records.exists()._filtered_access("read").ids)
                rows.filtered(lambda row, ids=readable: row.res_id in ids).record_readable = True

    def _search_record_readable(self, operator, value):
        """History is as visible as the record it tells about: a union over the models that have a state."""
        if operator != "in":
            return NotImplemented
        # The rule that uses this field searches as superuser; what may be read is the user's own question.
        visible = self.env(su=False)
        return Domain.OR(
            Domain("res_model", "=", name) & Domain.custom(to_sql=self._readable_sql(model))
            for name in self._tracked_models()
            if (model := visible[name]).has_access("read")
        )

    @api.model
    def _readable_sql(self, model):
        """Whether the record of a row may be read, asked row by row: a page of the history looks up a page of records.

        A scalar subquery, since PostgreSQL would read the whole table for an IN or an EXISTS, to make a hash of it.
        """

        def to_sql(history, alias, query):
            records = model.with_context(active_test=False)._search(Domain.TRUE)
            if records.is_empty():
                return SQL("FALSE")
            records.add_where(SQL("%s = %s", SQL.identifier(records.table, "id"), SQL.identifier(alias, "res_id")))
            return SQL("%s", records.subselect(SQL("TRUE")))

        return to_sql

    @api.model
    def _tracked_models(self):
        mixin = self.env.registry["g2p.state.mixin"]
        return [name for name, model in self.env.registry.items() if issubclass(model, mixin) and not model._abstract]

    @api.model
    def _insert_sql(self, res_model, source, operation=None):
        """INSERT of history rows; ``source`` selects (res_id, from_state, to_state, reason) in this order."""
        if not operation:
            self.env["g2p.bulk.event"]._tell_of_act(res_model)
        return SQL(
            """
            INSERT INTO g2p_state_history (res_model, res_id, from_state, to_state, reason, user_id, operation_id, date)
            SELECT %s, source.res_id, source.from_state, source.to_state, source.reason, %s, %s, now() AT TIME ZONE 'UTC'
            FROM (%s) AS source (res_id, from_state, to_state, reason)
            """,
            res_model,
            self.env.uid,
            operation.id if operation else None,
            source,
        )
