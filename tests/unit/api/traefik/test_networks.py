"""On which network, and at which addresses, the tasks of a service are reached."""

import pytest

from services.api.world import Reach
from tests.unit.api.traefik.worlds import (
    NET,
    PORT,
    a_node,
    a_service,
    a_task,
    a_world,
    content,
    problems,
    reasons,
    servers,
)

TWO = (Reach("n-b", "back", "10.0.2.5"), Reach("n-f", "front", "10.0.3.5"))


def on_two(labels=None, **others):
    return a_world(
        a_service(labels=PORT | (labels or {}), networks=("n-f", "n-b"), **others), tasks=[a_task(reaches=TWO)]
    )


@pytest.mark.parametrize("label", ["traefik.swarm.network", "Traefik.Docker.Network"])
def test_the_network_is_the_one_of_the_label(label):
    assert ["http://10.0.3.5:80"] == servers(on_two({label: "front"}))
    assert [] == problems(on_two({label: "front"}))


def test_the_network_is_the_one_of_the_setting_where_no_label_says():
    assert ["http://10.0.3.5:80"] == servers(on_two(), network="front")


def test_of_several_networks_the_first_is_used_and_it_is_told():
    assert ["http://10.0.2.5:80"] == servers(on_two())
    assert [("web", "traefik.swarm.network")] == problems(on_two())


def test_a_network_that_it_is_not_on_is_told():
    world = on_two({"traefik.swarm.network": "other"})

    assert ["http://10.0.2.5:80"] == servers(world)
    assert "not on the network 'other' but on back, front" in reasons(world)


def test_the_ingress_network_counts_for_nothing():
    reaches = (Reach("n-i", "ingress", "10.255.0.9"), Reach(NET, "net", "10.0.1.1"))
    world = a_world(a_service(labels=PORT), tasks=[a_task(reaches=reaches)])

    assert (["http://10.0.1.1:80"], []) == (servers(world), problems(world))


def test_a_service_on_the_ingress_network_alone_is_told():
    reaches = (Reach("n-i", "ingress", "10.255.0.9"),)
    world = a_world(a_service(labels=PORT, networks=()), tasks=[a_task(reaches=reaches)])

    assert [] == servers(world)
    assert "on no network but ingress" in reasons(world)


def test_a_task_of_before_the_network_changed_is_still_a_server():
    tasks = [a_task(slot=1, reaches=(Reach("n-old", "old", "10.0.9.1"),)), a_task(slot=2)]

    assert ["http://10.0.1.2:80", "http://10.0.9.1:80"] == servers(a_world(a_service(labels=PORT), tasks=tasks))


def test_on_the_node_s_own_network_a_task_is_reached_at_its_node():
    task = a_task(reaches=(Reach("n-h", "host", ""),))
    world = a_world(a_service(labels=PORT, networks=("n-h",)), tasks=[task], nodes=[a_node()])

    assert ["http://192.0.2.1:80"] == servers(world)


BY_VIP = {"traefik.swarm.lbswarm": "true"}
VIP = (Reach("n-i", "ingress", "10.255.0.2"), Reach(NET, None, "10.0.1.100"))


def test_swarm_balances_where_it_is_told_to():
    assert ["http://10.0.1.100:80"] == servers(a_world(a_service(labels=PORT | BY_VIP, vips=VIP)))


def test_without_a_virtual_ip_the_tasks_are_the_servers():
    assert ["http://10.0.1.1:80"] == servers(a_world(a_service(labels=PORT | BY_VIP)))


def test_a_virtual_ip_without_ready_tasks_is_no_server():
    assert [] == servers(a_world(a_service(labels=PORT | BY_VIP, vips=VIP), tasks=[]))


def test_old_and_new_labels_together_expose_nothing():
    world = a_world(a_service(labels=PORT | {"traefik.swarm.network": "net", "traefik.docker.lbswarm": "true"}))

    assert ({}, [("web", "traefik.docker.lbswarm")]) == (content(world), problems(world))


def test_a_misspelt_label_of_swarm_is_told():
    assert [("web", "traefik.swarm.netwrk")] == problems(a_world(a_service(labels={"traefik.swarm.netwrk": "net"})))
