def uninstall_hook(env):
    """Scenarios go with the programs that hold their settings, which nothing would set aside any more; lists of programs and of
    managers leave nobody out then."""
    env["g2p.program.scenario"].with_context(active_test=False).search([]).unlink()
    env["g2p.program"].with_context(active_test=False).search([("is_sandbox", "=", True)]).unlink()
    env["ir.actions.act_window"].search([("domain", "like", "is_sandbox")]).domain = False
