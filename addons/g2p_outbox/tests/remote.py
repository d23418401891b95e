#!/usr/bin/env python3
"""The other side: a server of its own process, which can be slow, drop, fail, lie and answer twice. `python remote.py` prints
its port. Its ledger is the verdict: how often it did what it was told, by key. It never recognises a key by itself: what is
sent twice is done twice.

POST /batches   does what the body says, as the next behaviour of the plan has it (see `BEHAVIOURS`), `ok` where there is none
GET  /batches   ?key=…: what became of it
POST /_plan     {"send": [behaviour, …], "ask": [behaviour, …], "refuse": [key of a message, …]}: begins a new ledger
POST /_next     {"send": …, "ask": …}: from now on
GET  /_ledger   {"effects": {key: times}, "calls": [[method, key, behaviour]]}
"""

import json
import sys
import threading
import time
from collections import Counter, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

# behaviour: (does it, answers)
BEHAVIOURS = {
    "ok": (True, "answer"),
    "accept": (True, "accepted"),
    "fail_before": (False, 500),
    "fail_after": (True, 500),
    "drop_before": (False, "drop"),
    "drop_after": (True, "drop"),
    "hang_before": (False, "hang"),
    "hang_after": (True, "hang"),
    "drip": (True, "drip"),
    "twice": (True, "twice"),
    "large": (True, "large"),
    "garbage": (True, "garbage"),
    "half": (True, "half"),
    "redirect": (False, "redirect"),
    "busy": (False, 429),
    "who": (False, 401),
    "reject": (False, 400),
    "wait": (True, "wait"),
}
HANG_SECONDS = 20
WAIT_SECONDS = 1


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.reset({})

    def reset(self, plan):
        with self.lock:
            self.plan = {what: deque(plan.get(what, ())) for what in ("send", "ask")}
            self.refuse = set(plan.get("refuse", ()))
            self.effects, self.calls, self.messages, self.pending = Counter(), [], {}, set()

    def next(self, what):
        with self.lock:
            return self.plan[what].popleft() if self.plan[what] else "ok"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ledger = Ledger()

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        content = json.loads(body or b"{}")
        if self.path == "/_plan":
            self.ledger.reset(content)
            return self.answer(200, {})
        if self.path == "/_next":
            with self.ledger.lock:
                self.ledger.plan = {what: deque(content.get(what, ())) for what in ("send", "ask")}
            return self.answer(200, {})
        key = self.headers["Idempotency-Key"]
        behaviour = self.ledger.next("send")
        does, answers = BEHAVIOURS[behaviour]
        with self.ledger.lock:
            self.ledger.calls.append(["POST", key, behaviour])
            if does:
                self.ledger.effects[key] += 1
                self.ledger.messages[key] = content.get("messages", [])
                if answers == "accepted":
                    self.ledger.pending.add(key)
        return self.reply(answers, key)

    def do_GET(self):
        parts = urlsplit(self.path)
        if parts.path == "/_ledger":
            with self.ledger.lock:
                return self.answer(200, {"effects": self.ledger.effects, "calls": self.ledger.calls})
        key = parse_qs(parts.query)["key"][0]
        behaviour = self.ledger.next("ask")
        with self.ledger.lock:
            self.ledger.calls.append(["GET", key, behaviour])
        _does, answers = BEHAVIOURS.get(behaviour, (False, behaviour))
        if answers == "settle":
            with self.ledger.lock:
                self.ledger.pending.discard(key)
            answers = "answer"
        return self.reply(answers, key)

    def reply(self, answers, key):
        if isinstance(answers, int):
            return self.answer(answers, {"error": "Kamala Rana +254712345678"})
        if answers == "drop":
            return self.drop()
        if answers == "hang":
            time.sleep(HANG_SECONDS)
            return self.drop()
        if answers == "wait":
            time.sleep(WAIT_SECONDS)
        if answers == "garbage":
            self.wfile.write(b"Kamala Rana owes you nothing\r\n\r\n")
            return self.drop()
        if answers == "redirect":
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/_plan")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        content = self.told(key)
        if answers == "large":
            content["filler"] = "x" * 5_000_000
        body = json.dumps(content).encode()
        if answers == "half":
            self.head(200, len(body))
            self.wfile.write(body[: len(body) // 2])
            return self.drop()
        if answers == "drip":
            self.head(200, len(body))
            for number in range(len(body)):
                self.wfile.write(body[number : number + 1])
                time.sleep(0.4)
            return None
        self.answer(202 if answers == "accepted" else 200, content)
        if answers == "twice":
            self.answer(200, content)
        return None

    def told(self, key):
        with self.ledger.lock:
            if not self.ledger.effects[key]:
                return {"state": "unheard", "key": key}
            if key in self.ledger.pending:
                return {"state": "pending", "key": key, "reference": f"R-{key[:8]}"}
            results = {
                message: ["no", "account.closed"] if message in self.ledger.refuse else ["yes", f"R-{message}"]
                for message in self.ledger.messages[key]
            }
            return {"state": "done", "key": key, "reference": f"R-{key[:8]}", "results": results}

    def head(self, status, length):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.head(status, len(body))
        self.wfile.write(body)

    def drop(self):
        self.close_connection = True
        self.connection.shutdown(2)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        """Whoever calls may hang up."""


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
