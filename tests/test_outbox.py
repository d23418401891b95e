"""Told once, whatever dies: real processes, real commits, and a counterpart of its own process whose ledger is the verdict.

The counterpart does again what is sent again: it recognises no key. The kind of channel is the one of the example plug-in.
"""

import json
import os
import subprocess
import sys
import uuid

import psycopg2
import pytest
from test_examples import EXAMPLES, addons_path

from conftest import ROOT

sys.path.insert(0, str(ROOT / "addons/g2p_outbox/tests"))
REMOTE = ROOT / "addons/g2p_outbox/tests/remote.py"
PLUGIN = "g2p_example_webhook"
ADDONS_PATH = addons_path([EXAMPLES])
KILLED = 9  # wait status of a process that a signal 9 ended


class Counterpart:
    def __init__(self):
        self.process = subprocess.Popen([sys.executable, REMOTE], stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def ask(self, path, content=None):
        from urllib.request import Request, urlopen

        body = json.dumps(content).encode() if content is not None else None
        with urlopen(Request(self.url + path, data=body), timeout=10) as answer:
            return json.load(answer)

    @property
    def effects(self):
        return sorted(self.ask("/_ledger")["effects"].values())

    @property
    def calls(self):
        return [(method, behaviour) for method, _key, behaviour in self.ask("/_ledger")["calls"]]


class Workers:
    """The process that forks workers."""

    def __init__(self, database, environment):
        command = [ROOT / "scripts/python", ROOT / "tests/outbox/worker.py", database, ADDONS_PATH]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        )
        assert "ready" in self.read()

    def read(self):
        line = self.process.stdout.readline()
        assert line, "the workers' process has ended"
        return json.loads(line)

    def work(self, die=None, times=1):
        """Wait statuses of processes that looked after the outbox."""
        self.process.stdin.write(json.dumps({"die": die, "times": times}) + "\n")
        self.process.stdin.flush()
        return self.read()["ended"]


@pytest.fixture(scope="module")
def database(environment):
    name = f"outbox_{uuid.uuid4().hex[:8]}"
    script = ROOT / "scripts/database.sh"
    fast = {**environment, "FAST": "1"}
    subprocess.run([script, "base"], check=True, env=fast)
    subprocess.run([script, "copy", os.environ.get("BASE") or "g2p_base", name], check=True, env=fast)
    try:
        command = [ROOT / "scripts/odoo", "-d", name, "--addons-path", ADDONS_PATH, "-i", PLUGIN]
        command += ["--skip-auto-install", "--stop-after-init", "--no-http", "--log-level=warn"]
        subprocess.run(command, check=True, env=environment, cwd=ROOT)
        yield name
    finally:
        subprocess.run([script, "drop", name], check=True, env=environment)


@pytest.fixture(scope="module")
def workers(database, environment):
    workers = Workers(database, environment)
    yield workers
    workers.process.stdin.close()
    workers.process.wait(30)


@pytest.fixture(scope="module")
def counterpart():
    counterpart = Counterpart()
    yield counterpart
    counterpart.process.kill()
    counterpart.process.wait()


class Box:
    """A channel with messages that have not left."""

    def __init__(self, database, counterpart):
        self.connection = psycopg2.connect(dbname=database)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.counterpart = counterpart
        self.sql("UPDATE g2p_outbox_channel SET active = FALSE")
        self.sql(
            "INSERT INTO ir_config_parameter (key, value) VALUES ('g2p_outbox.inner_networks', '127.0.0.1/32') "
            "ON CONFLICT (key) DO NOTHING"
        )
        [[self.channel]] = self.sql(
            """
            INSERT INTO g2p_outbox_channel
                   (name, kind, company_id, url, active, paused, in_order, batch_size, at_once, timeout_seconds, answer_kilobytes,
                    tries_most, first_wait_seconds, longest_wait_seconds, poll_seconds, failures_most, open_seconds, failures,
                    times_opened, create_uid, create_date)
            VALUES (gen_random_uuid(), 'webhook', 1, %s, TRUE, FALSE, FALSE, 1, 8, 5, 1024, 10, 1, 1, 1, 1000, 1, 0, 0, 1, now())
         RETURNING id
            """,
            counterpart.url,
        )

    def queue(self, count):
        """As a step does it: one statement. The operations they are about are made with them."""
        self.sql(
            """
            WITH made AS (
                INSERT INTO g2p_bulk_operation (name, res_model, res_id, step, state, company_id, user_id, resumed_at, create_date)
                SELECT 'Ended', 'res.company', 1, 'test', 'done', 1, 1, now(), now() FROM generate_series(1, %s)
             RETURNING id
            )
            INSERT INTO g2p_outbox_message (channel_id, key, res_model, res_id, payload, create_uid, create_date)
            SELECT %s, 'operation-' || id, 'g2p.bulk.operation', id, '{}', 1, now() FROM made
            """,
            count,
            self.channel,
        )

    def sql(self, query, *parameters):
        self.cursor.execute(query, parameters)
        return self.cursor.fetchall() if self.cursor.description else []

    def due_now(self):
        self.sql("UPDATE g2p_outbox_batch SET next_try = now() - interval '1 hour' WHERE channel_id = %s", self.channel)

    def states(self):
        return dict(
            self.sql(
                "SELECT state || ' ' || fate, COUNT(*)::integer FROM g2p_outbox_batch WHERE channel_id = %s GROUP BY 1",
                self.channel,
            )
        )

    def receipts(self):
        return self.sql(
            "SELECT COUNT(*)::integer, COUNT(DISTINCT operation_id)::integer FROM g2p_example_webhook_receipt WHERE channel_id = %s",
            self.channel,
        )[0]

    def attempts(self):
        return self.sql(
            """
            SELECT attempt.kind, attempt.outcome FROM g2p_outbox_attempt AS attempt
              JOIN g2p_outbox_batch AS batch ON batch.id = attempt.batch_id
             WHERE batch.channel_id = %s ORDER BY attempt.id
            """,
            self.channel,
        )


