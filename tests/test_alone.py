"""Any subset of the addons works: each comes on exactly what it needs, opens, works, and goes without a trace. See `alone.py`."""

import doctest
import json
import subprocess
import uuid

import alone
import pytest

from conftest import ROOT

# What the suite stands on.
ODOO = sorted({one for needed in alone.SUITE.values() for one in needed} - alone.SUITE.keys())
BAD_LINES = (" ERROR ", " CRITICAL ", "Traceback (most recent call last)")


@pytest.fixture(scope="module")
def told(environment):
    script = ROOT / "scripts/database.sh"
    fast = {**environment, "FAST": "1"}
    subprocess.run([script, "odoo", "g2p_odoo", *ODOO], check=True, env=fast)
    database = f"alone_{uuid.uuid4().hex[:8]}"
    subprocess.run([script, "copy", "g2p_odoo", database], check=True, env=fast)
    try:
        result = subprocess.run(
            [ROOT / "scripts/python", ROOT / "tests/alone.py", database],
            capture_output=True,
            text=True,
            env=environment,
            cwd=ROOT,
        )
    finally:
        subprocess.run([script, "drop", database], check=True, env=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    return {**json.loads(result.stdout.splitlines()[-1]), "log": result.stdout + result.stderr}


@pytest.mark.parametrize("addon", alone.ALONE)
def test_it_comes_works_and_goes(told, addon):
    assert told["wrong"][addon] == []


@pytest.mark.parametrize("addon", alone.ALONE)
def test_something_was_looked_at(told, addon):
    assert told["seen"][addon].keys() - {"menus"} == {"screens", "uses"}


def test_nothing_is_complained_about(told):
    assert [line for line in told["log"].splitlines() if any(bad in line for bad in BAD_LINES)] == []


def test_something_small_is_done_with_each():
    assert sorted(alone.USES) == alone.ALONE


def test_the_examples_in_docstrings_hold():
    assert doctest.testmod(alone).failed == 0
