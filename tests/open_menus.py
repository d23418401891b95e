"""Opens the action of every menu of the suite on a database, as the administrator: scripts/python tests/open_menus.py DATABASE

Prints {xml id of the menu: how many records its page shows}, with the filters that are on when the page is opened.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
from odoo_environment import as_user, environment


def shown(env):
    from odoo.addons.g2p_pbms.tests import screens

    menus = env["ir.model.data"].sudo().search([("model", "=", "ir.ui.menu"), ("module", "=like", "g2p%")])
    counts = {}
    for data in menus.sorted("complete_name"):
        menu = env["ir.ui.menu"].sudo().browse(data.res_id)
        if not menu.action:
            continue
        action = menu.action
        assert action._name == "ir.actions.act_window", f"{data.complete_name}: how to count what {action._name} shows?"
        model = env[action.res_model]
        if model._transient:  # a form that is always new
            continue
        context = screens.evaluate(action.context, env) or {}
        domain = screens.evaluate(action.domain, env) or []
        views = [(kind, view) for view, kind in action.views] + [("search", action.search_view_id.id)]
        screen = screens.screen(action.name, model, domain, context, views)
        counts[data.complete_name] = screen.first_page(screen.defaults)["length"]
    return counts


if __name__ == "__main__":
    with environment(sys.argv[1]) as superuser:
        print(json.dumps(shown(as_user(superuser, "admin"))))
