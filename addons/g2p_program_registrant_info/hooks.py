def uninstall_hook(env):
    """Remove the functions that no model owns, with their triggers."""
    env.cr.execute(
        """
        DROP FUNCTION IF EXISTS g2p_application_member_left() CASCADE;
        DROP FUNCTION IF EXISTS g2p_assessment_kept() CASCADE;
        """
    )
