"""Processes that look after an outbox, and die where they are told to: scripts/python tests/outbox/worker.py DATABASE ADDONS-PATH

Loads the product once, then reads one command a line: {"die": null | "before" | "after" | "answered", "times": processes}. Each process is a
fork with connections of its own; it looks after everything that is due, and says so by one line {"ended": [wait status, …]}.

    before     it is killed after the attempt was committed, and before the call
    after      after the call, and before the answer was committed
    answered   after the answer was committed, and before what came of it was written down
"""

import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "scripts"))
from odoo_environment import environment

from odoo import api, sql_db
from odoo.modules.registry import Registry


def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(where, env):
    """Let this process be killed at a point of its work."""
    from odoo.addons.g2p_outbox.tools import transport

    send = transport.send
    if where == "before":
        transport.send = die
    if where == "after":
        transport.send = lambda request: send(request) and die()
    if where == "answered":
        env.registry["g2p.outbox.kind.webhook"]._finalize = die


def work(database, where):
    """A process of its own; it never comes back."""
    status = 1
    try:
        with Registry(database).cursor() as cr:
            env = api.Environment(cr, api.SUPERUSER_ID, {})
            deadly(where, env)
            env["g2p.outbox.channel"]._cron_wake()
            cr.commit()
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    name, path = sys.argv[1:]
    with environment(name, "--addons-path", path):
        pass
    # A child must not share its parent's connections.
    sql_db.close_all()
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        children = []
        for _number in range(command.get("times", 1)):
            if not (child := os.fork()):
                work(name, command.get("die"))
            children.append(child)
        print(json.dumps({"ended": [os.waitpid(child, 0)[1] for child in children]}), flush=True)
