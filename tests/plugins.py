"""Uses and uninstalls plug-ins on a database: scripts/python tests/plugins.py DATABASE ADDONS-PATH NAME…

Prints, as JSON, what in the database names something that is gone since: [sentence].
"""

import importlib.util
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
from dangling import dangling
from odoo_environment import environment


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


if __name__ == "__main__":
    database, path, *plugins = sys.argv[1:]
    with environment(database, "--addons-path", path) as superuser:
        use(superuser, plugins)
        before = dangling(superuser, notes=False)
        uninstall(superuser, plugins)
    # A new registry, as a server has it that starts afterwards.
    from odoo import api
    from odoo.modules.registry import Registry

    with Registry.new(database).cursor() as cr:
        after = dangling(api.Environment(cr, api.SUPERUSER_ID, {}), notes=False)
    print(json.dumps(sorted(set(after) - set(before))))
