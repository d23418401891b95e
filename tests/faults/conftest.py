"""Ground for the fault tests: a PostgreSQL cluster and Odoo processes that are there to be killed.

``cluster``   a private PostgreSQL cluster with the database ``faults_template``: the suite, 750 demo households, and a
              gate (see ``Gate``); the shared cluster is only read, once, to fill it
``world``     an Odoo with eight workers and no job runner on a copy of it, and the people who use it
``gate``      holds chunks back: a worker that comes to the end of its second chunk hangs until the gate is opened
"""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster import Cluster, wait_until
from product import ROOT, BrokenError, Node
from world import World

HOUSEHOLDS = 750
CHUNK_SIZE = 500
TEMPLATE = "faults_template"
GATE_LOCK = 4711
WORK_LOCK = 0x67327062

# The gate stands at the end of a chunk's work, before it is committed, and lets the first chunk of an operation pass, unless
# it is the only one; and steps that a test has let through (`let_through`).
GATE = f"""
    CREATE TABLE faults_let_through (res_model varchar, res_id integer, step varchar);
    CREATE FUNCTION faults_gate() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (
                SELECT FROM faults_let_through JOIN g2p_bulk_operation AS operation USING (res_model, res_id, step)
                WHERE operation.id = NEW.operation_id
            ) THEN
                RETURN NEW;
            END IF;
            IF EXISTS (SELECT FROM g2p_bulk_chunk WHERE operation_id = NEW.operation_id AND state = 'done')
               OR NOT EXISTS (SELECT FROM g2p_bulk_chunk WHERE operation_id = NEW.operation_id AND id <> NEW.id) THEN
                PERFORM pg_advisory_xact_lock_shared({GATE_LOCK});
            END IF;
            RETURN NEW;
        END $$;
    CREATE TRIGGER faults_gate BEFORE UPDATE ON g2p_bulk_chunk
        FOR EACH ROW WHEN (OLD.state = 'pending' AND NEW.state = 'done') EXECUTE FUNCTION faults_gate();
    UPDATE ir_config_parameter SET value = '{CHUNK_SIZE}' WHERE key = 'g2p_bulk.chunk_size'
"""


def base_database(environment):
    """The database with all addons and no people that the whole suite copies from."""
    subprocess.run([ROOT / "scripts/database.sh", "base"], check=True, env={**environment, "FAST": "1"})
    return environment.get("BASE", "g2p_base")


@pytest.fixture(scope="session")
def cluster(environment):
    source = base_database(environment)
    cluster = Cluster()
    try:
        cluster.create().start()
        cluster.sql("postgres", f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
        with subprocess.Popen(
            ["pg_dump", "--no-owner", "--no-acl", "-d", source], stdout=subprocess.PIPE, env=environment
        ) as dump:
            subprocess.run(
                ["psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", TEMPLATE],
                stdin=dump.stdout,
                stdout=subprocess.DEVNULL,
                check=True,
                env={**environment, **cluster.environment},
            )
        assert dump.returncode == 0
        subprocess.run(
            [
                ROOT / "scripts/python",
                ROOT / "scripts/demo.py",
                "--database",
                TEMPLATE,
                "--households",
                str(HOUSEHOLDS),
            ],
            check=True,
            env={**environment, **cluster.environment},
            stdout=subprocess.DEVNULL,
        )
        cluster.sql(TEMPLATE, GATE)
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="session")
def folder():
    """Logs and files of the nodes."""
    path = Path(tempfile.mkdtemp(prefix="g2p-faults-nodes-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running_node(cluster, folder, database, **options):
    node = Node(database, cluster.environment, folder, name=database, **options)
    try:
        yield node.wait()
    finally:
        node.kill()


@pytest.fixture(scope="session")
def world(cluster, folder):
    database = cluster.copy_database(TEMPLATE, "faults_world")
    with running_node(cluster, folder, database, workers=8) as node:
        yield World(cluster, node)


@pytest.fixture(scope="session")
def undisturbed(world):
    """The figures after each step of a program that nothing happens to."""
    program = world.program("Undisturbed")
    figures = {}
    for step in program.steps:
        program.run(step)
        figures[step] = program.figures()
    assert not world.never()
    return figures


class Gate:
    """Closed, it holds every worker at the end of the second chunk of its operation."""

    def __init__(self, cluster, database):
        self.cluster, self.database = cluster, database
        self.connection = None

    def close(self):
        self.connection = self.cluster.connect(self.database)
        self.connection.cursor().execute(f"SELECT pg_advisory_lock({GATE_LOCK})")

    def open(self):
        # A server that was killed has opened it already.
        if self.connection:
            self.connection.close()
            self.connection = None

    def somebody_waits(self):
        """somebody hangs at the gate"""
        return self.cluster.sql(
            self.database,
            """
            SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND objsubid = 1 AND NOT granted
            """,
            GATE_LOCK,
        )

    def work(self):
        """Who is at work before the gate: (process, since, statement, the processes it waits for)."""
        return self.cluster.sql(
            self.database,
            """
            SELECT pid, query_start, LEFT(query, 300), pg_blocking_pids(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
              AND wait_event IS DISTINCT FROM 'advisory'
            ORDER BY pid
            """,
        )

    def nobody_works(self):
        """the database server has noticed that the process is gone"""
        return not self.cluster.sql(self.database, "SELECT 1 FROM pg_locks WHERE classid = %s", WORK_LOCK)


@pytest.fixture
def gate(world):
    gate = Gate(world.cluster, world.database)
    yield gate
    gate.open()


class Background:
    """A call that goes on while the test does something else."""

    def __init__(self, function, *args):
        self.result = self.error = None
        self.thread = threading.Thread(target=self._call, args=(function, args), daemon=True)
        self.thread.start()

    def _call(self, function, args):
        try:
            self.result = function(*args)
        except Exception as error:
            self.error = error

    def join(self, seconds=60):
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "the call does not come back"
        return self


@pytest.fixture
def hang(gate):
    """``hang(start)``: what ``start()`` starts is under way in a process of its own, its first chunk committed, its second
    one (or its only one) done and not committed. Returns (the call, the process's number)."""

    def start(start_step):
        gate.close()
        call = Background(start_step)
        wait_until(gate.somebody_waits)
        # Small operations run in the process that started them.
        [[worker]] = gate.cluster.sql(gate.database, "SELECT worker FROM g2p_bulk_log ORDER BY id DESC LIMIT 1")
        return call, int(worker.rsplit(":", 1)[1])

    return start


@pytest.fixture
def kill_in_the_middle(gate, hang):
    """``kill_in_the_middle(start)``: kill -9 of the worker in the middle of what ``start()`` starts."""

    def kill(start_step):
        call, pid = hang(start_step)
        os.kill(pid, signal.SIGKILL)
        gate.open()
        call.join()
        assert isinstance(call.error, BrokenError), call.error
        wait_until(gate.nobody_works)

    return kill
