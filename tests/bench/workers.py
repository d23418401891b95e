"""One worker of a measurement of several: runs chunks of an operation that is there already.

    scripts/python tests/bench/workers.py DATABASE plan       makes a program and plans *Import eligible registrants*
    scripts/python tests/bench/workers.py DATABASE run        waits for a line on its input, then runs chunks until none is left

Workers take chunks from the table as the jobs of the queue do; the queue's own cost (some milliseconds a chunk) is left out.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from odoo_environment import agree, as_user, environment


def plan(env):
    manager = as_user(env, "manager")
    wizard = manager["g2p.program.create.wizard"].create(
        {"name": "Workers", "target_type": "individual", "eligibility_domain": "[]", "amount_per_cycle": 100}
    )
    program = manager["g2p.program"].browse(wizard.create_program()["res_id"])
    agree(env, program)
    program._bulk_start("import_eligible", params={"state": "enrolled"}, mode="queue")
    env.cr.commit()


def run(env):
    operation = env["g2p.bulk.operation"].search([], order="id DESC", limit=1)
    env.cr.commit()
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    operation._run_chunks()
    env.cr.commit()
    operation.invalidate_recordset()
    print(
        json.dumps({"seconds": time.perf_counter() - started, "rows": operation.planned, "state": operation.state}),
        flush=True,
    )


if __name__ == "__main__":
    database, what = sys.argv[1:]
    with environment(database) as env:
        (plan if what == "plan" else run)(env)
