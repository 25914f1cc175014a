"""What the commands of a batch come to together: ports and quotas."""

import pytest

from funswarm.commands import BatchCommand, BatchItem
from funswarm.messages import Code
from services.scheduler.admission.policy import Policy, Quota
from services.scheduler.together import clashes, needs_services, share_of

QUOTA = Policy(quotas={"shop": Quota(services=3, replicas=10)})


def create(name, *needs, replicas=1, ports=(), **fields):
    service = {"name": name, "image": "x", "replicas": replicas, "ports": ports, **fields}
    return BatchItem(name=name, command={"verb": "create", "target": name, "service": service}, depends_on=needs)


def does(verb, target, *needs, **fields):
    return BatchItem(name=f"{verb}-{target}", command={"verb": verb, "target": target, **fields}, depends_on=needs)


def raw(name, replicas=1, ports=(), previous=None):
    ports = [{"Protocol": "tcp", "PublishedPort": port, "PublishMode": "ingress"} for port in ports]
    spec = {"Name": name, "Mode": {"Replicated": {"Replicas": replicas}}, "EndpointSpec": {"Ports": ports}}
    return {"ID": f"id-{name}", "Spec": spec, **({"PreviousSpec": previous["Spec"]} if previous else {})}


def found(*items, there=(), policy=None, **fields):
    batch = BatchCommand(id="b1", target="batch", commands=items, **fields)
    return clashes(batch, map(share_of, there), policy)


def test_a_port_that_two_would_have_is_both_ones_fault():
    assert {"a", "b"} == set(found(create("a", ports=["80:80"]), create("b", ports=["80:81"]), create("c")))


def test_a_port_is_taken_also_by_one_that_comes_before():
    clash = found(create("a", ports=["80:80"]), create("b", "a", ports=["80:81"]))["b"]
    assert (Code.CONFLICT, True) == (clash.code, "port 80/tcp would be published by 'b' and 'a'" in str(clash))


def test_a_port_is_taken_by_a_service_that_is_there():
    assert "'old'" in str(found(create("a", ports=["80:80"]), there=[raw("old", ports=[80])])["a"])


def test_who_is_bound_to_namespaces_is_not_told_whose_a_port_is():
    clash = found(create("shop_a", ports=["80:80"]), there=[raw("old", ports=[80])], namespaces=["shop"])["shop_a"]
    assert "'shop_a' and another" in str(clash)


@pytest.mark.parametrize(
    "one", ["80:80/udp", {"target": 80, "published": 80, "mode": "host"}, {"target": 80}, "81:80"], ids=str
)
def test_other_ports_do_not_clash(one):
    host = {"target": 80, "published": 80, "mode": "host"}
    other = host if isinstance(one, dict) else "80:80"
    assert {} == found(create("a", ports=[one]), create("b", ports=[other]))


def test_a_port_in_mode_host_clashes_with_one_in_mode_ingress():
    host = {"target": 80, "published": 80, "mode": "host"}
    assert {"a", "b"} == set(found(create("a", ports=[host]), create("b", ports=["80:80"])))


@pytest.mark.parametrize("target", ["old", "id-old"])
def test_a_port_is_free_when_who_had_it_is_removed_before(target):
    there = [raw("old", ports=[80])]
    assert {} == found(does("remove", target), create("a", f"remove-{target}", ports=["80:80"]), there=there)
    assert ["a"] == list(found(does("remove", target), create("a", ports=["80:80"]), there=there))


def test_an_update_takes_and_gives_ports():
    old = raw("old", ports=[80])
    gives = does("update", "old", changes={"ports": ["81:80"]})
    assert {} == found(gives, create("a", "update-old", ports=["80:80"]), there=[old])
    assert {"b"} == set(found(gives, create("b", "update-old", ports=["81:80"]), there=[old]))


def test_a_rollback_takes_ports_back():
    now = raw("old", previous=raw("old", ports=[80]))
    assert {"rollback-old", "a"} == set(found(does("rollback", "old"), create("a", ports=["80:80"]), there=[now]))


def test_replicas_are_added_up():
    clash = found(create("shop_a", replicas=6), create("shop_b", replicas=6), policy=QUOTA)["shop_b"]
    assert (Code.ADMISSION, True) == (clash.code, "'shop' would have 12 replicas of 10" in str(clash))


def test_services_are_added_up():
    there = [raw("shop_old"), raw("other")]
    assert {} == found(create("shop_a"), create("shop_b"), there=there, policy=QUOTA)
    three = [create("shop_a"), create("shop_b"), create("shop_c")]
    assert "4 services of 3" in str(found(*three, there=there, policy=QUOTA)["shop_c"])


def test_what_is_scaled_down_or_removed_before_counts_no_more():
    there = [raw("shop_old", 9)]
    down = does("scale", "shop_old", replicas=2)
    assert {} == found(down, create("shop_a", "scale-shop_old", replicas=8), there=there, policy=QUOTA)
    assert ["shop_a"] == list(found(down, create("shop_a", replicas=8), there=there, policy=QUOTA))


def test_what_only_gets_less_is_no_fault():
    there = [raw("shop_old", 90)]
    assert {} == found(does("scale", "shop_old", replicas=50), create("a"), there=there, policy=QUOTA)


def test_other_namespaces_have_their_own_quota():
    assert {} == found(create("shop_a", replicas=9), create("b_a", replicas=9), create("c"), policy=QUOTA)


def test_the_services_matter_for_ports_and_quotas_only():
    def needs(item, policy=None):
        return needs_services(BatchCommand(id="b1", target="batch", commands=[item]), policy)

    assert (False, True, True) == (needs(create("a")), needs(create("a", ports=["80:80"])), needs(create("a"), QUOTA))
