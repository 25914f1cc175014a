"""How a node's container is switched on."""

import dataclasses

import pytest

from testbed.node import Node, host_resolvers, run_arguments

NODE = Node(
    name="node-1",
    role="manager",
    address="172.18.0.11",
    host="unix:///run/funswarm/swarms/s/node-1/docker.sock",
    swarm="s",
    container="s-node-1",
    engine="unix:///e.sock",
)


def test_a_node_keeps_its_address_its_name_and_its_disk() -> None:
    arguments = run_arguments(NODE, "image", ("--privileged",), (), group=0)

    assert {"--ip=172.18.0.11", "--hostname=node-1", "--volume=s-node-1:/var/lib/docker"} <= set(arguments)


def test_a_nodes_socket_is_in_the_folder_of_its_host() -> None:
    arguments = run_arguments(NODE, "image", ("--privileged",), (), group=0)

    assert "--volume=/run/funswarm/swarms/s/node-1:/testbed" in arguments
    assert "--host=unix:///testbed/docker.sock" in arguments[-1]


def test_the_socket_belongs_to_the_callers_group() -> None:
    assert "--group=1000" in run_arguments(NODE, "image", ("--privileged",), (), group=1000)[-1]


def test_a_nodes_engine_asks_the_hosts_resolvers() -> None:
    assert "--dns=192.0.2.53" in run_arguments(NODE, "image", (), ("192.0.2.53",), group=0)[-1]


def test_a_privileged_node_has_its_own_cgroups() -> None:
    assert "--cgroup-parent" not in run_arguments(NODE, "image", ("--privileged",), (), group=0)[-1]


def test_a_node_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        NODE.name = "node-2"  # type: ignore[misc]


def test_resolvers_on_loopback_are_left_out() -> None:
    text = (
        "# mine\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver ::1\nnameserver fe80::1%eth0\nsearch a.test\n"
    )

    assert ("192.0.2.53",) == host_resolvers(text)
