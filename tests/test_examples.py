"""The doors of the architecture hold: each example plug-in installs, works, and goes without a trace. See examples/README.md."""

import json
import os
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import psycopg2
import pytest

from conftest import ROOT, free_port

EXAMPLES = ROOT / "tests/examples"
NAMES = sorted(manifest.parent.name for manifest in EXAMPLES.glob("*/__manifest__.py"))
ADDONS_PATH = f"{ROOT / 'addons'},{EXAMPLES}"

# What must be the same before and after: each row is one thing, by name.
LOOK = {
    "modules": "SELECT name FROM ir_module_module WHERE state = 'installed'",
    "tables and views": "SELECT concat_ws(' ', relkind, relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'p')",
    "sequences": "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'",
    "columns": "SELECT concat_ws(' ', table_name, column_name, data_type) FROM information_schema.columns WHERE table_schema = 'public'",
    "constraints": "SELECT concat_ws(' ', conrelid::regclass, conname) FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'",
    "indexes": "SELECT concat_ws(' ', tablename, indexname) FROM pg_indexes WHERE schemaname = 'public'",
    "triggers": "SELECT concat_ws(' ', tgrelid::regclass, tgname) FROM pg_trigger WHERE NOT tgisinternal",
    "functions": "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    # Without what Odoo notes of an addon that extends an abstract model of an example's model: it is dropped with the addon's
    # next update.
    "xml ids": """
        SELECT concat_ws(' ', module, name) FROM ir_model_data
         WHERE NOT (module = 'base' AND model = 'ir.module.module')
           AND NOT (module NOT LIKE 'g2p_example_%' AND model IN ('ir.model', 'ir.model.fields', 'ir.model.inherit',
                                                                  'ir.model.fields.selection', 'ir.model.constraint'))
    """,
    "models": "SELECT model FROM ir_model",
    "parts of models": "SELECT concat_ws(' ', model.model, parent.model) FROM ir_model_inherit JOIN ir_model model ON model.id = model_id JOIN ir_model parent ON parent.id = parent_id",
    "fields": "SELECT concat_ws(' ', model, name) FROM ir_model_fields",
    "values of selections": "SELECT concat_ws(' ', f.model, f.name, s.value) FROM ir_model_fields_selection s JOIN ir_model_fields f ON f.id = s.field_id",
    "menus": "SELECT concat_ws(' ', id, (name->>'en_US'), parent_id, action) FROM ir_ui_menu",
    "views": "SELECT concat_ws(' ', id, name, model) FROM ir_ui_view",
    "actions": "SELECT concat_ws(' ', id, type, (name->>'en_US')) FROM ir_actions",
    "rules": "SELECT concat_ws(' ', id, name, active, domain_force) FROM ir_rule",
    "access lines": "SELECT concat_ws(' ', id, name) FROM ir_model_access",
    "crons": "SELECT concat_ws(' ', id, cron_name, active) FROM ir_cron",
    "groups": "SELECT concat_ws(' ', id, (name->>'en_US')) FROM res_groups",
    "groups of groups": "SELECT concat_ws(' ', gid, hid) FROM res_groups_implied_rel",
    "jobs": "SELECT concat_ws(' ', f.id, f.name) FROM queue_job_function f UNION ALL SELECT concat_ws(' ', c.id, c.complete_name) FROM queue_job_channel c",
    "settings": "SELECT key FROM ir_config_parameter",
    "assets": "SELECT concat_ws(' ', id, name) FROM ir_asset",
    "mail templates": "SELECT concat_ws(' ', id, model) FROM mail_template",
    "activity types": "SELECT concat_ws(' ', id, (name->>'en_US')) FROM mail_activity_type",
}
BAD_LINES = (" ERROR ", " CRITICAL ", "Traceback (most recent call last)")


@dataclass
class Run:
    """What the life of all examples has left to be judged."""

    before: dict = field(default_factory=dict)
    installed: set = field(default_factory=set)
    tests: dict = field(default_factory=dict)  # {example: [(test, trouble or None)]}
    after: dict = field(default_factory=dict)
    dangling: dict = field(default_factory=dict)
    log: str = ""


def look(database):
    with psycopg2.connect(dbname=database) as connection, connection.cursor() as cursor:
        seen = {}
        for what, query in LOOK.items():
            cursor.execute(query)
            seen[what] = {row[0] for row in cursor.fetchall()}
    connection.close()
    return seen


