"""Bulk steps cut off in the middle: by kill -9 of their workers, and, those that move money, by a crash of the database
server when they are resumed. Several hang at a time, each on a program of its own, so that one death is enough for all.

The steps are those that the registry knows: one that is tried nowhere fails the first test. The steps of the pipeline are
killed and compared with an undisturbed run in test_killed_worker.py; here each is judged by its counts, and by what has to be
true afterwards.
"""

import base64
import os
import signal
import time
from contextlib import contextmanager

import pytest
from cluster import wait_until
from product import BrokenError
from registrants_file import ROWS, registered, registrants_file
from world import Program

from conftest import CHUNK_SIZE, Background

SOME = '[("birthdate", ">", "2022-01-01"), ("gender", "=", "female")]'
# Small chunks for small sets: several of each, and not many of what goes through the whole registry.
CHUNK, WHOLE_REGISTRY_CHUNK = 40, 500
# A node has eight workers, and somebody has to look on.
AT_A_TIME = 6
# Seconds on a busy machine: until a call that works comes to the gate, without any statement, and behind the gate's lock.
PATIENCE, IDLE, STUCK = 300, 90, 10

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
# Those that reserve, release or disburse money, and those that say to whom it goes.
MONEY = {
    *(
        ("g2p.cycle", step)
        for step in (
            "prepare",
            "approve_entitlements",
            "cancel_entitlements",
            "expire",
            "repair",
            "prepare_payments",
            "send",
            "reconcile",
        )
    ),
    ("g2p.payment.reconciliation", "reconcile"),
    ("g2p.membership.change", "apply"),
    ("g2p.membership.change", "reverse"),
}


def together(names):
    names = list(names)
    return [names[first : first + AT_A_TIME] for first in range(0, len(names), AT_A_TIME)]


