"""stack.docker-flow.yml on the real Swarm: the listener tells the proxy of the site, and answers under its name."""

import asyncio
import json

import pytest

from testbed import deploy
from testbed.node import Node
from testbed.shell import SetupError
from tests.swarm.conftest import Stack, remove
from tests.waiting import until

PATIENCE_S = 240.0
# A static busybox finds names with nslookup only.
GET_SERVICES = (
    'ip=$(nslookup swarm-listener | sed -n "s/^Address: //p" | tail -1); '
    "wget -q -O- http://$ip:8080/v1/docker-flow-swarm-listener/get-services"
)
SITE = {"serviceName": "flow_site", "replicas": "2", "distribute": "true", "servicePath": "/", "port": "80"}

pytestmark = pytest.mark.timeout(1800)


async def test_the_proxy_is_told_of_the_site(stack: Stack):
    await asyncio.to_thread(deploy.deploy_docker_flow, stack.swarm, stack.at.image)
    try:
        await a_proxy_is_told(stack.swarm.nodes)
    finally:
        await asyncio.to_thread(remove, stack.swarm, "flow")


async def a_proxy_is_told(nodes: tuple[Node, ...]) -> None:
    """Returns when the proxy was told of the site, and has had the same as an answer."""

    async def was_told() -> bool:
        logs = await of_the_proxy(nodes[0], "service", "logs", "--raw", "flow_proxy")
        return "url:/v1/docker-flow-proxy/reconfigure" in logs

    await until(was_told, "the notification", PATIENCE_S, 1.0)

    async def answered() -> bool:
        for node in nodes:
            for container in (await of_the_proxy(node, "ps", "--quiet", "--filter=name=flow_proxy")).split():
                text = await of_the_proxy(node, "exec", container, "sh", "-c", GET_SERVICES)
                return text != "" and json.loads(text) == [SITE]
        return False

    await until(answered, "the list of services", PATIENCE_S, 1.0)


async def of_the_proxy(node: Node, *arguments: str) -> str:
    """What the docker command says; nothing while it cannot."""
    try:
        return await asyncio.to_thread(node.docker, *arguments)
    except SetupError:
        return ""