def run(command, environment):
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    return result, result.stdout + result.stderr


def own_tests(database, environment):
    """The tests of all examples in one process. {example: [(test, trouble or None)]}"""
    report = ROOT / ".run" / f"{database}.xml"
    options = {
        "http-port": free_port(),
        "db-filter": f"^{database}$",
        "data-dir": environment["ODOO_DATA_DIR"],
        "addons-path": ADDONS_PATH,
    }
    command = [ROOT / ".venv/bin/python", "-m", "pytest", f"--odoo-database={database}", "--odoo-log-level=error", "-q"]
    command += [part for name, value in options.items() for part in ("--odoo-extra", f"{name}={value}")]
    result, output = run([*command, f"--junitxml={report}", EXAMPLES], {**environment, "G2P_EXAMPLES": "1"})
    assert report.exists(), output
    found = {name: [] for name in NAMES}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        trouble = [*case.iter("failure"), *case.iter("error"), *case.iter("skipped")]
        place = f"{case.get('classname')}.{case.get('name')}"
        [name] = [name for name in NAMES if name in place.split(".")] or ["?"]
        found.setdefault(name, []).append((place, trouble[0].text if trouble else None))
    report.unlink()
    if result.returncode and not any(trouble for tests in found.values() for _test, trouble in tests):
        found["?"] = [("pytest", output)]
    return found


@pytest.fixture(scope="module")
def life(environment):
    """Installs, tests, uses and uninstalls all examples on one copy of the base database."""
    subprocess.run([ROOT / "scripts/database.sh", "base"], check=True, env={**environment, "FAST": "1"})
    database = f"examples_{uuid.uuid4().hex[:8]}"
    script = ROOT / "scripts/database.sh"
    base = os.environ.get("BASE") or "g2p_base"
    subprocess.run([script, "copy", base, database], check=True, env={**environment, "FAST": "1"})
    try:
        told = Run(before=look(database))
        command = [ROOT / "scripts/odoo", "-d", database, "--addons-path", ADDONS_PATH, "-i", ",".join(NAMES)]
        command += ["--skip-auto-install", "--stop-after-init", "--no-http", "--log-level=warn"]
        result, told.log = run(command, environment)
        assert result.returncode == 0, told.log
        told.installed = look(database)["modules"] - told.before["modules"]
        told.tests = own_tests(database, environment)
        result, output = run(
            [ROOT / "scripts/python", ROOT / "tests/plugins.py", database, ADDONS_PATH, *NAMES], environment
        )
        assert result.returncode == 0, output
        told.log += output
        told.dangling = json.loads(result.stdout.splitlines()[-1])
        told.after = look(database)
        yield told
    finally:
        subprocess.run([script, "drop", database], check=True, env=environment)


def test_there_are_examples_and_each_is_in_the_list_once():
    text = (EXAMPLES / "README.md").read_text()
    assert NAMES
    assert [name for name in NAMES if text.count(f"| `{name}` |") != 1] == []


def test_examples_bring_nothing_else_along(life):
    assert life.installed == set(NAMES), "examples depend on modules of the suite only"


@pytest.mark.parametrize("name", NAMES)
def test_it_has_tests_of_its_own_and_they_hold(life, name):
    assert life.tests[name], "an example without tests shows nothing"
    assert [(test, trouble) for test, trouble in life.tests[name] if trouble] == []


def test_no_test_belongs_to_nobody(life):
    assert life.tests.get("?", []) == []


@pytest.mark.parametrize("what", LOOK)
def test_nothing_is_left_behind(life, what):
    assert sorted(life.after[what] - life.before[what]) == []


@pytest.mark.parametrize("what", LOOK)
def test_nothing_of_others_is_taken_along(life, what):
    assert sorted(life.before[what] - life.after[what]) == []


def test_nothing_names_what_is_gone(life):
    assert life.dangling == {}


def test_nothing_is_complained_about(life):
    assert [line for line in life.log.splitlines() if any(bad in line for bad in BAD_LINES)] == []


def test_no_file_of_the_core_names_an_example():
    """Nor does any addon reach into the examples."""
    named = [
        str(path.relative_to(ROOT))
        for path in Path(ROOT / "addons").rglob("*")
        if path.suffix in (".py", ".xml", ".csv", ".js") and any(name in path.read_text() for name in NAMES)
    ]
    assert named == []
