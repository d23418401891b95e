from odoo.addons.g2p_programs.tools import managers


def uninstall_hook(env):
    """Programs keep no reference to a manager whose type is gone."""
    managers.remove(env, "g2p.program.entitlement.manager.goods")
