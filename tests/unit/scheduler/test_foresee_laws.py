"""What a dry run foresees is what the simulator's scheduler then does, over random small Swarms."""

from dataclasses import replace
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.facts import host_ports, node_facts, task_facts
from services.scheduler.foresee import Swarm, foresee
from services.simulator import render
from services.simulator.agenda import ManualClock
from services.simulator.cluster import Cluster
from services.simulator.model import State, Task

CORE: Final = 10**9
SETTLED_S: Final = 120.0
Json = dict[str, Any]


class Scene:
    """A simulated Swarm on a clock of its own."""

    def __init__(self, nodes: list[Json]) -> None:
        self.clock = ManualClock()
        self.cluster = Cluster(len(nodes), clock=self.clock)
        for node, wanted in zip(list(self.cluster.store.nodes.values()), nodes, strict=True):
            spec = {**node.spec, "Availability": wanted["availability"], "Labels": wanted["labels"]}
            self.cluster.store.put(replace(node, spec=spec, cpu_nano=wanted["cores"] * CORE, state=wanted["state"]))

    def settle(self) -> None:
        self.cluster.agenda.run_for(self.clock, SETTLED_S)

    def swarm(self) -> Swarm:
        """As the scheduler reads it."""
        store = self.cluster.store
        tasks = [task_facts(render.task(task)) for task in store.tasks.values() if task.wanted]
        return Swarm(
            tuple(node_facts(render.node(node, "27.0.0")) for node in store.nodes.values()),
            tuple(task for task in tasks if task is not None),
            {service.id: host_ports(service.spec) for service in store.services.values()},
        )

    def tasks(self, service_id: str) -> list[Task]:
        return [task for task in self.cluster.store.tasks_of(service_id) if task.wanted and not task.ended]


NODES = st.lists(
    st.fixed_dictionaries(
        {
            "cores": st.integers(1, 4),
            "labels": st.sampled_from([{}, {"disk": "ssd"}, {"disk": "hdd"}]),
            "availability": st.sampled_from(["active", "active", "active", "pause", "drain"]),
            "state": st.sampled_from(["ready", "ready", "ready", "ready", "down"]),
        }
    ),
    min_size=1,
    max_size=4,
)
TEMPLATE = st.fixed_dictionaries(
    {
        "image": st.sampled_from(["a", "b"]),
        "cores": st.sampled_from([0, 0, 1, 2]),
        "constraints": st.sampled_from([[], [], ["node.labels.disk==ssd"], ["node.labels.disk != hdd"]]),
        "max_replicas": st.sampled_from([0, 0, 0, 1, 2]),
        "spread": st.booleans(),
        "port": st.sampled_from([0, 0, 0, 8080]),
        "order": st.sampled_from(["stop-first", "start-first"]),
        "parallelism": st.integers(0, 2),
    }
)


def _spec(name: str, mode: Json, asked: Json) -> Json:
    preferences = [{"Spread": {"SpreadDescriptor": "node.labels.disk"}}]
    placement = {
        "Constraints": asked["constraints"],
        "MaxReplicas": asked["max_replicas"],
        "Preferences": preferences if asked["spread"] else [],
    }
    config = {"Order": asked["order"], "Parallelism": asked["parallelism"], "Monitor": 1, "FailureAction": "continue"}
    port = {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": asked["port"], "PublishMode": "host"}
    spec = {
        "Name": name,
        "TaskTemplate": {
            "ContainerSpec": {"Image": asked["image"]},
            "Placement": placement,
            "Resources": {"Reservations": {"NanoCPUs": asked["cores"] * CORE}},
        },
        "Mode": mode,
        "EndpointSpec": {"Ports": [port]} if asked["port"] else {},
    }
    return spec if "ReplicatedJob" in mode else {**spec, "UpdateConfig": config}


def _foreseen_is_done(scene: Scene, service_id: str, before: Json | None, after: Json, swarm: Swarm) -> None:
    """Compare what was foreseen with how the Swarm has settled."""
    foreseen = foresee(before, after, service_id if before else None, swarm, runs=True)
    tasks = scene.tasks(service_id)
    waiting = [task for task in tasks if task.state < State.ASSIGNED]
    old = {task.id for task in swarm.tasks if task.service_id == service_id and task.node_id}
    config = after.get("UpdateConfig") or {}
    one_by_one = config.get("Order") == "stop-first" or (config.get("Parallelism") == 1 and len(tasks) <= len(old))
    if one_by_one or not foreseen.restarts_tasks:  # else it is a matter of luck which tasks get the last places
        assert foreseen.fits == (not waiting)
    if foreseen.fits and not waiting:
        assert sum(one.tasks for one in foreseen.placements) == len(tasks)
    if before is None:
        assert set(foreseen.reasons) == {task.err for task in waiting}
    kept = old & {task.id for task in tasks}
    assert foreseen.restarts_tasks or len(kept) == min(len(old), len(tasks)) or _moved(swarm, old)


def _moved(swarm: Swarm, old: set[str]) -> bool:
    """Whether a node with one of the tasks takes tasks no more."""
    gone = {node.id for node in swarm.nodes if node.gone}
    return any(task.node_id in gone for task in swarm.tasks if task.id in old)


@given(
    nodes=NODES,
    templates=st.tuples(TEMPLATE, TEMPLATE),
    others=st.integers(0, 3),
    count=st.integers(0, 5),
    mode=st.integers(0, 2),
)
def test_a_creation_goes_as_foreseen(nodes, templates, others, count, mode):
    scene, (other, asked) = Scene(nodes), templates
    scene.cluster.create_service(_spec("other", {"Replicated": {"Replicas": others}}, other))
    scene.settle()
    swarm = scene.swarm()
    job = {"ReplicatedJob": {"MaxConcurrent": count, "TotalCompletions": count + 1}}
    spec = _spec("web", [{"Replicated": {"Replicas": count}}, {"Global": {}}, job][mode], asked)
    service = scene.cluster.create_service(spec)
    scene.settle()
    _foreseen_is_done(scene, service.id, None, service.spec, swarm)


@given(
    nodes=NODES,
    asked=st.tuples(TEMPLATE, TEMPLATE),
    same=st.booleans(),
    counts=st.tuples(st.integers(0, 5), st.integers(0, 5)),
)
def test_an_update_goes_as_foreseen(nodes, asked, same, counts):
    scene = Scene(nodes)
    first, second = asked[0], asked[0] if same else asked[1]
    service = scene.cluster.create_service(_spec("web", {"Replicated": {"Replicas": counts[0]}}, first))
    scene.settle()
    swarm, before = scene.swarm(), scene.cluster.store.services[service.id]
    spec = _spec("web", {"Replicated": {"Replicas": counts[1]}}, second)
    after = scene.cluster.update_service(service.id, before.version, spec)
    scene.settle()
    _foreseen_is_done(scene, service.id, before.spec, after.spec, swarm)
