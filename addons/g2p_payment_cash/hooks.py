from odoo.addons.g2p_programs.tools import managers


def uninstall_hook(env):
    """The cash desks of programs go."""
    managers.remove(env, "g2p.program.payment.manager.cash")
