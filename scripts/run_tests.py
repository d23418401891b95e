#!/usr/bin/env python3
"""Runs the whole suite in several pytest processes at a time, each with a database of its own.

Called by scripts/test.sh with the environment set up (PGHOST …). A unit is a folder of tests, or a few small ones; the processes
take the next unit when they are done with one, long ones first. What a unit prints is shown when it is over. At the end: the slowest
tests, what failed, and the counts. TEST_WORKERS says how many processes (by default one more than there are cores, since some wait now and then; five at the most).
"""

import os
import queue
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Those that take longest; the others go by their size.
LONG_FIRST = (
    "addons/g2p_programs/tests",
    "tests/browser",
    "tests/faults",
    "addons/g2p_pbms/tests",
    "tests/test_removal.py",
    "tests/test_examples.py",
    "tests/test_upgrade.py",
    "tests/test_alone.py",
    "addons/g2p_pbms/tests/test_attacks.py",
    "addons/g2p_pbms/tests/test_guards.py",
)
# By themselves: one reads plans of queries, on indexes that no other test has bloated with rows it took back; the others
# take so long that another process can begin them at once.
ALONE = (
    "addons/g2p_pbms/tests/test_plans.py",
    "addons/g2p_pbms/tests/test_attacks.py",
    "addons/g2p_pbms/tests/test_guards.py",
)
# What only reads files needs no database of its own.
OF_FILES = tuple(
    f"tests/test_{name}.py" for name in ("house", "developer_guide", "bench_watch", "escaping", "postgres_script")
)
# Starting a process costs as much as some twenty tests, so small folders share one, up to so many bytes of tests.
SMALL, TOGETHER = 65_000, 130_000
SLOWEST = 10
DAY = 86_400
NO_TESTS = 5  # pytest's status
COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)\b")
DURATION = re.compile(r"^(\d+\.\d+)s (call|setup|teardown) +(\S.*)$", re.MULTILINE)
BAD = re.compile(r"^(?:FAILED|ERROR|NOT RUN) .*$", re.MULTILINE)


def units():
    """What is run by one process each: folders of addons (small ones together), and under tests/ also single files."""
    found = [
        *ROOT.glob("addons/*/tests"),
        ROOT / "tests/browser",
        ROOT / "tests/faults",
        *ROOT.glob("tests/test_*.py"),
        *(ROOT / name for name in ALONE),
    ]
    size = {
        str(unit.relative_to(ROOT)): sum(
            file.stat().st_size for file in ([unit] if unit.is_file() else unit.glob("**/*.py"))
        )
        for unit in found
    }
    rank = {name: position for position, name in enumerate(LONG_FIRST)}
    order = sorted(size, key=lambda name: (rank.get(name, len(rank)), -size[name]))
    small = [
        name for name in order if name.startswith("addons/") and name not in (*rank, *ALONE) and size[name] < SMALL
    ]
    groups = [[]]
    for name in small:
        if sum(size[other] for other in groups[-1]) + size[name] > TOGETHER:
            groups.append([])
        groups[-1].append(name)
    single = [[name] for name in order if name not in small and name not in OF_FILES]
    return [*single, *filter(None, groups), list(OF_FILES)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command(names, database):
    options = {"http-port": free_port(), "db-filter": f"^{database}$", "data-dir": os.environ["ODOO_DATA_DIR"]}
    return [
        *(sys.executable, "-m", "pytest", f"--odoo-database={database}", "--odoo-log-level=error", "-q"),
        *(part for name, value in options.items() for part in ("--odoo-extra", f"{name}={value}")),
        *("--durations=20", "--durations-min=1", *names),
        *(f"--ignore={alone}" for alone in ALONE if any(alone.startswith(f"{name}/") for name in names)),
    ]


class Suite:
    def __init__(self, database):
        self.todo, self.lock = queue.Queue(), threading.Lock()
        for unit in units():
            self.todo.put(unit)
        self.database, self.counts, self.durations, self.bad = database, Counter(), [], []

    def work(self, number):
        database = f"{self.database}_{number}"
        while True:
            try:
                unit = self.todo.get_nowait()
            except queue.Empty:
                return
            # From nothing each time: what a test takes back stays behind as dead rows, which plans are made by.
            subprocess.run(
                [ROOT / "scripts/database.sh", "copy", os.environ.get("BASE") or "g2p_base", database], check=True
            )
            started = time.monotonic()
            done = subprocess.run(command(unit, database), cwd=ROOT, capture_output=True, text=True, check=False)
            self.note(", ".join(unit), done.returncode, done.stdout + done.stderr, time.monotonic() - started)

    def note(self, unit, status, output, seconds):
        with self.lock:
            print(f"\n=== {unit}: {seconds:.0f} s\n{output}", flush=True)
            summary = [line for line in output.splitlines() if re.search(r" in \d+\.\d+s", line)][-1:]
            found = {
                kind.rstrip("s") if kind == "errors" else kind: int(count)
                for count, kind in COUNT.findall("".join(summary))
            }
            self.counts.update(found)
            # A test that sets the clock is said to have taken half a century.
            self.durations += [
                (float(seconds), f"{test} ({phase})")
                for seconds, phase, test in DURATION.findall(output)
                if float(seconds) < DAY
            ]
            bad = BAD.findall(output)
            if status and not bad:
                # A folder without tests is a mistake as well: nothing may look tested that is not.
                bad = [
                    f"{unit}: no test was run" if status == NO_TESTS else f"{unit}: pytest ended with status {status}"
                ]
            self.bad += bad

    def report(self):
        print("\n=== the slowest tests")
        for seconds, test in sorted(self.durations, reverse=True)[:SLOWEST]:
            print(f"{seconds:7.1f} s  {test}")
        if self.bad:
            print("\n=== what is wrong")
            print("\n".join(self.bad))
        failed = self.counts["failed"] + self.counts["error"] or len(self.bad)
        print(f"\n{self.counts['passed']} passed, {failed} failed")
        return 1 if self.bad or failed or not self.counts["passed"] else 0


def main():
    workers = int(os.environ.get("TEST_WORKERS") or min((os.cpu_count() or 1) + 1, 5))
    suite = Suite(os.environ.get("DATABASE") or "g2p_test")
    threads = [threading.Thread(target=suite.work, args=(number,)) for number in range(1, workers + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return suite.report()


if __name__ == "__main__":
    sys.exit(main())
