"""Bulk steps beside the pipeline, cut off in the middle by kill -9 of their workers. Several hang at a time, each on a
program of its own.

Every step that the registry knows is tried somewhere, or named as not tried: a new one fails the first test. What comes before and after
the steps of the pipeline is compared with an undisturbed run in test_killed_worker.py; here the rest is, by its counts.
"""

import os
import signal
from contextlib import contextmanager

import pytest
from cluster import wait_until
from product import BrokenError
from world import Program

from conftest import Background

SOME = '[("birthdate", ">", "1995-01-01"), ("gender", "=", "female")]'
# Small chunks for small sets: several of each.
CHUNK = 60
# A node has eight workers, and somebody has to look on.
AT_A_TIME = 6

# Killed and compared with an undisturbed run in test_killed_worker.py.
PIPELINE = {
    *(("g2p.program", step) for step in ("import_eligible", "deduplicate", "enroll", "verify")),
    *(
        ("g2p.cycle", step)
        for step in ("copy", "verify", "prepare", "submit", "approve_entitlements", "prepare_payments", "send")
    ),
    ("g2p.payment.reconciliation", "reconcile"),
    ("g2p.registrant.import", "check"),
    ("g2p.registrant.import", "import"),
}


def together(names, size):
    names = list(names)
    return [names[first : first + size] for first in range(0, len(names), size)]


