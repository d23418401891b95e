"""What matching by name needs of the database: extensions that come with PostgreSQL and are trusted since 13."""

from odoo.tools import SQL

# Not `unaccent`: where it is, the ORM uses it in every search by name, past the indexes.
EXTENSIONS = ("pg_trgm", "fuzzystrmatch")


def pre_init_hook(env):
    """Whoever owns the database may create them; no superuser is needed."""
    for extension in EXTENSIONS:
        env.cr.execute(SQL("CREATE EXTENSION IF NOT EXISTS %s", SQL.identifier(extension)))


def uninstall_hook(env):
    """Programs keep no reference to a manager whose type is gone: the managers go, and their references with them."""
    for model in ("g2p.deduplication.manager.bank_account", "g2p.deduplication.manager.fuzzy"):
        env[model].with_context(active_test=False).search([]).unlink()
    env.cr.execute("DROP FUNCTION IF EXISTS g2p_plain_name(text)")
