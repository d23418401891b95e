from .tools import redaction


def post_load():
    """No data of people in the server's log, from the moment the server knows this module."""
    redaction.install()


def uninstall_hook(env):
    """Tables that stay must not call what goes."""
    env["g2p.change.history"]._drop_triggers()
