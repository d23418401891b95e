"""Any subset of the suite installs, works, and goes without a trace: see alone.py, which walks up and down the stairs."""

import json
import os
import subprocess
import uuid

import pytest

from conftest import ROOT

ADDONS = sorted(path.parent.name for path in (ROOT / "addons").glob("*/__manifest__.py"))
ASIDE = {"g2p_pbms", "g2p_demo"}
BAD_LINES = (" ERROR ", " CRITICAL ", "Traceback (most recent call last)")


@pytest.fixture(scope="module")
def walk(environment):
    """({step: [what is wrong]}, what the server said)"""
    script, quick = ROOT / "scripts/database.sh", {**environment, "FAST": "1"}
    plain = f"{os.environ.get('BASE') or 'g2p_base'}_plain"
    database = f"alone_{uuid.uuid4().hex[:8]}"
    subprocess.run([script, "plain", plain], check=True, env=quick)
    subprocess.run([script, "copy", plain, database], check=True, env=quick)
    try:
        command = [ROOT / "scripts/python", ROOT / "tests/alone.py", database]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        print(done.stderr)
        assert done.returncode == 0, done.stdout + done.stderr
        yield json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr
    finally:
        subprocess.run([script, "drop", database], check=True, env=environment)


@pytest.mark.parametrize("addon", [addon for addon in ADDONS if addon not in ASIDE])
def test_it_installs_alone_and_goes_without_a_trace(walk, addon):
    told, _log = walk
    assert told[f"{addon} is installed"] == []
    assert told[f"{addon} is gone"] == []


def test_nothing_is_complained_about(walk):
    _told, log = walk
    assert [line for line in log.splitlines() if any(bad in line for bad in BAD_LINES)] == []
