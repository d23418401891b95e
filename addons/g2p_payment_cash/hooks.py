def uninstall_hook(env):
    """Programs keep no reference to a manager whose type is gone: the managers go, and their references with them."""
    env["g2p.program.payment.manager.cash"].with_context(active_test=False).search([]).unlink()
