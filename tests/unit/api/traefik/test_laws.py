"""What holds of every document, whatever the labels are."""

import json
import random

from hypothesis import given
from hypothesis import strategies as some

from services.api.traefik.fields import SECTIONS
from services.api.traefik.labels import read_labels
from tests.unit.api.traefik.worlds import a_service, a_task, a_world, document

WORDS = sorted(
    {"traefik", "http", "tcp", "udp", "a", "B", "", "[0]", "x[1]", "server", "port", "rule", "tls", "@"}
    | {section for sections in SECTIONS.values() for section in sections}
    | {name for sections in SECTIONS.values() for group in sections.values() for name in group.fields}
)
KEYS = some.lists(some.sampled_from(WORDS), min_size=1, max_size=5).map(lambda words: ".".join(["traefik", *words]))
VALUES = some.sampled_from(["", "true", "80", "a, b", "10s", "Host(`a`)", "x@swarm"]) | some.text(max_size=5)
LABELS = some.dictionaries(KEYS, VALUES, max_size=8)


def good(number):
    name = f"good{number}"
    return a_service(
        name,
        {
            f"traefik.http.routers.{name}.rule": f"Host(`{name}`)",
            f"traefik.http.services.{name}.loadbalancer.server.port": "80",
        },
    )


@given(LABELS)
def test_no_labels_break_the_reading(labels):
    found = read_labels(labels)

    json.dumps({"/".join(place): items for place, items in found.items.items()})


@given(some.lists(LABELS, max_size=4), some.randoms(use_true_random=False))
def test_the_bytes_do_not_depend_on_the_order(all_labels, order: random.Random):
    services = [a_service(f"s{number}", labels) for number, labels in enumerate(all_labels)]
    first = document(a_world(*services)).body
    order.shuffle(services)

    assert first == document(a_world(*services)).body


@given(LABELS)
def test_one_service_never_changes_what_older_ones_say(labels):
    older = [good(number) for number in range(3)]
    younger = a_service("younger", labels, created_at="2026-12-01T00:00:00Z")
    alone = json.loads(document(a_world(*older)).body)["http"]
    beside = json.loads(document(a_world(*older, younger)).body)["http"]

    for section, items in alone.items():
        assert items == {name: beside[section][name] for name in items}


@given(LABELS)
def test_no_section_is_empty(labels):
    content = json.loads(document(a_world(a_service("s", labels))).body)

    assert not any(not sections or any(not items for items in sections.values()) for sections in content.values())


@given(some.lists(some.integers(1, 30), max_size=8))
def test_servers_are_those_of_the_ready_tasks_each_once(slots):
    world = a_world(good(1), tasks=[a_task("good1", slot) for slot in slots])
    (service,) = json.loads(document(world).body)["http"]["services"].values()

    assert sorted({f"http://10.0.1.{slot}:80" for slot in slots}) == [
        server["url"] for server in service["loadBalancer"]["servers"]
    ]
