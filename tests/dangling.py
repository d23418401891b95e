"""What points to nothing in a database, and what a database is made of.

``dangling(env)`` is asked after addons came, went or changed: every sentence it returns is a defect. ``shape(cr)`` is compared
before an addon comes and after it went: nothing of it may stay.
"""

import re
from ast import literal_eval

from odoo.fields import Domain
from odoo.tools import SQL
from odoo.tools.safe_eval import safe_eval

METHOD = re.compile(r"\bmodel\.(\w+)\(")
# Tables that no model owns: made by the `init` of the model named.
OWN_COLUMNS = {"res_partner.search_words", "res_users.password"}
OWN_TABLES = {
    "g2p_bulk_row": "g2p.bulk.operation",
    "g2p_group_role_holder": "g2p.group.membership",
    "g2p_group_indicator_touched": "g2p.group.indicator",
    "g2p_registrant_word": "res.partner",
    "g2p_payment_reconciliation_staged": "g2p.payment.reconciliation",
}
# What Odoo's server keeps for itself.
SERVER_TABLES = re.compile(r"^(base_registry_signaling|orm_signaling_\w+|rule_group_rel|module_country)$")


# What Odoo notes of the parts of models. Of an addon that stays and extends something of one that went, these notes are dropped
# with the next update of the addon.
NOTES = ("ir.model", "ir.model.fields", "ir.model.inherit", "ir.model.fields.selection", "ir.model.constraint")


def dangling(env, notes=True):
    """All that is wrong, in sentences, sorted; the environment is the superuser's.

    :param notes: whether all addons were updated since, so that none of their `NOTES` is old
    """
    env.flush_all()
    found = [*_xmlids(env, notes)]
    for look in (_models, _fields, _tables, _views, _menus, _actions, _rules, _crons, _access, _references):
        found += look(env)
    return sorted(found)


def _xmlids(env, notes):
    for model, ids in env.execute_query(
        SQL("SELECT model, array_agg(res_id) FROM ir_model_data WHERE res_id IS NOT NULL GROUP BY model")
    ):
        if model not in env:
            yield f"XML ids of {model}, which is no model"
        elif not env[model]._abstract and (notes or model not in NOTES):
            gone = set(ids) - set(env[model].browse(ids).exists().ids)
            for name in env["ir.model.data"].search([("model", "=", model), ("res_id", "in", list(gone))]):
                yield f"XML id {name.complete_name}: there is no such {model}"
    for module, count in env.execute_query(
        SQL(
            """
            SELECT data.module, COUNT(*)
              FROM ir_model_data AS data
              LEFT JOIN ir_module_module AS module ON module.name = data.module AND module.state = 'installed'
             WHERE module.id IS NULL AND data.module LIKE 'g2p%%'
             GROUP BY data.module
            """
        )
    ):
        yield f"{count} XML ids of {module}, which is not installed"


def _models(env):
    for [name] in env.execute_query(SQL("SELECT model FROM ir_model WHERE state = 'base' ORDER BY model")):
        if name not in env:
            yield f"model {name} is not declared any more"
    for name in env.registry.models:
        if not env.execute_query(SQL("SELECT FROM ir_model WHERE model = %s", name)):
            yield f"model {name} is not on record"
    for table in ("ir_model_constraint", "ir_model_relation"):
        for name, module in env.execute_query(
            SQL(
                """
                SELECT thing.name, module.name
                  FROM %s AS thing
                  JOIN ir_module_module AS module ON module.id = thing.module
                 WHERE module.state <> 'installed'
                """,
                SQL.identifier(table),
            )
        ):
            yield f"{name} belongs to {module}, which is not installed"


def _fields(env):
    for model, name in env.execute_query(SQL("SELECT model, name FROM ir_model_fields WHERE state = 'base'")):
        if model in env and name not in env[model]._fields:
            yield f"field {model}.{name} is not declared any more"
    for model in env.registry.models.values():
        for field in model._fields.values():
            if field.relational and field.comodel_name not in env:
                yield f"field {field} points to {field.comodel_name}, which is no model"
    columns = {}
    for table, column in env.execute_query(
        SQL("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema")
    ):
        columns.setdefault(table, set()).add(column)
    for name, model in env.registry.models.items():
        if model._abstract or not model._auto or model._table not in columns or not name.startswith(("g2p.", "res.")):
            continue
        declared = {field.name for field in model._fields.values() if field.store and field.column_type} | {"id"}
        for column in columns[model._table] - declared:
            if f"{model._table}.{column}" not in OWN_COLUMNS:
                yield f"column {model._table}.{column} is no field's"


