"""The doors of the architecture hold: each example plug-in installs, works, and goes without a trace. See examples/README.md."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import psycopg2
import pytest
from dangling import SHAPE, shape

from conftest import ROOT, free_port

sys.path.insert(0, str(ROOT / "scripts"))
import plugin

EXAMPLES = ROOT / "tests/examples"
WRITTEN = {f"g2p_written_{kind}": kind for kind in plugin.KINDS}  # what `make plugin` writes, one of each kind
NAMES = sorted(manifest.parent.name for manifest in EXAMPLES.glob("*/__manifest__.py"))
ALL = [*NAMES, *WRITTEN]

BAD_LINES = (" ERROR ", " CRITICAL ", "Traceback (most recent call last)")


@dataclass
class Run:
    """What the life of all examples has left to be judged."""

    before: dict = field(default_factory=dict)
    installed: set = field(default_factory=set)
    tests: dict = field(default_factory=dict)  # {example: [(test, trouble or None)]}
    after: dict = field(default_factory=dict)
    dangling: list = field(default_factory=list)
    log: str = ""


def look(database):
    with psycopg2.connect(dbname=database) as connection, connection.cursor() as cursor:
        seen = shape(cursor)
    connection.close()
    return seen


def run(command, environment):
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    return result, result.stdout + result.stderr


def addons_path(folders):
    return ",".join(map(str, (ROOT / "addons", *folders)))


def own_tests(database, environment, folders):
    """The tests of all examples in one process. {example: [(test, trouble or None)]}"""
    report = ROOT / ".run" / f"{database}.xml"
    options = {
        "http-port": free_port(),
        "db-filter": f"^{database}$",
        "data-dir": environment["ODOO_DATA_DIR"],
        "addons-path": addons_path(folders),
    }
    command = [ROOT / ".venv/bin/python", "-m", "pytest", f"--odoo-database={database}", "--odoo-log-level=error", "-q"]
    command += [part for name, value in options.items() for part in ("--odoo-extra", f"{name}={value}")]
    result, output = run([*command, f"--junitxml={report}", *folders], {**environment, "G2P_EXAMPLES": "1"})
    assert report.exists(), output
    found = {name: [] for name in ALL}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        trouble = [*case.iter("failure"), *case.iter("error"), *case.iter("skipped")]
        place = f"{case.get('classname')}.{case.get('name')}"
        [name] = [name for name in ALL if name in place.split(".")] or ["?"]
        found.setdefault(name, []).append((place, trouble[0].text if trouble else None))
    report.unlink()
    if result.returncode and not any(trouble for tests in found.values() for _test, trouble in tests):
        found["?"] = [("pytest", output)]
    return found


@pytest.fixture(scope="module")
def life(environment):
    """Installs, tests, uses and uninstalls all examples, and what `make plugin` writes, on one copy of the base database."""
    subprocess.run([ROOT / "scripts/database.sh", "base"], check=True, env={**environment, "FAST": "1"})
    database = f"examples_{uuid.uuid4().hex[:8]}"
    written = ROOT / ".run" / database
    for name, kind in WRITTEN.items():
        plugin.write(kind, name, written)
    folders = (EXAMPLES, written)
    script = ROOT / "scripts/database.sh"
    base = os.environ.get("BASE") or "g2p_base"
    subprocess.run([script, "copy", base, database], check=True, env={**environment, "FAST": "1"})
    try:
        told = Run(before=look(database))
        command = [ROOT / "scripts/odoo", "-d", database, "--addons-path", addons_path(folders), "-i", ",".join(ALL)]
        command += ["--skip-auto-install", "--stop-after-init", "--no-http", "--log-level=warn"]
        result, told.log = run(command, environment)
        assert result.returncode == 0, told.log
        told.installed = look(database)["modules"] - told.before["modules"]
        told.tests = own_tests(database, environment, folders)
        result, output = run(
            [ROOT / "scripts/python", ROOT / "tests/plugins.py", database, addons_path(folders), *ALL], environment
        )
        assert result.returncode == 0, output
        told.log += output
        told.dangling = json.loads(result.stdout.splitlines()[-1])
        told.after = look(database)
        yield told
    finally:
        subprocess.run([script, "drop", database], check=True, env=environment)
        shutil.rmtree(written)


def test_there_are_examples_and_each_is_in_the_list_once():
    text = (EXAMPLES / "README.md").read_text()
    assert NAMES
    assert [name for name in NAMES if text.count(f"| `{name}` |") != 1] == []


def test_examples_bring_nothing_else_along(life):
    assert life.installed == set(ALL), "examples depend on modules of the suite only"


@pytest.mark.parametrize("name", ALL)
def test_it_has_tests_of_its_own_and_they_hold(life, name):
    assert life.tests[name], "an example without tests shows nothing"
    assert [(test, trouble) for test, trouble in life.tests[name] if trouble] == []


def test_no_test_belongs_to_nobody(life):
    assert life.tests.get("?", []) == []


@pytest.mark.parametrize("what", SHAPE)
def test_nothing_is_left_behind(life, what):
    assert sorted(life.after[what] - life.before[what]) == []


@pytest.mark.parametrize("what", SHAPE)
def test_nothing_of_others_is_taken_along(life, what):
    assert sorted(life.before[what] - life.after[what]) == []


def test_nothing_names_what_is_gone(life):
    assert life.dangling == []


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
