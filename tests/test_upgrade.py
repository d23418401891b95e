"""Databases of the version before are upgraded with everything in them.

`tests/upgrade/*.sql.xz` are databases that earlier versions made (`tests/upgrade/make_dump.py`). Each is restored, upgraded as
an administrator would, and compared with itself.
"""

import json
import lzma
import re
import subprocess
import uuid
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

ROOT = Path(__file__).resolve().parent.parent
DUMPS = sorted((ROOT / "tests/upgrade").glob("*.sql.xz"))

# What an upgrade makes anew, or counts by: not compared row by row. Groups of users may become more, with new addons: of them
# and of what they allow nobody loses anything, see `test_nobody_loses_a_right`.
SERVERS_OWN = re.compile(
    r"^(ir_(?!attachment$|filters$|default$|config_parameter$|sequence$)\w+|bus_\w+|res_groups(_implied_rel|_users_rel|_privilege)?"
    r"|res_(lang|country)\w*|base_registry_signaling|orm_signaling_\w+|rule_group_rel|g2p_bulk_log)$"
)
# To which an upgrade may add rows; what was there stays.
GROWING = (
    "ir_attachment",
    "ir_config_parameter",
    # rights that come with new addons are on record, and so are their schedules
    "g2p_change_history",
    "mail_message",
    "queue_job_channel",
    "queue_job_function",
)
# Columns that are another thing in the new version, and why.
CHANGED = {("g2p_reg_id", "value_key"): "IDs are compared without spaces, dots, dashes and strokes"}
# Records with XML ids that the new version does without, and why.
GONE = {
    ("ir.model.fields", "field_g2p_cash_desk__person"): "one box finds code, name, ID and phone",
}
# Rights that the new version takes away on purpose, as {model: why}.
SHARED = "what all programs use is changed by administrators"
TAKEN = {
    "g2p.benefit.codes": SHARED,
    "g2p.document.tag": SHARED,
    "g2p.membership.change.reason": SHARED,
}
HELD = """
    WITH RECURSIVE held AS (
        SELECT uid, gid FROM res_groups_users_rel
         UNION
        SELECT held.uid, brought.hid FROM held JOIN res_groups_implied_rel AS brought ON brought.gid = held.gid
    )
"""
LOG_COLUMNS = ("write_date", "write_uid")
# Kinds of records of which Odoo makes new ones where a module declares them differently.
REFLECTED = ("ir.model.constraint", "ir.model.inherit", "ir.model.fields.selection")


def addons():
    return sorted(manifest.parent.name for manifest in ROOT.glob("addons/*/__manifest__.py"))


