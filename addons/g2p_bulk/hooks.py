from .tools import redaction


def post_load():
    """No data of people in the server's log, from the moment the server knows this module."""
    redaction.install()


def uninstall_hook(env):
    """Tables that stay must not call what goes, and what no model owns goes too."""
    env["g2p.change.history"]._drop_triggers()
    env.cr.execute(
        """
        DROP FUNCTION IF EXISTS g2p_change_history_append_only() CASCADE;
        DROP FUNCTION IF EXISTS g2p_state_history_append_only() CASCADE;
        DROP FUNCTION IF EXISTS g2p_export_log_append_only() CASCADE;
        DROP TABLE IF EXISTS g2p_bulk_row;
        """
    )
