"""The simulated Swarm as a whole: its parts wired together, and what can be asked of it, checked as an engine does.

No I/O: server.py puts HTTP before it and drives its agenda; tests do both themselves.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from services.simulator import agent, constraints, orchestrator, restarts, scheduling, validate
from services.simulator.agenda import Clock, WallClock
from services.simulator.events import EventLog
from services.simulator.model import ApiError, JobStatus, Json, Node, Resource, Service, State, Task, UpdateStatus
from services.simulator.render import TaskCache
from services.simulator.resources import Resources, default_networks
from services.simulator.spec import JOBS, normalised
from services.simulator.store import Change, new_id
from services.simulator.swarm import Settings, Swarm
from services.simulator.version import EngineVersion

OUT_OF_SEQUENCE = "rpc error: code = Unknown desc = update out of sequence"


class Cluster:
    """A Swarm of `nodes` nodes, the first `managers` of them managers, the first one the leader that answers."""

    def __init__(
        self,
        nodes: int = 3,
        managers: int = 1,
        engine_version: str = "27.5.1",
        settings: Settings | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.id = new_id()
        self.version = EngineVersion.parse(engine_version)
        self.swarm = Swarm(settings or Settings(), clock or WallClock())
        self.swarm.settle = self._settle
        self.swarm.place = lambda: scheduling.place(self.swarm)
        self.store = self.swarm.store
        self.agenda = self.swarm.agenda
        self.events = EventLog()
        self.task_json = TaskCache()
        self.resources = Resources(self.store)
        for number in range(nodes):
            self.add_node("manager" if number < managers else "worker")
        for network in default_networks():
            self.store.put(network)
        self.store.watchers += [self.events.record, self._service_written, self._drop_json]

    # -- services ----------------------------------------------------------------------------------------------

    def create_service(self, posted: Mapping[str, Any]) -> Service:
        """A new service. Its tasks come a moment later. ApiError: the spec is refused (400, 403, 404, 409)."""
        spec = self._checked(posted, "")
        if self.store.find_by_name("service", spec["Name"]):
            text = f"name conflicts with an existing object: service {spec['Name']} already exists"
            raise ApiError(409, f"rpc error: code = AlreadyExists desc = {text}")
        mode = next(iter(spec["Mode"]))
        job = JobStatus(0, self.store.now_ns()) if mode in JOBS else None
        service = self.store.put(Service(new_id(), spec, job_status=job))
        self._allocate_soon(service)
        return service

    def update_service(self, reference: str, version: int, posted: Mapping[str, Any], rollback: str = "") -> Service:
        """Write a spec over the one of exactly that version, or (`rollback` = previous) swap back to the one before.

        Raises:
            ApiError: refused as on creation; 501 for another name or mode; 500 where the version is an older one.
        """
        service = cast("Service", self.store.resolve("service", reference))
        spec = self._checked(posted, service.id)
        if next(iter(spec["Mode"])) != service.mode:
            raise ApiError(501, "rpc error: code = Unimplemented desc = service mode change is not allowed")
        if spec["Name"] != service.name:
            raise ApiError(501, "rpc error: code = Unimplemented desc = renaming services is not supported")
        if rollback == "previous" and service.previous_spec is None:
            text = f"service {service.id} does not have a previous spec"
            raise ApiError(400, f"rpc error: code = FailedPrecondition desc = {text}")
        if version != service.version:
            raise ApiError(500, OUT_OF_SEQUENCE)
        updated = self.store.put(self._written(service, spec, back=rollback == "previous"))
        self._allocate_soon(updated)
        return updated

    def _written(self, service: Service, spec: Json, *, back: bool) -> Service:
        """The service with a new spec, or with its previous one. Either way the one before becomes the previous."""
        now_ns = self.store.now_ns()
        job = service.job_status and JobStatus(service.job_status.iteration + 1, now_ns)
        status = UpdateStatus("rollback_started", "manually requested rollback", now_ns) if back else None
        return replace(
            service,
            spec=(service.previous_spec or spec) if back else spec,
            spec_version=service.previous_spec_version if back else service.version,
            previous_spec=service.spec,
            previous_spec_version=service.spec_version,
            update_status=status,
            job_status=job,
        )

    def remove_service(self, reference: str) -> None:
        """Remove a service; its tasks stop after it is gone."""
        self.store.delete(self.store.resolve("service", reference))

    def _checked(self, posted: Mapping[str, Any], service_id: str) -> Json:
        """The posted spec normalised, its networks resolved, nothing wrong with it."""
        validate.check_types(posted)
        spec = normalised(posted)
        networks = spec["TaskTemplate"].get("Networks")
        if networks:
            spec["TaskTemplate"]["Networks"] = self.resources.resolved_networks(networks)
        validate.check_spec(spec)
        validate.check_ports(spec, service_id, self.store.services.values())
        for kind in ("Secret", "Config"):
            validate.check_existence(spec, kind, self.store.resources[kind.lower()])
        return spec

    def _allocate_soon(self, service: Service) -> None:
        """Ports and addresses come from the allocator just after: the version moves once more then."""
        endpoint = self.resources.endpoint(service)
        if endpoint != service.endpoint:
            self.agenda.after(self.swarm.settings.step_s / 10, lambda: self._allocate(service.id, endpoint))

    def _allocate(self, service_id: str, endpoint: Json | None) -> None:
        if service := self.store.services.get(service_id):
            self.store.put(replace(service, endpoint=endpoint))

    # -- nodes -------------------------------------------------------------------------------------------------

    def add_node(self, role: str = "worker", hostname: str = "") -> Node:
        """Have a node join, ready and active."""
        number = len(self.store.nodes) + 1
        spec: Json = {"Labels": {}, "Role": role, "Availability": "active"}
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        node = Node(new_id(), hostname or f"node-{number}", spec, address, leader=number == 1)
        stored = self.store.put(node)
        self._node_changed(stored)
        return stored

    def update_node(self, reference: str, version: int, posted: Mapping[str, Any]) -> Node:
        """Write a node's spec: name, labels, role, availability."""
        node = cast("Node", self.store.resolve("node", reference))
        availability, role = posted.get("Availability") or "active", posted.get("Role") or "worker"
        if availability not in {"active", "pause", "drain"}:
            raise ApiError(400, f'invalid Availability: "{availability}"')
        if role not in {"manager", "worker"}:
            raise ApiError(400, f'invalid Role: "{role}"')
        if version != node.version:
            raise ApiError(500, OUT_OF_SEQUENCE)
        managers = sum(other.role == "manager" for other in self.store.nodes.values())
        if node.role == "manager" and role != "manager" and managers == 1:
            text = "attempting to demote the last manager of the swarm"
            raise ApiError(400, f"rpc error: code = FailedPrecondition desc = {text}")
        named = {"Name": posted["Name"]} if posted.get("Name") else {}
        spec = {**named, "Labels": posted.get("Labels") or {}, "Role": role, "Availability": availability}
        updated = self.store.put(replace(node, spec=spec))
        self._enforce_constraints(updated)
        self._node_changed(updated)
        return updated

    def set_node_state(self, reference: str, state: str) -> Node:
        """Have a node fall silent (`down`) or come back (`ready`)."""
        node = cast("Node", self.store.resolve("node", reference))
        if state not in {"ready", "down"}:
            raise ApiError(400, f"state {state!r}: a simulated node is ready or down")
        updated = self.store.put(replace(node, state=state, message="heartbeat failure" if state == "down" else ""))
        for task in self.store.tasks_on(node.id):
            agent.resume(self.swarm, task)
        self._node_changed(updated)
        return updated

    def remove_node(self, reference: str, *, force: bool) -> None:
        """Remove a node that is down, or with `force` any but a manager."""
        node = cast("Node", self.store.resolve("node", reference))
        if node.role == "manager":
            why = (
                "is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal"
            )
            text = f"node {node.id} {why}"
            raise ApiError(400, f"rpc error: code = FailedPrecondition desc = {text}")
        if node.state == "ready" and not force:
            text = f"node {node.id} is not down and can't be removed"
            raise ApiError(400, f"rpc error: code = FailedPrecondition desc = {text}")
        self.store.delete(node)
        for task in self.store.tasks_on(node.id):
            if not task.ended:
                agent.orphan(self.swarm, task)
        self._node_changed(node)

    def _node_changed(self, node: Node) -> None:
        """Have all services looked at that the node has tasks of, or may get tasks of."""
        for task in self.store.tasks_on(node.id):
            self.swarm.touch(task.service_id)
        for service in self.store.services.values():
            if service.mode.startswith("Global"):
                self.swarm.touch(service.id, whole=True)
        self.swarm.place_soon()

    def _enforce_constraints(self, node: Node) -> None:
        """Reject tasks whose node no longer suits them (swarmkit orchestrator/constraintenforcer)."""
        for task in self.store.tasks_on(node.id):
            moved = task.wanted and not task.ended and task.state >= State.ASSIGNED
            if moved and not constraints.satisfies(node, constraints.constraints_of(task.spec)):
                why = "assigned node no longer meets constraints"
                agent.reject(self.swarm, task, "task rejected by constraint enforcer", why)

    # -- tasks -------------------------------------------------------------------------------------------------

    def kill_task(self, reference: str, exit_code: int) -> Task:
        """Have a task's container end with that exit code."""
        task = cast("Task", self.store.resolve("task", reference))
        if task.ended or task.state < State.ASSIGNED:
            raise ApiError(409, f"task {task.id} is {task.state.word}: only one that a node has can be killed")
        agent.finish(self.swarm, task, exit_code)
        return self.store.tasks[task.id]

    def seed(self, services: int, tasks_per_service: int) -> None:
        """Fill the Swarm with services whose tasks run already, spread over all nodes."""
        nodes = list(self.store.nodes)
        for number in range(services):
            spec = normalised(
                {
                    "Name": f"seed-{number:05d}",
                    "TaskTemplate": {"ContainerSpec": {"Image": "nginx:latest"}},
                    "Mode": {"Replicated": {"Replicas": tasks_per_service}},
                }
            )
            service = self.store.put(Service(new_id(), spec))
            for slot in range(1, tasks_per_service + 1):
                node_id = nodes[(number * tasks_per_service + slot) % len(nodes)]
                agent.seed(self.swarm, restarts.new_task(service, slot), node_id)

    def _settle(self, touched: dict[str, bool]) -> None:
        for service_id, whole in touched.items():
            orchestrator.reconcile(self.swarm, service_id, whole=whole)

    def _service_written(self, change: Change) -> None:
        """Every write of a service has it looked at as a whole, those that the updater makes, too."""
        item = change.after or change.before
        if isinstance(item, Service):
            self.swarm.touch(item.id, whole=True)

    def _drop_json(self, change: Change) -> None:
        if change.after is None and isinstance(change.before, Task):
            self.task_json.forget(change.before.id)


def manager_of(cluster: Cluster) -> Node:
    """The node whose engine answers: the leader."""
    return next(node for node in cluster.store.nodes.values() if node.leader)


def resource_of(cluster: Cluster, kind: str, reference: str) -> Resource:
    """A network, secret or config by ID, name or ID prefix."""
    return cast("Resource", cluster.store.resolve(kind, reference))
