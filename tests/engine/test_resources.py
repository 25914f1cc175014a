"""Networks, secrets and configs, and services that use them."""

import base64

import pytest

DATA = base64.b64encode(b"text").decode()


def network(engine):
    made = engine.post("/networks/create", {"Name": engine.name, "Driver": "overlay"})
    engine.undo_later(lambda: engine.api.remove_network(made["Id"]))
    return made["Id"]


def keep(engine, kind):
    """A secret or config of the test's name."""
    made = engine.post(f"/{kind}s/create", {"Name": engine.name, "Data": DATA, "Labels": {"a": "b"}})
    remove = engine.api.remove_secret if kind == "secret" else engine.api.remove_config
    engine.undo_later(lambda: remove(made["ID"]))
    return made["ID"]


def using(engine, kind, item_id):
    """A service that uses a secret or config."""
    file = {"Name": "file", "UID": "0", "GID": "0", "Mode": 0o444}
    word = kind.capitalize()
    reference = {f"{word}ID": item_id, f"{word}Name": engine.name, "File": file}
    spec = engine.spec(replicas=0)
    spec["TaskTemplate"]["ContainerSpec"][f"{word}s"] = [reference]
    return spec


def test_an_overlay_network_is_the_swarms(engine):
    network_id = network(engine)

    def found():
        (shown,) = engine.api.networks(names=[engine.name])
        return shown["Driver"] and (shown["Id"], shown["Scope"], shown["Driver"])

    assert (network_id, "swarm", "overlay") == engine.until(found, "the allocator has given it its driver")


def test_a_networks_name_is_taken_once(engine):
    network(engine)
    assert (409, f"network with name {engine.name} already exists") == engine.refused(lambda: network(engine))


def test_a_services_network_is_kept_by_id(engine):
    network_id = network(engine)
    engine.create(engine.spec(replicas=0, template={"Networks": [{"Target": engine.name}]}))
    assert [{"Target": network_id}] == engine.service(engine.name)["Spec"]["TaskTemplate"]["Networks"]


def test_a_service_on_a_network_has_an_address_there_and_so_has_its_task(engine):
    network_id = network(engine)
    engine.create(engine.spec(template={"Networks": [{"Target": network_id}]}))
    (task,) = engine.until_running(engine.name, 1)
    assert [network_id] == [a["NetworkID"] for a in engine.service(engine.name)["Endpoint"]["VirtualIPs"]]
    (attachment,) = task["NetworksAttachments"]
    assert (network_id, engine.name) == (attachment["Network"]["ID"], attachment["Network"]["Spec"]["Name"])
    assert len(attachment["Addresses"]) == 1


def test_a_network_in_use_is_not_removed(engine):
    network_id = network(engine)
    service_id = engine.create(engine.spec(replicas=0, template={"Networks": [{"Target": network_id}]}))
    text = f"network {network_id} is in use by service {service_id}"
    refusal = engine.refused(lambda: engine.api.remove_network(network_id))
    assert (400, f"rpc error: code = FailedPrecondition desc = {text}") == refusal


@pytest.mark.parametrize("kind", ["secret", "config"])
def test_it_is_kept_with_its_name_and_labels(engine, kind):
    item_id = keep(engine, kind)
    shown = engine.get(f"/{kind}s/{engine.name}")
    data = {"Data": DATA} if kind == "config" else {}
    assert (item_id, {"Name": engine.name, "Labels": {"a": "b"}, **data}) == (shown["ID"], shown["Spec"])


@pytest.mark.parametrize("kind", ["secret", "config"])
def test_its_name_is_taken_once(engine, kind):
    keep(engine, kind)
    text = f"rpc error: code = AlreadyExists desc = {kind} {engine.name} already exists"
    assert (409, text) == engine.refused(lambda: keep(engine, kind))


@pytest.mark.parametrize("kind", ["secret", "config"])
def test_it_is_listed_by_the_beginning_of_its_name(engine, kind):
    item_id = keep(engine, kind)
    found = engine.get(f"/{kind}s", filters=f'{{"name": ["{engine.name[:-1]}"]}}')
    assert [item_id] == [item["ID"] for item in found]


@pytest.mark.parametrize("kind", ["secret", "config"])
def test_it_is_not_removed_while_a_service_uses_it(engine, kind):
    item_id = keep(engine, kind)
    engine.create(using(engine, kind, item_id))
    remove = engine.api.remove_secret if kind == "secret" else engine.api.remove_config
    status, text = engine.refused(lambda: remove(item_id))
    assert (400, True) == (status, "is in use by the following service" in text and engine.name in text)


@pytest.mark.parametrize("kind", ["secret", "config"])
def test_a_service_cannot_use_one_that_is_not_there(engine, kind):
    status, text = engine.refused(lambda: engine.create(using(engine, kind, "nope")))
    assert (400, f"rpc error: code = InvalidArgument desc = {kind} not found: {engine.name}") == (status, text)
