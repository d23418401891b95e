def uninstall_hook(env):
    """A function of the database isn't dropped with the table whose trigger calls it."""
    env["g2p.outbox.attempt"]._drop_triggers()
