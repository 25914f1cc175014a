"""One suite, two engines: every test here runs against the simulator and against a real dockerd in Swarm mode.

The real one is testbed.engine's: the user's own, or one started for the purpose. Each test has a name of its own, and
what bears it is removed afterwards.
"""

import contextlib
import json
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import docker
import pytest
import requests
from docker.errors import APIError

from services import simulator
from services.engine import client as client_of_engine
from services.engine.settings import EngineSettings
from services.scheduler.fold import Services
from services.scheduler.safe_write import SafeWriter
from testbed import engine as host_engine
from testbed import images
from testbed.shell import SetupError, locked, say, wait_for
from tests.report import ran_against
from tests.unit.scheduler.fakes import FakeStore, command

T = TypeVar("T")
Json = dict[str, Any]

IMAGE = images.BUSYBOX.tag
PATIENCE_S = 120.0
SECOND_NS = 10**9
FOREVER = ["sleep", "100000"]


class Engine:
    """An engine under test, spoken to in raw JSON through docker-py, and what the running test has made on it."""

    def __init__(self, host: str) -> None:
        self.api: Any = docker.APIClient(base_url=host, version="auto", timeout=60)
        self.name = ""
        """Unique to the test: the beginning of the names of all that it makes."""
        self._undo: list[Callable[[], object]] = []

    def undo_later(self, action: Callable[[], object]) -> None:
        """Have something taken back after the test, last things first."""
        self._undo.append(action)

    def clean(self) -> None:
        """Remove what the test has made. Networks and secrets are in use until the tasks are gone.

        What stays in use for too long is left: no other test has its name.
        """
        for action in reversed(self._undo):

            def gone(action: Callable[[], object] = action) -> bool:
                try:
                    action()
                except requests.RequestException as error:  # docker-py's own among them
                    return error.response is not None and error.response.status_code == requests.codes.not_found
                return True

            try:
                self.until(gone, "it can be removed")
            except (AssertionError, SetupError) as error:
                say(f"something of {self.name} is left: {error}")
        self._undo.clear()

    # -- raw calls ---------------------------------------------------------------------------------------------

    def get(self, path: str, **params: str) -> Any:
        """GET, as JSON."""
        return self.api._result(self.api._get(self.api._url(path), params=params), json=True)

    def post(self, path: str, body: Json, **params: Any) -> Any:
        """POST, as JSON (None where nothing comes back)."""
        response = self.api._post_json(self.api._url(path), data=body, params=params)
        self.api._raise_for_status(response)
        return response.json() if response.content.strip() else None

    def refused(self, call: Callable[[], object]) -> tuple[int, str]:
        """Status and text of a call that the engine must refuse."""
        with pytest.raises(APIError) as caught:
            call()
        return caught.value.status_code or 0, caught.value.explanation or ""

    # -- services ----------------------------------------------------------------------------------------------

    def spec(self, command: list[str] | None = None, replicas: int = 1, suffix: str = "", **parts: Any) -> Json:
        """A spec of the test's name that stops at once when it is told to. Parts of the task template by `template`."""
        container = {"Image": IMAGE, "Command": command or FOREVER, "StopGracePeriod": SECOND_NS // 100}
        template = {"ContainerSpec": container, "RestartPolicy": {"Condition": "none"}, **parts.pop("template", {})}
        mode = {"Replicated": {"Replicas": replicas}}
        return {"Name": self.name + suffix, "TaskTemplate": template, "Mode": mode, **parts}

    def create(self, spec: Json | None = None) -> str:
        """Create a service; its ID."""
        service_id: str = self.post("/services/create", spec or self.spec())["ID"]
        self.undo_later(lambda: self.api.remove_service(service_id))
        return service_id

    def service(self, reference: str) -> Json:
        """One service, raw: without defaults."""
        service: Json = self.get(f"/services/{reference}")
        return service

    def change(self, reference: str, change: Callable[[Json], object], **params: Any) -> Json:
        """Read a service's spec, change it in place, write it against that version; the service afterwards."""
        service = self.service(reference)
        change(service["Spec"])
        self.post(f"/services/{service['ID']}/update", service["Spec"], version=service["Version"]["Index"], **params)
        return self.service(reference)

    def scale(self, reference: str, replicas: int) -> Json:
        """Write another number of replicas, and nothing else."""
        return self.change(reference, lambda spec: spec["Mode"]["Replicated"].update(Replicas=replicas))

    # -- tasks and waiting -------------------------------------------------------------------------------------

    def tasks(self, reference: str, **filters: list[str]) -> list[Json]:
        """A service's tasks, by creation."""
        tasks = self.get("/tasks", filters=json.dumps({"service": [reference], **filters}))
        return sorted(tasks, key=lambda task: (task["CreatedAt"], task["ID"]))

    def running(self, reference: str) -> list[Json]:
        """Its tasks that run and shall."""
        tasks = self.tasks(reference, **{"desired-state": ["running"]})
        return [task for task in tasks if task["Status"]["State"] == "running"]

    def until(self, condition: Callable[[], T], what: str) -> T:
        """The first true value of a condition."""
        end = time.monotonic() + PATIENCE_S
        while not (value := condition()):
            assert time.monotonic() < end, f"waited {PATIENCE_S:g} s in vain until {what}: {value!r}"
            time.sleep(0.05)
        return value

    def until_running(self, reference: str, count: int) -> list[Json]:
        """Wait until exactly so many of its tasks run, and no other shall."""

        def settled() -> list[Json] | bool:
            running = self.running(reference)
            wanted = self.tasks(reference, **{"desired-state": ["running", "ready"]})
            return (running or True) if len(running) == len(wanted) == count else False

        value = self.until(settled, f"{count} tasks of {reference} run")
        return value if isinstance(value, list) else []

    def until_state(self, reference: str, state: str, count: int = 1) -> list[Json]:
        """Wait until so many of its tasks are in a state."""
        return self.until(
            lambda: [found for found in [self._in_state(reference, state)] if len(found) >= count],
            f"{count} tasks of {reference} are {state}",
        )[0]

    def _in_state(self, reference: str, state: str) -> list[Json]:
        return [task for task in self.tasks(reference) if task["Status"]["State"] == state]

    def until_updated(self, reference: str, state: str) -> Json:
        """Wait until the service's update status has a state."""
        return self.until(
            lambda: (service := self.service(reference)).get("UpdateStatus", {}).get("State") == state and service,
            f"the update of {reference} is {state}",
        )


@contextlib.contextmanager
def _simulator(folder: Any) -> Iterator[str]:
    cluster = simulator.Cluster(nodes=1, engine_version=os.environ.get("FUNSWARM_SIMULATED_VERSION", "27.5.1"))
    with simulator.running(cluster, str(folder / "engine.sock")) as sim:
        ran_against("engine", f"simulator {cluster.version.engine}")
        yield sim.host


@contextlib.contextmanager
def dockerd() -> Iterator[str]:
    try:
        engine = host_engine.start()
        images.ensure(engine, (images.BUSYBOX,))
    except SetupError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Docker engine: {error}")
    ran_against("engine", f"dockerd {engine.version}")
    with locked("engine-swarm"):
        ours = wait_for(partial(_swarm_of, engine), "the engine to begin in its Swarm", PATIENCE_S) == "inactive"
        if ours:
            engine.docker("swarm", "init", "--advertise-addr", "127.0.0.1")
    yield engine.host
    _remove_containers(engine)
    if ours and not engine.owned:  # leave a user's engine as we found it
        engine.docker("swarm", "leave", "--force")


def _swarm_of(engine: host_engine.Engine) -> str | None:
    """Whether the engine is in a Swarm; None while it has just been started, and does not know yet."""
    state = engine.docker("info", "--format", "{{.Swarm.LocalNodeState}}")
    return None if state == "pending" else state


def _remove_containers(engine: host_engine.Engine) -> None:
    """Remove what Swarm leaves of removed services: containers that have ended, and those of jobs, which run on."""
    label = "com.docker.swarm.service.name"
    try:
        rows = engine.docker(
            "ps", "--all", f"--filter=label={label}", "--format", f'{{{{.ID}}}} {{{{.Label "{label}"}}}}'
        )
        there = set(engine.docker("service", "ls", "--format", "{{.Name}}").split())  # another run's
        found = [row.split() for row in rows.splitlines()]
        left = [one for one, name in found if name not in there and re.match(r"t-[0-9a-f]{10}\b", name)]
        if left:
            engine.docker("rm", "--force", *left, timeout_s=180)
    except SetupError as error:
        say(f"some containers are left: {error}")


@pytest.fixture(scope="session", params=["simulator", "dockerd"])
def host(request, tmp_path_factory):
    """DOCKER_HOST of the engine under test: first all tests on the simulator, then all on dockerd."""
    under_test = dockerd() if request.param == "dockerd" else _simulator(tmp_path_factory.mktemp("engine"))
    with under_test as address:
        yield address


@pytest.fixture
async def client(host):
    """The scheduler's own way to the engine under test."""
    client = await client_of_engine.Engine.connect(EngineSettings(host=host))
    yield client
    await client.close()


@pytest.fixture
def attempt(engine, client):
    """A function: try a command, by default for the test's own service; tries of one id know of each other."""
    writer = SafeWriter(client, FakeStore(), lambda: True, Services())

    async def attempt(verb, command_id="c1", **fields):
        return await writer.attempt(command(verb, command_id, **{"target": engine.name, **fields}), None)

    return attempt


@pytest.fixture
def engine(host):
    """The engine under test, with a name for this test's objects."""
    subject = Engine(host)
    subject.name = f"t-{uuid.uuid4().hex[:10]}"
    yield subject
    subject.clean()
    subject.api.close()
