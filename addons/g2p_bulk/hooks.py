def uninstall_hook(env):
    """Tables that stay must not call what goes."""
    env["g2p.change.history"]._drop_triggers()
