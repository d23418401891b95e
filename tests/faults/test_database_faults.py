"""The database server dies, or its disk fills up, in the middle of a step."""

from cluster import wait_until
from product import BrokenError
from registrants_file import ROWS, operation_of, registered, registrants_file

FIRST = 5_000


def test_a_database_server_that_is_killed_and_started_leaves_whole_chunks_and_an_offer_to_resume(
    world, undisturbed, gate, hang
):
    program = world.program("Crashed").run_before("prepare")
    call, _pid = hang(lambda: program.start("prepare"))
    world.cluster.crash_and_start()
    gate.open()
    assert isinstance(call.join().error, BrokenError), call.error
    world.node.restart()

    shown = wait_until(lambda: (form := program.operation("prepare"))["interruption"] and form)
    assert (shown["state"], shown["can_resume"], shown["on the form"]) == ("running", True, True)
    assert shown["chunks"][0] == "done"
    assert set(shown["chunks"][1:]) == {"pending"}
    assert world.never() == []

    program.resume("prepare")
    shown = program.operation("prepare")
    assert (shown["state"], set(shown["chunks"])) == ("done", {"done"})
    assert program.figures() == undisturbed["prepare"]
    assert world.never() == []


def test_a_full_disk_stops_an_import_in_words_and_resume_does_the_rest(world, gate, hang):
    """The server's process is not allowed to make the table of registrants any larger: the error of a quota, which is
    that of a full disk but for its number, without the rights that a file system of one's own needs."""
    registrar, model = world.registrar, "g2p.registrant.import"
    record = registrar.create(model, name="people.csv", file=registrants_file(FIRST))
    registrar.call(model, "action_check", [record])
    call, _pid = hang(lambda: registrar.call(model, "action_import", [record]))
    [[backend]] = gate.somebody_waits()
    [[size]] = world.sql("SELECT pg_relation_size('res_partner')")
    limit = f"--pid={backend}"
    world.cluster.as_owner("prlimit", limit, f"--fsize={size}:")
    try:
        gate.open()
        toast = call.join().result
    finally:
        world.cluster.as_owner("prlimit", limit, "--fsize=unlimited:")
    assert "disk" in toast["params"]["text"], (call.error, toast)

    shown = operation_of(registrar, record)
    assert (shown["state"], shown["can_resume"]) == ("failed", True)
    assert "could not make its files any larger" in shown["last_error"]
    [(people, documents, *_rest)] = registered(world, FIRST)
    assert people == documents == shown["counts"]["created"]
    assert 0 < people < ROWS
    assert sum(shown["counts"].values()) == ROWS
    assert registrar.read(model, record, "running_operation_id")["running_operation_id"][0] == shown["id"]

    registrar.call("g2p.bulk.operation", "action_resume", [shown["id"]])
    shown = operation_of(registrar, record)
    assert (shown["state"], shown["counts"]) == ("done", {"created": ROWS})
    assert registered(world, FIRST) == [(ROWS, ROWS, ROWS, ROWS)]
