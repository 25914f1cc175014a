"""Versions, times, references, and the JSON that is made of objects."""

import pytest

from services.simulator.model import ApiError
from services.simulator.render import TaskCache, timestamp
from services.simulator.version import EngineVersion


def test_every_change_moves_the_one_index(scene):
    scene.create(replicas=2)
    versions = [item.version for table in ("node", "task", "service") for item in scene.store.table(table).values()]
    assert len(versions) == len(set(versions))
    assert max(versions) <= scene.store.index


def test_an_id_has_25_digits_to_the_base_36(scene):
    service = scene.create()
    assert (25, True) == (len(service.id), (service.id.isalnum() and service.id.islower()) or service.id.isdigit())


def test_a_reference_that_begins_several_ids_is_ambiguous(scene):
    ids = [scene.create(f"web-{number}").id for number in range(37)]  # they begin with one of 36 characters
    shared = next(one[0] for one in ids if sum(other.startswith(one[0]) for other in ids) > 1)
    with pytest.raises(ApiError, match=f"service {shared} is ambiguous"):
        scene.store.resolve("service", shared)


def test_a_reference_that_begins_one_id_is_that_one(scene):
    scene.create("web")
    service = scene.service("web")
    assert service == scene.store.resolve("service", service.id[:5])


def test_a_reference_that_begins_no_id_is_not_found(scene):
    with pytest.raises(ApiError, match="service z-z not found"):
        scene.store.resolve("service", "z-z")


def test_counts_by_node_follow_the_tasks(scene):
    scene.create(replicas=3)
    scene.write(replicas=1)
    scene.wait()
    assert 1 == sum(scene.store.active_on.values())
    scene.cluster.remove_service("web")
    scene.wait()
    assert 0 == sum(scene.store.active_on.values())


@pytest.mark.parametrize(
    ("at_ns", "text"),
    [
        (0, "0001-01-01T00:00:00Z"),
        (1_700_000_000 * 10**9, "2023-11-14T22:13:20Z"),
        (1_700_000_000 * 10**9 + 120_000_000, "2023-11-14T22:13:20.12Z"),
        (1_700_000_000 * 10**9 + 1, "2023-11-14T22:13:20.000000001Z"),
    ],
)
def test_times_are_written_as_go_writes_them(at_ns, text):
    assert text == timestamp(at_ns)


def test_a_tasks_json_is_made_once_for_each_version(scene):
    scene.create()
    cache = TaskCache()
    (task,) = scene.running()
    assert cache.encoded(task) is cache.encoded(task)


def test_a_seeded_swarm_runs_from_the_start(scene):
    scene.cluster.seed(5, 3)
    scene.wait(60)
    assert (15, 5) == (len(scene.store.tasks), len(scene.store.services))
    assert {"running"} == {task.state.word for task in scene.store.tasks.values()}


@pytest.mark.parametrize(
    ("engine", "api", "least"),
    [("20.10.24", "1.41", "1.12"), ("26.1.5", "1.45", "1.24"), ("27.5.1", "1.47", "1.24"), ("29.1.0", "1.52", "1.44")],
)
def test_an_engine_speaks_these_versions(engine, api, least):
    version = EngineVersion.parse(engine)
    assert (api, least) == (version.api_text, version.least_api_text)


@pytest.mark.parametrize("engine", ["19.03.1", "new"])
def test_no_other_engine_is_simulated(engine):
    with pytest.raises(ValueError, match="engine version"):
        EngineVersion.parse(engine)
