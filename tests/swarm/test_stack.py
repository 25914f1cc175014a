"""The stack on a real Swarm of three nodes: it serves, heals when a part is killed, and loses nothing."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

import httpx
import pytest

from funswarm import Accepted, Changed, Client, Result, ResultStatus, Unavailable, check
from funswarm.how import How
from funswarm.spec import ServiceSpec
from testbed import deploy, images
from testbed.node import Node, kill_node, start_node
from testbed.passwords import kept_passwords
from testbed.shell import SetupError, in_parallel
from tests.swarm.conftest import Stack
from tests.waiting import until

PATIENCE_S = 240.0
NEXT = "funswarm:next"

pytestmark = pytest.mark.timeout(1800)


def a_spec(name: str, replicas: int = 1) -> ServiceSpec:
    """A service of sleepers, which need nothing and stop at once."""
    return ServiceSpec(
        name=name,
        image=images.BUSYBOX.tag,
        args=["sleep", "3600"],
        replicas=replicas,
        stop_grace_period=1,
        endpoint_mode="dnsrr",
        networks=["fun-swarm"],
    )


def as_json(spec: ServiceSpec) -> dict[str, Any]:
    return spec.model_dump(mode="json", exclude_unset=True)


async def so_many_run(client: Client, name: str, count: int) -> set[str]:
    """The ids of the running tasks, once there are exactly so many."""

    async def running() -> set[str]:
        with suppress(Unavailable):  # a poller takes over
            tasks = await client.tasks(service=name)
            found = {task.id for task in tasks if task.state == task.desired_state == "running"}
            return found if len(found) == count else set()
        return set()

    return await until(running, f"{count} running tasks of {name}", PATIENCE_S, 0.2)


async def node_is(client: Client, name: str, state: str) -> None:
    async def now() -> bool:
        with suppress(Unavailable):
            return (await client.node(name)).state == state
        return False

    await until(now, f"{name} to be {state}", PATIENCE_S, 0.5)


def kill_part(nodes: tuple[Node, ...], part: str) -> int:
    """SIGKILL all containers of a part at once; how many there were."""

    def kill(node: Node) -> int:
        mark = f"label=com.docker.swarm.service.name=funswarm_{part}"
        containers = node.docker("ps", "--quiet", "--filter", mark).split()
        with suppress(SetupError):  # one that has just ended by itself
            if containers:
                node.docker("kill", "--signal=KILL", *containers)
        return len(containers)

    return sum(in_parallel(kill, nodes))


async def created_over_http(stack: Stack, name: str) -> bool:
    """Try the creation over each node's api, always with the same key: done once, however often it is asked."""
    for url in stack.at.http_urls:
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient(base_url=url, headers=stack.as_admin, timeout=40) as http:
                answer = await http.post("/v1/services", json=as_json(a_spec(name)), headers={"Idempotency-Key": name})
                if answer.status_code == 201:
                    return True
                assert answer.status_code in (202, 503), answer.text
    return False


async def test_health_lists_the_services_and_every_part(stack: Stack):
    wanted = {f"funswarm_{part}" for part in ("nats", "poller", "scheduler", "notifier", "api")} | {"web"}
    for url in stack.at.http_urls:
        async with httpx.AsyncClient(base_url=url, headers=stack.as_admin, timeout=60) as http:

            async def listed(http: httpx.AsyncClient = http) -> bool:
                health = (await http.get("/health")).json()  # without those who were too slow to answer
                active = {part["part"] for part in health["parts"] if part["active"]}
                services = {service["name"] for service in health["services"]}
                return wanted <= services and {"poller", "scheduler", "api"} <= active

            await until(listed, f"the services and all parts at {url}", PATIENCE_S, 0.5)


async def test_a_service_created_over_http_runs_and_its_task_events_arrive(http: httpx.AsyncClient, client: Client):
    answer = await http.post("/v1/services?wait=50", json=as_json(a_spec("made", 2)))
    assert 201 == answer.status_code, answer.text
    tasks = await so_many_run(client, "made", 2)

    seen: set[str] = set()
    async with asyncio.timeout(PATIENCE_S):
        async for change in client.changes(kinds=["task"], names=["made"], actions=["running"], since="1h"):
            assert isinstance(change, Changed)
            seen.add(change.event.object_id)
            if tasks <= seen:
                break

    assert tasks <= seen


async def test_create_without_arguments_makes_a_numbered_service_that_runs(http: httpx.AsyncClient, client: Client):
    name = (await http.get("/create")).raise_for_status().json()["service_name"]

    assert "service-1" == name
    assert await so_many_run(client, name, 1)


async def test_scaling_up_keeps_the_tasks_that_run(client: Client):
    check(await client.create(a_spec("grows", 2), how=How(wait_s=PATIENCE_S)))
    before = await so_many_run(client, "grows", 2)

    check(await client.scale("grows", 4, how=How(wait_s=PATIENCE_S)))

    assert before < await so_many_run(client, "grows", 4)


@pytest.mark.parametrize("part", ["poller", "scheduler", "api", "nats"])
async def test_the_stack_heals_and_loses_nothing_when_a_part_is_killed(stack: Stack, part: str):
    await stack.healthy()
    assert await asyncio.to_thread(kill_part, stack.swarm.nodes, part)

    name = f"after-{part}"
    await until(lambda: created_over_http(stack, name), f"a creation after {part} was killed", PATIENCE_S, 0.5)
    await stack.healthy()

    async with stack.client() as client:
        await so_many_run(client, name, 1)
    await stack.right()


async def test_a_rolling_update_loses_no_command(stack: Stack, client: Client):
    await stack.healthy()
    check(await client.create(a_spec("rolls"), how=How(wait_s=PATIENCE_S)))
    for node in stack.swarm.nodes:
        node.docker("tag", stack.at.image, NEXT)
    passwords = kept_passwords(stack.swarm.name)
    await asyncio.to_thread(deploy.update_local, stack.swarm, NEXT, passwords)
    rolled = asyncio.create_task(stack.healthy())

    outcomes: list[Result | Accepted] = []
    while not rolled.done():
        number = len(outcomes)
        scale = partial(client.scale, "rolls", number % 2 + 1, how=How(id=f"rolls-{number}"))
        outcomes.append(await until(scale, f"NATS to take command {number}", PATIENCE_S))
        await asyncio.sleep(0.5)
    await rolled

    results = [await finished(client, outcome) for outcome in outcomes]
    assert [ResultStatus.SUCCEEDED] * len(outcomes) == [result.status for result in results]
    await so_many_run(client, "rolls", 2 - len(outcomes) % 2)
    await stack.right()


async def finished(client: Client, outcome: Result | Accepted) -> Result:
    """The result, waited for where it was not there at once."""
    if isinstance(outcome, Result):
        return outcome

    async def result() -> Result | None:
        with suppress(Unavailable):
            return await client.result(outcome.command_id)
        return None

    found = await until(result, f"a result of {outcome.command_id}", PATIENCE_S, 0.2)
    assert found
    return found


async def test_a_lost_node_is_down_and_comes_back_ready(stack: Stack, client: Client):
    worker = stack.swarm.nodes[2]
    kill_node(worker)
    try:
        await node_is(client, worker.name, "down")
    finally:
        start_node(worker)
    await node_is(client, worker.name, "ready")

    await stack.healthy()
    await stack.right()
