"""The event stream: which changes it tells, and in which words."""

import json
import time

import pytest

SECOND_NS = 10**9


@pytest.fixture
def stream(engine):
    """Reads events of this test's services until one is like the wanted one; keeps those passed over."""
    events = engine.api.events(decode=True, filters={"type": "service"})

    def read(action, **attributes):
        for event in events:
            mine = event["Actor"]["Attributes"]
            if mine["name"] != engine.name or event["Action"] != action:
                continue
            if all(mine.get(key) == value for key, value in attributes.items()):
                return event
        raise AssertionError("the stream ended")

    yield read
    events.close()


def attributes_of(event):
    return event["Actor"]["Attributes"]


def test_a_creation_is_an_event_of_the_swarm(engine, stream):
    service_id = engine.create(engine.spec(replicas=0))
    event = stream("create")
    assert ("service", "create", "swarm", service_id) == (
        event["Type"],
        event["Action"],
        event["scope"],
        event["Actor"]["ID"],
    )
    assert {"name": engine.name} == attributes_of(event)


def test_an_event_has_the_objects_time(engine, stream):
    engine.create(engine.spec(replicas=0))
    event = stream("create")
    assert event["time"] == event["timeNano"] // SECOND_NS
    assert abs(event["time"] - time.time()) < 300


def test_a_scale_tells_both_numbers(engine, stream):
    engine.create(engine.spec(replicas=0))
    engine.scale(engine.name, 1)
    wanted = {"name": engine.name, "replicas.old": "0", "replicas.new": "1"}
    assert wanted == attributes_of(stream("update", **wanted))


def test_a_change_of_a_label_tells_only_the_name(engine, stream):
    engine.create(engine.spec(replicas=0))
    engine.change(engine.name, lambda spec: spec.update(Labels={"a": "b"}))
    assert {"name": engine.name} == attributes_of(stream("update"))


def test_a_change_of_the_image_tells_both(engine, stream):
    engine.create(engine.spec(replicas=0))
    engine.change(engine.name, lambda spec: spec["TaskTemplate"]["ContainerSpec"].update(Image="other:1"))
    event = stream("update", **{"image.new": "other:1"})
    assert attributes_of(event)["image.old"].startswith("funswarm-busybox:test")


def test_an_update_tells_its_states(engine, stream):
    engine.create(engine.spec(UpdateConfig={"Monitor": SECOND_NS // 10}))
    engine.until_running(engine.name, 1)
    engine.change(engine.name, lambda spec: spec["TaskTemplate"].update(ForceUpdate=1))
    first = attributes_of(stream("update", **{"updatestate.new": "updating"}))
    assert "updatestate.old" not in first
    assert stream("update", **{"updatestate.old": "updating", "updatestate.new": "completed"})


def test_a_removal_is_an_event(engine, stream):
    service_id = engine.create(engine.spec(replicas=0))
    engine.api.remove_service(service_id)
    assert service_id == stream("remove")["Actor"]["ID"]


def test_what_happened_is_told_again_since_a_time(engine):
    since = time.time() - 1
    service_id = engine.create(engine.spec(replicas=0))
    until = engine.service(engine.name)
    params = {
        "since": f"{since:.3f}",
        "until": f"{time.time() + 1:.3f}",
        "filters": json.dumps({"service": [service_id]}),
    }
    text = engine.api._get(engine.api._url("/events"), params=params).text
    assert [until["ID"]] == [json.loads(line)["Actor"]["ID"] for line in text.splitlines()][:1]


def test_tasks_emit_nothing(engine):
    since = time.time() - 1
    engine.create()
    engine.until_running(engine.name, 1)
    params = {"since": f"{since:.3f}", "until": f"{time.time():.3f}", "filters": json.dumps({"scope": ["swarm"]})}
    text = engine.api._get(engine.api._url("/events"), params=params).text
    assert "task" not in {json.loads(line)["Type"] for line in text.splitlines()}


def test_networks_and_secrets_are_told_by_name(engine):
    since = time.time() - 1
    made = engine.post("/networks/create", {"Name": engine.name, "Driver": "overlay"})
    engine.undo_later(lambda: engine.api.remove_network(made["Id"]))
    secret = engine.post("/secrets/create", {"Name": engine.name, "Data": "eA=="})
    engine.undo_later(lambda: engine.api.remove_secret(secret["ID"]))
    params = {"since": f"{since:.3f}", "until": f"{time.time() + 1:.3f}", "filters": json.dumps({"scope": ["swarm"]})}
    text = engine.api._get(engine.api._url("/events"), params=params).text
    events = [json.loads(line) for line in text.splitlines()]
    told = {(e["Type"], e["Actor"]["ID"]) for e in events if attributes_of(e).get("name") == engine.name}
    assert {("network", made["Id"]), ("secret", secret["ID"])} <= told
