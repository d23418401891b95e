from odoo.addons.g2p_programs.tools import managers


def uninstall_hook(env):
    """Means tests leave the eligibility of programs."""
    managers.remove(env, "g2p.program_membership.manager.pmt")
