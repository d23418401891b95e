"""The main job of `make run`, on 300 households, and that its check can fail."""

import json
import subprocess
import uuid
from pathlib import Path

import psycopg2
import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts/database.sh"

# Menus that show nothing after the main job, and why.
EMPTY = {
    "g2p_outbox.menu_g2p_outbox_channel": "channels come with the modules that tell something to the outside world",
    "g2p_outbox.menu_g2p_outbox_batch": "see channels",
    "g2p_outbox.menu_g2p_outbox_message": "see channels",
    "g2p_payment_cash.menu_g2p_cash_desk": "everything was handed out",
    "g2p_payment_cash.menu_g2p_cash_desk_root": "everything was handed out",
    "g2p_payment_cash.menu_g2p_cash_desk_due": "everything was handed out",
    "g2p_payment_cash.menu_g2p_cash_desk_handed": "the payer's statements said so, not the desk",
    "g2p_payment_cash.menu_g2p_cash_handed": "the payer's statements said so, not the desk",
    "g2p_programs.menu_g2p_payment_contradiction": "nobody is paid twice in the demo",
    "g2p_programs.menu_g2p_approval_proposal": "nobody changes a running program in the main job",
    "g2p_programs.menu_g2p_payment_correction": "no payment was recorded wrongly",
    "g2p_programs.menu_g2p_payment_mark": "payments are recorded by the payer's file",
    "g2p_deduplication.menu_g2p_registrant_merge": "the sets of duplicates wait for an officer",
    "g2p_registry_base.menu_g2p_approval": "what waited for somebody was agreed to",
    "g2p_registry_base.menu_g2p_approval_stages": "without stages, one member of a kind's group agrees",
    "g2p_registry_base.menu_g2p_approval_delegations": "nobody is away",
    "g2p_registry_base.menu_g2p_exports": "written when a person downloads a file",
    "g2p_programs.menu_g2p_program_notification_manager": "types of notification come with other modules",
}


@pytest.fixture
def database(environment, demo_template):
    name = f"{demo_template}_{uuid.uuid4().hex[:8]}"
    subprocess.run([SCRIPT, "copy", demo_template, name], check=True, env={**environment, "FAST": "1"})
    yield name
    subprocess.run([SCRIPT, "drop", name], check=True, env=environment)


def main_job(environment, database):
    command = [ROOT / "scripts/python", ROOT / "scripts/main_job.py", "--database", database, "--once"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)


def test_the_main_job_adds_up_and_is_done_once(environment, database):
    first = main_job(environment, database)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Households with exactly what is due to them" in first.stdout
    assert " NO" not in first.stdout
    assert "done on this database already" in main_job(environment, database).stdout
    counts = open_menus(environment, database)
    assert len(counts) > 45
    assert {menu for menu, count in counts.items() if not count} == set(EMPTY)


def open_menus(environment, database):
    command = [ROOT / "scripts/python", ROOT / "tests/open_menus.py", database]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_a_figure_that_is_wrong_ends_it_with_an_error(environment, database):
    with psycopg2.connect(dbname=database) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE FUNCTION one_too_many() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN NEW.paid_count := NEW.paid_count + 1; RETURN NEW; END $$;
            CREATE TRIGGER one_too_many BEFORE UPDATE ON g2p_cycle
                FOR EACH ROW WHEN (NEW.paid_count > OLD.paid_count) EXECUTE FUNCTION one_too_many();
            """
        )
    connection.close()
    result = main_job(environment, database)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "DOES NOT ADD UP: Paid after statement 1" in result.stderr
