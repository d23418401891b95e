"""What the browser tests share: screens worked like a person does, the HTTP interface, and plain SQL to check both.

``screen``    ``screen("manager")`` is a :class:`Screen` in a browser context of its own, logged in as that demo user
``session``   ``session("manager")`` calls methods over HTTP with that user's session cookie
``sql``       rows of a query on the server's database, past the product
"""

import contextlib
import importlib.util
import resource
import subprocess
from pathlib import Path

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import pytest
from people import Job, Screen, Session

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def screen(new_page):
    screens = []

    def open_screen(login):
        screens.append(Screen(new_page(login)))
        return screens[-1]

    yield open_screen
    for opened in screens:
        opened.check_errors("at the end")


@pytest.fixture
def session(pbms_server):
    return lambda login: Session(pbms_server, login)


@pytest.fixture
def sql(pbms_server):
    """``sql(query, **parameters)``: all rows, as committed by now."""
    connection = psycopg2.connect(dbname=pbms_server.database)
    connection.autocommit = True
    # Odoo makes floats of amounts in the whole process.
    psycopg2.extensions.register_type(psycopg2.extensions.DECIMAL, connection)

    def rows(query, **parameters):
        with connection.cursor(cursor_factory=psycopg2.extras.NamedTupleCursor) as cursor:
            cursor.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    yield rows
    connection.close()


@pytest.fixture(scope="session", autouse=True)
def address_space():
    """Odoo limits the address space of the process that runs the tests; a browser started by it needs more."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


@pytest.fixture(scope="session")
def pbms_server(environment, demo_template):
    """One server for all browser tests: each test works on a program of its own."""
    spec = importlib.util.spec_from_file_location("servers", ROOT / "tests/conftest.py")
    servers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(servers)
    with servers.running_server(environment, demo_template) as server:
        yield server


BUNDLES = ("web.assets_frontend", "web.assets_web", "web.assets_backend_lazy")
BUILD = """
import sys
from odoo_environment import environment
with environment(sys.argv[1]) as env:
    for name in sys.argv[2:]:
        bundle = env["ir.qweb"]._get_asset_bundle(name)
        bundle.js(), bundle.css()
    env.cr.commit()
"""


@pytest.fixture(scope="session")
def demo_template(demo_template, environment):
    """The web client's bundles are built in the template, so that no page of a copy waits for them."""
    with contextlib.closing(psycopg2.connect(dbname=demo_template)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM ir_attachment WHERE name = ANY(%s)", [[f"{name}.min.js" for name in BUNDLES]])
        built = cursor.rowcount == len(BUNDLES)
    if not built:
        subprocess.run(
            ["scripts/python", "-c", BUILD, demo_template, *BUNDLES],
            check=True,
            cwd=ROOT,
            env={**environment, "PYTHONPATH": "scripts"},
        )
    return demo_template


@pytest.fixture
def prepared(session):
    """``prepared()``: a new program with its members enrolled."""
    return lambda: Job(session)
