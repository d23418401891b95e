from odoo.addons.g2p_programs.tools import managers


def uninstall_hook(env):
    """Cash managers go, and what a wizard was going to make of them."""
    managers.remove(env, "g2p.program.entitlement.manager.cash")
    env["g2p.program.create.wizard"].search([("entitlement_kind", "=", "cash")]).unlink()