def _tables(env):
    owned = {model._table for model in env.registry.models.values() if not model._abstract}
    owned |= {
        field.relation
        for model in env.registry.models.values()
        for field in model._fields.values()
        if field.type == "many2many" and field.store and field.relation
    }
    owned |= {table for table, model in OWN_TABLES.items() if model in env}
    for [table] in env.execute_query(
        SQL("SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema")
    ):
        if table not in owned and not SERVER_TABLES.match(table):
            yield f"table {table} is no model's"


def _views(env):
    for view in env["ir.ui.view"].with_context(active_test=False).search([], order="id"):
        name = view.xml_id or view.name
        if view.model and view.model not in env:
            yield f"view {name} is of {view.model}, which is no model"
        elif view.active and view.mode == "primary" and view.xml_id.startswith("g2p") and view.model:
            try:
                view._check_xml()
            except Exception as error:  # whatever is wrong with it is what is told
                yield f"view {name}: {error}"


def _menus(env):
    for menu in env["ir.ui.menu"].with_context(**{"active_test": False, "ir.ui.menu.full_list": True}).search([]):
        action = menu.read(["action"])[0]["action"]
        xmlid = menu.get_external_id()[menu.id]
        if action:
            model, number = action.split(",")
            if model not in env or not env[model].browse(int(number)).exists():
                yield f"menu {xmlid} opens {action}, which is not there"
        elif xmlid.startswith("g2p") and not menu.child_id:
            yield f"menu {xmlid} opens nothing"


def _actions(env):
    for action in env["ir.actions.act_window"].search([]):
        name = action.get_external_id()[action.id] or action.name
        if action.res_model not in env:
            yield f"action {name} shows {action.res_model}, which is no model"
            continue
        for view in (action.view_id, action.search_view_id, *action.view_ids.view_id):
            if view and view.model != action.res_model:
                yield f"action {name} shows {action.res_model} in a view of {view.model}"
        if name.startswith("g2p"):
            try:
                _names_of(action.domain, env[action.res_model])
            except Exception as error:
                yield f"action {name}, domain {action.domain}: {error}"
    for action in env["ir.actions.server"].search([]):
        if action.model_id.model not in env:
            yield f"server action {action.name} works on {action.model_id.model}, which is no model"
    for action in env["ir.actions.client"].search([("res_model", "!=", False)]):
        if action.res_model not in env:
            yield f"client action {action.name} works on {action.res_model}, which is no model"


def _names_of(domain, model):
    """:raise: when a domain with literals only names a field that is not there."""
    try:
        terms = literal_eval(domain or "[]")
    except ValueError:  # it depends on who looks
        return
    Domain(terms).validate(model)


def _rules(env):
    for rule in env["ir.rule"].with_context(active_test=False).search([]):
        name = rule.get_external_id()[rule.id] or rule.name
        model = rule.model_id.model
        if model not in env:
            yield f"rule {name} is on {model}, which is no model"
            continue
        try:
            Domain(safe_eval(rule.domain_force or "[]", rule._eval_context())).validate(env[model])
        except Exception as error:
            yield f"rule {name}: {error}"


def _crons(env):
    for cron in env["ir.cron"].with_context(active_test=False).search([]):
        name = cron.get_external_id()[cron.id] or cron.cron_name
        if cron.model_id.model not in env:
            yield f"schedule {name} works on {cron.model_id.model}, which is no model"
            continue
        for method in METHOD.findall(cron.code or ""):
            if not hasattr(env[cron.model_id.model], method):
                yield f"schedule {name} calls {cron.model_id.model}.{method}, which is not there"


def _access(env):
    for line in env["ir.model.access"].with_context(active_test=False).search([]):
        if line.model_id.model not in env:
            yield f"access line {line.name} is on {line.model_id.model}, which is no model"


# Columns that name models, where a name that is none makes a screen fail. Histories keep names of what is gone.
NAMING = (
    ("ir_attachment", "res_model"),
    ("ir_filters", "model_id"),
    ("mail_message", "model"),
    ("mail_followers", "res_model"),
    ("mail_activity", "res_model"),
    ("queue_job", "model_name"),
)


def _references(env):
    for table, column in NAMING:
        for [model] in _distinct(env, table, column):
            if model not in env:
                yield f"{table}.{column} names {model}, which is no model"
    for name, model in env.registry.models.items():
        if model._abstract or not model._auto:
            continue
        for field in model._fields.values():
            if field.type == "reference" and field.store:
                for [value] in _distinct(env, model._table, field.name):
                    target, _comma, number = value.partition(",")
                    if target not in env or not env[target].browse(int(number)).exists():
                        yield f"{field} points to {value}, which is not there"
            elif field.type == "selection" and field.store and name.startswith("g2p.") and field.column_type:
                choices = set(field.get_values(env))
                for [value] in _distinct(env, model._table, field.name):
                    if str(value) not in choices:
                        yield f"{field} is {value!r}, which is no choice"


