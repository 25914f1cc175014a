"""What is done to the Swarm under the watch, by docker-py's low-level client: created, changed, removed. Blocking I/O.

Tasks stay pending where the placement asks for what no node has: many tasks without containers.
"""

import random
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import docker
from docker.errors import APIError, NotFound
from docker.types import ContainerSpec, Placement, RestartPolicy, ServiceMode, TaskTemplate

from testbed.images import BUSYBOX
from testbed.shell import wait_for

THREADS = 16
MARK = "watch-"
NOWHERE = Placement(constraints=["node.labels.none==1"])
STOP_NS = 10**8


def client(host: str) -> docker.APIClient:
    """A client for up to THREADS threads at once."""
    return docker.APIClient(base_url=host, version="auto", timeout=120, max_pool_size=THREADS)


@dataclass(frozen=True, slots=True)
class Swarm:
    """The Swarm of one engine."""

    engine: docker.APIClient

    def size(self) -> int:
        """How many services, tasks and nodes there are."""
        return len(self.engine.services()) + len(self.engine.tasks()) + len(self.engine.nodes())

    def create_pending(self, count: int, replicas: int, prefix: str) -> None:
        """Services whose tasks, if any, no node takes."""
        template = TaskTemplate(ContainerSpec(BUSYBOX.tag), placement=NOWHERE)
        _at_once(lambda number: self._create(f"{MARK}{prefix}-{number}", template, replicas), range(count))

    def create_running(self, number: int, replicas: int) -> None:
        """A service with containers that run on."""
        template = TaskTemplate(ContainerSpec(BUSYBOX.tag, command=["sleep", "3600"], stop_grace_period=STOP_NS))
        self._create(f"{MARK}runs-{number}", template, replicas)

    def create_failing(self, number: int) -> None:
        """A service whose one container runs for a moment and fails, once."""
        container = ContainerSpec(BUSYBOX.tag, command=["sh", "-c", "sleep 0.5; exit 1"], stop_grace_period=STOP_NS)
        template = TaskTemplate(container, restart_policy=RestartPolicy(condition="none"))
        self._create(f"{MARK}fails-{number}", template, 1)

    def _create(self, name: str, template: TaskTemplate, replicas: int) -> None:
        self.engine.create_service(template, name=name, mode=ServiceMode("replicated", replicas))

    def remove(self, prefix: str = "") -> None:
        """Remove the services that a benchmark of the watch has made, an earlier run's too."""
        found = [service["ID"] for service in self.engine.services(filters={"name": MARK + prefix})]
        _at_once(self._remove, found)

    def _remove(self, service_id: str) -> None:
        try:
            self.engine.remove_service(service_id)
        except NotFound:
            return

    def wait_until_tasks(self, count: int) -> None:
        """Until there are at least so many tasks, all of them looked at by Swarm's scheduler."""

        def looked_at() -> bool:
            tasks = self.engine.tasks()
            return len(tasks) >= count and all(task["Status"]["State"] != "new" for task in tasks)

        wait_for(looked_at, f"{count} tasks", 120, every_s=1)

    def wait_until_no_tasks(self) -> None:
        """Until no pending task of a service of ours that is gone is left. (Swarm keeps tasks of removed jobs.)"""

        def gone() -> bool:
            services = {service["ID"] for service in self.engine.services()}
            ours = [task for task in self.engine.tasks() if task["Spec"].get("Placement") == dict(NOWHERE)]
            return all(task.get("ServiceID") in services for task in ours)

        wait_for(gone, "the tasks of removed services to go", 120, every_s=1)

    def changes(self, services: int, nodes: int) -> list[tuple[str, Callable[[], None]]]:
        """So many changes in random order, each with the key (`kind/id`) of its object: no service is changed twice."""
        found = [service["ID"] for service in self.engine.services()]
        node_ids = [node["ID"] for node in self.engine.nodes()]
        made = [(f"service/{one}", self._relabel(one)) for one in random.sample(found, services)]
        made += [(f"node/{one}", self._relabel_node(one)) for one in random.choices(node_ids, k=nodes)]
        random.shuffle(made)
        return made

    def _relabel(self, service_id: str) -> Callable[[], None]:
        def change() -> None:
            raw = self.engine.inspect_service(service_id)
            spec: dict[str, Any] = raw["Spec"]
            self.engine.update_service(
                service_id,
                raw["Version"]["Index"],
                task_template=spec["TaskTemplate"],
                name=spec["Name"],
                labels={**(spec.get("Labels") or {}), "watch": str(random.random())},
                mode=spec["Mode"],
                endpoint_spec=spec.get("EndpointSpec"),
            )

        return lambda: _until_in_sequence(change)

    def _relabel_node(self, node_id: str) -> Callable[[], None]:
        def change() -> None:
            raw = self.engine.inspect_node(node_id)
            spec: dict[str, Any] = raw["Spec"]
            labels = {**(spec.get("Labels") or {}), "watch": str(random.random())}
            self.engine.update_node(node_id, raw["Version"]["Index"], cast("Any", {**spec, "Labels": labels}))

        return lambda: _until_in_sequence(change)


def _until_in_sequence(change: Callable[[], None]) -> None:
    for _ in range(5):
        try:
            return change()
        except APIError as error:
            if "out of sequence" not in str(error):
                raise
    raise AssertionError("somebody else writes all the time")


def _at_once(work: Callable[[Any], None], items: Iterable[Any]) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(work, item) for item in items]:
            done.result()
