def uninstall_hook(env):
    """Remove what no model owns: functions with the triggers that call them (some stand on tables of others), a sequence."""
    env.cr.execute(
        """
        DROP FUNCTION IF EXISTS g2p_entitlement_next_ern() CASCADE;
        DROP FUNCTION IF EXISTS g2p_entitlement_fixed() CASCADE;
        DROP FUNCTION IF EXISTS g2p_entitlement_joins() CASCADE;
        DROP FUNCTION IF EXISTS g2p_note_new_registrants() CASCADE;
        DROP FUNCTION IF EXISTS g2p_note_new_registrant() CASCADE;
        DROP FUNCTION IF EXISTS g2p_payment_kept() CASCADE;
        DROP FUNCTION IF EXISTS g2p_payment_not_issued() CASCADE;
        DROP FUNCTION IF EXISTS g2p_fund_append_only() CASCADE;
        DROP FUNCTION IF EXISTS g2p_cycle_author_created() CASCADE;
        DROP FUNCTION IF EXISTS g2p_cycle_author_amount() CASCADE;
        DROP FUNCTION IF EXISTS g2p_cycle_author_stays() CASCADE;
        DROP SEQUENCE IF EXISTS g2p_entitlement_ern_seq;
        """
    )
