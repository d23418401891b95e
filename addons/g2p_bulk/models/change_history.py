import hashlib
import re

from odoo import api, fields, models, tools
from odoo.fields import Domain
from odoo.tools import SQL

from ..tools import changes

_NUMBER = re.compile(r"(?<=\S) \(#\d+\)$")  # after the name that a record had
_NAMED = 100  # records of a model that are looked up by what somebody typed
_LOCK = 0x67327063  # so that two processes that start at once do not both write the same triggers


class ChangeHistory(models.Model):
    """What was changed in which record from what to what, by whom, when and why. Rows are only ever added, by triggers.

    A model is watched by inheriting ``g2p.change.mixin``. A row stands on up to three records: the one that changed, the
    one it hangs on (*parent*, the manager of a rule), and the one on whose form people look for it (*owner*, the program).
    The table has no foreign key: history outlives what it tells about.
    """

    _name = "g2p.change.history"
    _description = "Change History"
    _auto = False
    _order = "id desc"
    _rec_name = "field"

    _ending = False  # whether this addon is being uninstalled

    date = fields.Datetime(readonly=True)
    user_id = fields.Many2one("res.users", "By", readonly=True)
    operation = fields.Selection([("create", "Created"), ("write", "Changed"), ("unlink", "Deleted")], readonly=True)
    res_model = fields.Char("Model", readonly=True)
    res_id = fields.Many2oneReference("Record number", model_field="res_model", readonly=True)
    parent_model = fields.Char(readonly=True)
    parent_id = fields.Many2oneReference("Belongs to number", model_field="parent_model", readonly=True)
    owner_model = fields.Char("Model of the owner", readonly=True)
    owner_id = fields.Many2oneReference("Owner number", model_field="owner_model", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    field = fields.Char("Technical field", readonly=True)
    old_value = fields.Char("Stored before", readonly=True)
    new_value = fields.Char("Stored now", readonly=True)
    reason = fields.Char(readonly=True)

    record_name = fields.Char("Record", compute="_compute_names")
    owner_name = fields.Char("Shown on", compute="_compute_names")
    field_name = fields.Char("Field", compute="_compute_values")
    old_text = fields.Char("Before", compute="_compute_values")
    new_text = fields.Char("Now", compute="_compute_values")
    about = fields.Char("Registrant, program or record", store=False, search="_search_about")
    record_readable = fields.Boolean(compute="_compute_record_readable", search="_search_record_readable")

    def init(self):
        self.env.cr.execute("""
            CREATE TABLE IF NOT EXISTS g2p_change_history (
                id bigserial PRIMARY KEY,
                date timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC'),
                user_id integer,
                operation varchar NOT NULL CHECK (operation IN ('create', 'write', 'unlink')),
                res_model varchar NOT NULL,
                res_id integer,
                parent_model varchar,
                parent_id integer,
                owner_model varchar NOT NULL,
                owner_id integer,
                company_id integer,
                field varchar,
                old_value varchar,
                new_value varchar,
                reason varchar
            );
            CREATE INDEX IF NOT EXISTS g2p_change_history_record_idx ON g2p_change_history (res_model, res_id);
            CREATE INDEX IF NOT EXISTS g2p_change_history_owner_idx ON g2p_change_history (owner_model, owner_id);
            CREATE INDEX IF NOT EXISTS g2p_change_history_parent_idx
                ON g2p_change_history (parent_model, parent_id) WHERE parent_id IS NOT NULL;
            CREATE INDEX IF NOT EXISTS g2p_change_history_deleted_idx
                ON g2p_change_history (id) WHERE operation = 'unlink';
            CREATE INDEX IF NOT EXISTS g2p_change_history_when_who_idx
                ON g2p_change_history USING brin (date, user_id) WITH (autosummarize = on);
            CREATE OR REPLACE FUNCTION g2p_change_history_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    RAISE EXCEPTION 'The change history is append-only: % is not allowed', TG_OP
                        USING ERRCODE = 'insufficient_privilege';
                END
            $$;
            CREATE OR REPLACE TRIGGER g2p_change_history_append_only
                BEFORE UPDATE OR DELETE OR TRUNCATE ON g2p_change_history
                FOR EACH STATEMENT EXECUTE FUNCTION g2p_change_history_append_only();
        """)

    # What is watched

    def _register_hook(self):
        """The triggers follow the declarations each time the models are loaded: also when a module came, changed or went.

        PostgreSQL drops a trigger with a column that it names, so who uninstalls a module would else stop the history.
        """
        super()._register_hook()
        self._install_triggers()

    @api.model
    def _watched_models(self):
        mixin = self.env.registry["g2p.change.mixin"]
        return sorted(
            name
            for name, model in self.env.registry.items()
            if issubclass(model, mixin) and not model._abstract and not model._transient
        )

    @api.model
    @tools.ormcache()
    def _watched_relations(self):
        """Tables of many2many fields whose rows are watched."""
        return frozenset(
            field.relation
            for name in self._watched_models()
            for field in self.env[name]._watched()
            if field.type == "many2many"
        )

    @api.model
    def _install_triggers(self):
        """Make, renew and drop triggers until they are those of the declarations. Two queries where they are already."""
        if self._ending:
            return
        models_ = [self.env[name] for name in self._watched_models()]
        # A table or column that the code knows may not be there yet: the module is updated later.
        columns = set(
            self.env.execute_query(
                SQL(
                    """
                    SELECT class.relname, attname FROM pg_attribute JOIN pg_class AS class ON class.oid = attrelid
                     WHERE class.relname = ANY(%s) AND class.relnamespace = current_schema::regnamespace
                       AND attnum > 0 AND NOT attisdropped
                    """,
                    [model._table for model in models_] + sorted(self._watched_relations()),
                )
            )
        )
        wanted = {
            (trigger.table, trigger.name): trigger for model in models_ for trigger in changes.triggers(model, columns)
        }
        digests = {key: hashlib.sha256(trigger.statements.encode()).hexdigest()[:32] for key, trigger in wanted.items()}
        mine = changes.PREFIX.replace("_", r"\_") + "%"
        # Triggers go with their table, when a module does; their functions would stay.
        orphans = SQL(
            """
            SELECT NULL, proc.proname, NULL
              FROM pg_proc AS proc
             WHERE proc.proname LIKE %(mine)s AND proc.prorettype = 'trigger'::regtype
               AND proc.pronamespace = current_schema::regnamespace
               AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgfoid = proc.oid)
            """,
            mine=mine,
        )
        query = SQL(
            """
            SELECT class.relname, tgname, obj_description(pg_trigger.oid, 'pg_trigger')
              FROM pg_trigger JOIN pg_class AS class ON class.oid = tgrelid
             WHERE tgname LIKE %(mine)s AND class.relnamespace = current_schema::regnamespace
             UNION ALL
            %(orphans)s
            """,
            mine=mine,
            orphans=orphans,
        )
        if {(table, name): digest for table, name, digest in self.env.execute_query(query)} == digests:
            return
        self.env.cr.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        installed = {(table, name): digest for table, name, digest in self.env.execute_query(query)}
        for table, name in installed.keys() - digests.keys():
            if table:
                self.env.cr.execute(SQL("DROP TRIGGER %s ON %s", SQL.identifier(name), SQL.identifier(table)))
        for key, digest in digests.items():
            if installed.get(key) != digest:
                table, name = key
                # The text is made of names of models and fields only, see tools/changes.py.
                self.env.cr.execute(wanted[key].statements)
                self.env.cr.execute(
                    SQL("COMMENT ON TRIGGER %s ON %s IS %s", SQL.identifier(name), SQL.identifier(table), digest)
                )
        # Those of the triggers that were just dropped among them.
        for _table, name, _digest in self.env.execute_query(orphans):
            self.env.cr.execute(SQL("DROP FUNCTION %s()", SQL.identifier(name)))

    @api.model
    def _drop_triggers(self):
        """What is left behind must work without this addon."""
        self.env.registry[self._name]._ending = True
        query = SQL(
            """
            SELECT proname FROM pg_proc
             WHERE proname LIKE %s AND prorettype = 'trigger'::regtype AND pronamespace = current_schema::regnamespace
            """,
            changes.PREFIX.replace("_", r"\_") + "%",
        )
        for [name] in self.env.execute_query(query):
            self.env.cr.execute(SQL("DROP FUNCTION %s() CASCADE", SQL.identifier(name)))

    # Who sees it

    @api.depends("owner_model", "owner_id")
    @api.depends_context("uid", "allowed_company_ids")
    def _compute_record_readable(self):
        readable = set(self.env(su=False)[self._name].search([("id", "in", self.ids)])._ids)
        for change in self:
            change.record_readable = change.id in readable

    def _search_record_readable(self, operator, value):
        """A change is as visible as its owner. Who sees all changes also sees those of owners that are gone or have no
        rows to hide (settings, users); never those of people in areas that are not theirs."""
        if operator != "in":
            return NotImplemented
        # The rule that uses this field searches as superuser; what may be read is the user's own question.
        visible = self.env(su=False)
        sees_all = visible.user.has_group("g2p_bulk.group_g2p_change_auditor")
        domains = []
        for name in self._owner_models():
            of_model = Domain("owner_model", "=", name)
            if sees_all and not self._is_personal(name):
                if "company_id" in visible[name]._fields:
                    # Of a company (the rule looks which), shared by all of them, or gone.
                    of_model &= Domain("company_id", "!=", False) | Domain.custom(
                        to_sql=self._shared_sql(visible[name])
                    )
                domains.append(of_model)
            elif visible[name].has_access("read"):
                readable = Domain.custom(to_sql=self._readable_sql(visible[name]))
                if sees_all and self._sees_gone(name):
                    readable |= Domain.custom(to_sql=self._gone_sql(visible[name]))
                domains.append(of_model & readable)
        return Domain.OR(domains)

    @api.model
    def _owner_models(self):
        """Models on whose records changes are shown."""
        return sorted({self.env[name]._changes_owner_model() for name in self._watched_models()} | {"res.users"})

    @api.model
    def _is_personal(self, name):
        """Whether rows of this model are hidden from some who see all changes: people, whom areas divide."""
        return getattr(self.env[name], "_changes_personal", False)

    @api.model
    def _sees_gone(self, name):
        """Whether the user sees the changes of people who were deleted."""
        return True

    @api.model
    def _readable_sql(self, model):
        """Whether the owner of a row may be read, asked row by row: a page of the history looks up a page of records."""

        def to_sql(history, alias, query):
            records = model.with_context(active_test=False)._search(Domain.TRUE)
            if records.is_empty():
                return SQL("FALSE")
            records.add_where(SQL("%s = %s", SQL.identifier(records.table, "id"), SQL.identifier(alias, "owner_id")))
            return SQL("%s", records.subselect(SQL("TRUE")))

        return to_sql

    @api.model
    def _shared_sql(self, model):
        """Whether the owner of a row belongs to no company, or is gone."""

        def to_sql(history, alias, query):
            company = SQL(changes.company_sql(model, "owner"))
            return SQL(
                "(SELECT %s FROM %s AS owner WHERE owner.id = %s) IS NULL",
                company,
                SQL.identifier(model._table),
                SQL.identifier(alias, "owner_id"),
            )

        return to_sql

    @api.model
    def _gone_sql(self, model):
        def to_sql(history, alias, query):
            return SQL(
                "(SELECT TRUE FROM %s AS owner WHERE owner.id = %s) IS NULL",
                SQL.identifier(model._table),
                SQL.identifier(alias, "owner_id"),
            )

        return to_sql

    def _search_about(self, operator, value):
        """What was changed on or in records that are called so: of each model the first few whom the user may read are found by
        name, and the history looked up by their numbers."""
        if operator != "ilike" or not isinstance(value, str) or not value.strip():
            return NotImplemented
        visible = self.env(su=False)
        found = []
        for name in sorted(
            {*self._owner_models(), *filter(lambda name: not self._is_personal(name), self._watched_models())}
        ):
            model = visible[name].with_context(active_test=False)
            if not model.has_access("read") or not self._is_named(model):
                continue
            if ids := model.search([("display_name", "ilike", value.strip())], limit=_NAMED).ids:
                found += [
                    SQL(
                        "SELECT id FROM g2p_change_history WHERE %s = %s AND %s = ANY(%s)",
                        SQL.identifier(f"{what}_model"),
                        name,
                        SQL.identifier(f"{what}_id"),
                        ids,
                    )
                    for what in ("owner", "res")
                ]
        if not found:
            return Domain.FALSE
        return Domain.custom(
            to_sql=lambda _model, alias, _query: SQL(
                "%s IN (%s)", SQL.identifier(alias, "id"), SQL(" UNION ALL ").join(found)
            )
        )

    @api.model
    def _is_named(self, model):
        """Whether its records can be found by name."""
        fields_ = [
            model._fields.get((name or "").partition(".")[0]) for name in model._rec_names_search or [model._rec_name]
        ]
        return all(
            field
            and (field.store or field.search)
            and (not field.comodel_name or model.env[field.comodel_name].has_access("read"))
            for field in fields_
        )

    # Words

    @api.depends("res_model", "res_id", "owner_model", "owner_id")
    @api.depends_context("uid", "allowed_company_ids", "lang")
    def _compute_names(self):
        names = self._names_of(
            {(row.res_model, row.res_id) for row in self} | {(row.owner_model, row.owner_id) for row in self}
        )
        for change in self:
            change.record_name = names.get((change.res_model, change.res_id), change.res_model)
            change.owner_name = names.get((change.owner_model, change.owner_id), change.owner_model)

    @api.model
    def _kind_words(self, model):
        """What people call a record of this model."""
        return self.env["ir.model"]._get(model).sudo().name or model  # sudo: how a model is called is no secret

    @api.model
    def _names_of(self, keys):
        """{(model, id): "Kind: name", or "Kind #id" where the record is gone or not for the user}, model by model."""
        names = {}
        visible = self.env(su=False)
        for name in {model for model, _id in keys}:
            if name not in visible:
                continue
            ids = [res_id for model, res_id in keys if model == name and res_id]
            kind = self._kind_words(name)
            records = visible[name].with_context(active_test=False).browse(ids).exists()
            known = {}
            if visible[name].has_access("read"):
                known = {record.id: record.display_name for record in records._filtered_access("read")}
            for res_id in ids:
                names[name, res_id] = f"{kind}: {known[res_id]}" if known.get(res_id) else f"{kind} #{res_id}"
            names[name, 0] = names[name, False] = kind
        return names

    @api.depends("res_model", "field", "old_value", "new_value", "operation")
    @api.depends_context("uid", "allowed_company_ids", "lang", "tz")
    def _compute_values(self):
        fields_ = {change: change._changed_field() for change in self}
        people = self._people_named(
            value
            for change, field in fields_.items()
            if field and field.comodel_name == "res.partner"
            for value in (change.old_value, change.new_value)
        )
        for change, field in fields_.items():
            change.field_name = change._field_words(field)
            change.old_text = self._text(field, change.old_value, people)
            change.new_text = self._text(field, change.new_value, people)

    def _changed_field(self):
        """The field that a row tells of; None where its module is gone. What was made or deleted tells its own name."""
        if self.res_model not in self.env:
            return None
        model = self.env[self.res_model]
        return model._fields.get(self.field or model._rec_name)

    def _field_words(self, field):
        if field:
            return field._description_string(self.env)
        if not self.field:
            return self.env._("Record")
        return self.field.removesuffix("_ids").removesuffix("_id").replace("_", " ").strip().capitalize()

    @api.model
    def _people_named(self, values):
        """{value: name} of people, whose number only is on record: of those whom the user may read."""
        ids = {value: int(value[1:]) for value in values if value and value[:1] == "#" and value[1:].isdigit()}
        partners = self.env(su=False)["res.partner"].with_context(active_test=False)
        if not ids or not partners.has_access("read"):
            return {}
        known = partners.browse(set(ids.values())).exists()._filtered_access("read")
        names = {partner.id: partner.display_name for partner in known}
        return {value: names[partner_id] for value, partner_id in ids.items() if partner_id in names}

    @api.model
    def _text(self, field, value, people):
        """A stored value as people read it, in the user's language and time zone."""
        if not field or value in (None, False):
            return value
        if field.type == "selection":
            return dict(field._description_selection(self.env)).get(value, value)
        if field.type == "boolean":
            return self.env._("Yes") if value == "true" else self.env._("No")
        if field.type in ("many2one", "many2many"):
            return people.get(value) or _NUMBER.sub("", value)
        if field.type in ("date", "datetime"):
            try:
                moment = field.to_date(value) if field.type == "date" else field.to_datetime(value.partition(".")[0])
            except ValueError:  # a day that the database knows and the calendar does not
                return value
            return (
                tools.format_date(self.env, moment) if field.type == "date" else tools.format_datetime(self.env, moment)
            )
        return value

    # What other code calls

    @api.model
    def _about(self, things):
        """The changes of these recordsets, and of all that belongs to them: lines of lines, and what is deleted since."""
        return Domain.OR(
            Domain.OR(
                Domain(f"{side}_model", "=", records._name) & Domain(f"{side}_id", "in", records.ids)
                for side in ("res", "parent", "owner")
            )
            for records in things
        )

    @api.model
    def _changers(self, things):
        """Users who made these recordsets, or made, changed or deleted anything of them."""
        self.env.flush_all()
        # sudo: who had a part, whoever may read what they changed; only who it was is told
        made = self.env["res.users"].sudo().union(*(records.sudo().create_uid for records in things))
        changed = self.sudo()._read_group(self._about(things), ["user_id"])
        return made.union(*(user for [user] in changed)).exists().sudo(False)

    @api.model
    def _because(self, reason, user=None):
        """Context manager: what is changed inside, by whatever statement, was changed for this reason, by this user."""
        return changes.because(self.env, reason, user or self.env.user)


class IrModelFields(models.Model):
    _inherit = "ir.model.fields"

    def _drop_column(self):
        """A module goes, and a watched column with it: the triggers must not name it a moment longer."""
        result = super()._drop_column()
        self.env["g2p.change.history"]._install_triggers()
        return result
