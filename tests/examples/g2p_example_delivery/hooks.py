def uninstall_hook(env):
    """Programs keep no reference to a manager whose type is gone."""
    env["g2p.program.entitlement.manager.goods"].search([]).unlink()
