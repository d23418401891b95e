"""Two people press the same button, and one presses Cancel."""

import threading

from cluster import wait_until
from product import RefusedError

from conftest import Background


def test_of_two_who_start_a_step_at_the_same_moment_one_is_refused_and_reads_why(world, undisturbed, gate):
    program = world.program("Started twice").run_before("prepare")
    barrier = threading.Barrier(2)

    def press(user):
        barrier.wait()
        return program.start("prepare", user)

    gate.close()
    calls = [Background(press, user) for user in (world.manager, world.node.user("admin"))]
    wait_until(gate.somebody_waits)
    refused = wait_until(lambda: [call for call in calls if call.error])
    gate.open()
    for call in calls:
        call.join()
    assert len(refused) == 1
    assert isinstance(refused[0].error, RefusedError)
    assert "is already running, started by" in str(refused[0].error)
    assert len([name for name in world.operations(*program.target("prepare")) if name["step"] == "prepare"]) == 1
    assert program.operation("prepare")["state"] == "done"
    assert program.figures() == undisturbed["prepare"]
    assert world.never() == []


def test_a_step_that_is_cancelled_in_the_middle_keeps_what_it_did_and_can_be_started_again(
    world, undisturbed, gate, hang
):
    program = world.program("Cancelled").run_before("enrol")
    call, _pid = hang(lambda: program.start("enrol"))
    someone_else = world.node.user("admin")
    someone_else.call("g2p.bulk.operation", "action_cancel", [program.operation("enrol")["id"]])
    gate.open()
    assert "Cancelled." in call.join().result["params"]["text"]

    shown = program.operation("enrol")
    assert (shown["state"], shown["can_resume"], shown["on the form"]) == ("cancelled", False, False)
    assert shown["chunks"][:2] == ["done", "done"]
    assert set(shown["chunks"][2:]) == {"cancelled"}
    assert sum(shown["counts"].values()) == shown["planned"]
    assert shown["log"] == ["started", "cancelled", "ended"]
    assert world.never() == []

    program.run("enrol")
    assert program.operation("enrol")["state"] == "done"
    assert program.figures() == undisturbed["enrol"]
    assert world.never() == []
