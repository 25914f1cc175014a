"""One specific task through a real Traefik on a worker: what docs/questions.md tells to type, and what it promises."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from testbed import images
from testbed.node import Node
from testbed.shell import SetupError, wait_for
from tests.report import ran_against
from tests.swarm.conftest import NAME, Stack
from tests.swarm.test_questions import OUTSIDE, ROOT, blocks

PATIENCE_S = 240.0
TYPED_S = 900
PENDING = "proxy-pending"
BIN = Path(sys.executable).parent
DIFFERENCES = (
    ("make deploy-proxy", f"{sys.executable} -m testbed proxy --name {NAME}"),
    ("make deploy", f"{sys.executable} -m testbed deploy --name {NAME}"),
    ("-m testbed env", f"-m testbed env --name {NAME}"),
    (".venv/bin/funswarm", f"{BIN}/funswarm"),
)

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def said(stack: Stack) -> str:
    """What is read after the commands."""
    script = "\n".join(("set -eu", *blocks(OUTSIDE)))
    for old, new in DIFFERENCES:
        script = script.replace(old, new)
    dropped = ("FUNSWARM_", "NATS_", "DOCKER_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    done = subprocess.run(
        ["sh", "-c", script], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, text=True, timeout=TYPED_S, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert 0 == done.returncode, done.stdout
    ran_against("swarm", "a real Traefik on each node")
    return done.stdout


@pytest.fixture(scope="module")
def http(said: str, stack: Stack) -> Iterator[httpx.Client]:
    """Who asks the Traefik of a worker."""
    assert "worker" == stack.swarm.nodes[2].role
    with httpx.Client(base_url=f"http://{stack.swarm.nodes[2].address}", timeout=120) as http:
        yield http


@pytest.fixture
def pending(stack: Stack) -> Iterator[str]:
    """A service whose one task no node takes."""
    options = ("--detach", f"--name={PENDING}", "--constraint=node.labels.none==1", "--endpoint-mode=dnsrr")
    labels = ("--label=funswarm.tasks.expose=true", "--label=funswarm.tasks.port=80")
    manager = stack.swarm.manager
    manager.docker("service", "create", *options, *labels, "--no-resolve-image", images.BUSYBOX.tag, "sleep", "9")
    try:
        yield PENDING
    finally:
        manager.docker("service", "rm", PENDING)


def status_is(http: httpx.Client, path: str, status: int) -> str:
    """The text, once that path answers so."""

    def answered() -> httpx.Response:
        try:
            answer = http.get(path)
        except httpx.TransportError as error:
            raise SetupError(repr(error)) from error
        if answer.status_code != status:
            raise SetupError(f"{answer.status_code} {answer.text}")
        return answer

    return wait_for(lambda: [answered()], f"{status} of {path}", PATIENCE_S, 0.2)[0].text.strip()


def task_of(stack: Stack, name: str) -> dict[str, str]:
    """The task in a slot, as the first node's api knows it."""

    def known() -> dict[str, str]:
        try:
            answer = httpx.get(f"{stack.at.http_urls[0]}/v1/tasks/{name}", headers=stack.as_admin, timeout=60)
            task: dict[str, str] = answer.raise_for_status().json()["task"]
        except httpx.HTTPError as error:
            raise SetupError(repr(error)) from error
        return task

    return wait_for(known, f"the task {name}", PATIENCE_S)


def test_the_changed_page_is_met_now_and_then_through_the_service_and_always_through_the_task_s_route(said: str):
    assert said.count("hello world") - 4 in {1, 2, 3}


def test_the_command_line_shows_the_routes(said: str):
    assert "/tasks/proxy_site.1/" in said


def test_a_slot_that_is_not_there_is_no_other_that_begins_alike(http: httpx.Client):
    assert "hello world" == status_is(http, "/tasks/proxy_site.1/", 200)
    for path in ("/tasks/proxy_site.10/", "/tasks/proxy_site.1x/"):
        status_is(http, path, 404)


def test_a_slot_without_a_ready_task_answers_503(http: httpx.Client, pending: str):
    status_is(http, f"/tasks/{pending}.1/", 503)


def test_the_route_of_a_slot_follows_to_the_task_that_replaces_its_own(http: httpx.Client, stack: Stack):
    old = task_of(stack, "proxy_site.1")
    status_is(http, f"/tasks/id/{old['id']}/", 200)
    node: Node = next(node for node in stack.swarm.nodes if node.name == old["node_name"])
    node.docker("kill", old["container_id"])

    def replaced() -> str | None:
        said = status_is(http, "/tasks/proxy_site.1/", 200)
        return None if "hello world" in said else said

    host = wait_for(replaced, "the slot's route to lead to the new task", PATIENCE_S, 0.2)

    def known() -> bool:  # each node's api hears of it in its own time
        new = task_of(stack, "proxy_site.1")
        return new["id"] != old["id"] and (new["container_id"] or "")[:12] == host

    wait_for(known, f"a new task in the container {host}", PATIENCE_S)
    status_is(http, f"/tasks/id/{old['id']}/", 404)
