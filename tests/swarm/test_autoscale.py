"""Scaling by what tasks use, on the real Swarm of three nodes: with the node agents of stack.agent.yml."""

import asyncio
from contextlib import suppress

import pytest

from funswarm import Client, check
from funswarm.decisions import Decision
from funswarm.how import How
from funswarm.spec import ServiceSpec
from funswarm.spec_parts import Limits, Resources
from testbed import deploy, images
from testbed.node import Node
from testbed.shell import SetupError, in_parallel
from tests.swarm.conftest import Stack, remove
from tests.swarm.test_stack import PATIENCE_S, so_many_run
from tests.waiting import until

NAME = "busy"
BUSY_UNTIL_TOLD = "while [ ! -e /tmp/rest ]; do :; done; exec sleep 3600"
WANTS = {
    "enable": "true", "cpu": "20", "memory": "90", "max": "2", "warm-up": "0s",
    "up-period": "1s", "down-window": "0s", "down-period": "1s",
}  # fmt: skip

pytestmark = pytest.mark.timeout(1800)


def busy() -> ServiceSpec:
    """Whose task takes all the CPU that it may, until there is a file."""
    return ServiceSpec(
        name=NAME,
        image=images.BUSYBOX.tag,
        args=["sh", "-c", BUSY_UNTIL_TOLD],
        replicas=1,
        resources=Resources(limits=Limits(cpus=0.1, memory=32 << 20)),
        stop_grace_period=1,
        endpoint_mode="dnsrr",
        labels={f"funswarm.autoscale.{key}": value for key, value in WANTS.items()},
    )


def tell_to_rest(nodes: tuple[Node, ...]) -> None:
    def tell(node: Node) -> None:
        for container in node.docker("ps", "--quiet", f"--filter=label=com.docker.swarm.service.name={NAME}").split():
            with suppress(SetupError):  # one that has just ended
                node.docker("exec", container, "touch", "/tmp/rest")

    in_parallel(tell, nodes)


async def decided(client: Client, way: str) -> Decision:
    async def find() -> Decision | None:
        told = (await client.decisions(NAME, policy="autoscale")).items
        ups = (one for one in told if one.command_id and (one.after or 0) > (one.before or 0))
        downs = (one for one in told if one.command_id and (one.after or 0) < (one.before or 0))
        return next(ups if way == "up" else downs, None)

    found = await until(find, f"the decision to go {way}", PATIENCE_S, 0.2)
    assert found is not None
    return found


async def test_a_busy_task_gets_company_which_goes_when_all_rest(stack: Stack, client: Client):
    await asyncio.to_thread(deploy.deploy_agent, stack.swarm, stack.at.image)
    try:
        check(await client.create(busy(), how=How(wait_s=PATIENCE_S)))
        await so_many_run(client, NAME, 2)
        why = await decided(client, "up")
        assert "cpu wants" in why.reason
        assert min(why.inputs["cpu"], why.inputs["memory"]) > 0

        await asyncio.to_thread(tell_to_rest, stack.swarm.nodes)
        await so_many_run(client, NAME, 1)
        assert (2, 1) == ((why := await decided(client, "down")).before, why.after)
        check(await client.remove(NAME, how=How(wait_s=PATIENCE_S)))
    finally:
        await asyncio.to_thread(remove, stack.swarm, deploy.AGENT)