def restore(environment, dump, database):
    create = ["createdb", "-T", "template0", "-E", "UTF8", "--lc-collate=C", "--lc-ctype=C.UTF-8", database]
    subprocess.run(create, check=True, env=environment)
    subprocess.run(
        ["psql", "-d", database, "--single-transaction", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null"],
        input=lzma.decompress(dump.read_bytes()),
        check=True,
        env=environment,
    )
    fast = f'ALTER DATABASE "{database}" SET synchronous_commit = off'
    subprocess.run(["psql", "-d", database, "-qc", fast], check=True, env=environment)


class Database:
    """What is in a database, by plain SQL."""

    def __init__(self, name):
        self.name = name

    def rows(self, query, *parameters):
        connection = psycopg2.connect(dbname=self.name)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query, parameters)
                return cursor.fetchall()
        finally:
            connection.close()

    def columns(self):
        """{table: its columns in order}, of the tables that are compared."""
        found = {}
        for table, column in self.rows(
            """
            SELECT part.table_name, part.column_name
              FROM information_schema.columns AS part
              JOIN information_schema.tables AS owner USING (table_schema, table_name)
             WHERE table_schema = current_schema AND owner.table_type = 'BASE TABLE'
             ORDER BY part.table_name, part.ordinal_position
            """
        ):
            if not SERVERS_OWN.match(table):
                found.setdefault(table, []).append(column)
        return found

    def last_ids(self):
        return {table: self.rows(f"SELECT COALESCE(MAX(id), 0) FROM {table}")[0][0] for table in GROWING}

    def contents(self, columns, last_ids):
        """{(table, column): (rows, digest of the column's values in the order of the rows)}; records of data files, which an
        upgrade writes, are left out."""
        found = {}
        present = self.columns()
        for table, names in columns.items():
            kept = [name for name in names if name in present.get(table, ()) and name not in LOG_COLUMNS]
            if not kept:
                continue
            order = sql.SQL("id") if "id" in kept else sql.SQL(", ").join(map(sql.Identifier, kept))
            own = sql.SQL("TRUE")
            if "id" in kept:
                own = sql.SQL(
                    """
                    NOT EXISTS (SELECT FROM ir_model_data AS data
                                  JOIN ir_model AS model ON model.model = data.model
                                 WHERE data.res_id = row.id AND replace(data.model, '.', '_') = {table} AND NOT data.noupdate)
                    """
                ).format(table=sql.Literal(table))
            if table in last_ids:
                own += sql.SQL(" AND id <= {0}").format(sql.Literal(last_ids[table]))
            digests = sql.SQL(", ").join(
                sql.SQL("md5(string_agg(COALESCE(row.{0}::text, '∅'), '·' ORDER BY {1}))").format(
                    sql.Identifier(name), order
                )
                for name in kept
            )
            [[count, *values]] = self.rows(
                sql.SQL("SELECT COUNT(*), {0} FROM {1} AS row WHERE {2}").format(digests, sql.Identifier(table), own)
            )
            found |= {(table, name): (count, value) for name, value in zip(kept, values, strict=True)}
        return found

    def xmlids(self):
        """{(kind, name without module, number of the record)}, of what the suite's addons own."""
        return set(
            self.rows(
                "SELECT model, name, res_id FROM ir_model_data WHERE starts_with(module, 'g2p') AND model <> ALL(%s)",
                list(REFLECTED),
            )
        )

    def groups(self):
        """{(user, group)}, those that a group brings with it included."""
        return set(self.rows(f"{HELD} SELECT uid, gid FROM held"))

    def rights(self):
        """{(user, model, what they may do with it)} by their groups."""
        return set(
            self.rows(
                f"""
                {HELD}
                SELECT DISTINCT held.uid, model.model, may.what
                  FROM held
                  JOIN ir_model_access AS access ON access.group_id = held.gid AND access.active
                  JOIN ir_model AS model ON model.id = access.model_id
                 CROSS JOIN LATERAL (VALUES ('read', perm_read), ('write', perm_write), ('create', perm_create),
                                            ('unlink', perm_unlink)) AS may (what, allowed)
                 WHERE may.allowed
                """
            )
        )

    def unbalanced(self):
        """Funds of which the account does not say what the ledger says, or does not add up."""
        return self.rows(
            """
            SELECT account.id
              FROM g2p_fund_account AS account
              LEFT JOIN g2p_fund_ledger AS ledger ON ledger.account_id = account.id
             GROUP BY account.id
            HAVING account.posted <> COALESCE(SUM(CASE WHEN ledger.kind = 'deposit' THEN ledger.amount
                                                     WHEN ledger.kind IN ('withdraw', 'write_off') THEN -ledger.amount END), 0)
                OR account.disbursed <> COALESCE(SUM(CASE WHEN ledger.kind = 'disburse' THEN ledger.amount
                                                        WHEN ledger.kind IN ('refund', 'write_off') THEN -ledger.amount END), 0)
                OR account.posted < account.reserved + account.disbursed
            """
        )


@pytest.fixture(scope="module", params=DUMPS, ids=lambda dump: dump.name.removesuffix(".sql.xz"))
def upgraded(request, environment):
    """(before, after, what the upgrade logged, what `look.py` saw): one upgrade for all tests of this file."""
    name = f"g2p_upgrade_{uuid.uuid4().hex[:8]}"
    try:
        restore(environment, request.param, name)
        database = Database(name)
        columns = database.columns()
        last_ids = database.last_ids()
        before = {
            "contents": database.contents(columns, last_ids),
            "xmlids": database.xmlids(),
            "groups": database.groups(),
            "rights": database.rights(),
        }
        new = database.rows("SELECT name FROM ir_module_module WHERE state = 'installed'")
        installed = sorted(set(addons()) & {module for [module] in new})
        upgrade = subprocess.run(
            [
                *(ROOT / "scripts/odoo", "-d", name, "-u", ",".join(installed)),
                *("--stop-after-init", "--no-http", "--log-level=warn"),
            ],
            capture_output=True,
            text=True,
            env=environment,
            cwd=ROOT,
        )
        log = upgrade.stdout + upgrade.stderr
        assert upgrade.returncode == 0, log
        after = {
            "contents": database.contents(columns, last_ids),
            "xmlids": database.xmlids(),
            "groups": database.groups(),
            "rights": database.rights(),
            "versions": dict(
                database.rows("SELECT name, latest_version FROM ir_module_module WHERE state = 'installed'")
            ),
            "unfinished": database.rows(
                "SELECT name FROM ir_module_module WHERE state NOT IN ('installed', 'uninstalled', 'uninstallable')"
            ),
        }
        look = subprocess.run(
            [ROOT / "scripts/python", ROOT / "tests/upgrade/look.py", name],
            capture_output=True,
            text=True,
            env=environment,
            cwd=ROOT,
        )
        assert look.returncode == 0, look.stdout + look.stderr
        yield database, before, after, log, json.loads(look.stdout.splitlines()[-1])
    finally:
        subprocess.run([ROOT / "scripts/database.sh", "drop", name], check=True, env=environment)


