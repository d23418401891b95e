"""What matching by name needs of the database: extensions that come with PostgreSQL and are trusted since 13."""

from odoo.tools import SQL

from odoo.addons.g2p_programs.tools import managers

# Not `unaccent`: where it is, the ORM uses it in every search by name, past the indexes.
EXTENSIONS = ("pg_trgm", "fuzzystrmatch")


def pre_init_hook(env):
    """Whoever owns the database may create them; no superuser is needed."""
    for extension in EXTENSIONS:
        env.cr.execute(SQL("CREATE EXTENSION IF NOT EXISTS %s", SQL.identifier(extension)))


def uninstall_hook(env):
    """Its managers leave programs; a function isn't dropped with the tables whose indexes call it."""
    managers.remove(env, "g2p.deduplication.manager.bank_account", "g2p.deduplication.manager.fuzzy")
    env.cr.execute("DROP FUNCTION IF EXISTS g2p_plain_name(text)")