@pytest.fixture
def box(database, counterpart):
    counterpart.ask("/_plan", {})
    box = Box(database, counterpart)
    yield box
    box.connection.close()


def test_killed_between_the_commit_and_the_call(box, workers, counterpart):
    box.queue(1)
    assert workers.work("before") == [KILLED]
    assert box.states() == {"sending none": 1}
    assert counterpart.calls == []
    assert workers.work() == [0]
    assert counterpart.calls == [("GET", "ok"), ("POST", "ok")]
    assert (counterpart.effects, box.receipts(), box.states()) == ([1], (1, 1), {"done answered": 1})
    assert box.attempts() == [("send", "lost"), ("ask", "absent"), ("send", "delivered")]


def test_killed_between_the_call_and_the_answer(box, workers, counterpart):
    box.queue(1)
    assert workers.work("after") == [KILLED]
    assert box.states() == {"sending none": 1}
    assert counterpart.effects == [1]
    assert workers.work() == [0]
    assert counterpart.calls == [("POST", "ok"), ("GET", "ok")]
    assert (counterpart.effects, box.receipts(), box.states()) == ([1], (1, 1), {"done answered": 1})
    assert box.attempts() == [("send", "lost"), ("ask", "delivered")]


def test_killed_before_what_came_of_it_was_written_down(box, workers, counterpart):
    box.queue(1)
    assert workers.work("answered") == [KILLED]
    assert (box.states(), box.receipts()) == ({"waiting answered": 1}, (0, 0))
    assert workers.work() == [0]
    assert counterpart.calls == [("POST", "ok")]
    assert (counterpart.effects, box.receipts(), box.states()) == ([1], (1, 1), {"done answered": 1})


def test_killed_again_and_again(box, workers, counterpart):
    box.queue(1)
    for die in ("before", "before", "after", "after", "answered", "answered"):
        assert workers.work(die) == [KILLED]
    assert workers.work() == [0]
    assert (counterpart.effects, box.receipts(), box.states()) == ([1], (1, 1), {"done answered": 1})


def test_two_at_once_take_each_message_once(box, workers, counterpart):
    box.queue(40)
    assert workers.work(times=2) == [0, 0]
    assert counterpart.effects == [1] * 40
    assert (box.receipts(), box.states()) == ((40, 40), {"done answered": 40})


def test_one_batch_that_takes_long_is_not_taken_by_another(box, workers, counterpart):
    counterpart.ask("/_plan", {"send": ["wait"]})
    box.queue(1)
    assert workers.work(times=4) == [0] * 4
    assert counterpart.calls == [("POST", "wait")]
    assert (counterpart.effects, box.receipts()) == ([1], (1, 1))


def test_a_counterpart_that_fails_in_every_way(box, workers, counterpart):
    """Delays, drops, errors before and after, half answers, answers twice; two workers, one of them killed now and then."""
    counterpart.ask(
        "/_plan",
        {
            "send": [
                "drop_after",
                "ok",
                "fail_before",
                "twice",
                "half",
                "drop_before",
                "fail_after",
                "busy",
                "garbage",
                "wait",
            ]
            * 3,
            "ask": ["ok", "drop_before", "fail_before", "ok", "busy"] * 3,
        },
    )
    box.queue(30)
    for die in ("after", None, "before", None, "answered", None, "after", None, None, None):
        workers.work(die)
        workers.work(times=2)
        box.due_now()
    assert counterpart.effects == [1] * 30
    assert (box.receipts(), box.states()) == ((30, 30), {"done answered": 30})


def test_at_most_so_many_calls_at_once(box, workers, counterpart):
    box.sql("UPDATE g2p_outbox_channel SET at_once = 1 WHERE id = %s", box.channel)
    counterpart.ask("/_plan", {"send": ["wait", "wait"]})
    box.queue(2)
    workers.work(times=3)
    assert counterpart.effects == [1, 1]
    overlapping = box.sql(
        """
        SELECT COUNT(*) FROM g2p_outbox_attempt AS one JOIN g2p_outbox_attempt AS two ON two.id > one.id
          JOIN g2p_outbox_batch AS batch ON batch.id = one.batch_id
         WHERE batch.channel_id = %s AND two.batch_id <> one.batch_id
           AND two.started_at < one.started_at + make_interval(secs => one.seconds - 1)
        """,
        box.channel,
    )
    assert overlapping == [(0,)]
