"""scripts/postgres.sh: which server is used, and that another one is started only when somebody asks for it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts/postgres.sh"
CONF = """
[options]
; db_host = commented
db_host = 127.0.0.1
db_port = 1
db_user = ministry
db_password = it's se"cret
[queue_job]
db_host = elsewhere
"""


@pytest.fixture
def postgres(tmp_path):
    """``postgres(*arguments, conf=…, **environment)``: the script in a project of its own."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    script = shutil.copy(SCRIPT, folder)

    def run(*arguments, conf="[options]\n", **environment):
        (tmp_path / "odoo.conf").write_text(conf)
        plain = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PG", "G2P_")) and name != "ODOO_RC"
        }
        return subprocess.run(
            ["bash", script, *arguments], capture_output=True, text=True, env={**plain, **environment}, check=False
        )

    yield run
    run("destroy")


def variables(result):
    """What a shell holds after it has evaluated the answer of `env`."""
    names = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD")
    text = subprocess.run(
        ["bash", "-c", result.stdout + "\n" + "\n".join(f'echo "{name}=${name}"' for name in names)],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
        check=True,
    ).stdout
    return dict(line.split("=", 1) for line in text.splitlines())


def test_odoo_conf_names_the_server(postgres):
    assert variables(postgres("env", conf=CONF)) == {
        "PGHOST": "127.0.0.1",
        "PGPORT": "1",
        "PGUSER": "ministry",
        "PGPASSWORD": "it's se\"cret",
    }


def test_the_environment_goes_first(postgres):
    found = variables(postgres("env", conf=CONF, PGHOST="other", PGUSER="me"))
    assert (found["PGHOST"], found["PGPORT"], found["PGUSER"], found["PGPASSWORD"]) == ("other", "5432", "me", "")


def test_without_a_name_it_is_the_private_cluster(postgres):
    found = variables(postgres("env", conf="[options]\ndb_host = False\n"))
    assert (found["PGUSER"], found["PGPORT"]) == ("odoo", "5432")


def test_a_named_server_that_is_dead_is_an_error(postgres):
    result = postgres("start", conf=CONF)
    assert result.returncode == 1
    assert "db_host=127.0.0.1 in" in result.stderr
    assert "start --private" in result.stderr


def test_the_private_cluster_is_started_beside_a_dead_server_only_if_asked(postgres):
    result = postgres("start", "--private", conf=CONF)
    assert result.returncode == 0, result.stderr
    assert "is not used: a private cluster is, because it was asked for" in result.stderr
    found = variables(postgres("env", conf=CONF))
    assert (found["PGUSER"], found["PGPASSWORD"]) == ("odoo", "")
    answer = subprocess.run(
        ["psql", "-d", "postgres", "-Atc", "SELECT 1"],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], **found},
        check=False,
    )
    assert answer.stdout == "1\n", answer.stderr
    assert postgres("stop", conf=CONF).returncode == 0
    assert variables(postgres("env", conf=CONF))["PGHOST"] == "127.0.0.1"
