"""A real server and a real browser for the tests under tests/: nothing of Odoo's test mode is involved.

``pbms_server``  a running Odoo on a database of its own (the suite and 300 demo households), ended after the module
``browser``      Chromium with a profile of its own
``new_page``     ``new_page("manager")`` gives a page logged in as that demo user, in a context of its own
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Example plug-ins are tested where they are installed: by test_examples.py.
collect_ignore = [] if os.environ.get("G2P_EXAMPLES") else ["examples"]
TEMPLATE = os.environ.get("G2P_TEST_TEMPLATE", "g2p_test_demo")
HOUSEHOLDS = "300"
START_SECONDS = 90


@dataclass(frozen=True)
class Server:
    """Where the product answers, and the database it serves (PGHOST, PGPORT and PGUSER are set for psycopg2)."""

    url: str
    database: str
    process: subprocess.Popen
    log: Path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def environment():
    """What the scripts need beside the caller's environment."""
    lines = subprocess.run(
        [ROOT / "scripts/postgres.sh", "env"], check=True, capture_output=True, text=True
    ).stdout.replace("export ", "")
    postgres = dict(pair.replace("'", "").split("=", 1) for pair in lines.split())
    os.environ.update(postgres)
    return {
        **os.environ,
        "ODOO_RC": str(ROOT / "odoo.conf"),
        "ODOO_DATA_DIR": str(ROOT / ".run/data"),
        "PYTHONWARNINGS": "ignore",
    }


@pytest.fixture(scope="session")
def demo_template(environment):
    """The database the servers' own databases are copied from; built once, and again only when the addons change."""
    subprocess.run(
        [ROOT / "scripts/database.sh", "demo", TEMPLATE, HOUSEHOLDS], check=True, env={**environment, "FAST": "1"}
    )
    return TEMPLATE


def answers(url):
    with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
        return urllib.request.urlopen(f"{url}/web/login", timeout=20).status == 200
    return False


@contextlib.contextmanager
def running_server(environment, template, options=()):
    """A real Odoo process on a fresh copy of ``template`` and a free loopback port."""
    database = f"{template}_{uuid.uuid4().hex[:8]}"
    script = ROOT / "scripts/database.sh"
    subprocess.run([script, "copy", template, database], check=True, env={**environment, "FAST": "1"})
    port = free_port()
    log = ROOT / ".run" / f"{database}.log"
    command = [ROOT / ".venv/bin/python", "-m", "odoo", "-d", database, "--db-filter", f"^{database}$"]
    command += ["--http-interface", "127.0.0.1", "--http-port", str(port), "--data-dir", environment["ODOO_DATA_DIR"]]
    process = subprocess.Popen(
        [*command, "--logfile", log, *options], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    server = Server(f"http://127.0.0.1:{port}", database, process, log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(server.url):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"Odoo does not answer at {server.url}:\n{log.read_text()[-4000:] if log.exists() else ''}")
            time.sleep(0.3)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        subprocess.run([script, "drop", database], check=True, env=environment)


@pytest.fixture(scope="module")
def pbms_server(environment, demo_template):
    with running_server(environment, demo_template) as server:
        yield server


@pytest.fixture(scope="module")
def browser():
    """Chromium under Playwright. The profile is a new folder each time; nothing is fetched in the background."""
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    assert executable, "Chromium is missing: scripts/install.sh --dev installs it"
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    arguments += ["--disable-component-update", "--disable-sync"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, sync_playwright() as playwright:
        instance = playwright.chromium.launch(
            executable_path=executable, headless=True, args=arguments, env={**os.environ, "HOME": profile}
        )
        yield instance
        instance.close()


@pytest.fixture
def new_page(browser, pbms_server):
    """``new_page(login)``: a page at the back office as that demo user (its password is its login)."""
    contexts = []

    def open_page(login, password=None):
        context = browser.new_context(base_url=pbms_server.url, viewport={"width": 1366, "height": 768})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto("/web/login")
        page.fill("input[name=login]", login)
        page.fill("input[name=password]", password or login)
        page.click("button[type=submit]")
        # The first page of a new database has its assets compiled.
        page.wait_for_selector(".o_main_navbar", timeout=120_000)
        return page

    yield open_page
    for context in contexts:
        context.close()
