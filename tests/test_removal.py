"""An addon of the suite that was used goes without a trace, and what it stood on goes on working. See `removal.py`."""

import json
import os
import subprocess
import uuid

import pytest

from conftest import ROOT, free_port

# {addon: (what goes with it, tests of the addons below that have to hold without it)}
ADDONS = {
    "g2p_program_membership_change": (
        {"g2p_pbms", "g2p_demo"},
        ("test_cycle.py", "test_money_payment.py"),
    ),
}
SCRIPT = ROOT / "scripts/database.sh"


@pytest.fixture(scope="module")
def base(environment):
    subprocess.run([SCRIPT, "base"], check=True, env={**environment, "FAST": "1"})
    return os.environ.get("BASE") or "g2p_base"


def remove(environment, database, *arguments):
    result = subprocess.run(
        [ROOT / "scripts/python", ROOT / "tests/removal.py", database, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture
def database(environment, base):
    name = f"removal_{uuid.uuid4().hex[:8]}"
    subprocess.run([SCRIPT, "copy", base, name], check=True, env={**environment, "FAST": "1"})
    yield name
    subprocess.run([SCRIPT, "drop", name], check=True, env=environment)


def addons():
    return {manifest.parent.name for manifest in ROOT.glob("addons/*/__manifest__.py")}


@pytest.mark.parametrize("addon", ADDONS)
def test_nothing_is_left_and_the_rest_works(environment, database, addon):
    along, tests = ADDONS[addon]
    told = remove(environment, database, addon)
    assert told["refused"] is None
    assert addons() - set(told["installed"]) == along | {addon}
    assert not told["unfinished"]
    assert told["dangling"] == []
    options = {
        "http-port": free_port(),
        "db-filter": f"^{database}$",
        "data-dir": environment["ODOO_DATA_DIR"],
    }
    command = [ROOT / ".venv/bin/python", "-m", "pytest", f"--odoo-database={database}", "--odoo-log-level=error", "-q"]
    command += [part for name, value in options.items() for part in ("--odoo-extra", f"{name}={value}")]
    command += [ROOT / "addons/g2p_programs/tests" / name for name in tests]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_what_is_on_hold_is_not_set_free_by_a_removal(environment, database):
    """Whose member is paused would be paid without the addon that holds it."""
    told = remove(environment, database, "g2p_program_membership_change", "dirty")
    assert "1 entitlements are on hold" in told["refused"]
    assert addons() == set(told["installed"])
    assert not told["unfinished"]