def _distinct(env, table, column):
    column = SQL.identifier(column)
    return env.execute_query(
        SQL("SELECT DISTINCT %s FROM %s WHERE %s IS NOT NULL", column, SQL.identifier(table), column)
    )


# What a database is made of: each row is one thing, by name.
SHAPE = {
    "modules": "SELECT name FROM ir_module_module WHERE state = 'installed'",
    "tables and views": "SELECT concat_ws(' ', relkind, relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'p')",
    "sequences": "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'",
    "columns": "SELECT concat_ws(' ', table_name, column_name, data_type) FROM information_schema.columns WHERE table_schema = 'public'",
    # Without the one that Odoo says in two ways, by the fields at both ends: the last to be updated holds.
    "constraints": "SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n' AND conrelid <> 'rule_group_rel'::regclass",
    # Without those that Odoo makes of its own fields once it finds pg_trgm, which stays as extensions do.
    "indexes": """
        SELECT concat_ws(' ', tablename, indexname) FROM pg_indexes
         WHERE schemaname = 'public' AND NOT (tablename LIKE 'mail_%' AND indexdef LIKE '%gin_trgm_ops%')
    """,
    "triggers": "SELECT concat_ws(' ', tgrelid::regclass, tgname) FROM pg_trigger WHERE NOT tgisinternal",
    # Without those of PostgreSQL's extensions, which stay.
    "functions": """
        SELECT routine.oid::regprocedure::text FROM pg_proc routine
          LEFT JOIN pg_depend extension ON extension.objid = routine.oid AND extension.deptype = 'e'
         WHERE routine.pronamespace = 'public'::regnamespace AND extension.objid IS NULL
    """,
    # Without what Odoo notes of an addon that stays and extends an abstract model of one that goes: it is dropped with the
    # next update of the addon.
    "xml ids": """
        SELECT concat_ws(' ', data.module, data.name) FROM ir_model_data data
          LEFT JOIN ir_module_module addon ON addon.name = data.module AND addon.state = 'installed'
         WHERE NOT (data.module = 'base' AND data.model = 'ir.module.module')
           AND NOT (addon.id IS NOT NULL AND data.model IN ('ir.model', 'ir.model.fields', 'ir.model.inherit',
                                                            'ir.model.fields.selection', 'ir.model.constraint'))
    """,
    "models": "SELECT model FROM ir_model",
    "parts of models": "SELECT concat_ws(' ', model.model, parent.model) FROM ir_model_inherit JOIN ir_model model ON model.id = model_id JOIN ir_model parent ON parent.id = parent_id",
    "fields": "SELECT concat_ws(' ', model, name) FROM ir_model_fields",
    "values of selections": "SELECT concat_ws(' ', f.model, f.name, s.value) FROM ir_model_fields_selection s JOIN ir_model_fields f ON f.id = s.field_id",
    "menus": "SELECT concat_ws(' ', id, (name->>'en_US'), parent_id, action) FROM ir_ui_menu",
    "views": "SELECT concat_ws(' ', id, name, model) FROM ir_ui_view",
    "actions": "SELECT concat_ws(' ', id, type, (name->>'en_US')) FROM ir_actions",
    "rules": "SELECT concat_ws(' ', id, name, active, domain_force) FROM ir_rule",
    "access lines": "SELECT concat_ws(' ', id, name) FROM ir_model_access",
    "crons": "SELECT concat_ws(' ', id, cron_name, active) FROM ir_cron",
    "groups": "SELECT concat_ws(' ', id, (name->>'en_US')) FROM res_groups",
    "groups of groups": "SELECT concat_ws(' ', gid, hid) FROM res_groups_implied_rel",
    "jobs": "SELECT concat_ws(' ', f.id, f.name) FROM queue_job_function f UNION ALL SELECT concat_ws(' ', c.id, c.complete_name) FROM queue_job_channel c",
    "settings": "SELECT key FROM ir_config_parameter",
    "defaults": "SELECT concat_ws(' ', id, field_id, json_value) FROM ir_default",
    "filters": "SELECT concat_ws(' ', id, name, model_id) FROM ir_filters",
    "number sequences": "SELECT concat_ws(' ', id, name) FROM ir_sequence",
    "assets": "SELECT concat_ws(' ', id, name) FROM ir_asset",
    "mail templates": "SELECT concat_ws(' ', id, model) FROM mail_template",
    "activity types": "SELECT concat_ws(' ', id, (name->>'en_US')) FROM mail_activity_type",
}


def shape(cr):
    """{kind: {names}}, see `SHAPE`."""
    seen = {}
    for kind, query in SHAPE.items():
        cr.execute(query)
        seen[kind] = {name for [name] in cr.fetchall()}
    return seen
