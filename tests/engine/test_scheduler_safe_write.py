"""The scheduler's safe write against an engine: what it does to running tasks, and what repeats leave alone."""

import pytest

from funswarm.errors import Refused, UnknownObject
from funswarm.messages import Code
from tests.engine.conftest import FOREVER, IMAGE, SECOND_NS
from tests.engine.scheduling import ids, running

SLOW = {"Parallelism": 1, "Delay": 600 * SECOND_NS, "Monitor": SECOND_NS // 10}
OTHER = ["sleep", "200000"]


def command_of(spec):
    return spec["TaskTemplate"]["ContainerSpec"]["Command"]


async def test_a_scale_keeps_the_tasks_that_run(engine, attempt):
    before = running(engine)
    await attempt("scale", replicas=2)
    assert before < ids(engine.until_running(engine.name, 2))


async def test_a_changed_label_restarts_nothing(engine, attempt):
    before = running(engine)
    await attempt("update", changes={"labels": {"a": "b"}})
    await attempt("scale", "c2", replicas=2)
    assert before < ids(engine.until_running(engine.name, 2))


async def test_a_scale_in_a_rollout_is_held_and_leaves_the_way_back(engine, attempt):
    running(engine, replicas=2, UpdateConfig=SLOW)
    await attempt("update", "c1", changes={"command": OTHER})
    engine.until_updated(engine.name, "updating")
    version = engine.service(engine.name)["Version"]
    assert "a rollout" in ((await attempt("scale", "c2", replicas=3)).held or "")
    assert (version, FOREVER) == (
        engine.service(engine.name)["Version"], command_of(engine.service(engine.name)["PreviousSpec"]),
    )  # fmt: skip
    await attempt("rollback", "c3")
    assert FOREVER == command_of(engine.until_updated(engine.name, "rollback_completed")["Spec"])


async def test_a_scale_after_a_rollout_keeps_the_tasks_that_it_brought(engine, attempt):
    running(engine)
    await attempt("update", "c1", changes={"command": OTHER})
    engine.until_updated(engine.name, "completed")
    before = ids(engine.until_running(engine.name, 1))
    assert (await attempt("scale", "c2", replicas=2)).changed
    assert before < ids(engine.until_running(engine.name, 2))


async def test_a_name_that_only_begins_another_is_none(engine, attempt):
    service_id = engine.create(engine.spec(suffix="-2"))
    for target in (engine.name, service_id[:12]):
        with pytest.raises(UnknownObject):
            await attempt("remove", target=target)
    assert service_id == engine.service(f"{engine.name}-2")["ID"]


async def test_a_name_that_begins_several_ids_is_none(engine, attempt):
    shared, seen = "", set[str]()
    while not shared and len(seen) < 37:  # ids begin with one of 36 characters
        first = engine.create(engine.spec(suffix=f"-{len(seen)}", replicas=0))[0]
        shared = first if first in seen else ""
        seen.add(first)
    with pytest.raises(UnknownObject):
        await attempt("scale", target=shared, replicas=2)


async def test_a_write_in_between_is_kept(engine, attempt, client, monkeypatch):
    running(engine)
    real, foreign = client.update_service, [{"foreign": "1"}]

    async def after_another(*arguments, **named):
        if foreign:
            engine.change(engine.name, lambda spec: spec.update(Labels=foreign.pop()))
        return await real(*arguments, **named)

    monkeypatch.setattr(client, "update_service", after_another)
    await attempt("scale", replicas=2)
    spec = engine.service(engine.name)["Spec"]
    assert ("1", {"Replicas": 2}) == (spec["Labels"]["foreign"], spec["Mode"]["Replicated"])


async def test_a_scale_does_not_run_a_job_again(engine, attempt):
    job(engine)
    with pytest.raises(Refused) as caught:
        await attempt("scale", replicas=2)
    assert (Code.WRONG_MODE, 0) == (caught.value.code, iteration(engine))


async def test_an_update_runs_a_job_once_however_often_it_is_delivered(engine, attempt):
    job(engine)
    for _ in range(2):
        assert (await attempt("update", changes={"total": 2})).changed
    assert 1 == iteration(engine)


async def test_a_restart_replaces_all_tasks_once_however_often_it_is_delivered(engine, attempt):
    before = running(engine)
    await attempt("restart")
    engine.until_updated(engine.name, "completed")
    after = ids(engine.until_running(engine.name, 1))
    await attempt("restart")
    assert (set(), after) == (before & after, ids(engine.until_running(engine.name, 1)))


async def test_a_rollback_goes_back_once_however_often_it_is_delivered(engine, attempt):
    running(engine)
    await attempt("update", "c1", changes={"command": OTHER})
    engine.until_updated(engine.name, "completed")
    await attempt("rollback", "c2")
    engine.until_updated(engine.name, "rollback_completed")
    assert (await attempt("rollback", "c2")).changed
    service = engine.service(engine.name)
    assert (FOREVER, OTHER) == (command_of(service["Spec"]), command_of(service["PreviousSpec"]))


async def test_a_removal_spares_what_bears_the_name_later(engine, attempt):
    engine.create()
    assert (await attempt("remove")).changed
    later = engine.create()
    assert (await attempt("remove")).changed
    assert later == engine.service(engine.name)["ID"]


async def test_a_service_is_created_once_however_often_it_is_delivered(engine, attempt):
    service = {"name": engine.name, "image": IMAGE, "command": FOREVER, "stop_grace_period": "10ms"}
    outcomes = [await attempt("create", service=service) for _ in range(2)]
    engine.undo_later(lambda: engine.api.remove_service(engine.name))
    assert [True, True] == [outcome.changed for outcome in outcomes]
    assert outcomes[0].created_id == outcomes[1].service["ID"]
    engine.until_running(engine.name, 1)


async def test_a_taken_name_is_refused(engine, attempt):
    engine.create()
    with pytest.raises(Refused) as caught:
        await attempt("create", service={"name": engine.name, "image": IMAGE})
    assert Code.NAME_TAKEN == caught.value.code


def job(engine):
    """A job that has completed once."""
    engine.create({**engine.spec(["true"]), "Mode": {"ReplicatedJob": {"TotalCompletions": 1, "MaxConcurrent": 1}}})
    engine.until_state(engine.name, "complete")


def iteration(engine):
    return engine.service(engine.name)["JobStatus"]["JobIteration"].get("Index", 0)
