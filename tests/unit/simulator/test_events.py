"""The event log: a ring that forgets, and readers that lose what they leave."""

from services.simulator.events import BACKLOG, RING, Event, EventLog, Filter, Subscriber

ALL = Filter({})


def event(number, kind="service", action="update", name="web"):
    return Event(kind, action, f"id-{name}", {"name": name}, at_ns=number)


def test_the_ring_keeps_256_of_all_kinds():
    log = EventLog()
    for number in range(RING + 10):
        log.publish(event(number))
    assert (256, 10) == (len(log.past(ALL)), log.past(ALL)[0].at_ns)


def test_a_scan_stops_at_the_first_message_that_is_older():
    log = EventLog()
    for number in (5, 1, 6, 7):  # the clocks of two machines
        log.publish(event(number))
    assert [6, 7] == [found.at_ns for found in log.past(Filter({}, since_ns=5))]


def test_a_reader_loses_what_does_not_fit():
    log, reader = EventLog(), Subscriber(ALL)
    log.subscribers.append(reader)
    for number in range(BACKLOG + 10):
        log.publish(event(number))
    assert (BACKLOG, 0) == (len(reader.queue), reader.queue[0].at_ns)


def test_filters_of_one_key_widen_and_of_two_narrow():
    wanted = Filter({"type": ["service", "node"], "event": ["create"]})
    assert [True, False, False] == [
        wanted.matches(event(1, "node", "create")),
        wanted.matches(event(1, "node", "update")),
        wanted.matches(event(1, "secret", "create")),
    ]


def test_a_service_is_filtered_by_name_or_id():
    assert [True, True, False] == [
        Filter({"service": [reference]}).matches(event(1)) for reference in ("web", "id-web", "we")
    ]


def test_a_node_that_fails_tells_both_states(scene):
    scene.set_state(1, "down")
    told = scene.cluster.events.ring[-1]
    assert {"name": "node-2", "state.old": "ready", "state.new": "down"} == told.attributes


def test_a_drain_tells_both_availabilities(scene):
    scene.set_node(1, Availability="drain")
    told = scene.cluster.events.ring[-1]
    assert {"name": "node-2", "availability.old": "active", "availability.new": "drain"} == told.attributes


def test_a_local_network_is_not_the_swarms_business(scene):
    scene.cluster.resources.create_network({"Name": "mine", "Driver": "bridge"})
    assert [] == list(scene.cluster.events.ring)