def test_there_is_a_database_to_upgrade():
    assert DUMPS


def test_all_addons_are_installed_in_their_new_version(upgraded):
    """Addons that took something over came by themselves."""
    _database, _before, after, log, _look = upgraded
    assert not after["unfinished"]
    for name in addons():
        manifest = (ROOT / f"addons/{name}/__manifest__.py").read_text()
        assert f'"version": "{after["versions"].get(name)}"' in manifest, name
    assert " ERROR " not in log
    assert " WARNING " not in log, log


def test_every_row_is_as_it_was(upgraded):
    _database, before, after, _log, _look = upgraded
    lost = {
        (table, column): value
        for (table, column), value in before["contents"].items()
        if after["contents"].get((table, column)) != value and (table, column) not in CHANGED
    }
    assert not lost


def test_what_waited_for_somebody_is_asked_for(upgraded):
    """Imports and merges that another person had to agree to stand in the inbox."""
    database, *_facts = upgraded
    for model, state, kind in (
        ("g2p.registrant.import", "submitted", "import"),
        ("g2p.registrant.merge", "proposed", "merge"),
    ):
        waiting = database.rows(f"SELECT id FROM {model.replace('.', '_')} WHERE state = %s ORDER BY id", state)
        asked = database.rows(
            """
            SELECT res_id FROM g2p_approval_request
             WHERE res_model = %s AND kind_code = %s AND state = 'waiting' ORDER BY res_id
            """,
            model,
            kind,
        )
        assert asked == waiting != [], model


def test_nobody_loses_a_right(upgraded):
    _database, before, after, _log, _look = upgraded
    assert len({user for user, _group in before["groups"]}) > 5
    assert not before["groups"] - after["groups"]
    lost = before["rights"] - after["rights"]
    assert not {right for right in lost if right[1] not in TAKEN}
    assert {model for _user, model, _what in lost} == set(TAKEN)
    assert not {right for right in lost if right[2] == "read"}


def test_every_record_keeps_its_number_and_name(upgraded):
    """Whatever addon owns it now, so that nothing that points to it points elsewhere."""
    _database, before, after, _log, _look = upgraded
    lost = {(model, name) for model, name, _number in before["xmlids"] - after["xmlids"]}
    assert lost <= set(GONE), sorted(lost - set(GONE))


def test_nothing_dangles(upgraded):
    *_facts, look = upgraded
    assert look["dangling"] == []


def test_every_menu_opens(upgraded):
    *_facts, look = upgraded
    assert len(look["menus"]) > 45
    assert sum(map(bool, look["menus"].values())) > 35, look["menus"]


def test_what_waits_for_approval_is_in_the_inbox(upgraded):
    *_facts, look = upgraded
    assert look["asked"]["to_approve"] == [["cycle", True]]
    assert not any(requests for state, requests in look["asked"].items() if state != "to_approve")


def test_cycles_go_on(upgraded):
    database, *_facts, look = upgraded
    assert len(look["cycles"]) == 4
    for name, cycle in look["cycles"].items():
        assert cycle["state"] == "distributed", (name, cycle)
        assert cycle["paid"] == cycle["entitlements"] > 0, (name, cycle)
    assert not database.unbalanced()
    twice = database.rows(
        "SELECT entitlement_id FROM g2p_payment WHERE status = 'paid' GROUP BY entitlement_id HAVING COUNT(*) > 1"
    )
    assert not twice
