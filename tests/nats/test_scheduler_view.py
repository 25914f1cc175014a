"""The active scheduler follows the feed: over a real nats-server, with a poller against the same simulated Swarm."""

import re
from contextlib import aclosing

import pytest

from funswarm.changes import Changed, SnapshotEnd
from funswarm.how import How
from funswarm.messages import Result
from funswarm.spec import ServicePatch, ServiceSpec
from funswarm.state import UpdateStatus
from services.bus.client import sdk_client
from services.bus.settings import NatsSettings
from tests.builders import a_service
from tests.nats.scheduler_scene import Scene, done, scene
from tests.servers import nats_server
from tests.waiting import until

ROLLING = ServiceSpec.model_validate(
    {"name": "web", "image": "nginx:1", "replicas": 2, "update_config": {"delay": "1s", "monitor": "10ms"}}
)


@pytest.fixture
async def swarm():
    async with scene() as running:
        running.start()
        await running.active()
        yield running


@pytest.fixture
async def watched(swarm: Scene):
    swarm.start_poller()
    return swarm


async def test_a_held_scale_goes_on_by_the_event_that_the_rollout_has_settled(watched, monkeypatch):
    monkeypatch.setattr("services.scheduler.worker.HELD_CHECK_S", 600.0)
    done(await watched.client.create(ROLLING))
    done(await watched.client.update("web", ServicePatch(image="nginx:2")))
    result = done(await watched.client.scale("web", 5, how=How(wait_s=60)))
    previous = watched.service("web").previous_spec["TaskTemplate"]["ContainerSpec"]["Image"]
    assert (True, "nginx:2") == (result.changed, previous.partition("@")[0])


async def test_a_held_scale_goes_on_without_a_poller_too(swarm, monkeypatch):
    monkeypatch.setattr("services.scheduler.worker.HELD_CHECK_S", 0.2)
    done(await swarm.client.create(ROLLING))
    done(await swarm.client.update("web", ServicePatch(image="nginx:2")))
    assert done(await swarm.client.scale("web", 5, how=How(wait_s=60))).changed


async def test_an_unknown_service_is_refused_with_the_nearest_name(watched):
    done(await watched.client.create(ROLLING))
    await until(lambda: _refused_with(watched, "did you mean 'web'"), "the suggestion")


async def test_a_removed_service_is_suggested_no_more(watched):
    done(await watched.client.create(ROLLING))
    await until(lambda: _refused_with(watched, "did you mean 'web'"), "the suggestion")
    done(await watched.client.remove("web"))
    await until(lambda: _refused_with(watched, "there is no service 'wep'", but_not="did you mean"), "none")


async def test_the_active_scheduler_tells_how_its_view_is(watched):
    done(await watched.client.create(ROLLING))
    await until(lambda: _measures(watched, complete=1, services=1), "a complete view")


async def test_a_view_without_a_poller_is_complete_and_empty_and_the_scheduler_well(swarm):
    await until(lambda: _measures(swarm, complete=1, services=0), "an empty view")
    assert (await swarm.active()).ok


async def test_the_view_goes_on_after_nats_was_killed(watched):
    done(await watched.client.create(ROLLING))
    await until(lambda: _measures(watched, services=1), "the view")
    await watched.nats.kill()
    watched.cluster.remove_service(watched.service("web").id)
    await watched.nats.start()
    await until(lambda: _measures(watched, complete=1, services=0), "the removal")


async def test_events_name_the_commands_that_wrote_but_no_old_one_for_a_rollback(watched):
    commands: list[str | None] = []

    async def told(feed, state: str) -> None:
        async for item in feed:
            commands.append(item.event.command)
            if (item.event.after.update_status or UpdateStatus(state="")).state == state:
                return

    async with aclosing(watched.client.changes(kinds=["service"], since=0)) as feed:
        done(await watched.client.create(ROLLING, how=How(id="first")))
        await until(lambda: _measures(watched, services=1), "the creation")
        done(await watched.client.update("web", ServicePatch(image="nginx:2"), how=How(id="second")))
        await told(feed, "completed")
        done(await watched.client.rollback("web", how=How(id="third")))
        await told(feed, "rollback_completed")
    assert ["first", "second"] == [command for command in commands if command]


async def test_the_stacks_scheduler_may_follow_the_feed(tmp_path, connect):
    passwords = {user: f"p-{user}" for user in ("poller", "scheduler", "api", "client")}
    with nats_server(tmp_path, passwords=passwords) as server:
        poller = await connect(server, user="poller", password="p-poller")
        await poller.declare()
        settings = NatsSettings(url=server.url, user="scheduler", password="p-scheduler")
        async with sdk_client(settings, "test") as client:
            feed = client.changes(kinds=["service"])
            await until(lambda: _is(feed, SnapshotEnd), "the snapshot")
            subject = poller.subjects.event("service", "created", "web")
            await poller.publish(subject, b"{}", {"Nats-Msg-Id": a_service().id}, poller.subjects.events_stream)
            await until(lambda: _is(feed, Changed), "the event")
            await feed.aclose()


async def _is(feed, kind) -> bool:
    return isinstance(await feed.next(1.0), kind)


async def _refused_with(swarm: Scene, words: str, but_not: str = "-") -> bool:
    result: Result = done(await swarm.client.scale("wep", 1))
    return words in (result.reason or "") and but_not not in (result.reason or "")


async def _measures(swarm: Scene, **wanted: int) -> bool:
    text = await swarm.client.metrics()
    return all(
        re.search(rf"^funswarm_scheduler_view_{what}({{.*}})? {count}\.0$", text, re.MULTILINE)
        for what, count in wanted.items()
    )
