def uninstall_hook(env):
    """Programs keep no reference to a manager whose type is gone: the managers go, and their references with them."""
    env["g2p.program_membership.manager.pmt"].with_context(active_test=False).search([]).unlink()
