"""The services, tasks and nodes as the feed tells of them, and what is to be told of each. Pure.

A receiver knows a service by its name, so news are kept by name: a service that is created anew under a name follows
the removal of the one before, and of two that want one name (com.df.shortName) the older has it.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from funswarm.changes import Changed, Item, Relisted, SnapshotBegin, SnapshotEnd, Snapshotted
from funswarm.messages import Problem
from funswarm.state import AnyState, NodeState, ServiceState, TaskState
from services.notifier.docker_flow.news import (
    NOTIFY_SERVICE,
    REMOVAL_MAX,
    SHORT_NAME,
    News,
    Parameters,
    fits,
    node_news,
    opts_in,
    service_news,
)
from services.notifier.docker_flow.settings import KINDS, DockerFlowSettings, Kind

SOURCE: Final = "docker-flow"

Key = tuple[Kind, str]  # the kind, and the name by which receivers know the object


class View:
    """`complete`: a snapshot is read, no event since is missing, and the poller has told of the Swarm: of a node."""

    def __init__(self, settings: DockerFlowSettings) -> None:
        self._settings = settings
        self._is_read = False
        self._states = _States()
        self._coming = _States()
        self._news: dict[Key, dict[str, News]] = {}  # by the object's id
        self._keys: dict[str, Key] = {}  # of each object that has news, by its id

    @property
    def complete(self) -> bool:
        return self._is_read and bool(self._states.nodes)

    @property
    def feed_kinds(self) -> tuple[str, ...]:
        """The kinds that it wants of the feed."""
        return ("node", "service", "task") if self._settings.node_info else ("node", "service")

    def news(self, key: Key) -> News | None:
        """What is to be told of it now; None: that it is gone, or never was."""
        found = self._news.get(key)
        return min(found.values(), key=lambda one: (one.created_at, one.object_id)) if found else None

    def all_news(self, kind: Kind) -> Iterator[News]:
        """Of all objects of a kind, by name."""
        for key in sorted(self._news):
            if key[0] == kind and (news := self.news(key)) is not None:
                yield news

    def keys(self) -> Iterable[Key]:
        """Of all that there are news of."""
        return list(self._news)

    def service_names(self) -> set[str]:
        """The names of all services that opted in, as Swarm has them."""
        ids = {object_id for (kind, _), by_id in self._news.items() if kind == "service" for object_id in by_id}
        return {self._states.services[object_id].name for object_id in ids}

    def all_service_names(self) -> set[str]:
        """Of those that did not opt in, too."""
        return {service.name for service in self._states.services.values()}

    def nodes(self) -> list[Parameters]:
        """The parameters of all nodes, by name, those that are down too."""
        nodes = sorted(self._states.nodes.values(), key=lambda node: (node.name, node.id))
        told = (node_news(node.model_copy(update={"state": "ready"})) for node in nodes)
        return [news.create | {"state": node.state} for news, node in zip(told, nodes, strict=True) if news]

    def take(self, item: Item) -> set[Key]:
        """The next of the feed; the keys of which the news may be others now.

        Raises:
            Failed: the event is not understood.
        """
        match item:
            case SnapshotBegin():
                self._coming = _States()
            case Snapshotted(state):
                self._coming.put(state)
            case SnapshotEnd():
                return self._replace()
            case Changed():
                return self._change(item)
            case Relisted():
                self._is_read = False
        return set()

    def broken(self) -> None:
        """The feed has ended: what is known stays, but may be outdated."""
        self._is_read = False

    def problems(self) -> dict[str, list[Problem]]:
        """What is wrong with labels, by service; of those that opted in."""
        found: dict[str, list[Problem]] = {}
        for key, by_id in self._news.items():
            winner = self.news(key)
            for service_id, news in by_id.items():
                if key[0] == "service" and winner is not None:
                    service = self._states.services[service_id]
                    problems = list(self._wrong_with(service, news, self._states.services.get(winner.object_id)))
                    if problems:
                        found.setdefault(service.name, []).extend(problems)
        return found

    def _wrong_with(self, service: ServiceState, news: News, winner: ServiceState | None) -> Iterator[Problem]:
        if winner is not None and winner.id != service.id:
            yield Problem(
                source=SOURCE, service=service.name, label=SHORT_NAME, value=service.labels.get(SHORT_NAME),
                reason=f"the service {winner.name} is older and has the name {news.name} at the receivers, so this one "
                "is not told of: take the label from one of them",
            )  # fmt: skip
        if not fits(news.remove):
            yield Problem(
                source=SOURCE, service=service.name,
                reason=f"its labels com.df.… are longer than {REMOVAL_MAX} bytes as a query: shorten them",
            )  # fmt: skip
        known = {address for receiver in self._settings.receivers for address in receiver.addresses}
        for address in sorted((news.chosen or frozenset()) - known):
            yield Problem(
                source=SOURCE, service=service.name, label=NOTIFY_SERVICE, value=service.labels.get(NOTIFY_SERVICE),
                reason=f"no URL of the settings has the host {address}: choose from {', '.join(sorted(known))}",
            )  # fmt: skip

    def _replace(self) -> set[Key]:
        before = set(self._news)
        self._states, self._coming, self._is_read = self._coming, _States(), True
        self._news, self._keys = {}, {}
        for service in self._states.services.values():
            self._renew("service", service.id)
        for node in self._states.nodes.values():
            self._renew("node", node.id)
        return before | set(self._news)

    def _change(self, item: Changed) -> set[Key]:
        event, state = item.event, item.event.after
        task = state or event.before
        before = self._states.task(task)
        if state is not None:
            self._states.put(state)
        else:
            self._states.drop(event.kind, event.object_id, event.before)
        if isinstance(task, TaskState):
            return set() if before == self._states.task(task) else self._renew("service", task.service_id)
        kind = next((kind for kind in KINDS if kind == event.kind), None)
        return set() if kind is None else self._renew(kind, event.object_id)

    def _renew(self, kind: Kind, object_id: str) -> set[Key]:
        """Make the news of one object anew; the keys that are touched."""
        news, before = self._news_of(kind, object_id), self._keys.get(object_id)
        after = None if news is None else (kind, news.name)
        if before is not None and before != after:
            del self._keys[object_id], self._news[before][object_id]
            if not self._news[before]:
                del self._news[before]
        if news is not None and after is not None:
            self._keys[object_id] = after
            self._news.setdefault(after, {})[object_id] = news
        return {key for key in (before, after) if key is not None}

    def _news_of(self, kind: Kind, object_id: str) -> News | None:
        if kind == "node":
            node = self._states.nodes.get(object_id)
            return None if node is None else node_news(node)
        service = self._states.services.get(object_id)
        if service is None or not opts_in(service.labels, self._settings.label):
            return None
        return service_news(service, self._states.tasks.get(object_id, {}).values(), self._settings)


class _States:
    """The states by id; tasks by their service's and their own."""

    def __init__(self) -> None:
        self.services: dict[str, ServiceState] = {}
        self.nodes: dict[str, NodeState] = {}
        self.tasks: dict[str, dict[str, TaskState]] = {}

    def put(self, state: AnyState) -> None:
        match state:
            case ServiceState() if not state.spec and state.id in self.services:
                pass  # cut, being too large for NATS: its labels are as they were, as far as is known
            case ServiceState():
                self.services[state.id] = state.model_copy(update={"spec": {}})  # it is large, and not told
            case NodeState():
                self.nodes[state.id] = state
            case TaskState() if (state.state, state.desired_state) != ("running", "running"):
                self.drop("task", state.id, state)
            case TaskState():
                self.tasks.setdefault(state.service_id, {})[state.id] = state
            case _:
                pass

    def task(self, state: AnyState | None) -> TaskState | None:
        """The task as it is kept; None: it does not run, or is none."""
        return self.tasks.get(state.service_id, {}).get(state.id) if isinstance(state, TaskState) else None

    def drop(self, kind: str, object_id: str, before: AnyState | None) -> None:
        """`before`: as it was last, as far as the event tells."""
        if kind == "service":
            self.services.pop(object_id, None)
        elif kind == "node":
            self.nodes.pop(object_id, None)
        elif isinstance(before, TaskState):
            others = self.tasks.get(before.service_id, {})
            others.pop(object_id, None)
            if not others:
                self.tasks.pop(before.service_id, None)
