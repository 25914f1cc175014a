"""What a dry run foresees, case by case: Swarm's reasons, its piles, restarts, drains."""

from typing import Any

import pytest

from funswarm.messages import Placement, Preview
from services.scheduler.facts import host_ports, node_facts, task_facts
from services.scheduler.foresee import Swarm, foresee, foresee_drain, foresee_rebalance
from services.scheduler.safe_write import SafeWriter
from tests.unit.scheduler.fakes import FakeEngine, FakeStore, command, told
from tests.unit.scheduler.raw import service, spec

CORE = 10**9
Json = dict[str, Any]


def _node(name: str, cores: int = 4, **changes: Any) -> Json:
    """A raw node; `changes` by the name of what they change."""
    description = {
        "Hostname": name,
        "Platform": {"OS": "linux", "Architecture": "x86_64"},
        "Resources": {"NanoCPUs": cores * CORE, "GenericResources": changes.get("generic", [])},
        "Engine": {"Plugins": changes.get("plugins", [])},
    }
    availability, labels = changes.get("availability", "active"), changes.get("labels", {})
    return {
        "ID": f"id-{name}",
        "Version": {"Index": 4},
        "Spec": {"Role": "worker", "Availability": availability, "Labels": labels},
        "Description": description,
        "Status": {"State": changes.get("state", "ready"), "Addr": changes.get("address", "10.0.0.1")},
    }


def _tasks(count: int, node: str = "one", service_id: str = "s1", template: Json | None = None) -> list[Json]:
    return [
        {
            "ID": f"{service_id}.{node}.{number}",
            "ServiceID": service_id,
            "Slot": number,
            "NodeID": f"id-{node}",
            "Status": {"State": "running"},
            "Spec": template or {},
        }
        for number in range(1, count + 1)
    ]


def _web(replicas: int = 1, ports: list[Json] | None = None, **template: Any) -> Json:
    made = spec(replicas=replicas)
    made["TaskTemplate"] |= template
    return made if ports is None else {**made, "EndpointSpec": {"Ports": ports}}


def _swarm(nodes: list[Json], *tasks: Json, **specs: Json) -> Swarm:
    facts = [task_facts(task) for task in tasks]
    ports = {service_id: host_ports(one) for service_id, one in specs.items()}
    return Swarm(tuple(map(node_facts, nodes)), tuple(fact for fact in facts if fact), ports)


def _new(after: Json, nodes: list[Json], *tasks: Json, **specs: Json) -> Preview:
    return foresee(None, after, None, _swarm(nodes, *tasks, **specs), runs=True)


def _written(before: Json, after: Json, nodes: list[Json], *tasks: Json) -> Preview:
    return foresee(before, after, "s1", _swarm(nodes, *tasks), runs=True)


def _counts(preview: Preview) -> list[int]:
    return [placement.tasks for placement in preview.placements]


# Reasons, in Swarm's words.
def _reserves(cores: int, **generic: int) -> Json:
    kinds = [{"DiscreteResourceSpec": {"Kind": kind, "Value": count}} for kind, count in generic.items()]
    return {"Reservations": {"NanoCPUs": cores * CORE, "GenericResources": kinds}}


def _constrained(*texts: str) -> Json:
    return {"Placement": {"Constraints": [*texts]}}


NAMED_GPU = [{"NamedResourceSpec": {"Kind": "gpu", "Value": "a"}}]
SSHFS = [{"Type": "volume", "VolumeOptions": {"DriverConfig": {"Name": "vieux/sshfs"}}}]


@pytest.mark.parametrize(
    ("template", "node", "reason"),
    [
        ({}, {"availability": "drain"}, "1 node not available for new tasks"),
        ({}, {"availability": "pause"}, "1 node not available for new tasks"),
        ({}, {"state": "down"}, "1 node not available for new tasks"),
        ({"Resources": _reserves(5)}, {}, "insufficient resources on 1 node"),
        ({"Resources": _reserves(0, gpu=2)}, {"generic": NAMED_GPU}, "insufficient resources on 1 node"),
        (_constrained("node.labels.disk==ssd"), {}, "scheduling constraints not satisfied on 1 node"),
        (_constrained("node.ip==10.1.0.0/16"), {}, "scheduling constraints not satisfied on 1 node"),
        ({"Placement": {"Platforms": [{"Architecture": "arm64"}]}}, {}, "unsupported platform on 1 node"),
        ({"ContainerSpec": {"Image": "x", "Mounts": SSHFS}}, {}, "missing plugin on 1 node"),
        ({"LogDriver": {"Name": "loki"}}, {"plugins": [{"Type": "Log", "Name": "x"}]}, "missing plugin on 1 node"),
    ],
)
def test_why_a_task_has_no_node_is_said_in_swarm_s_words(template, node, reason):
    preview = _new(_web(**template), [_node("one", **node)])
    assert (False, (f"no suitable node ({reason})",)) == (preview.fits, preview.reasons)


