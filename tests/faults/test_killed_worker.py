"""kill -9 of the worker in the middle of every bulk step: nothing is lost, doubled or half done, and Resume does the rest."""

import base64

import pytest
from cluster import wait_until

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
ROWS = 2_000


@pytest.fixture(scope="module")
def undisturbed(world):
    """The figures after each step of a program that nothing happens to."""
    program = world.program("Undisturbed")
    figures = {}
    for step in STEPS:
        program.run(step)
        figures[step] = program.figures()
    assert not world.never()
    return figures


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
    assert shown["chunks"][0] == "done"
    assert set(shown["chunks"][1:]) == {"pending"}
    assert world.never() == []

    # The form says so.
    left = len(shown["chunks"]) - 1
    assert shown["state"] == "running"
    assert f"{left} of {left + 1} chunks are left" in shown["interruption"]
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


def registrants_file(first, rows=ROWS):
    lines = ["Family name,Given name,Date of birth,Gender,Phone number,National ID"]
    lines += [
        f"Family{number % 501},Given{number % 211},{1950 + number % 60}-{1 + number % 12:02}-{1 + number % 28:02},"
        f"{'Female' if number % 2 else 'Male'},+2547{number:08},FAULT{number:07}"
        for number in range(first, first + rows)
    ]
    return base64.b64encode("\n".join(lines).encode()).decode()


def registered(world, first, rows=ROWS):
    """(registrants, different ones, documents, phones) of a file."""
    return world.sql(
        """
        SELECT COUNT(DISTINCT partner.id), COUNT(DISTINCT document.value), COUNT(DISTINCT document.id),
               COUNT(DISTINCT phone.id)
        FROM g2p_reg_id AS document
        JOIN res_partner AS partner ON partner.id = document.partner_id
        LEFT JOIN g2p_phone_number AS phone ON phone.partner_id = partner.id
        WHERE document.value BETWEEN %s AND %s
        """,
        f"FAULT{first:07}",
        f"FAULT{first + rows - 1:07}",
    )


def test_an_import_of_registrants_whose_worker_is_killed_is_resumed(world, kill_in_the_middle):
    registrar, model = world.registrar, "g2p.registrant.import"
    record = registrar.create(model, name="people.csv", file=registrants_file(0))

    def operation():
        [latest] = registrar.search("g2p.bulk.operation", [["res_model", "=", model], ["res_id", "=", record]], "id")[
            -1:
        ]
        return registrar.read("g2p.bulk.operation", latest["id"], "state", "interruption", "can_resume", "counts")

    for button, label in (("action_check", "good"), ("action_import", "created")):
        kill_in_the_middle(lambda button=button: registrar.call(model, button, [record]))
        shown = wait_until(lambda: (form := operation())["interruption"] and form)
        assert (shown["state"], shown["can_resume"]) == ("running", True)
        if button == "action_import":
            [(people, documents, *_rest)] = registered(world, 0)
            assert people == documents == shown["counts"]["created"]
            assert 0 < people < ROWS
        registrar.call("g2p.bulk.operation", "action_resume", [shown["id"]])
        shown = operation()
        assert (shown["state"], shown["counts"]) == ("done", {label: ROWS})
    assert registered(world, 0) == [(ROWS, ROWS, ROWS, ROWS)]
    assert registrar.read(model, record, "state", "imported_count", "refused_count") == {
        "id": record,
        "state": "done",
        "imported_count": ROWS,
        "refused_count": 0,
    }