class Ground:
    """A record on which a step can be started, and what has to be true when it is through."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.program = self.operation = None

    # Grounds: each returns (model, record, what presses the button, who may resume, a query that must give no row)

    def small_program(self, until=None, target=SOME):
        """A program of its own, and its cycle up to a step."""
        self.program = Program(self.world, f"{self.name} {id(self)}", target, deposit=1_000_000)
        if until:
            for step in ("import", "enrol", "copy", "prepare", "submit", "approve", "prepare payments", "send"):
                if step == until:
                    break
                self.program.run(step)
            self.program.ready(until)
        return self.program

    def cycle_withdraw(self):
        program = self.small_program("submit")
        program.start("submit")
        start = lambda: self.world.manager.call("g2p.cycle", "reset_draft", [program.cycle])  # noqa: E731
        wrong = f"SELECT FROM g2p_entitlement WHERE cycle_id = {program.cycle} AND state <> 'draft'"
        return "g2p.cycle", program.cycle, start, self.world.manager, wrong

    def approved(self):
        program = self.small_program("approve")
        program.start("approve")
        return program

    def cycle_cancel_entitlements(self):
        program = self.approved()
        start = lambda: self.world.manager.call("g2p.cycle", "mark_cancelled", [program.cycle])  # noqa: E731
        wrong = f"""
            SELECT FROM g2p_entitlement WHERE cycle_id = {program.cycle} AND state <> 'cancelled'
            UNION ALL SELECT FROM g2p_fund_account WHERE program_id = {program.id} AND reserved <> 0
        """
        return "g2p.cycle", program.cycle, start, self.world.manager, wrong

    def cycle_expire(self):
        program = self.approved()
        self.world.sql(
            "UPDATE g2p_entitlement SET valid_from = '2020-01-01', valid_until = '2020-02-01' WHERE cycle_id = %s",
            program.cycle,
        )
        [[cron]] = self.world.sql(
            "SELECT res_id FROM ir_model_data WHERE module = 'g2p_programs' AND name = 'cron_expire_entitlements'"
        )
        start = lambda: self.world.admin.call("ir.cron", "method_direct_trigger", [cron])  # noqa: E731
        wrong = f"""
            SELECT FROM g2p_entitlement WHERE cycle_id = {program.cycle} AND state <> 'expired'
            UNION ALL SELECT FROM g2p_fund_account WHERE program_id = {program.id} AND reserved <> 0
        """
        return "g2p.cycle", program.cycle, start, self.world.manager, wrong

    def program_auto_enrol(self):
        program, manager = self.small_program(), self.world.manager
        self.world.sql(
            """
            INSERT INTO g2p_auto_enrol_queue (program_id, partner_id)
            SELECT %s, id FROM res_partner WHERE is_registrant AND NOT is_group ORDER BY id LIMIT 300
            """,
            program.id,
        )
        start = lambda: manager.call("g2p.program", "action_auto_enrol", [program.id])  # noqa: E731
        wrong = f"SELECT FROM g2p_auto_enrol_queue WHERE program_id = {program.id}"
        return "g2p.program", program.id, start, manager, wrong

    def program_close_applications(self):
        program, manager = self.small_program(), self.world.manager
        program.start("import")
        self.world.sql(
            """
            INSERT INTO g2p_program_registrant_info
                   (program_id, registrant_id, definition_id, program_membership_id, application_id, state, applied_date,
                    is_latest, several, program_registrant_info)
            SELECT m.program_id, m.partner_id, p.definition_id, m.id, 'F' || m.id, 'active', now(), TRUE, FALSE, '{}'
            FROM g2p_program_membership AS m JOIN g2p_program AS p ON p.id = m.program_id WHERE m.program_id = %s
            """,
            program.id,
        )
        start = lambda: manager.call("g2p.program", "end_program", [program.id])  # noqa: E731
        wrong = f"SELECT FROM g2p_program_registrant_info WHERE program_id = {program.id} AND state <> 'closed'"
        return "g2p.program", program.id, start, manager, wrong

    def program_score(self):
        world, manager = self.world, self.world.manager
        wizard = manager.create(
            "g2p.program.create.wizard", name=f"Scored {id(self)}", target_type="group", amount_per_cycle=1
        )
        program = manager.call("g2p.program.create.wizard", "create_program", [wizard])["res_id"]
        world.admin.call("g2p.program", "write", [program], {"pmt_config": True})
        term = {"source": "household", "pmt_field": "size", "pmt_weightage": 1}
        model = manager.create("g2p.pmt.model", program_id=program, term_ids=[[0, 0, term]])
        manager.call("g2p.pmt.model", "action_activate", [model])
        start = lambda: manager.call("g2p.program", "action_compute_pmt_scores", [program])  # noqa: E731
        wrong = f"""
            SELECT FROM res_partner AS p WHERE is_registrant AND is_group AND active AND disabled IS NULL
               AND (SELECT COUNT(*) FROM g2p_pmt_score WHERE program_id = {program} AND partner_id = p.id) <> 1
        """
        return "g2p.program", program, start, manager, wrong

    @property
    def step(self):
        return self.name[1]

    def prepare(self):
        model, step = self.name
        build = getattr(self, model.removeprefix("g2p.").replace(".", "_") + "_" + step)
        self.model, self.record, self.press, self.user, self.wrong = build()
        return self

    def newest(self):
        found = self.world.sql("SELECT MAX(id) FROM g2p_bulk_operation WHERE res_model = %s AND step = %s", *self.name)
        return found[0][0]

    def shown(self):
        names = ["state", "interruption", "can_resume", "counts", "planned", "processed"]
        return self.world.admin.read("g2p.bulk.operation", self.operation, *names)

    def was_interrupted(self):
        shown = wait_until(lambda: (form := self.shown())["interruption"] and form)
        assert (shown["state"], shown["can_resume"]) == ("running", True), (self.name, shown)
        states = self.world.sql(
            "SELECT state, COUNT(*) FROM g2p_bulk_chunk WHERE operation_id = %s GROUP BY state", self.operation
        )
        assert {state for state, _count in states} <= {"done", "pending"}, (self.name, states)

    def resume(self):
        self.world.admin.call("g2p.bulk.operation", "action_resume", [self.operation])
        shown = self.shown()
        assert (shown["state"], shown["interruption"]) == ("done", False), (self.name, shown)
        assert shown["processed"] == shown["planned"] == sum(shown["counts"].values()) > 0, (self.name, shown)
        assert self.world.sql(self.wrong) == [], (self.name, shown["counts"])


@pytest.fixture(scope="module")
def small_chunks(world):
    def chunk_size(rows):
        world.admin.call("ir.config_parameter", "set_param", "g2p_bulk.chunk_size", str(rows))

    chunk_size(CHUNK)
    yield
    chunk_size(500)


@contextmanager
def hanging(gate, grounds):
    """All of these steps are under way, each in a process of its own, one chunk done and not committed."""
    gate.close()
    calls = []
    for number, ground in enumerate(grounds, 1):
        known = ground.newest()
        calls.append(Background(ground.press))
        call = calls[-1]
        wait_until(
            lambda number=number, call=call: len(gate.somebody_waits()) == number or not call.thread.is_alive(), 60
        )
        assert call.thread.is_alive(), (ground.name, call.error, call.result)
        if not ground.operation:
            ground.operation = wait_until(
                lambda ground=ground, known=known: (last := ground.newest()) != known and last
            )
    yield
    gate.open()
    for ground, call in zip(grounds, calls, strict=True):
        call.join()
        assert isinstance(call.error, BrokenError), (ground.name, call.error, call.result)
    wait_until(gate.nobody_works)


def registered_steps():
    """(model, step) of every bulk step that is installed, from the registry."""
    from odoo import SUPERUSER_ID, api
    from odoo.modules.registry import Registry
    from odoo.tests.common import get_db_name

    with Registry(get_db_name()).cursor() as cr:
        env = api.Environment(cr, SUPERUSER_ID, {})
        mixin = env.registry["g2p.bulk.mixin"]
        return {
            (name, step)
            for name, model in env.registry.items()
            if issubclass(model, mixin) and not model._abstract and not name.startswith("g2p.bulk.test")
            for step in env[name]._bulk_steps()
        }


OTHERS = (
    ("g2p.program", "auto_enrol"),
    ("g2p.program", "close_applications"),
    ("g2p.program", "score"),
    ("g2p.cycle", "withdraw"),
    ("g2p.cycle", "cancel_entitlements"),
    ("g2p.cycle", "expire"),
)
# Not cut off by any test.
UNTRIED = {
    ("g2p.cycle", "repair"),
    ("g2p.cycle", "reconcile"),
    ("g2p.payment.reconciliation", "match"),
    ("g2p.membership.change", "apply"),
    ("g2p.membership.change", "reverse"),
    ("g2p.registrant.import", "read"),
    ("g2p.registrant.import", "undo"),
    ("g2p.registry", "refresh_indicators"),
    ("g2p.registry.deduplication", "deduplicate"),
    ("g2p.program.scenario", "simulate"),
}


def test_every_step_that_there_is_is_killed_somewhere():
    assert {*PIPELINE, *OTHERS, *UNTRIED} == registered_steps()


@pytest.mark.parametrize("names", together(OTHERS, AT_A_TIME), ids=lambda names: "+".join(step for _m, step in names))
def test_steps_whose_workers_are_killed_are_resumed(world, small_chunks, gate, names):
    grounds = [Ground(world, name).prepare() for name in names]
    with hanging(gate, grounds):
        for ground in grounds:
            [[worker]] = world.sql(
                "SELECT worker FROM g2p_bulk_log WHERE operation_id = %s ORDER BY id DESC LIMIT 1", ground.operation
            )
            os.kill(int(worker.rsplit(":", 1)[1]), signal.SIGKILL)
    for ground in grounds:
        ground.was_interrupted()
    for ground in grounds:
        ground.resume()
    assert world.never() == []
