"""Large steps run as jobs, several chunks at a time; a node that loses power in the middle leaves nothing half done."""

from cluster import wait_until
from world import World

from conftest import TEMPLATE, Background, Gate, running_node

PATIENCE = 60


def test_a_node_with_its_job_runner_is_killed_and_another_one_goes_on(cluster, folder, undisturbed):
    database = cluster.copy_database(TEMPLATE, "faults_queue")
    cluster.sql(database, "UPDATE ir_config_parameter SET value = '1' WHERE key = 'g2p_bulk.inline_threshold'")
    gate = Gate(cluster, database)
    with running_node(cluster, folder, database, chunks_at_a_time=2) as first:
        world = World(cluster, first)
        wait_until(lambda: runner(cluster, database), PATIENCE)
        program = world.program("Jobs")
        for step in ("import", "deduplicate", "enrol", "verify", "copy", "cycle verify"):
            program.ready(step)
            program.start(step)
            done = wait_until(
                lambda step=step: (shown := program.operation(step))["state"] == "done" and shown, PATIENCE
            )
            assert done["mode"] == "queue"
            assert done["log"] == ["started", "ended"]
            assert program.figures() == undisturbed[step]
        gate.close()
        program.start("prepare")
        wait_until(lambda: len(gate.somebody_waits()) == 2, PATIENCE)
    gate.open()
    wait_until(gate.nobody_works)

    with running_node(cluster, folder, database, chunks_at_a_time=2) as second:
        # The people log in to the node that is left.
        program.world = world = World(cluster, second)
        program.steps["prepare"] = (program.on_cycle, world.manager, "prepare_entitlement", [])
        shown = wait_until(lambda: (form := program.operation("prepare"))["interruption"] and form, PATIENCE)
        assert (shown["state"], shown["can_resume"]) == ("running", True)
        assert 0 < shown["chunks"].count("done") < len(shown["chunks"])
        assert world.never() == []
        Background(program.resume, "prepare").join()
        wait_until(lambda: program.operation("prepare")["state"] == "done", PATIENCE)
        assert program.figures() == undisturbed["prepare"]
        assert world.never() == []


def runner(cluster, database):
    """a job runner serves the database"""
    return cluster.sql(
        database,
        """
        SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """,
    )
