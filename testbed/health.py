"""How a deployed stack is: its health over HTTP, whether Swarm has settled, and what to look at when it is not well.

I/O by HTTP and the docker command line. `explain` is what a failed wait or test prints: all that a person would ask
for next, gathered while it is still there.
"""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from http.client import HTTPException
from typing import Any

from testbed.engine import client_environment, docker
from testbed.node import Node, is_running
from testbed.passwords import HTTP, kept_passwords
from testbed.shell import SetupError, last_lines, run, wait_for
from testbed.swarm import Swarm

Json = dict[str, Any]

STACK = "funswarm"
PORT = 8484
_HEALTHY_S = 300
_TAKEN_BACK = ("paused", "rollback_started", "rollback_paused", "rollback_completed")


def http_urls(swarm: Swarm) -> tuple[str, ...]:
    """The api's address on each node."""
    return tuple(f"http://{node.address}:{PORT}" for node in swarm.nodes)


def ask(http_url: str, token: str) -> Json:
    """The body of `/health`, whatever its status; `SetupError` when nobody answers."""
    try:
        request = urllib.request.Request(f"{http_url}/health", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    except (OSError, HTTPException) as error:
        raise SetupError(f"{http_url} does not answer: {error!r}") from error
    try:
        found = json.loads(body)
    except ValueError as error:
        raise SetupError(f"{http_url}/health answers {body[:200]!r}") from error
    if not isinstance(found, dict):
        raise SetupError(f"{http_url}/health answers {body[:200]!r}")
    return found


def answers(url: str) -> bool:
    """Whether there is a page; `SetupError` with why not."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException) as error:
        raise SetupError(f"{url}: {error!r}") from error


def wait_until_healthy(swarm: Swarm, token: str, timeout_s: float = _HEALTHY_S) -> None:
    """Wait until Swarm runs every service of the stack as it is specified now, and every node's api says: all is well.

    Raises `SetupError` with `explain` when that does not come, and at once when Swarm has taken an update back.
    """

    def outcome_now() -> str:
        moving, taken_back = progress(swarm)
        if taken_back:
            return f"Swarm did not go on with the update: {', '.join(taken_back)}"
        if moving:
            raise SetupError(f"not as specified yet: {', '.join(moving)}")
        for url in http_urls(swarm):
            health = ask(url, token)
            if not health.get("ok"):
                raise SetupError(f"{url}: {health.get('reasons', health)}")
        return "healthy"

    outcome = wait_for(outcome_now, "a healthy stack", timeout_s, 0.5, log=lambda: explain(swarm))
    if outcome != "healthy":
        raise SetupError(f"{outcome}\n{explain(swarm)}")


def progress(swarm: Swarm) -> tuple[list[str], list[str]]:
    """What Swarm is still working on, and the updates that it has given up; two empty lists: settled.

    Right after a deployment a service has neither an update's state nor a missing task: so the tasks' own
    specifications are compared with the service's.
    """
    manager = _manager(swarm)
    listed = manager.docker("stack", "services", "--format", "{{.ID}} {{.Name}} {{.Replicas}}", STACK).splitlines()
    if not listed:
        return [f"no services of {STACK}"], []
    replicas = {name: count for _, name, count, *_ in (line.split() for line in listed)}
    services: list[Json] = json.loads(manager.docker("service", "inspect", *replicas))
    tasks = _running(manager)
    moving, taken_back = [], []
    for service in services:
        name, update = service["Spec"]["Name"], (service.get("UpdateStatus") or {}).get("State", "")
        wanted = _container(service["Spec"]["TaskTemplate"])
        old = [task for task in tasks if task["ServiceID"] == service["ID"] and _container(task["Spec"]) != wanted]
        if update in _TAKEN_BACK:
            taken_back.append(f"{name} {update}: {service['UpdateStatus'].get('Message')}")
        elif update == "updating" or old or len(set(replicas[name].split("/"))) > 1:
            moving.append(f"{name} {replicas[name]} {update} ({len(old)} old tasks)")
    return moving, taken_back


def _running(manager: Node) -> list[Json]:
    ids = manager.docker("stack", "ps", "--quiet", "--no-trunc", "--filter=desired-state=running", STACK).split()
    found: list[Json] = json.loads(manager.docker("inspect", "--type=task", *ids)) if ids else []
    return found


def _container(spec: Json) -> Json:
    """What runs; without the empty values, which the engine adds to a service's description and not to a task's."""
    return {key: value for key, value in spec["ContainerSpec"].items() if value}


def explain(swarm: Swarm) -> str:
    """What a person would look at: the tasks, each api's reasons, the logs, each node's containers, ports and log."""
    manager, token = _manager(swarm).host, kept_passwords(swarm.name)[HTTP]
    tasks = "{{.Name}} {{.Node}} wanted {{.DesiredState}}, is {{.CurrentState}} {{.Error}} {{.Ports}}"
    sections = [
        ("nodes", lambda: docker(manager, "node", "ls", timeout_s=20)),
        ("tasks", lambda: docker(manager, "stack", "ps", "--no-trunc", "--format", tasks, STACK, timeout_s=20)),
        *((url, lambda url=url: str(ask(url, token).get("reasons"))) for url in http_urls(swarm)),
        *((f"log of {name}", lambda name=name: _log(manager, name)) for name in _names(manager)),
        *((f"containers of {node.name}", lambda node=node: _containers(node)) for node in swarm.nodes),
        *((f"port {PORT} on {node.name}", lambda node=node: _port(node)) for node in swarm.nodes),
        *((f"dockerd of {node.name}", node.log) for node in swarm.nodes),
    ]
    return "\n".join(_sections(sections))


def _sections(parts: Iterable[tuple[str, Callable[[], str]]]) -> Iterable[str]:
    for title, read in parts:
        try:
            text = read()
        except SetupError as error:
            text = f"({error})"
        yield f"--- {title}\n{text}"


def _manager(swarm: Swarm) -> Node:
    """A manager that is switched on: the first may be the one that a test has killed."""
    managers = [node for node in swarm.nodes if node.role == "manager"]
    return next((node for node in managers if is_running(node)), swarm.manager)


def _names(manager: str) -> list[str]:
    try:
        return docker(manager, "stack", "services", "--format", "{{.Name}}", STACK, timeout_s=20).split()
    except SetupError:
        return []


def _log(manager: str, name: str) -> str:
    """The end of each task's log. What a container writes to its standard error comes on ours."""
    command = ("sh", "-c", f"docker service logs --raw --tail 8 {name} 2>&1")
    return last_lines(run(*command, timeout_s=20, env=client_environment(manager, os.environ)), 40)


def _containers(node: Node) -> str:
    return node.docker(
        "ps", "--all", "--format", "{{.Names}} {{.Status}} {{.Ports}}", "--filter", f"name={STACK}", timeout_s=20
    )


def _port(node: Node) -> str:
    """Who listens on the api's port in the node, and the firewall's rules for it."""
    script = f"iptables -t nat -S | grep {PORT}; cat /proc/net/tcp /proc/net/tcp6 | grep -i :{PORT:04x}"
    return docker(node.engine, "exec", node.container, "sh", "-c", f"{script}; true", timeout_s=20)