@pytest.mark.parametrize(
    ("template", "node"),
    [
        ({"Resources": _reserves(4)}, {}),
        ({"Resources": _reserves(0, gpu=1)}, {"generic": NAMED_GPU}),
        (_constrained("node.labels.disk == SSD"), {"labels": {"disk": "ssd"}}),
        (_constrained("node.ip==10.0.0.0/16"), {}),
        ({"Placement": {"Platforms": [{"Architecture": "amd64", "OS": "linux"}]}}, {}),
        (
            {"ContainerSpec": {"Image": "x", "Mounts": SSHFS}},
            {"plugins": [{"Type": "Volume", "Name": "vieux/sshfs:latest"}]},
        ),
        ({"LogDriver": {"Name": "loki"}}, {}),
    ],
)
def test_what_a_node_has_fits(template, node):
    assert _new(_web(**template), [_node("one", **node)]).fits


def test_what_others_reserve_is_taken():
    others = _tasks(3, service_id="s2", template={"Resources": _reserves(1)})
    assert ("no suitable node (insufficient resources on 1 node)",) == _new(
        _web(Resources=_reserves(2)), [_node("one")], *others
    ).reasons


def test_a_port_of_a_node_that_another_service_has_is_taken():
    ports = [{"Protocol": "tcp", "PublishedPort": 80, "PublishMode": "host"}]
    preview = _new(_web(ports=ports), [_node("one")], *_tasks(1, service_id="s2"), s2=_web(ports=ports))
    assert ("no suitable node (host-mode port already in use on 1 node)",) == preview.reasons


def test_what_exceeds_the_most_on_a_node_is_left_and_the_rest_is_placed():
    preview = _new(_web(3, Placement={"MaxReplicas": 1}), [_node("one"), _node("two")])
    assert ([1, 1], ("no suitable node (max replicas per node limit exceed)",)) == (_counts(preview), preview.reasons)


def test_the_reason_of_most_nodes_comes_first():
    nodes = [_node("one", availability="drain"), _node("two", cores=1), _node("three", cores=1)]
    assert ("no suitable node (insufficient resources on 2 nodes; 1 node not available for new tasks)",) == _new(
        _web(Resources=_reserves(2)), nodes
    ).reasons


# Where the tasks are.
def test_a_batch_piles_up_as_swarm_s_does():
    nodes = [_node(name) for name in ("a", "b", "c", "d")]
    preview = _written(_web(12), _web(21), nodes, *_tasks(12, "a"))
    assert [1, 1, 7, 12] == sorted(_counts(preview))


def test_a_scale_down_takes_the_highest_copies_of_each_node():
    preview = _written(_web(4), _web(2), [_node("one"), _node("two")], *_tasks(3), *_tasks(1, "two"))
    assert (Placement(node="one", tasks=1, before=3), Placement(node="two", tasks=1, before=1)) == preview.placements


def test_a_rebalance_says_how_many_tasks_each_node_has_and_would_have():
    nodes = [_node(name) for name in ("a", "b", "c", "d")]
    preview = foresee_rebalance(_web(12), "s1", _swarm(nodes, *_tasks(12, "a")))
    counts = [(one.node, one.before, one.tasks) for one in preview.placements]
    assert [("a", 12, 3), ("b", 0, 3), ("c", 0, 3), ("d", 0, 3)] == counts
    assert (False, True) == (preview.restarts_tasks, preview.fits)


def test_a_global_service_has_a_task_on_each_node_that_takes_some():
    nodes = [_node("a"), _node("b", availability="drain"), _node("c", availability="pause")]
    preview = _new({**_web(), "Mode": {"Global": {}}}, nodes)
    assert (True, (Placement(node="a", tasks=1),)) == (preview.fits, preview.placements)


def test_a_branch_that_is_full_leaves_its_share_to_the_others():
    nodes = [_node("a", cores=1, labels={"zone": "1"}), _node("b", cores=4, labels={"zone": "2"})]
    spread = {"Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.zone"}}]}
    preview = _new(_web(5, Placement=spread, Resources=_reserves(1)), nodes)
    assert (True, [1, 4]) == (preview.fits, _counts(preview))


# Restarts.
@pytest.mark.parametrize(
    "after",
    [
        _web(5),
        _web(Placement={"MaxReplicas": 5}),
        {**_web(), "Labels": {"a": "b"}},
        {**_web(), "UpdateConfig": {"Parallelism": 2}},
    ],
    ids=["replicas", "max_replicas", "labels", "update_config"],
)
def test_what_is_not_in_the_template_restarts_nothing(after):
    assert not _written(_web(), after, [_node("one")], *_tasks(1)).restarts_tasks


