"""A PostgreSQL cluster of one's own, in a temporary folder, that may be killed, filled up and thrown away."""

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psycopg2

# Nothing here survives the machine: what counts is what survives the death of processes.
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on", "jit": "off"}


def binaries():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return found[-1] if found else Path(shutil.which("initdb")).resolve().parent


class Cluster:
    """Started by the constructor's caller with :meth:`start`, ended with :meth:`close`; never as root."""

    def __init__(self, port=5432, host=None, settings=None):
        self.bin = binaries()
        # The path of a socket is short.
        self.folder = Path(tempfile.mkdtemp(prefix="g2p-faults-", dir="/var/tmp"))
        self.data = self.folder / "data"
        self.owner = "postgres" if os.geteuid() == 0 else None
        if self.owner:
            shutil.chown(self.folder, self.owner)
        self.host, self.port = host or str(self.folder), port
        self.settings = {
            "listen_addresses": f"'{host or ''}'",
            "port": port,
            "unix_socket_directories": f"'{self.folder}'",
            "max_connections": 100,
            "shared_buffers": "'256MB'",
            "max_wal_size": "'1GB'",
            "log_min_messages": "'fatal'",
            **FAST,
            **(settings or {}),
        }

    @property
    def environment(self):
        return {"PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": "odoo"}

    def run(self, program, *arguments, check=True):
        return self.as_owner(self.bin / program, *arguments, check=check)

    def as_owner(self, *command, check=True):
        command = [*map(str, command)]
        if self.owner:
            command = ["runuser", "-u", self.owner, "--", *command]
        return subprocess.run(
            command, check=check, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ).stdout

    def create(self):
        self.run(
            "initdb",
            "-D",
            self.data,
            "-U",
            "odoo",
            "--auth=trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-N",
            "--wal-segsize=1",
        )
        return self

    def copy_of(self, primary, slot):
        """A streaming replica of another cluster."""
        self.run(
            *("pg_basebackup", "-D", self.data, "-R", "-X", "stream", "-c", "fast", "-C", "-S", slot),
            *("-h", primary.host, "-p", primary.port, "-U", "odoo"),
        )
        return self

    def start(self):
        options = " ".join(f"-c {name}={value}" for name, value in self.settings.items())
        self.run("pg_ctl", "-D", self.data, "-l", self.folder / "log", "-o", options, "-w", "start")
        return self

    def stop(self, mode="immediate"):
        self.run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop", check=False)

    def crash_and_start(self):
        """As if the server had been killed: open transactions are gone, committed ones come back from the log."""
        self.stop("immediate")
        self.start()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, database):
        connection = psycopg2.connect(dbname=database, host=self.host, port=self.port, user="odoo")
        connection.autocommit = True
        return connection

    def sql(self, database, query, *parameters):
        """The rows of one statement (committed at once)."""
        with closing(self.connect(database)) as connection, connection.cursor() as cursor:
            cursor.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def copy_database(self, template, database):
        self.sql("postgres", f'CREATE DATABASE "{database}" TEMPLATE "{template}" STRATEGY file_copy')
        return database


def wait_until(condition, seconds=30, every=0.1):
    """What ``condition()`` returns as soon as it is true; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {getattr(condition, '__doc__', None) or condition}")
        time.sleep(every)
    return result