class Ground:
    """A record on which a step can be started, and what has to be true when it is through."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.program = self.operation = None
        self.chunk = CHUNK
        self.was_cut_off = False

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

    def in_cycle(self, until, method, user, wrong, **values):
        program = self.small_program(until)
        cycle = program.cycle
        start = lambda: user.call("g2p.cycle", method, [cycle])  # noqa: E731
        return "g2p.cycle", cycle, start, user, wrong.format(cycle=cycle, program=program.id)

    def cycle_prepare(self):
        return self.in_cycle(
            "prepare",
            "prepare_entitlement",
            self.world.manager,
            "SELECT FROM g2p_cycle_membership AS m WHERE cycle_id = {cycle} AND state = 'enrolled' AND (SELECT COUNT(*) "
            "FROM g2p_entitlement WHERE cycle_id = m.cycle_id AND partner_id = m.partner_id AND state = 'draft') <> 1",
        )

    def cycle_approve_entitlements(self):
        return self.in_cycle(
            "approve",
            "validate_entitlement",
            self.world.finance,
            "SELECT FROM g2p_entitlement WHERE cycle_id = {cycle} AND state <> 'approved'",
        )

    def cycle_prepare_payments(self):
        return self.in_cycle(
            "prepare payments",
            "prepare_payment",
            self.world.manager,
            "SELECT FROM g2p_entitlement AS t WHERE cycle_id = {cycle} AND (SELECT COUNT(*) FROM g2p_payment "
            "WHERE entitlement_id = t.id) <> 1",
        )

    def cycle_send(self):
        return self.in_cycle(
            "send",
            "send_payment",
            self.world.manager,
            "SELECT FROM g2p_payment WHERE cycle_id = {cycle} AND state <> 'sent'",
        )

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

    def cycle_repair(self):
        """Cancelled by a program of before, which left the entitlements and their money where they were."""
        program = self.approved()
        self.world.sql("UPDATE g2p_cycle SET state = 'cancelled' WHERE id = %s", program.cycle)
        start = lambda: self.world.manager.call("g2p.cycle", "action_repair", [program.cycle])  # noqa: E731
        wrong = f"""
            SELECT FROM g2p_entitlement WHERE cycle_id = {program.cycle} AND state <> 'cancelled'
            UNION ALL SELECT FROM g2p_fund_account WHERE program_id = {program.id} AND reserved <> 0
        """
        return "g2p.cycle", program.cycle, start, self.world.manager, wrong

    def sent(self):
        program = self.small_program("send")
        program.start("send")
        return program

    def cycle_reconcile(self):
        program, finance = self.sent(), self.world.finance
        # One person's word is enough here: what is cut off is the step, not who agrees.
        self.world.sql(
            """
            INSERT INTO g2p_approval_kind_off_rel (kind_id, company_id)
            SELECT kind.id, company.id FROM g2p_approval_kind AS kind, res_company AS company WHERE kind.code = 'payment_mark'
                ON CONFLICT DO NOTHING
            """
        )
        wizard = finance.create("g2p.payment.mark.wizard", cycle_id=program.cycle, status="paid")
        start = lambda: finance.call("g2p.payment.mark.wizard", "mark", [wizard])  # noqa: E731
        return "g2p.cycle", program.cycle, start, finance, self.all_paid(program)

    def all_paid(self, program):
        return f"""
            SELECT FROM g2p_payment WHERE cycle_id = {program.cycle} AND status <> 'paid'
            UNION ALL SELECT FROM g2p_fund_account WHERE program_id = {program.id} AND (reserved <> 0 OR disbursed <> (
                SELECT SUM(initial_amount) FROM g2p_entitlement WHERE cycle_id = {program.cycle}))
        """

    def statement(self, program):
        """A file in which all are paid."""
        payments = self.world.finance.search(
            "g2p.payment", [["cycle_id", "=", program.cycle]], "name", "amount_issued", order="partner_id"
        )
        lines = [f"{payment['name']},paid,{payment['amount_issued']}" for payment in payments]
        text = "\n".join(["payment reference,status,amount", *lines])
        return self.world.finance.create(
            "g2p.payment.reconciliation",
            cycle_id=program.cycle,
            filename="statement.csv",
            file=base64.b64encode(text.encode()).decode(),
        )

    def payment_reconciliation_read(self):
        """Whoever resumes it has the lines matched too."""
        program, finance = self.sent(), self.world.finance
        record = self.statement(program)
        start = lambda: finance.call("g2p.payment.reconciliation", "action_check", [record])  # noqa: E731
        wrong = (
            f"SELECT FROM g2p_payment_reconciliation WHERE id = {record} AND (state <> 'checked' OR matched_count <> "
            f"(SELECT COUNT(*) FROM g2p_payment WHERE cycle_id = {program.cycle}))"
        )
        return "g2p.payment.reconciliation", record, start, finance, wrong

    def payment_reconciliation_match(self):
        _model, record, start, finance, wrong = self.payment_reconciliation_read()
        self.world.let_through("g2p.payment.reconciliation", record, "read")
        return "g2p.payment.reconciliation", record, start, finance, wrong

    def payment_reconciliation_reconcile(self):
        program, finance = self.sent(), self.world.finance
        record = self.statement(program)
        finance.call("g2p.payment.reconciliation", "action_check", [record])
        start = lambda: finance.call("g2p.payment.reconciliation", "action_apply", [record])  # noqa: E731
        return "g2p.payment.reconciliation", record, start, finance, self.all_paid(program)

    def exit_all(self, program):
        manager = self.world.manager
        wizard = manager.create(
            "g2p.membership.change.wizard",
            kind="exit",
            member_domain=[["program_id", "=", program.id]],
            reason_id=self.world.sql(
                "SELECT res_id FROM ir_model_data WHERE module = 'g2p_program_membership_change' AND name = 'change_reason_moved_away'"
            )[0][0],
        )
        return lambda: manager.call("g2p.membership.change.wizard", "action_confirm", [wizard])

    def membership_change_apply(self):
        program = self.approved()
        wrong = f"""
            SELECT FROM g2p_program_membership WHERE program_id = {program.id} AND state <> 'exited'
            UNION ALL SELECT FROM g2p_entitlement WHERE program_id = {program.id} AND state <> 'cancelled'
            UNION ALL SELECT FROM g2p_fund_account WHERE program_id = {program.id} AND reserved <> 0
        """
        return "g2p.membership.change", None, self.exit_all(program), self.world.manager, wrong

    def membership_change_reverse(self):
        program, admin = self.small_program("prepare"), self.world.admin
        self.exit_all(program)()
        [[change]] = self.world.sql("SELECT MAX(id) FROM g2p_membership_change WHERE program_id = %s", program.id)
        start = lambda: admin.call("g2p.membership.change", "action_reverse", [change])  # noqa: E731
        wrong = f"SELECT FROM g2p_program_membership WHERE program_id = {program.id} AND state <> 'enrolled'"
        return "g2p.membership.change", change, start, admin, wrong

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
        world.agree("g2p.program", program)
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

    def program_scenario_simulate(self):
        program, manager = self.small_program(), self.world.manager
        self.chunk = WHOLE_REGISTRY_CHUNK
        scenario = manager.create("g2p.program.scenario", name="Try", program_id=program.id)
        start = lambda: manager.call("g2p.program.scenario", "action_simulate", [scenario])  # noqa: E731
        wrong = f"""
            SELECT FROM g2p_program_scenario AS s WHERE id = {scenario}
               AND (state <> 'simulated' OR beneficiaries <> (
                    SELECT beneficiaries FROM g2p_program_scenario_result WHERE scenario_id = s.id AND dimension = 'total'))
        """
        return "g2p.program.scenario", scenario, start, manager, wrong

    def registrant_import_undo(self):
        registrar, model = self.world.registrar, "g2p.registrant.import"
        first, rows = 900_000, 5 * CHUNK
        record = registrar.create(model, name="people.csv", file=registrants_file(first, rows))
        registrar.call(model, "action_check", [record])
        registrar.call(model, "action_import", [record])
        assert registered(self.world, first, rows) == [(rows, rows, rows, rows)]
        start = lambda: registrar.call(model, "action_undo", [record])  # noqa: E731
        wrong = f"SELECT FROM g2p_reg_id WHERE value BETWEEN 'FAULT{first:07}' AND 'FAULT{first + rows - 1:07}'"
        return model, record, start, registrar, wrong

    def registrant_import_read(self):
        """Whoever resumes it has the rows checked too."""
        registrar, model = self.world.registrar, "g2p.registrant.import"
        record = registrar.create(model, name="people.csv", file=registrants_file(800_000))
        start = lambda: registrar.call(model, "action_check", [record])  # noqa: E731
        wrong = f"SELECT FROM g2p_registrant_import WHERE id = {record} AND (state <> 'checked' OR ok_count <> {ROWS})"
        return model, record, start, registrar, wrong

    def program_load_list(self):
        program, manager = self.small_program(), self.world.manager
        chosen = manager.create("g2p.program_membership.manager.list", name="List", program_id=program.id)
        people = self.world.sql("SELECT id FROM res_partner WHERE is_registrant AND NOT is_group ORDER BY id LIMIT 300")
        text = "\n".join(["Registrant", *(str(number) for (number,) in people)])
        wizard = manager.create(
            "g2p.eligibility.list.load",
            manager_id=chosen,
            file=base64.b64encode(text.encode()).decode(),
            file_name="list.csv",
        )
        start = lambda: manager.call("g2p.eligibility.list.load", "action_load", [wizard])  # noqa: E731
        wrong = f"""
            SELECT FROM g2p_program_membership_manager_list AS m WHERE id = {chosen} AND (file_name IS NULL OR {len(people)} <>
                   (SELECT COUNT(partner_id) FROM g2p_eligibility_list_line WHERE manager_id = m.id))
            UNION ALL SELECT FROM ir_attachment WHERE name = 'list.csv'
        """
        return "g2p.program", program.id, start, manager, wrong

    def registry_refresh_indicators(self):
        self.chunk = WHOLE_REGISTRY_CHUNK
        self.world.sql("UPDATE g2p_group_indicator SET size = size + 1")
        [[registry]] = self.world.sql("SELECT id FROM g2p_registry")
        admin = self.world.admin
        start = lambda: admin.call("g2p.registry", "action_refresh_indicators", [registry])  # noqa: E731
        wrong = """
            SELECT FROM g2p_group_indicator AS i WHERE size > (
                SELECT COUNT(DISTINCT individual) FROM g2p_group_membership AS m WHERE m."group" = i.group_id)
        """
        return "g2p.registry", registry, start, admin, wrong

    def registry_deduplication_deduplicate(self):
        self.chunk = WHOLE_REGISTRY_CHUNK
        [[settings]] = self.world.sql(
            "SELECT id FROM g2p_registry_deduplication WHERE target_type = 'individual' ORDER BY id LIMIT 1"
        )
        admin = self.world.admin
        start = lambda: admin.call("g2p.registry.deduplication", "action_deduplicate", [settings])  # noqa: E731
        wrong = f"SELECT FROM g2p_registry_deduplication WHERE id = {settings} AND last_run IS NULL"
        return "g2p.registry.deduplication", settings, start, admin, wrong

    # The life of one

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
        self.was_cut_off = True

    def resume(self):
        self.world.admin.call("g2p.bulk.operation", "action_resume", [self.operation])

    def resume_to_the_end(self):
        self.resume()
        shown = self.shown()
        assert (shown["state"], shown["interruption"]) == ("done", False), (self.name, shown)
        assert shown["processed"] == shown["planned"] == sum(shown["counts"].values()) > 0, (self.name, shown)
        assert self.world.sql(self.wrong) == [], (self.name, shown["counts"])


@contextmanager
def hanging(gate, grounds):
    """All of these steps are under way, started or resumed, each in a process of its own, one chunk done and not
    committed."""

    def chunk_size(rows):
        grounds[0].world.admin.call("ir.config_parameter", "set_param", "g2p_bulk.chunk_size", str(rows))

    gate.close()
    calls = []
    for number, ground in enumerate(grounds, 1):
        known = ground.newest()
        chunk_size(ground.chunk)
        calls.append(Background(ground.resume if ground.was_cut_off else ground.press))
        wait_at_gate(gate, number, ground.name, calls[-1])
        chunk_size(CHUNK_SIZE)
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


def wait_at_gate(gate, number, name, call):
    """So many calls hang at the gate. It is waited for as long as the database sees work; a call that came back, or that
    waits for one that hangs, never gets there."""
    begun = progress = time.monotonic()
    seen = None
    while len(waiting := gate.somebody_waits()) < number:
        assert call.thread.is_alive(), f"{name} did not come to the gate: {call.error!r}, {call.result!r}"
        work = gate.work()
        stuck = [row for row in work if {pid for (pid,) in waiting} & set(row[-1])]
        now = time.monotonic()
        if work != seen:
            seen, progress = work, now
        assert now - progress < (STUCK if stuck else IDLE), f"{name} stands still before the gate: {stuck or work}"
        assert now - begun < PATIENCE, f"{name} is still at work after {PATIENCE} s: {work}"
        time.sleep(0.1)


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


# Not in the pipeline, and moving no money.
# Not beside an undo, which holds the people that it deletes: duplicates of them wait for it.
OTHERS = (
    ("g2p.program", "load_list"),
    ("g2p.program", "auto_enrol"),
    ("g2p.program", "close_applications"),
    ("g2p.program", "score"),
    ("g2p.cycle", "withdraw"),
    ("g2p.registry.deduplication", "deduplicate"),
    ("g2p.payment.reconciliation", "read"),
    ("g2p.payment.reconciliation", "match"),
    ("g2p.registrant.import", "read"),
    ("g2p.registrant.import", "undo"),
    ("g2p.registry", "refresh_indicators"),
    ("g2p.program.scenario", "simulate"),
)


def test_every_step_that_there_is_is_killed_somewhere():
    assert {*PIPELINE, *OTHERS, *MONEY} == registered_steps()


def ids(names):
    return "+".join(step for _model, step in names)


@pytest.mark.parametrize("names", [*together(OTHERS), *together(sorted(MONEY))], ids=ids)
def test_steps_are_resumed_whose_workers_were_killed_and_then_their_database_server(world, gate, names):
    grounds = [Ground(world, name).prepare() for name in names]
    with hanging(gate, grounds):
        for ground in grounds:
            [[worker]] = world.sql(
                "SELECT worker FROM g2p_bulk_log WHERE operation_id = %s ORDER BY id DESC LIMIT 1", ground.operation
            )
            os.kill(int(worker.rsplit(":", 1)[1]), signal.SIGKILL)
    for ground in grounds:
        ground.was_interrupted()
    assert world.never() == []

    # What moves money is cut off once more.
    if set(names) <= MONEY:
        with hanging(gate, grounds):
            world.cluster.crash_and_start()
        world.node.restart()
        for ground in grounds:
            ground.was_interrupted()
        assert world.never() == []

    for ground in grounds:
        ground.resume_to_the_end()
    assert world.never() == []
