"""What a dry run foresees is what the engine then does: restarts, and why tasks have no node."""

import pytest

from funswarm.errors import Refused
from funswarm.messages import Code
from tests.engine.conftest import FOREVER, IMAGE, SECOND_NS
from tests.engine.scheduling import ids, job, running
from tests.servers import free_port

TEN_TERABYTES = 10 << 40


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": {"a": "b"}},
        {"replicas": 2},
        {"rollback_config": {"parallelism": 2}},
        {"constraints": ["node.role==manager"]},
        {"command": ["sleep", "200000"]},
        {"env": {"A": "b"}},
        {"max_replicas_per_node": 5},
        {"endpoint_mode": "dnsrr"},
        {"stop_grace_period": "20ms"},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_whether_tasks_restart_is_foreseen(engine, attempt, changes):
    before = running(engine)
    foreseen = (await attempt("update", changes=changes, dry_run=True)).preview
    await attempt("update", changes=changes)
    if foreseen.restarts_tasks:
        engine.until(lambda: before.isdisjoint(ids(engine.running(engine.name))), "the tasks are replaced")
    else:
        count = changes.get("replicas", 1)
        assert before <= ids(engine.until_running(engine.name, count))


async def test_that_a_forced_scale_lets_a_paused_rollout_go_on_is_foreseen(engine, attempt):
    pauses = {"Parallelism": 1, "Delay": 600 * SECOND_NS, "Monitor": 60 * SECOND_NS}  # before it comes to the second
    before = running(engine, replicas=2, UpdateConfig=pauses)
    await attempt("update", changes={"command": ["false"]})
    engine.until_updated(engine.name, "paused")
    foreseen = (await attempt("scale", "c2", replicas=3, force=True, dry_run=True)).preview
    await attempt("scale", "c2", replicas=3, force=True)
    engine.until(lambda: before.isdisjoint(ids(engine.running(engine.name))), "the tasks are replaced")
    assert foreseen.restarts_tasks


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"constraints": ["node.labels.none==1"]}, "scheduling constraints not satisfied on 1 node"),
        ({"resources": {"reservations": {"memory": TEN_TERABYTES}}}, "insufficient resources on 1 node"),
        ({"resources": {"reservations": {"generic": {"gpu": 1}}}}, "insufficient resources on 1 node"),
        ({"replicas": 2, "max_replicas_per_node": 1}, "max replicas per node limit exceed"),
    ],
    ids=["constraint", "memory", "generic", "max_replicas"],
)  # fmt: skip
async def test_why_a_task_has_no_node_is_foreseen(engine, attempt, fields, reason):
    service = {"name": engine.name, "image": IMAGE, "command": FOREVER, "stop_grace_period": "10ms", **fields}
    foreseen = (await attempt("create", service=service, dry_run=True)).preview
    assert (False, (f"no suitable node ({reason})",)) == (foreseen.fits, foreseen.reasons)
    await attempt("create", service=service)
    engine.undo_later(lambda: engine.api.remove_service(engine.name))
    (said,) = engine.until(lambda: {task["Status"].get("Err") for task in waiting(engine)} - {None}, "Swarm says why")
    assert foreseen.reasons == (said,)


def waiting(engine):
    return [task for task in engine.tasks(engine.name) if task["Status"]["State"] == "pending"]


async def test_a_port_that_another_service_has_is_foreseen(engine, attempt):
    number = free_port()
    port = {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": number, "PublishMode": "host"}
    engine.create(engine.spec(suffix="-2", EndpointSpec={"Ports": [port]}))
    engine.until_running(f"{engine.name}-2", 1)
    ports = [{"target": 80, "published": number, "mode": "host"}]
    service = {"name": engine.name, "image": IMAGE, "ports": ports}
    foreseen = (await attempt("create", service=service, dry_run=True)).preview
    assert ("no suitable node (host-mode port already in use on 1 node)",) == foreseen.reasons


async def test_what_a_job_s_run_does_is_foreseen(engine, attempt):
    job(engine)
    foreseen = (await attempt("run", dry_run=True)).preview
    assert (True, True, [1]) == (foreseen.restarts_tasks, foreseen.fits, [one.tasks for one in foreseen.placements])


async def test_a_rollout_that_starts_first_without_room_is_foreseen(engine, attempt):
    port = {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": free_port(), "PublishMode": "host"}
    running(engine, EndpointSpec={"Ports": [port]}, UpdateConfig={"Order": "start-first", "Monitor": SECOND_NS})
    assert not (await attempt("restart", dry_run=True)).preview.fits


# Nodes. The engine is shared: its node is never really drained here.
def hostname(engine):
    return engine.api.info()["Name"]


async def test_a_drain_of_the_only_node_is_foreseen(engine, attempt):
    running(engine)
    outcome = await attempt("drain", target=hostname(engine), dry_run=True)
    assert f"{engine.name}: no suitable node (1 node not available for new tasks)" in outcome.preview.reasons
    assert "no other node" in outcome.warnings[0]


async def test_what_a_node_is_already_is_not_written(engine, attempt):
    outcome = await attempt("activate", target=engine.api.info()["Swarm"]["NodeID"])
    assert (False, hostname(engine)) == (outcome.changed, outcome.node["Description"]["Hostname"])


async def test_an_unknown_node_is_refused(engine, attempt):
    for target in ("self", engine.api.info()["Swarm"]["NodeID"][:12], engine.name):
        with pytest.raises(Refused) as caught:
            await attempt("activate", target=target)
        assert Code.UNKNOWN_NODE == caught.value.code


async def test_a_node_of_another_version_is_left_alone(engine, attempt):
    with pytest.raises(Refused) as caught:
        await attempt("activate", target=hostname(engine), expect={"version": 1})
    assert Code.EXPECTATION == caught.value.code
