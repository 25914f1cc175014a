"""A simulated Swarm on a clock that the test moves: hours pass in no time."""

from collections import Counter
from typing import Any

import pytest

from services.simulator.agenda import ManualClock
from services.simulator.cluster import Cluster
from services.simulator.model import Json, Service, State, Task

SECOND_NS = 10**9


class Scene:
    """A cluster, its clock, and short words for what tests do to them."""

    def __init__(self, nodes: int = 3) -> None:
        self.clock = ManualClock()
        self.cluster = Cluster(nodes, clock=self.clock)
        self.store = self.cluster.store
        self.nodes = list(self.store.nodes.values())

    def wait(self, duration_s: float = 1) -> None:
        """Let time pass."""
        self.cluster.agenda.run_for(self.clock, duration_s)

    def create(self, name: str = "web", replicas: int = 1, mode: Json | None = None, **parts: Any) -> Service:
        """Create a service and let its tasks start. `template`: parts of the task template."""
        template = {"ContainerSpec": {"Image": "nginx"}, **parts.pop("template", {})}
        mode = mode or {"Replicated": {"Replicas": replicas}}
        service = self.cluster.create_service({"Name": name, "TaskTemplate": template, "Mode": mode, **parts})
        self.wait()
        return service

    def write(self, name: str = "web", replicas: int | None = None, image: str | None = None, **parts: Any) -> Service:
        """Write a service's spec with some of it changed; time does not pass."""
        service = self.service(name)
        spec = {**service.spec, **parts}
        if replicas is not None:
            spec["Mode"] = {"Replicated": {"Replicas": replicas}}
        if image is not None:
            container = {**spec["TaskTemplate"]["ContainerSpec"], "Image": image}
            spec["TaskTemplate"] = {**spec["TaskTemplate"], "ContainerSpec": container}
        return self.cluster.update_service(name, service.version, spec)

    def service(self, name: str = "web") -> Service:
        """A service as it is now."""
        return next(service for service in self.store.services.values() if service.name == name)

    def tasks(self, name: str = "web") -> list[Task]:
        """Its tasks, oldest first."""
        return self.store.tasks_of(self.service(name).id)

    def running(self, name: str = "web") -> list[Task]:
        """Its tasks that run and shall."""
        return [task for task in self.tasks(name) if task.state is State.RUNNING and task.wanted]

    def per_node(self, name: str = "web") -> list[int]:
        """How many of them each node has, in the order of the nodes."""
        counts = Counter(task.node_id for task in self.running(name))
        return [counts[node.id] for node in self.nodes]

    def set_node(self, number: int, **changes: Any) -> None:
        """Write a node's spec with some of it changed: Availability, Labels, Role."""
        node = self.store.nodes[self.nodes[number].id]
        self.cluster.update_node(node.id, node.version, {**node.spec, **changes})

    def set_state(self, number: int, state: str) -> None:
        """Have a node fail or come back."""
        self.cluster.set_node_state(self.nodes[number].id, state)


@pytest.fixture
def scene():
    """Three nodes, the first one the manager."""
    return Scene()


@pytest.fixture
def four():
    """Four nodes."""
    return Scene(4)
