"""The Swarm's objects as states, read from the engine: whole lists, single ones, and the names between them.

Blocking, in threads. Path of a list: engine → `elements` → `understood` → states with names.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote

import structlog

from funswarm.errors import Failed, Unavailable, UnknownObject
from funswarm.state import AnyState, TaskState
from services.engine import elements, others, understood
from services.engine.asking import Asking
from services.engine.connection import Answer, Request
from services.engine.elements import Misunderstood
from services.engine.names import Names

ASK_ONE_BY_ONE: Final = 3  # up to so many unknown names are asked for singly, more by a list
READ_ONE_BY_ONE: Final = 100  # tasks: a list of all is dearer than so many
LOGGED_MAX: Final = 10
PATHS: Final = {kind: f"/{kind}s" for kind in ("service", "task", "node", "network", "secret", "config")}
T = TypeVar("T")

_BAD_SHAPE: Final = (ValueError, TypeError, KeyError, AttributeError)

log = structlog.get_logger(__name__)


class Objects:
    """Reads of one engine; keeps the names that its lists told. `misunderstood`: by kind, since the last whole list."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._names = Names()
        self.misunderstood: dict[str, tuple[Misunderstood, ...]] = {}

    def all_of(self, kind: str, known: Mapping[str, AnyState]) -> list[AnyState]:
        """All objects of a kind; those unchanged since `known` as the very states there."""
        request = self.list_of(kind, scope=["swarm"]) if kind == "network" else self.list_of(kind)
        if kind != "task":
            states = self._listed(kind, self._asking.ask(request), known)
            known_networks = {object_id for object_id, state in known.items() if state.kind == "network"}
            if kind == "network" and not known_networks <= {state.id for state in states}:
                states = self._surely(lambda: self._listed(kind, self._asking.ask(request), known))
            self._names.learn_all(kind, states)
            return states
        for named in ("service", "node"):
            if not self._names.of(named):
                self.all_of(named, {})
        return [*self._named(self._listed("task", self._asking.ask(request), known), known)]

    def list_of(self, kind: str, **filters: Collection[str]) -> Request:
        """The question for a list; without filters for all of the kind."""
        query = {"filters": json.dumps({name: list(values) for name, values in filters.items()})} if filters else {}
        return Request(f"list {kind}s", "GET", PATHS[kind], self._asking.settings.list_timeout_s, query)

    def some(
        self, kind: str, ids: Collection[str], known: Mapping[str, AnyState], answer: Answer | None = None
    ) -> Sequence[AnyState]:
        """Those of the services, or tasks, with exactly these ids that there are; `known` has no others.

        `answer`: to `list_of(kind, id=ids)`, where it is there already: then of services nothing is asked any more.
        """
        listed = self._listed(kind, answer or self._asking.ask(self.list_of(kind, id=ids)), known, whole=False)
        states = [state for state in listed if state.id in ids]
        if kind == "task":
            return self._named(states, known)
        for state in states:
            self._names.learn(kind, state)
        for object_id in set(ids) - {state.id for state in states}:
            self._names.note_absent(kind, object_id)
        return states

    def tasks_of(self, service_id: str, known: Mapping[str, AnyState], answer: Answer | None = None) -> list[TaskState]:
        """The tasks of one service, those of the past included, and those that outlive their service for a while.

        `answer`: to `list_of("task", service=[service_id])`, where it is there already.
        """
        try:
            answer = answer or self._asking.ask(self.list_of("task", service=[service_id]))
            states = self._listed("task", answer, known, whole=False)
        except UnknownObject:  # the engine wants to know the service by which it filters
            states = self._left_behind(service_id, known)
        return [task for task in self._named(states, known) if task.service_id == service_id]

    def picked(
        self, kind: str, pick: Callable[[dict[str, Any]], T | None], filters: Mapping[str, Sequence[str]]
    ) -> list[T]:
        """What `pick` makes of each raw object of a kind; None: left out.

        Raises:
            Failed: `pick` does not understand one.
        """
        request = self.list_of(kind, **filters)
        text = self._asking.ask(request).body.decode(errors="replace")
        try:
            return [made for raw in elements.elements(text) if (made := pick(raw)) is not None]
        except (*_BAD_SHAPE, RecursionError) as error:
            raise Failed(
                f"list {kind}s: the engine's answer is not understood: {type(error).__name__}: {error}"
            ) from error

    def _left_behind(self, service_id: str, known: Mapping[str, AnyState]) -> list[AnyState]:
        """What is left of the known tasks of a service that is gone."""
        task_ids = [task.id for task in known.values() if isinstance(task, TaskState) and task.service_id == service_id]
        if len(task_ids) > READ_ONE_BY_ONE:
            return self.all_of("task", known)
        return [task for task_id in task_ids if (task := self.one("task", task_id)) is not None]

    def one(self, kind: str, object_id: str) -> AnyState | None:
        """The object with exactly this id; None where there is none.

        Raises:
            Failed: it cannot be understood.
        """
        what = f"read {kind} {object_id!r}"
        path = f"{PATHS[kind]}/{quote(object_id, safe='')}"
        try:
            raw = self._network(path, what) if kind == "network" else self._asking.get(path, what)
        except UnknownObject:
            self._names.note_absent(kind, object_id)
            return None
        try:
            state = self._converted(kind, raw)
        except _BAD_SHAPE as error:
            raise Failed(f"{what}: not understood: {type(error).__name__}: {error}") from error
        if state is None or state.id != object_id:  # the engine takes names and prefixes of ids too
            return None
        if isinstance(state, TaskState):
            return self._named([state], {})[0]
        self._names.learn(kind, state)
        return state

    def _network(self, path: str, what: str) -> dict[str, Any]:
        """
        Raises:
            UnknownObject: there is none, for sure.
        """
        query = {"scope": "swarm"}
        try:
            return self._asking.get(path, what, query)
        except UnknownObject:
            return self._surely(lambda: self._asking.get(path, what, query))

    def _surely(self, ask: Callable[[], T]) -> T:
        """Ask for networks while the Swarm answers: an engine whose Swarm does not (it starts, or there is no leader)
        leaves the Swarm's networks out of a good answer. Of other kinds it says that it cannot tell.

        Raises:
            Unavailable: the Swarm does not answer.
        """
        self._asking.get("/swarm", "read the Swarm")
        try:
            return ask()
        finally:
            self._asking.get("/swarm", "read the Swarm")

    def _listed(
        self, kind: str, answer: Answer, known: Mapping[str, AnyState], *, whole: bool = True
    ) -> list[AnyState]:
        try:
            text = answer.body.decode()
            del answer  # a hundred megabytes, in a large Swarm
            raws = elements.elements(text)
            states, problems = elements.understood(
                kind, raws, known, lambda raw: self._converted(kind, raw), understood.unchanged
            )
        except (ValueError, RecursionError) as error:
            raise Unavailable(f"list {kind}s: the engine's answer is no list: {error}") from error
        self._report(kind, problems, whole=whole)
        return states

    def _converted(self, kind: str, raw: dict[str, Any]) -> AnyState | None:
        networks = self._names.of("network")
        match kind:
            case "service":
                return understood.service_state(raw, networks)
            case "task":
                return understood.task_state(raw, self._names.of("service"), self._names.of("node"), networks)
            case "node":
                return others.node_state(raw)
            case "network":
                return others.network_state(raw)
            case "secret":
                return others.secret_state(raw)
            case "config":
                return others.config_state(raw)
            case _:
                raise ValueError(f"the engine has no {kind!r}")

    def _named(self, states: Iterable[AnyState], known: Mapping[str, AnyState]) -> list[TaskState]:
        """The tasks with the names of their services and nodes: unknown ones are asked for.

        A service that is gone keeps the name that its known tasks have.
        """
        tasks = [state for state in states if isinstance(state, TaskState)]
        self._learn("node", self._names.unknown("node", (task.node_id or "" for task in tasks)))
        self._learn("service", self._names.unknown("service", (task.service_id for task in tasks)))
        names = self._names.of("service")
        if any(task.service_id not in names for task in tasks):
            old = {task.service_id: task.service_name for task in known.values() if isinstance(task, TaskState)}
            names = old | {**names}
        return [understood.named(task, names, self._names.of("node")) for task in tasks]

    def _learn(self, kind: str, unknown: list[str]) -> None:
        if len(unknown) > ASK_ONE_BY_ONE:
            self.all_of(kind, {})
            for object_id in self._names.unknown(kind, unknown):
                self._names.note_absent(kind, object_id)
            return
        for object_id in unknown:
            try:
                self.one(kind, object_id)
            except Failed:  # it is there and not understood: its tasks go by its id, and all others have their names
                self._names.note_absent(kind, object_id)

    def _report(self, kind: str, problems: list[Misunderstood], *, whole: bool) -> None:
        before = self.misunderstood.get(kind, ())
        self.misunderstood[kind] = tuple(problems) if whole else tuple({*before, *problems})
        for problem in [problem for problem in problems if problem not in before][:LOGGED_MAX]:
            log.warning("engine_object_misunderstood", kind=kind, id=problem.object_id, reason=problem.reason)
