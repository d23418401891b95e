def uninstall_hook(env):
    """Remove the functions that no model owns, with the triggers that call them."""
    env.cr.execute(
        """
        DROP FUNCTION IF EXISTS g2p_approval_decision_made() CASCADE;
        DROP FUNCTION IF EXISTS g2p_approval_decision_stays() CASCADE;
        DROP FUNCTION IF EXISTS g2p_approval_request_stays() CASCADE;
        """
    )
