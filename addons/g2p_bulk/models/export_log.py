import json

from odoo import api, fields, models
from odoo.tools import SQL


class ExportLog(models.Model):
    """Who took which rows out of the system, when: lists that were exported, files that were downloaded. Rows are only ever
    added, in the transaction of the export itself: no file without its row."""

    _name = "g2p.export.log"
    _description = "Export"
    _auto = False
    _order = "id desc"
    _rec_name = "model_name"
    _rec_names_search = ["res_model"]

    date = fields.Datetime(readonly=True)
    user_id = fields.Many2one("res.users", "By", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    kind = fields.Selection([("list", "List"), ("file", "File")], readonly=True)
    res_model = fields.Char("Model", readonly=True)
    res_id = fields.Many2oneReference("Record", model_field="res_model", readonly=True)
    model_name = fields.Char("What", compute="_compute_model_name")
    rows_count = fields.Integer("Rows", readonly=True, aggregator=None)
    domain = fields.Char("Filter", readonly=True)
    columns = fields.Char(readonly=True)
    personal = fields.Char("Personal data", readonly=True, help="Kinds of personal data among the columns.")

    def init(self):
        self.env.cr.execute("""
            CREATE TABLE IF NOT EXISTS g2p_export_log (
                id bigserial PRIMARY KEY,
                date timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC'),
                user_id integer NOT NULL,
                company_id integer,
                kind varchar NOT NULL CHECK (kind IN ('list', 'file')),
                res_model varchar NOT NULL,
                res_id integer,
                rows_count integer NOT NULL,
                domain varchar,
                columns varchar,
                personal varchar
            );
            CREATE INDEX IF NOT EXISTS g2p_export_log_record_idx ON g2p_export_log (res_model, res_id) WHERE res_id IS NOT NULL;
            CREATE OR REPLACE FUNCTION g2p_export_log_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    RAISE EXCEPTION 'The record of exports is append-only: % is not allowed', TG_OP
                        USING ERRCODE = 'insufficient_privilege';
                END
            $$;
            CREATE OR REPLACE TRIGGER g2p_export_log_append_only
                BEFORE UPDATE OR DELETE OR TRUNCATE ON g2p_export_log
                FOR EACH STATEMENT EXECUTE FUNCTION g2p_export_log_append_only();
        """)

    @api.depends("res_model")
    @api.depends_context("lang")
    def _compute_model_name(self):
        for row in self:
            known = row.res_model in self.env
            # sudo: what a model is called is no secret
            row.model_name = self.env["ir.model"]._get(row.res_model).sudo().name if known else row.res_model

    @api.model
    def _note(self, model, rows_count, kind="list", record=None, columns=(), domain=None, personal=()):
        """Put an export of the user on record.

        :param model: the name of the model whose rows leave
        :param record: of which record, if a file is of one
        :param personal: kinds of personal data among the columns
        """
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_export_log
                       (user_id, company_id, kind, res_model, res_id, rows_count, domain, columns, personal)
                VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
                """,
                self.env.uid,
                self.env.company.id,
                kind,
                model,
                record.id if record else None,
                rows_count,
                json.dumps(domain) if domain is not None else None,
                ", ".join(columns) or None,
                ", ".join(sorted(personal)) or None,
            )
        )
