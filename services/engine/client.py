"""The Docker engine, as Funswarm asks it: states, hints, raw writes. The only way to it; async outside, mostly threads
inside.

Reads: engine → objects → states (the poller). Writes: raw JSON as the scheduler made it.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote

from funswarm.errors import Failed, Refused, Unavailable, UnknownObject
from funswarm.messages import Code
from funswarm.state import AnyState, TaskState
from services.engine.asking import Asking, an_object, decoded, versioned
from services.engine.connection import Answer, Request, socket_path
from services.engine.elements import Misunderstood
from services.engine.errors import is_ambiguous
from services.engine.events import CONTAINER, SERVICE_LABEL, EventStream, LocalStream, ThreadedStream
from services.engine.local import Local
from services.engine.objects import Objects
from services.engine.settings import EngineSettings
from services.engine.threads import Threads
from services.engine.usage import Counters, read_usage

QUICK_BYTES: Final = 300_000  # of services: understood within some 10 ms, on the event loop

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The engine and its place in the Swarm; `node_id` and `cluster_id` are empty outside of one."""

    version: str
    api_version: str
    address: str
    name: str
    node_id: str
    swarm_state: str
    control_available: bool
    cluster_id: str


class Engine:
    """One engine.

    All calls raise `Unavailable` when it does not answer in time, is no manager, or its Swarm has no leader; `Failed`
    with the engine's text when it will not.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._asking = Asking(settings)
        self._objects = Objects(self._asking)
        self._threads = Threads(settings.threads)
        path = socket_path(settings)
        self._local = None if path is None else Local(path, settings)  # for what a command waits for

    @classmethod
    async def connect(cls, settings: EngineSettings) -> "Engine":
        """An engine that has answered once.

        Raises:
            Unavailable: it does not answer.
            Failed: the settings cannot be used, or it speaks no API version that we do.
        """
        engine = cls(settings)
        try:
            await engine._threads.run(engine._asking.negotiate)
        except BaseException:
            await engine.close()
            raise
        return engine

    @property
    def address(self) -> str:
        return self._asking.settings.address

    @property
    def misunderstood(self) -> Mapping[str, tuple[Misunderstood, ...]]:
        """By kind: what the last list had that could not be understood."""
        return self._objects.misunderstood

    async def info(self) -> EngineInfo:
        """How the engine is now."""
        raw = await self._threads.run(lambda: self._asking.get("/info", "read the engine's info"))
        swarm, cluster = _object(raw, "Swarm"), _object(_object(raw, "Swarm"), "Cluster")
        return EngineInfo(
            version=raw.get("ServerVersion") or "",
            api_version=self._asking.api_version,
            address=self.address,
            name=raw.get("Name") or "",
            node_id=swarm.get("NodeID") or "",
            swarm_state=swarm.get("LocalNodeState") or "",
            control_available=bool(swarm.get("ControlAvailable")),
            cluster_id=cluster.get("ID") or "",
        )

    async def tasks(self, service_id: str, known: Mapping[str, AnyState] | None = None) -> list[TaskState]:
        """The tasks of one service, those of the past included; `known` as in `list`."""
        answer = None
        if self._local is not None:
            with suppress(UnknownObject):  # the service is gone: its tasks may be there for a while
                answer = await self._answer(self._objects.list_of("task", service=[service_id]))
        return await self._threads.run(lambda: self._objects.tasks_of(service_id, known or {}, answer))

    async def read(self, kind: str, object_id: str) -> AnyState | None:
        """One object by its whole id; None where there is none.

        Raises:
            Failed: there is one, but it cannot be understood.
        """
        return await self._threads.run(lambda: self._objects.one(kind, object_id))

    async def some(self, kind: str, ids: Collection[str], known: Mapping[str, AnyState]) -> Sequence[AnyState]:
        """Those of the services, or tasks, with these ids that there are; `known` as in `list`, of these only."""
        answer = None if self._local is None else await self._answer(self._objects.list_of(kind, id=ids))
        if answer is not None and kind == "service" and len(answer.body) <= QUICK_BYTES:
            return self._objects.some(kind, ids, known, answer)
        return await self._threads.run(lambda: self._objects.some(kind, ids, known, answer))

    def events(self, kinds: Sequence[str] = ("service", "node")) -> EventStream:
        """The engine's hints of changes of these kinds (it tells none of tasks), from when it is `opened`."""
        return self._stream({"scope": ["swarm"], "type": list(kinds)}, kinds)

    def container_events(self) -> EventStream:
        """Hints that a task's container on the engine's own node began, ended, or changed its health.

        Of kind `container`; `object_id` is the service's.
        """
        actions = ["start", "die", "health_status"]
        return self._stream({"type": [CONTAINER], "event": actions, "label": [SERVICE_LABEL]}, (CONTAINER,))

    def _stream(self, filters: Mapping[str, list[str]], kinds: Sequence[str]) -> EventStream:
        settings = self._asking.settings
        query = {"filters": json.dumps(filters)}
        request = Request("read the engine's events", "GET", "/events", settings.stream_idle_max_s, query)
        if self._local is None:
            return ThreadedStream(lambda: self._asking.stream(request), kinds, settings.timeout_s)
        return LocalStream(lambda accepted, take: self._follow(request, accepted, take), kinds, settings.timeout_s)

    async def _follow(self, request: Request, accepted: Callable[[], None], take: Callable[[bytes], None]) -> None:
        if self._local is not None:
            version = self._asking.api_version or await self._threads.run(self._asking.negotiate)
            self._asking.good(await self._local.follow(versioned(request, version), accepted, take), request.what)

    async def usage(self) -> dict[str, Counters]:
        """What the containers of tasks on this engine's node have used so far, by the task's id."""

        async def ask(path: str, query: Mapping[str, str]) -> Any:
            return await self._json(Request("read what tasks use", "GET", path, self._asking.settings.timeout_s, query))

        return await read_usage(ask)

    # Writes: raw JSON, never defaults of our own.
    async def service_json(self, name_or_id: str) -> dict[str, Any] | None:
        """The service as the engine keeps it, without inserted defaults; None where no name or id is exactly this."""
        if not name_or_id:
            return None
        path, what = f"/services/{quote(name_or_id, safe='')}", f"read service {name_or_id!r}"
        try:
            raw = await self._get(path, what)
        except UnknownObject:
            return None
        except Failed as error:
            if not is_ambiguous(str(error)):
                raise
            return None  # it begins several ids; a name or an id that it is itself would have been found before
        if not (raw.get("ID") and _object(raw, "Version") and _object(raw, "Spec")):
            raise Unavailable(f"{what}: the engine's answer is no service")
        exact = name_or_id in (raw.get("ID"), _object(raw, "Spec").get("Name"))  # the engine takes prefixes too
        return raw if exact else None

    async def node_json(self, hostname_or_id: str) -> dict[str, Any] | None:
        """The node as the engine keeps it; None where no hostname, name or id is exactly this.

        Raises:
            Refused: UNKNOWN_NODE, several nodes go by it.
        """
        if not hostname_or_id:
            return None
        path, what = f"/nodes/{quote(hostname_or_id, safe='')}", f"read node {hostname_or_id!r}"
        try:
            raw = await self._get(path, what)
        except UnknownObject:
            return None
        except Failed as error:
            if not is_ambiguous(str(error)):
                raise
            raise Refused(f"several nodes go by {hostname_or_id!r}: give the id of one", Code.UNKNOWN_NODE) from error
        if not (raw.get("ID") and _object(raw, "Version") and _object(raw, "Spec")):
            raise Unavailable(f"{what}: the engine's answer is no node")
        names = (raw["ID"], _object(raw, "Description").get("Hostname"), _object(raw, "Spec").get("Name"))
        return raw if hostname_or_id in names else None  # the engine takes prefixes of ids, and `self`, too

    async def create_service(self, spec: dict[str, Any], registry_auth: str | None = None) -> tuple[str, list[str]]:
        """The new service's id, and the engine's warnings. `registry_auth`: as in X-Registry-Auth.

        Raises:
            Refused: NAME_TAKEN.
        """
        headers = {"X-Registry-Auth": registry_auth} if registry_auth else {}
        what = f"create service {spec.get('Name')!r}"
        try:
            raw = await self._write(what, "POST", "/services/create", body=spec, headers=headers)
        except UnknownObject as error:  # not the service: a network, secret or config that it names
            raise Failed(str(error)) from error
        return raw["ID"], _warnings(raw)

    async def update_service(
        self, service_id: str, version: int, spec: dict[str, Any], *, rollback: bool = False
    ) -> list[str]:
        """The engine's warnings. `rollback`: to the previous spec, by the engine itself, which then ignores `spec`.

        Raises:
            VersionConflict: the service is no longer at `version`.
            UnknownObject: it is gone.
        """
        query = {"version": str(version), "registryAuthFrom": "spec"} | ({"rollback": "previous"} if rollback else {})
        path, what = f"/services/{quote(service_id, safe='')}/update", f"update service {service_id}"
        try:
            return _warnings(await self._write(what, "POST", path, query=query, body=spec))
        except UnknownObject as error:
            if f"service {service_id} not found" in str(error):
                raise
            raise Failed(str(error)) from error  # a network, secret or config that it names

    async def remove_service(self, service_id: str) -> None:
        """Removes the service.

        Raises:
            UnknownObject: it is gone already.
        """
        await self._write(f"remove service {service_id}", "DELETE", f"/services/{quote(service_id, safe='')}")

    async def update_node(self, node_id: str, version: int, spec: dict[str, Any]) -> None:
        """Writes the node's spec.

        Raises:
            VersionConflict: the node is no longer at `version`.
            UnknownObject: it is gone.
        """
        path, query = f"/nodes/{quote(node_id, safe='')}/update", {"version": str(version)}
        await self._write(f"update node {node_id}", "POST", path, query=query, body=spec)

    async def init_swarm(self, advertise: str) -> str:
        """Makes the engine the manager of a new Swarm; its node id. Failed where it is in one already."""
        body = {"ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": advertise}
        return str(await self._write("begin a Swarm", "POST", "/swarm/init", body=body))

    async def close(self) -> None:
        """Ends the threads; no further calls."""
        self._threads.close()
        if self._local is not None:
            self._local.close()
        await asyncio.to_thread(self._asking.close)

    async def _write(
        self,
        what: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        timeout_s = self._asking.settings.timeout_s
        return await self._json(Request(what, method, path, timeout_s, query or {}, body, headers or {}))

    async def _get(self, path: str, what: str) -> dict[str, Any]:
        return an_object(await self._json(Request(what, "GET", path, self._asking.settings.timeout_s)), what)

    async def _json(self, request: Request) -> Any:
        return decoded(await self._answer(request), request.what)

    async def _answer(self, request: Request) -> Answer:
        """A good answer."""
        if self._local is None:
            return await self._threads.run(lambda: self._asking.ask(request))
        version = self._asking.api_version or await self._threads.run(self._asking.negotiate)
        return self._asking.good(await self._local.ask(versioned(request, version)), request.what)

    async def ids(self, kind: str, names: Iterable[str]) -> dict[str, str]:
        """Name → id of the networks, secrets or configs of exactly these names; absent ones are missing."""
        wanted = set(names)
        return {state.name: state.id for state in await self.list(kind) if state.name in wanted} if wanted else {}

    async def picked(
        self, kind: str, pick: Callable[[dict[str, Any]], T | None], filters: Mapping[str, Sequence[str]] | None = None
    ) -> list[T]:
        """What `pick` makes of each raw object of a kind, in a thread; None: left out.

        Raises:
            Failed: `pick` does not understand one.
        """
        return await self._threads.run(lambda: self._objects.picked(kind, pick, filters or {}))

    async def list(self, kind: str, known: Mapping[str, AnyState] | None = None) -> list[AnyState]:
        """All objects of a kind: service, task, node, network, secret, config.

        An object that has not changed since its state in `known` (by id; other kinds may be in it) is returned as that
        very state: `is` tells. A fresh state has the defaults where the engine tells nothing: `condition`, `drained`,
        `revision`. An object that is not understood stays as known, and is in `misunderstood`.
        """
        return await self._threads.run(lambda: self._objects.all_of(kind, known or {}))


def _object(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object in a field; empty where there is none, or something else."""
    value = raw.get(name)
    return value if isinstance(value, dict) else {}


def _warnings(raw: Mapping[str, Any]) -> list[str]:
    return [*(raw.get("Warnings") or []), *([raw["Warning"]] if raw.get("Warning") else [])]
