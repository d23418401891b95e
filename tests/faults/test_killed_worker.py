"""kill -9 of the worker in the middle of every bulk step: nothing is lost, doubled or half done, and Resume does the rest."""

import pytest
from cluster import wait_until
from registrants_file import ROWS, operation_of, registered, registrants_file

STEPS = (
    "import",
    "deduplicate",
    "enrol",
    "verify",
    "copy",
    "cycle verify",
    "prepare",
    "submit",
    "approve",
    "prepare payments",
    "send",
    "reconcile",
)


@pytest.fixture(scope="module")
def disturbed(world):
    return world.program("Disturbed")


# In this order, each on what the one before has left.
@pytest.mark.parametrize("step", STEPS)
def test_a_step_whose_worker_is_killed_is_resumed_to_the_same_end(
    world, undisturbed, disturbed, kill_in_the_middle, step
):
    disturbed.run_before(step)
    kill_in_the_middle(lambda: disturbed.start(step))

    # What was committed is there as a whole, what was not is not there at all.
    shown = wait_until(lambda: (form := disturbed.operation(step))["interruption"] and form)
    chunks = len(shown["chunks"])
    # Duplicates are found among all members at once: that step is one chunk.
    left = 1 if step == "deduplicate" else chunks - 1
    assert (chunks > 1) == (step != "deduplicate")
    assert shown["chunks"] == ["done"] * (chunks - left) + ["pending"] * left
    assert world.never() == []

    # The form says so.
    assert shown["state"] == "running"
    assert f"{left} of {chunks} chunks are left" in shown["interruption"]
    assert (shown["can_resume"], shown["can_cancel"], shown["on the form"]) == (True, True, True)

    disturbed.resume(step)
    disturbed.done.append(step)
    shown = disturbed.operation(step)
    assert (shown["state"], shown["interruption"], shown["on the form"]) == ("done", False, False)
    assert set(shown["chunks"]) == {"done"}
    assert shown["processed"] == shown["planned"] == sum(shown["counts"].values())
    assert shown["log"] == ["started", "lost", "resumed", "ended"]
    assert disturbed.figures() == undisturbed[step]
    assert world.never() == []


def test_an_import_of_registrants_whose_worker_is_killed_is_resumed(world, kill_in_the_middle):
    registrar, model = world.registrar, "g2p.registrant.import"
    record = registrar.create(model, name="people.csv", file=registrants_file(0))

    def operation():
        [latest] = registrar.search("g2p.bulk.operation", [["res_model", "=", model], ["res_id", "=", record]], "id")[
            -1:
        ]
        return registrar.read("g2p.bulk.operation", latest["id"], "state", "interruption", "can_resume", "counts")

    world.let_through(model, record, "read")
    for button, label in (("action_check", "good"), ("action_import", "created")):
        kill_in_the_middle(lambda button=button: registrar.call(model, button, [record]))
        shown = wait_until(lambda: (form := operation_of(registrar, record))["interruption"] and form)
        assert (shown["state"], shown["can_resume"]) == ("running", True)
        if button == "action_import":
            [(people, documents, *_rest)] = registered(world, 0)
            assert people == documents == shown["counts"]["created"]
            assert 0 < people < ROWS
        registrar.call("g2p.bulk.operation", "action_resume", [shown["id"]])
        shown = operation_of(registrar, record)
        assert (shown["state"], shown["counts"]) == ("done", {label: ROWS})
    assert registered(world, 0) == [(ROWS, ROWS, ROWS, ROWS)]
    assert registrar.read(model, record, "state", "imported_count", "refused_count") == {
        "id": record,
        "state": "done",
        "imported_count": ROWS,
        "refused_count": 0,
    }
