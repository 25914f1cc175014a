"""What policies are measured on: services with labels on the simulator, and who hears of their commands. I/O."""

import asyncio
import contextlib
import json
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import docker
import httpx
from docker.types import ContainerSpec, RestartPolicy, ServiceMode, TaskTemplate
from nats.aio.client import Client
from nats.aio.msg import Msg

from bench import watch_ground
from bench.running import Running, funswarm
from bench.watch_load import THREADS, client
from funswarm.subjects import Subjects
from services.bus.streams import bucket_stream
from testbed.images import BUSYBOX

NODES = 50
FOLLOWED_TIMEOUT_S = 300.0
_EVALUATIONS = re.compile(r"^funswarm_policies_evaluation_seconds_(sum|count)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)

Labels = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Fleet:
    """The services on the simulator."""

    engine: docker.APIClient

    def create(self, labels: Labels, replicas: int, *command: str, ends: bool = False) -> None:
        """A service for each name, with its labels. `ends`: its tasks end, and are not started again."""
        restart = RestartPolicy("none" if ends else "any")
        template = TaskTemplate(ContainerSpec(BUSYBOX.tag, command=list(command)), restart_policy=restart)
        mode = ServiceMode("replicated", replicas)

        def create(name: str) -> None:
            self.engine.create_service(template, name=name, mode=mode, labels=dict(labels[name]))

        at_once(create, labels)

    def relabel(self, labels: Labels) -> None:
        """Other labels for each of these."""

        def change(name: str) -> None:
            service = self.engine.inspect_service(name)
            self.engine.update_service(
                service["ID"], service["Version"]["Index"], labels=dict(labels[name]), fetch_current_spec=True
            )

        at_once(change, labels)


@contextlib.contextmanager
def simulated(make: Callable[[Fleet], None]) -> Iterator[tuple[Fleet, Running]]:
    """All of Funswarm on a simulated Swarm of NODES nodes, with the services that `make` creates there before."""
    with temporary() as folder, watch_ground.simulator(folder, NODES, 0, 1) as (host, _):
        fleet = Fleet(client(host))
        make(fleet)
        with funswarm(host) as running:
            yield fleet, running


@contextlib.contextmanager
def temporary() -> Iterator[Path]:
    """A folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="funswarm-bench-") as name:
        yield Path(name)


@dataclass(frozen=True, slots=True)
class Heard:
    """A command, when it was heard: by the monotonic clock, and in seconds since 1970."""

    id: str
    at: float
    wall_s: float


class Listener:
    """Hears commands of one verb as they come into the stream, and the results of all."""

    def __init__(self) -> None:
        self.commands: dict[str, list[Heard]] = defaultdict(list)  # by the name of the service
        self.results: dict[str, dict[str, Any]] = {}  # by the command's id; the first of each

    @classmethod
    async def open(cls, bus: Client, verb: str) -> Self:
        """One that hears everything from now on."""
        listener, subjects = cls(), Subjects()
        await bus.subscribe(subjects.commands_of(verb), cb=listener._command)
        await bus.subscribe(subjects.all_results, cb=listener._result)
        await bus.flush()
        return listener

    async def _command(self, message: Msg) -> None:
        at, wall_s = time.monotonic(), time.time()
        command = json.loads(message.data)
        self.commands[command["target"]].append(Heard(command["id"], at, wall_s))

    async def _result(self, message: Msg) -> None:
        result = json.loads(message.data)
        self.results.setdefault(result["command_id"], result)

    def first(self, service: str, since: float) -> Heard | None:
        """The first command for a service since then, on the monotonic clock."""
        return next((heard for heard in self.commands.get(service, ()) if heard.at >= since), None)


@dataclass(frozen=True, slots=True)
class Evaluations:
    """How many there were, of one service each, and how many seconds they took in all."""

    count: float
    seconds: float

    def since(self, before: "Evaluations") -> "Evaluations":
        return Evaluations(self.count - before.count, self.seconds - before.seconds)


def evaluations(running: Running) -> Evaluations:
    """Since the scheduler's start, as its metrics tell."""
    text = httpx.get(f"{running.http_url}/metrics", timeout=60).text
    found = {name: float(value) for name, value in _EVALUATIONS.findall(text)}
    return Evaluations(found["count"], found["sum"])


async def until_followed(bus: Client, services: int) -> None:
    """Until policies remember something of so many services."""
    stream = bucket_stream(Subjects().policies_bucket)
    end = time.monotonic() + FOLLOWED_TIMEOUT_S
    while (found := (await bus.jetstream().stream_info(stream)).state.messages) < services:
        assert time.monotonic() < end, f"policies follow only {found} of {services} services"
        await asyncio.sleep(0.2)


def at_once(work: Callable[[str], None], names: Iterable[str]) -> None:
    """For each name, in THREADS threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, names))
