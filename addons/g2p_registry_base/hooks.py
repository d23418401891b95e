"""What the registry needs of the database beyond what the ORM makes."""


def pre_init_hook(env):
    """Exclusion constraints over (integer, period) need btree_gist: part of PostgreSQL, trusted since 13."""
    env.cr.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")


def uninstall_hook(env):
    """Remove the table and functions that no model owns."""
    env.cr.execute(
        """
        DROP TABLE IF EXISTS g2p_group_role_holder;
        DROP TABLE IF EXISTS g2p_group_indicator_touched;
        DROP FUNCTION IF EXISTS g2p_account_changed() CASCADE;
        DROP TABLE IF EXISTS g2p_registrant_word;
        DROP FUNCTION IF EXISTS g2p_registrant_words_added() CASCADE;
        DROP FUNCTION IF EXISTS g2p_registrant_words_changed() CASCADE;
        DROP FUNCTION IF EXISTS g2p_search_words(text) CASCADE;
        DROP FUNCTION IF EXISTS g2p_search_number(text) CASCADE;
        DROP FUNCTION IF EXISTS g2p_id_key(text, boolean) CASCADE;
        DROP FUNCTION IF EXISTS g2p_search_phone(text, text) CASCADE;
        DROP FUNCTION IF EXISTS g2p_group_registered() CASCADE;
        DROP FUNCTION IF EXISTS g2p_group_starts_empty() CASCADE;
        DROP FUNCTION IF EXISTS g2p_group_person_changed() CASCADE;
        DROP FUNCTION IF EXISTS g2p_group_persons_settled() CASCADE;
        DROP FUNCTION IF EXISTS g2p_group_refresh_indicators(integer[]) CASCADE;
        DROP FUNCTION IF EXISTS g2p_group_head_kind() CASCADE;
        DROP FUNCTION IF EXISTS g2p_group_membership_inserted() CASCADE;
        DROP FUNCTION IF EXISTS g2p_group_membership_updated() CASCADE;
        DROP FUNCTION IF EXISTS g2p_group_membership_deleted() CASCADE;
        DROP FUNCTION IF EXISTS g2p_group_role_added() CASCADE;
        DROP FUNCTION IF EXISTS g2p_group_role_removed() CASCADE;
        DROP FUNCTION IF EXISTS g2p_group_membership_kind_changed() CASCADE;
        DROP FUNCTION IF EXISTS g2p_reg_id_copy_uniqueness() CASCADE;
        DROP FUNCTION IF EXISTS g2p_id_type_uniqueness_changed() CASCADE;
        """
    )
