"""The calls on the engine itself: what it is, its event stream, and the little it knows of containers and images."""

import asyncio
from collections.abc import AsyncIterator

from services.simulator import render
from services.simulator.calls import Call
from services.simulator.cluster import manager_of
from services.simulator.container import image_exists
from services.simulator.events import KNOWN_FILTERS, Filter, Subscriber
from services.simulator.http import Response, answer
from services.simulator.model import ApiError, Json


async def ping(call: Call) -> Response:
    """`OK`, with what the engine is in the headers."""
    del call
    headers = {"Builder-Version": "2", "Swarm": "active/manager", "Cache-Control": "no-cache, no-store"}
    return Response(200, [b"OK"], "text/plain; charset=utf-8", headers)


async def version(call: Call) -> Response:
    """The engine's versions."""
    engine = call.cluster.version
    return answer(
        {
            "Platform": {"Name": "Funswarm simulator"},
            "Components": [{"Name": "Engine", "Version": engine.engine, "Details": {}}],
            "Version": engine.engine,
            "ApiVersion": engine.api_text,
            "MinAPIVersion": engine.least_api_text,
            "GitCommit": "simulated",
            "GoVersion": "none",
            "Os": "linux",
            "Arch": "amd64",
            "KernelVersion": "simulated",
        }
    )


def _cluster_info(call: Call) -> Json:
    return {
        "ID": call.cluster.id,
        "Version": {"Index": 10},
        "Spec": {"Name": "default", "Labels": {}, "Orchestration": {"TaskHistoryRetentionLimit": 5}},
        "RootRotationInProgress": False,
    }


async def info(call: Call) -> Response:
    """The engine as a manager of its Swarm."""
    nodes = call.cluster.store.nodes.values()
    me = manager_of(call.cluster)
    managers = [node for node in nodes if node.role == "manager"]
    return answer(
        {
            "ID": me.id,
            "Name": me.hostname,
            "ServerVersion": call.cluster.version.engine,
            "OperatingSystem": "Funswarm simulator",
            "OSType": "linux",
            "Architecture": "x86_64",
            "NCPU": me.cpu_nano // 10**9,
            "MemTotal": me.memory_bytes,
            "Swarm": {
                "NodeID": me.id,
                "NodeAddr": me.address,
                "LocalNodeState": "active",
                "ControlAvailable": True,
                "Error": "",
                "RemoteManagers": [{"NodeID": node.id, "Addr": f"{node.address}:2377"} for node in managers],
                "Nodes": len(nodes),
                "Managers": len(managers),
                "Cluster": _cluster_info(call),
            },
        }
    )


async def swarm(call: Call) -> Response:
    """The Swarm; its join tokens are no secrets here."""
    return answer({**_cluster_info(call), "JoinTokens": {"Worker": "SWMTKN-1-worker", "Manager": "SWMTKN-1-manager"}})


async def containers(call: Call) -> Response:
    """The containers of the tasks that run on the node that answers."""
    me = manager_of(call.cluster)
    running = [task for task in call.cluster.store.tasks_on(me.id) if task.state.word == "running"]
    return answer(
        [
            {
                "Id": task.container_id,
                "Image": task.spec["ContainerSpec"]["Image"],
                "State": "running",
                "Labels": {"com.docker.swarm.task.id": task.id, "com.docker.swarm.service.id": task.service_id},
            }
            for task in running
        ]
    )


async def image(call: Call) -> Response:
    """An image that exists, by name."""
    name = call.captured[0]
    if not image_exists({"Image": name}):
        raise ApiError(404, f"No such image: {name}")
    return answer({"Id": "sha256:" + "0" * 64, "RepoTags": [name], "RepoDigests": []})


async def distribution(call: Call) -> Response:
    """No registry is behind the simulator."""
    raise ApiError(403, f"pull access denied for {call.captured[0]}, repository does not exist: no registry simulated")


async def events(call: Call) -> Response:
    """The event stream: what the ring has since `since`, then what happens, until `until` if that is given."""
    since, until = (_time_ns(call, name) for name in ("since", "until"))
    wanted = Filter(call.filters(*KNOWN_FILTERS), since, until)
    kind = "application/jsonl" if call.api >= (1, 52) else "application/json"
    return Response(200, content_type=kind, stream=_stream(call, wanted))


def _time_ns(call: Call, name: str) -> int | None:
    """Unix seconds with an optional fraction, in nanoseconds."""
    text = call.request.query.get(name, "")
    if not text:
        return None
    seconds, _, fraction = text.partition(".")
    if not seconds.isdigit() or (fraction and not fraction.isdigit()):
        raise ApiError(400, f"{name}: {text!r} is no Unix time")
    return int(seconds) * 10**9 + int((fraction + "0" * 9)[:9])


async def _stream(call: Call, wanted: Filter) -> AsyncIterator[bytes]:
    log, control = call.cluster.events, call.control
    subscriber, awake = Subscriber(wanted, lambda: control.faults.events_silent), asyncio.Event()
    subscriber.ready = awake.set
    log.subscribers.append(subscriber)
    control.on_faults.append(awake.set)
    try:
        if wanted.since_ns is not None or wanted.until_ns is not None:
            subscriber.queue.extendleft(reversed(log.past(wanted)))
            awake.set()
        while not control.faults.events_dropped:
            left_s = None if wanted.until_ns is None else wanted.until_ns / 1e9 - call.cluster.agenda.clock.now()
            if left_s is not None and left_s <= 0 and not subscriber.queue:
                return
            await _wait(awake, left_s)
            while subscriber.queue:
                yield render.encode(subscriber.queue.popleft().json()) + b"\n"
    finally:
        log.subscribers.remove(subscriber)
        control.on_faults.remove(awake.set)


async def _wait(awake: asyncio.Event, timeout_s: float | None) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await awake.wait()
        awake.clear()
    except TimeoutError:
        pass
