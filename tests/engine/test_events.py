"""The event stream: which changes it tells, and in which words."""

import json
import threading
import time

import pytest

from tests.engine.conftest import PATIENCE_S

SECOND_NS = 10**9


@pytest.fixture
def stream(engine):
    """Reads events of this test's services until one is like the wanted one; keeps those passed over."""
    # From before now: an engine answers before it listens. And not for ever, should one be missed.
    events = engine.api.events(decode=True, filters={"type": "service"}, since=int(time.time()) - 1)
    end = threading.Timer(PATIENCE_S, events.close)
    end.start()

    def read(action, **attributes):
        for event in events:
            mine = event["Actor"]["Attributes"]
            if mine["name"] != engine.name or event["Action"] != action:
                continue
            if all(mine.get(key) == value for key, value in attributes.items()):
                return event
        raise AssertionError("the stream ended")

    yield read
    end.cancel()
    events.close()


def past(engine, since, **filters):
    """The events from a time until now."""
    params = {"since": f"{since:.3f}", "until": f"{time.time():.3f}", "filters": json.dumps(filters)}
    text = engine.api._get(engine.api._url("/events"), params=params).text
    return [json.loads(line) for line in text.splitlines()]


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

    def told():
        return [event["Actor"]["ID"] for event in past(engine, since, service=[service_id])]

    assert [service_id] == engine.until(told, "the event is there")[:1]


def test_tasks_emit_nothing(engine):
    since = time.time() - 1
    engine.create()
    engine.until_running(engine.name, 1)
    assert "task" not in {event["Type"] for event in past(engine, since, scope=["swarm"])}


def test_networks_and_secrets_are_told_by_name(engine):
    since = time.time() - 1
    made = engine.post("/networks/create", {"Name": engine.name, "Driver": "overlay"})
    engine.undo_later(lambda: engine.api.remove_network(made["Id"]))
    secret = engine.post("/secrets/create", {"Name": engine.name, "Data": "eA=="})
    engine.undo_later(lambda: engine.api.remove_secret(secret["ID"]))

    def told():
        events = [
            event for event in past(engine, since, scope=["swarm"]) if attributes_of(event)["name"] == engine.name
        ]
        return {("network", made["Id"]), ("secret", secret["ID"])} <= {(e["Type"], e["Actor"]["ID"]) for e in events}

    assert engine.until(told, "both are told")