@pytest.mark.parametrize("after", [_web(ForceUpdate=1), _web(ports=[{"TargetPort": 80}])], ids=["force", "ports"])
def test_what_tasks_are_made_from_restarts_them(after):
    assert _written(_web(), after, [_node("one")], *_tasks(1)).restarts_tasks


@pytest.mark.parametrize(("constraint", "restarts"), [("node.role==worker", False), ("node.role==manager", True)])
def test_a_constraint_restarts_only_what_does_not_meet_it(constraint, restarts):
    after = _web(Placement={"Constraints": [constraint]})
    assert restarts == _written(_web(), after, [_node("one")], *_tasks(1)).restarts_tasks


@pytest.mark.parametrize("mode", [{"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}}, {"GlobalJob": {}}])
def test_every_write_runs_a_job_again(mode):
    before = {**_web(), "Mode": mode}
    assert _written(before, {**before, "Labels": {"a": "b"}}, [_node("one")]).restarts_tasks


@pytest.mark.parametrize(("order", "fits"), [("stop-first", True), ("start-first", False)])
def test_tasks_that_start_first_need_room_beside_the_old_ones(order, fits):
    before = {**_web(Resources=_reserves(3)), "UpdateConfig": {"Order": order}}
    after = {**_web(Resources=_reserves(3), ForceUpdate=1), "UpdateConfig": {"Order": order}}
    assert fits == _written(before, after, [_node("one")], *_tasks(1, template=before["TaskTemplate"])).fits


# Drains.
def test_a_drain_moves_what_the_node_has():
    specs = {"s1": _web(2), "s2": {**_web(1), "Name": "db"}}
    nodes = [_node("one", availability="drain"), _node("two")]
    preview = foresee_drain("id-one", specs, _swarm(nodes, *_tasks(2), *_tasks(1, service_id="s2")))
    assert (True, True) == (preview.restarts_tasks, preview.fits)


def test_a_drain_says_what_has_no_room_elsewhere():
    template = {"Resources": _reserves(3)}
    web = _web(1, Resources=_reserves(3))
    specs = {"s1": web, "s2": {**web, "Name": "db"}}
    nodes = [_node("one", availability="drain"), _node("two")]
    tasks = [*_tasks(1, template=template), *_tasks(1, service_id="s2", template=template)]
    reason = "no suitable node (1 node not available for new tasks; insufficient resources on 1 node)"
    assert (f"db: {reason}",) == foresee_drain("id-one", specs, _swarm(nodes, *tasks)).reasons


# With the engine.
def _writer(engine: FakeEngine) -> SafeWriter:
    return SafeWriter(engine, FakeStore(), lambda: True, told("web"))


@pytest.mark.parametrize(
    ("verb", "fields", "restarts"),
    [("scale", {"replicas": 5}, False), ("restart", {}, True), ("rollback", {}, True), ("remove", {}, False)],
)
async def test_a_dry_run_says_whether_tasks_restart(verb, fields, restarts):
    engine = FakeEngine(service(previous=spec(image="nginx:0")))
    engine.nodes, engine.tasks = {"one": _node("one")}, _tasks(2)
    outcome = await _writer(engine).attempt(command(verb, dry_run=True, **fields), None)
    assert (restarts, []) == (outcome.preview and outcome.preview.restarts_tasks, engine.writes)


@pytest.mark.parametrize(("force", "restarts"), [(True, True), (False, False)])
async def test_tasks_that_a_paused_rollout_left_behind_restart_with_what_is_forced(force, restarts):
    engine = FakeEngine(service("paused", previous=spec(image="nginx:0")))
    left = _tasks(1, template=spec(image="nginx:0")["TaskTemplate"])
    engine.nodes, engine.tasks = {"one": _node("one")}, left
    outcome = await _writer(engine).attempt(command("scale", replicas=5, force=force, dry_run=True), None)
    assert restarts == (outcome.preview and outcome.preview.restarts_tasks)


async def test_a_dry_run_of_a_creation_says_where_its_tasks_would_be():
    engine = FakeEngine()
    engine.nodes = {"one": _node("one")}
    asked = command("create", service={"name": "web", "image": "x", "replicas": 2}, dry_run=True)
    preview = (await _writer(engine).attempt(asked, None)).preview
    assert Preview(restarts_tasks=False, fits=True, placements=(Placement(node="one", tasks=2),)) == preview


async def test_a_dry_run_of_a_drain_says_what_has_no_room_elsewhere():
    engine = FakeEngine(service())
    engine.nodes, engine.tasks = {"one": _node("one")}, _tasks(2)
    preview = (await _writer(engine).attempt(command("drain", target="one", dry_run=True), None)).preview
    assert preview is not None
    assert ("web: no suitable node (1 node not available for new tasks)",) == preview.reasons
