#!/usr/bin/env python3
"""One country on one machine: PostgreSQL with a read replica, two nodes of Odoo, nginx; and a node that dies at work.

    scripts/python tests/ha/run.py [--people 100000] [--ports 8140]

Everything runs on the loopback interface, in a temporary folder, and is gone afterwards; 10 ports from --ports on are used.
A registry of so many people is made, an individual program takes them through a cycle up to payments sent, and every step
runs as jobs on both nodes. In the middle of *Prepare entitlements* the node that holds the job runner is killed (kill -9 of
all its processes). The table shows which node did which chunks; anything that does not add up ends it with status 1.
Not part of `make test`. Needs nginx (Debian's nginx-light).
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/faults"))

from cluster import Cluster, wait_until  # noqa: E402
from product import Node, User  # noqa: E402
from world import NEVER, Program  # noqa: E402

DATABASE = "pbms"
STEPS = (
    "import",
    "deduplicate",
    "enrol",
    "copy",
    "cycle verify",
    "prepare",
    "submit",
    "approve",
    "prepare payments",
    "send",
)
KILLED_IN = "prepare"
CHUNKS = 40
PATIENCE = 1_800

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log warn;
events {{ worker_connections 512; }}
http {{
    access_log {folder}/nginx-access.log;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    client_max_body_size 512m;
    upstream odoo {{
        server 127.0.0.1:{first};
        server 127.0.0.1:{second};
    }}
    server {{
        listen 127.0.0.1:{front};
        location = /queue_job/runjob {{
            # Not from outside; the nodes' job runners use the other server below.
            return 403;
        }}
        location / {{
            proxy_pass http://odoo;
            proxy_next_upstream error timeout;
            proxy_connect_timeout 2s;
            proxy_read_timeout 1800s;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
    server {{
        # The door for jobs, on the inner network only: whichever node is alive and has less to do.
        listen 127.0.0.1:{jobs};
        location = /queue_job/runjob {{
            proxy_pass http://odoo;
            proxy_next_upstream error timeout non_idempotent;
            proxy_connect_timeout 2s;
            proxy_read_timeout 1800s;
            proxy_ignore_client_abort on;
            proxy_set_header Host $host;
        }}
        location / {{ return 403; }}
    }}
}}
"""


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


