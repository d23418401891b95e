"""Large steps run as jobs, several chunks at a time; a node that loses power in the middle leaves nothing half done."""

import pytest
from cluster import wait_until
from world import World

from conftest import TEMPLATE, Gate, running_node

PATIENCE = 90
STEPS = ("import", "deduplicate", "enrol", "verify", "copy", "cycle verify")


@pytest.fixture
def database(cluster):
    name = cluster.copy_database(TEMPLATE, "faults_queue")
    cluster.sql(name, "UPDATE ir_config_parameter SET value = '1' WHERE key = 'g2p_bulk.inline_threshold'")
    return name


def runner(cluster, database):
    """a job runner serves the database"""
    return cluster.sql(
        database,
        """
        SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """,
    )


def old_jobs(cluster, database):
    """the jobs at work are older than what the runner takes for just begun, when it will look"""
    return not cluster.sql(
        database,
        """
        SELECT 1 FROM queue_job WHERE state IN ('enqueued', 'started')
            AND date_enqueued > now() AT TIME ZONE 'UTC' - INTERVAL '6 s'
        """,
    )


def test_nodes_that_lose_power_are_replaced_by_others(cluster, folder, undisturbed, database):
    gate = Gate(cluster, database)

    def ended(step):
        return wait_until(lambda: (shown := program.operation(step))["state"] == "done" and shown, PATIENCE)

    def start_and_lose_the_node(node, step):
        program.ready(step)
        gate.close()
        program.start(step)
        wait_until(lambda: len(gate.somebody_waits()) == 2, PATIENCE)
        node.kill()
        gate.open()
        wait_until(gate.nobody_works)
        assert world.never() == []

    with running_node(cluster, folder, database, chunks_at_a_time=2) as node:
        wait_until(lambda: runner(cluster, database), PATIENCE)
        world = World(cluster, node)
        program = world.program("Jobs")
        for step in STEPS:
            program.ready(step)
            program.start(step)
            shown = ended(step)
            assert (shown["mode"], shown["log"]) == ("queue", ["started", "ended"])
            assert program.figures() == undisturbed[step]
        start_and_lose_the_node(node, "prepare")

    # With a job runner, the other node goes on by itself.
    wait_until(lambda: old_jobs(cluster, database))
    with running_node(cluster, folder, database, chunks_at_a_time=2) as node:
        program.move(world := World(cluster, node))
        assert ended("prepare")["log"][-1] == "ended"
        assert program.figures() == undisturbed["prepare"]
        start_and_lose_the_node(node, "submit")

    # Without one, it says so and offers Resume.
    with running_node(cluster, folder, database) as node:
        program.move(world := World(cluster, node))
        shown = wait_until(lambda: (form := program.operation("submit"))["interruption"] and form)
        assert "no job runner serves this database" in shown["interruption"]
        assert (shown["state"], shown["can_resume"], shown["on the form"]) == ("running", True, True)
        assert 0 < shown["chunks"].count("pending") < len(shown["chunks"])
        program.resume("submit")
        shown = program.operation("submit")
        assert (shown["state"], shown["log"]) == ("done", ["started", "lost", "resumed", "ended"])
        assert program.figures() == undisturbed["submit"]
        assert world.never() == []
