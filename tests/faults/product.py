"""The product as processes of its own, and people who use it by RPC."""

import http.cookiejar
import itertools
import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from cluster import wait_until

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
CALL_SECONDS = 300


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Node:
    """A running Odoo: a master that starts its workers again when they die. ``kill`` ends all of it at once."""

    def __init__(
        self, database, environment, folder, name="node", workers=4, chunks_at_a_time=0, port=None, options=()
    ):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = database
        self.log = Path(folder) / f"{name}-{self.port}.log"
        command = [ROOT / ".venv/bin/python", "-m", "odoo", "-d", database, "--db-filter", f"^{database}$"]
        command += ["--http-interface", "127.0.0.1", "--http-port", str(self.port), "--gevent-port", str(free_port())]
        command += ["--workers", str(workers), "--max-cron-threads", "0", "--data-dir", str(Path(folder) / "data")]
        self.command = [*command, "--logfile", self.log, "--log-level", "warn", *options]
        self.environment = {
            **os.environ,
            "ODOO_RC": str(ROOT / "odoo.conf"),
            "PYTHONWARNINGS": "ignore",
            **environment,
            "ODOO_QUEUE_JOB_CHANNELS": f"root:{chunks_at_a_time}",
        }
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait(self):
        def answers():
            if self.process.poll() is not None:
                raise AssertionError(f"Odoo ended:\n{self.log.read_text()[-4000:] if self.log.exists() else ''}")
            try:
                return urllib.request.urlopen(f"{self.url}/web/health", timeout=5).status == 200
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                return False

        wait_until(answers, START_SECONDS)
        return self

    def kill(self):
        """All processes of this node at once, as when its machine loses power."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait()

    def restart(self):
        """What a service manager does: Odoo's master ends when it can't reach its database for a moment."""
        self.kill()
        self.start()
        self.wait()

    def user(self, login):
        return User(self.url, self.database, login)


class RefusedError(Exception):
    """The product's own words for no."""


class BrokenError(Exception):
    """The request came to no answer, or to a fault of the program."""


class User:
    """Somebody who is logged in (their password is their login). ``user("model", ids).method(…)`` is a call by RPC."""

    numbers = itertools.count(1)

    def __init__(self, url, database, login, password=None):
        self.url, self.login = url, login
        self.cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))
        self.request("/web/session/authenticate", db=database, login=login, password=password or login)

    def request(self, path, **params):
        body = json.dumps({"jsonrpc": "2.0", "id": next(self.numbers), "params": params}).encode()
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"})
        try:
            answer = json.load(self.opener.open(request, timeout=CALL_SECONDS))
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise BrokenError(f"{path}: {error!r}") from error
        if "error" in answer:
            data = answer["error"].get("data") or {}
            known = data.get("name", "").startswith("odoo.exceptions.")
            raise (RefusedError if known else BrokenError)(data.get("message") or str(answer["error"]))
        return answer["result"]

    def call(self, model, method, *args, **kwargs):
        return self.request("/web/dataset/call_kw", model=model, method=method, args=args, kwargs=kwargs)

    def create(self, model, **values):
        [record_id] = self.call(model, "create", [values])
        return record_id

    def read(self, model, record_id, *names):
        [row] = self.call(model, "read", [record_id], names)
        return row

    def search(self, model, domain, *names, order="id"):
        return self.call(model, "search_read", domain, names, order=order)
