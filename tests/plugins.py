"""Uses and uninstalls plug-ins on a database: scripts/python tests/plugins.py DATABASE ADDONS-PATH NAME…

Prints, as JSON, what in the database still names something that is gone: {"model.field": [what is named]}.
"""

import importlib.util
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
from odoo_environment import environment

# They tell of what was there, and outlive it.
HISTORIES = ("g2p.change.history", "g2p.state.history", "g2p.export.log")


def use(env, names):
    for name in names:
        path = Path(__file__).parent / "examples" / name / "tests/use.py"
        if path.exists():
            spec = importlib.util.spec_from_file_location(f"{name}_use", path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            module.use(env)
    env.cr.commit()


def uninstall(env, names):
    modules = env["ir.module.module"].search([("name", "in", names)])
    assert set(modules.mapped("state")) == {"installed"}, modules.mapped(lambda module: (module.name, module.state))
    modules.button_immediate_uninstall()


def dangling(env):
    """Rows whose value of a selection, or whose named model or record, is not there (any more)."""
    found = {}
    for name in sorted(env.registry):
        model = env[name]
        if model._abstract or model._transient or not model._auto or name in HISTORIES:
            continue
        for field in model._fields.values():
            if field.store and field.column_type and (gone := named_and_gone(env, model, field)):
                found[f"{name}.{field.name}"] = gone
    return found


def named_and_gone(env, model, field):
    if field.type == "selection" and not field.company_dependent:
        known = {str(value) for value in field.get_values(env)}
        return sorted(set(values(env, model, field.name)) - known)
    if field.type == "reference":
        return sorted(value for value in values(env, model, field.name) if not exists(env, *value.split(",")[:2]))
    if field.type == "many2one_reference" and field.model_field in model._fields:
        named = model._fields[field.model_field]
        return sorted(set(values(env, model, named.name)) - set(env.registry)) if named.column_type else []
    return []


def exists(env, name, number):
    return name in env and bool(env[name].browse(int(number)).exists())


def values(env, model, column):
    env.cr.execute(f'SELECT DISTINCT "{column}"::text FROM "{model._table}" WHERE "{column}" IS NOT NULL')
    return [value for [value] in env.cr.fetchall() if value]


if __name__ == "__main__":
    database, path, *plugins = sys.argv[1:]
    with environment(database, "--addons-path", path) as superuser:
        before = dangling(superuser)
        use(superuser, plugins)
        uninstall(superuser, plugins)
    # A new registry, as a server has it that starts afterwards.
    from odoo import api
    from odoo.modules.registry import Registry

    with Registry.new(database).cursor() as cr:
        after = dangling(api.Environment(cr, api.SUPERUSER_ID, {}))
    print(json.dumps({name: gone for name, gone in after.items() if gone != before.get(name)}))