class Setting:
    """All processes, from the database to the proxy."""

    def __init__(self, people, ports):
        self.people, self.folder = people, Path(tempfile.mkdtemp(prefix="g2p-ha-"))
        names = ("primary", "replica", "first", "second", "front", "jobs")
        self.port = {name: ports + number for number, name in enumerate(names)}
        # nginx gives its rights away, and still has to come to its folders.
        self.folder.chmod(0o755)
        self.nodes, self.nginx, self.replica = [], None, None
        durable = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "'512MB'", "max_wal_size": "'4GB'"}
        self.primary = Cluster(
            self.port["primary"], "127.0.0.1", {**durable, "wal_level": "replica", "max_wal_senders": 5}
        )
        self.durable = durable

    def database(self):
        say("PostgreSQL primary, with all addons and a registry")
        self.primary.create().start()
        environment = {
            **os.environ,
            **self.primary.environment,
            "ODOO_DATA_DIR": str(self.folder / "data"),
            "G2P_DEMO_HOUSEHOLDS": "0",
        }
        modules = ",".join(sorted(path.parent.name for path in (ROOT / "addons").glob("*/__manifest__.py")))
        self.primary.sql("postgres", f"CREATE DATABASE {DATABASE} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'")
        subprocess.run(
            [
                *(ROOT / "scripts/odoo", "-d", DATABASE, "-i", modules),
                *("--skip-auto-install", "--stop-after-init", "--no-http", "--log-level=error"),
            ],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        subprocess.run(
            [
                *(ROOT / "scripts/python", ROOT / "scripts/demo.py"),
                *("--database", DATABASE, "--households", str(self.people // 4)),
            ],
            check=True,
            env=environment,
        )
        [[size]] = self.primary.sql(DATABASE, "SELECT pg_database_size(current_database()) / 1024 / 1024")
        say(f"{self.people:,} people: the database has {size:,} MB")
        for name, value in (("chunk_size", max(self.people // CHUNKS, 100)), ("inline_threshold", 1)):
            self.primary.sql(
                DATABASE, "UPDATE ir_config_parameter SET value = %s WHERE key = %s", str(value), f"g2p_bulk.{name}"
            )

    def copy(self):
        say("read replica by pg_basebackup, streaming")
        self.replica = Cluster(self.port["replica"], "127.0.0.1", {**self.durable, "hot_standby": "on"})
        self.replica.copy_of(self.primary, "replica").start()
        wait_until(lambda: self.primary.sql("postgres", "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"))

    def start_nodes(self):
        say("two nodes of Odoo, and nginx before them")
        environment = {
            **self.primary.environment,
            # The runner hands out jobs through the proxy: whichever node takes them.
            "ODOO_QUEUE_JOB_HOST": "127.0.0.1",
            "ODOO_QUEUE_JOB_PORT": str(self.port["jobs"]),
        }
        options = ["--db_replica_host", "127.0.0.1", "--db_replica_port", str(self.port["replica"])]
        options += ["--proxy-mode"]
        for name in ("first", "second"):
            self.nodes.append(
                Node(
                    DATABASE,
                    environment,
                    self.folder,
                    name,
                    workers=4,
                    chunks_at_a_time=4,
                    port=self.port[name],
                    options=options,
                )
            )
        configuration = self.folder / "nginx.conf"
        configuration.write_text(NGINX.format(folder=self.folder, **self.port))
        self.nginx = subprocess.Popen(["nginx", "-e", self.folder / "nginx-error.log", "-c", configuration])
        for node in self.nodes:
            node.wait()
        wait_until(lambda: self.runner_node() is not None, 60)

    def user(self, login):
        return User(f"http://127.0.0.1:{self.port['front']}", DATABASE, login)

    def sql(self, query, *parameters):
        return self.primary.sql(DATABASE, query, *parameters)

    def processes(self, node):
        """All process numbers of a node."""
        listed = subprocess.run(["ps", "-e", "-o", "pid=,pgid="], capture_output=True, text=True, check=True).stdout
        pairs = [line.split() for line in listed.splitlines()]
        return {int(pid) for pid, group in pairs if int(group) == node.process.pid}

    def runner_node(self):
        """Number of the node whose job runner is the one at work: it is the one connected to the database that holds
        the lock. Its process is found by the port it connects from."""
        held = self.sql(
            """
            SELECT activity.client_port FROM pg_locks AS lock JOIN pg_stat_activity AS activity USING (pid)
            WHERE lock.locktype = 'advisory' AND lock.objsubid = 1 AND lock.granted
                AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """
        )
        if not held:
            return None
        listed = subprocess.run(["ss", "-Htnp"], capture_output=True, text=True, check=True).stdout
        lines = [line for line in listed.splitlines() if f"127.0.0.1:{held[0][0]} " in line and "pid=" in line]
        pids = {int(part.split("pid=")[1].split(",")[0]) for line in lines for part in line.split() if "pid=" in part}
        return next((n for n, node in enumerate(self.nodes) if self.processes(node) & pids), None)

    def close(self):
        for node in self.nodes:
            node.kill()
        if self.nginx:
            self.nginx.terminate()
            self.nginx.wait()
        if self.replica:
            self.replica.close()
        self.primary.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class People:
    """What tests/faults/world.py needs of a world: those who press the buttons, through the proxy."""

    def __init__(self, setting):
        self.cluster, self.database, self.sql = setting.primary, DATABASE, setting.sql
        for login in ("admin", "manager", "approver", "finance"):
            setattr(self, login, setting.user(login))


class Run:
    def __init__(self, setting):
        self.setting, self.sql = setting, setting.sql
        self.before, self.problems, self.rows, self.killed, self.dead = [], [], [], None, set()

    def expect(self, what, found, expected):
        line = f"{what}: {found}"
        if found != expected:
            self.problems.append(f"{what}: {found}, expected {expected}")
            line += f"  <- NOT {expected}"
        say(line)

    def go(self):
        self.sessions()
        [[size, log]] = self.sql("SELECT pg_database_size(current_database()), pg_current_wal_lsn()")
        self.program = Program(People(self.setting), "Country", "[]", deposit=1_000_000_000)
        self.owners = {pid: n for n, node in enumerate(self.setting.nodes) for pid in self.setting.processes(node)}
        for step in STEPS:
            self.step(step)
        [[grown, written, heads]] = self.sql(
            """
            SELECT pg_database_size(current_database()) - %s, pg_wal_lsn_diff(pg_current_wal_lsn(), %s),
                   (SELECT COUNT(*) FROM g2p_entitlement WHERE program_id = %s)
            """,
            size,
            log,
            self.program.id,
        )
        say(f"the database grew by {grown / heads:,.0f} bytes a head and wrote {written / heads:,.0f} of log a head")
        self.counts()
        self.replica_reads()
        self.table()
        if self.problems:
            raise SystemExit("DOES NOT ADD UP:\n" + "\n".join(self.problems))

    def sessions(self):
        """A session of the first node is one of the second."""
        first, second = self.setting.nodes
        user = first.user("manager")
        user.url = second.url
        [me] = user.call("res.users", "search_read", [["login", "=", "manager"]], ["login"])
        self.expect("a session made on node 1 is taken by node 2, as", me["login"], "manager")

    def owner(self, worker):
        """The node a chunk's process belongs to. Workers are born anew: ask again for numbers not seen yet."""
        pid = int(worker.rsplit(":", 1)[1])
        if pid not in self.owners:
            for number, node in enumerate(self.setting.nodes):
                if number != self.killed:
                    self.owners |= dict.fromkeys(self.setting.processes(node), number)
        return self.owners.get(pid)

    def chunks(self, operation_id):
        return self.sql("SELECT id, state, worker FROM g2p_bulk_chunk WHERE operation_id = %s", operation_id)

    def step(self, step):
        started = time.monotonic()
        self.program.ready(step)
        self.program.start(step)
        shown = self.program.operation(step)
        killed_at, before = None, set()
        if step == KILLED_IN:
            killed_at, before = self.kill(shown["id"])
        wait_until(
            lambda: self.sql("SELECT 1 FROM g2p_bulk_operation WHERE id = %s AND state <> 'running'", shown["id"]),
            PATIENCE,
            0.2,
        )
        seconds = time.monotonic() - started
        shown = self.program.operation(step)
        done = Counter()
        for chunk_id, state, worker in self.chunks(shown["id"]):
            if state == "done":
                done[self.owner(worker), "before" if not killed_at or chunk_id in before else "after"] += 1
        self.rows.append((step, shown["planned"], seconds, done, killed_at and killed_at - started))
        say(f"{step}: {shown['planned']:,} rows in {seconds:.1f} s, {shown['state']}, {shown['counts']}")
        if shown["state"] != "done" or sum(shown["counts"].values()) != shown["planned"]:
            self.problems.append(f"{step}: {shown}")

    def kill(self, operation_id):
        """The node with the job runner loses power when a quarter of the chunks is done."""
        wait_until(
            lambda: [state for _id, state, _worker in self.chunks(operation_id)].count("done") >= CHUNKS // 4,
            PATIENCE,
            0.02,
        )
        number = self.setting.runner_node()
        self.setting.nodes[number].kill()
        self.killed = number
        before = {chunk_id for chunk_id, state, _worker in self.chunks(operation_id) if state == "done"}
        say(f"node {number + 1}, which holds the job runner, is killed: {len(before)} chunks are done")
        return time.monotonic(), before

    def counts(self):
        sql, program = self.sql, self.program.id
        [[members]] = sql(
            "SELECT COUNT(*) FROM g2p_program_membership WHERE program_id = %s AND state = 'enrolled'", program
        )
        [[people, entitlements, amount]] = sql(
            """
            SELECT COUNT(DISTINCT partner_id), COUNT(*), SUM(initial_amount)::int FROM g2p_entitlement
            WHERE program_id = %s AND state = 'trans2FSP'
            """,
            program,
        )
        [[payments]] = sql(
            "SELECT COUNT(DISTINCT entitlement_id) FROM g2p_payment WHERE program_id = %s AND state = 'sent'", program
        )
        [[reserved]] = sql("SELECT reserved::int FROM g2p_fund_account WHERE program_id = %s", program)
        self.expect("entitlements", entitlements, members)
        self.expect("beneficiaries with one", people, members)
        self.expect("payments sent", payments, members)
        self.expect("amount of the entitlements", amount, 100 * members)
        self.expect("reserved in the fund", reserved, amount)
        for name, query in NEVER.items():
            self.expect(f"exceptions to “{name}”", len(sql(query)), 0)

    def replica_reads(self):
        """Requests that only read are answered by the replica: its own counters of rows fetched say so."""

        def fetched():
            return self.setting.replica.sql(
                DATABASE,
                "SELECT COALESCE(SUM(xact_commit + xact_rollback), 0)::bigint FROM pg_stat_database WHERE datname = %s",
                DATABASE,
            )[0][0]

        user = self.setting.user("manager")
        before, reads = fetched(), 50
        for _number in range(reads):
            user.search("g2p.cycle", [], "name")
        time.sleep(2)
        answered = fetched() - before
        say(f"of {reads} requests that only read, the replica answered in {answered} transactions")
        if answered < reads:
            self.problems.append("the replica was not asked")
        [[state, lag]] = self.sql(
            "SELECT state, pg_wal_lsn_diff(sent_lsn, replay_lsn)::int FROM pg_stat_replication LIMIT 1"
        )
        self.expect("the replica is", state, "streaming")
        say(f"the replica is {lag:,} bytes behind")

    def table(self):
        print(f"\n  {'step':<18} {'rows':>9} {'seconds':>8}  {'chunks of node 1':>17}  {'chunks of node 2':>17}")
        for step, rows, seconds, done, killed in self.rows:
            cells = []
            for number in (0, 1):
                cell = str(done[number, "before"])
                cells.append(f"{cell} + {done[number, 'after']}" if killed else cell)
            remark = f"  node {self.killed + 1} killed after {killed:.1f} s (before + after)" if killed else ""
            print(f"  {step:<18} {rows:>9,} {seconds:>8.1f}  {cells[0]:>17}  {cells[1]:>17}{remark}")
        if unknown := sum(done[None, when] for *_x, done, _killed in self.rows for when in ("before", "after")):
            self.problems.append(f"{unknown} chunks were done by nobody known")
        print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--ports", type=int, default=8140)
    arguments = parser.parse_args()
    if not shutil.which("nginx"):
        raise SystemExit("nginx is missing: apt-get install nginx-light")
    setting = Setting(arguments.people, arguments.ports)
    try:
        setting.database()
        setting.copy()
        setting.start_nodes()
        Run(setting).go()
    finally:
        setting.close()


if __name__ == "__main__":
    main()
