"""Eight approvals at once take from two funds that are too small for them."""

import time
from decimal import Decimal

import pytest
from product import RefusedError
from world import Program

from conftest import Background

CYCLES = 4
AMOUNT = Decimal(100)
COVERED = Decimal("2.5")
SOME = '[("birthdate", ">", "1990-01-01"), ("gender", "=", "female")]'


def programs_to_approve(world, name):
    """Two programs for the same people, each with four cycles that wait for approval and money for two and a half.
    One wants all or nothing, the other takes as many as the money is for."""
    programs = []
    for policy in ("all", "priority"):
        program = Program(world, f"{name}, {policy}", SOME)
        manager_model = "g2p.program.entitlement.manager.default"
        [manager] = world.admin.search(manager_model, [["program_id", "=", program.id]], "id")
        world.admin.call(manager_model, "write", [manager["id"]], {"shortage_policy": policy})
        program.start("import")
        program.start("enrol")
        program.cycles = []
        for _number in range(CYCLES):
            program.cycles.append(program.new_cycle())
            for step in ("copy", "prepare", "submit"):
                program.start(step)
            world.approver.call("g2p.cycle", "approve", [program.cycle])
        [[members]] = world.sql(
            "SELECT COUNT(*) FROM g2p_program_membership WHERE program_id = %s AND state = 'enrolled'", program.id
        )
        assert members > 100
        program.members, program.posted = members, AMOUNT * int(members * COVERED)
        program.post(float(program.posted))
        programs.append(program)
    return programs


def approve(user, cycle):
    return user.call("g2p.cycle", "validate_entitlement", [cycle])


def outcome(world, program):
    """(reserved, approved entitlements, entitlements that wait, cycles with any approved)"""
    [[reserved]] = world.sql("SELECT reserved FROM g2p_fund_account WHERE program_id = %s", program.id)
    [counts] = world.sql(
        """
        SELECT COUNT(*) FILTER (WHERE state = 'approved'), COUNT(*) FILTER (WHERE state = 'pending_validation'),
               COUNT(DISTINCT cycle_id) FILTER (WHERE state = 'approved')
        FROM g2p_entitlement WHERE program_id = %s
        """,
        program.id,
    )
    return (reserved, *counts)


@pytest.fixture(scope="module")
def serial(world):
    """What eight approvals one after the other come to, and how long they take."""
    programs = programs_to_approve(world, "One after the other")
    started = time.monotonic()
    for program in programs:
        for cycle in program.cycles:
            try:
                approve(world.finance, cycle)
            except RefusedError:
                assert outcome(world, program)[0] > 0
    return [outcome(world, program) for program in programs], time.monotonic() - started


def test_eight_approvals_at_once_never_overspend_and_end_as_one_after_the_other(world, serial, capsys):
    expected, serial_seconds = serial
    programs = programs_to_approve(world, "At once")
    users = [world.node.user("finance") for _number in range(2 * CYCLES)]
    started = time.monotonic()
    calls = [
        Background(approve, users.pop(), cycle)
        for pair in zip(*(p.cycles for p in programs), strict=True)
        for cycle in pair
    ]
    for call in calls:
        call.join(120)
    seconds = time.monotonic() - started
    with capsys.disabled():
        print(f"\n8 approvals: {serial_seconds:.1f} s one after the other, {seconds:.1f} s at once")

    # Who is refused reads that the fund is short: no deadlock, no conflict, no other error comes through.
    refusals = [call.error for call in calls if call.error]
    assert all(isinstance(error, RefusedError) and "fund" in str(error).lower() for error in refusals), refusals
    assert len(refusals) == 2
    for program, twin in zip(programs, expected, strict=True):
        reserved, approved, waiting, cycles = outcome(world, program)
        assert reserved == AMOUNT * approved <= program.posted
        assert approved + waiting == CYCLES * program.members
        assert (reserved, approved, waiting, cycles) == twin
    all_or_nothing, priority = (outcome(world, program) for program in programs)
    assert all_or_nothing[0] == AMOUNT * 2 * programs[0].members
    assert priority[0] == programs[1].posted
    assert world.never() == []
    [[unfinished]] = world.sql("SELECT COUNT(*) FROM g2p_bulk_operation WHERE state NOT IN ('done', 'cancelled')")
    assert unfinished == 0
