"""The poller where the engine is odd, or what it tells: silent, slow, restored, in a frenzy, too large for NATS."""

import asyncio
import time

import pytest

from funswarm.state import EngineState, ServiceState
from services.bus.jetstream import call
from services.engine import understood
from services.engine.client import Engine
from services.poller.pacing import BURST, RATE_PER_S
from services.simulator.faults import Faults
from tests.checker import bucket_of, fold, problems_of
from tests.pollers import POLLER, World, world
from tests.servers import NatsServer, nats_server
from tests.waiting import until


@pytest.fixture
async def swarm(shared_nats: NatsServer):
    async with world(shared_nats.url) as one:
        yield one


@pytest.fixture
async def watched(swarm):
    async with swarm.poller():
        await swarm.active()
        yield swarm


async def test_kinds_that_are_no_longer_watched_leave_the_state(swarm: World):
    async with swarm.poller(watch=("network",)):
        await swarm.seen("network", "ingress", "created")
    async with swarm.poller():
        await swarm.seen("network", "ingress", "unwatched")
        await swarm.right()

        assert "network" not in {kind for kind, _ in await bucket_of(swarm.bus)}
    async with swarm.poller(watch=("network",)):
        await swarm.seen("network", "ingress", "created")

        async def back() -> bool:
            return "network" in {kind for kind, _ in await bucket_of(swarm.bus)}

        await until(back, "the network to be back")


async def test_a_swarm_restored_from_an_older_backup_is_followed_back(swarm: World, monkeypatch):
    monkeypatch.setattr("services.poller.lists.BACK_S", 1.0)
    service_id = await swarm.create("web", replicas=0)
    store = swarm.cluster.store
    async with swarm.poller():
        await swarm.seen("service", "web", "created")
        backup = store.services[service_id]
        for number in range(5):
            await swarm.change(service_id, Labels={"n": str(number)})
        await swarm.right()

        store.services[service_id] = backup
        await swarm.simulator.restart(0.1)

        async def followed() -> bool:
            state = (await bucket_of(swarm.bus)).get(("service", service_id))  # none where it is just being replaced
            return state is not None and state.version == backup.version

        await until(followed, "the older version to be published")
        _, problems = fold(await swarm.events())
        assert ["the version goes back"] == [problem.partition("): ")[2] for problem in problems]

        async def agreed() -> bool:
            folded, _ = fold(await swarm.events())
            return folded == await bucket_of(swarm.bus)

        await until(agreed, "the bucket to follow the events")


async def test_an_object_that_cannot_be_understood_is_told_and_leaves_the_poller_well(swarm: World, monkeypatch):
    real = understood.service_state

    def service_state(raw, networks):
        if raw["Spec"]["Name"] == "odd":
            raise ValueError("a mode of the future")
        return real(raw, networks)

    monkeypatch.setattr(understood, "service_state", service_state)
    async with swarm.poller():
        await swarm.active()
        odd = await swarm.create("odd", replicas=0)

        async def told() -> bool:
            return "a mode of the future" in ((await swarm.active()).reason or "")

        await until(told, "the health to tell of it")
        (metrics,) = await swarm.bus.gather(swarm.bus.subjects.part_metrics, b"", 60.0, bool)
        assert b'funswarm_poller_misunderstood{instance="poller-1",kind="service"} 1.0' in metrics
        assert (await swarm.active()).ok

        await swarm.engine.remove_service(odd)

        async def well() -> bool:
            return (await swarm.active()).reason is None

        await until(well, "the health to tell nothing")


async def test_a_silent_stream_is_reported_healed_and_made_good(watched: World):
    watched.simulator.set_faults(Faults(events_silent=True))
    await watched.create("quiet", replicas=1)
    await watched.seen("service", "quiet", "created")

    async def streams() -> list[str]:
        return [event.after.stream for event in await watched.events("engine") if isinstance(event.after, EngineState)]

    async def told() -> bool:
        return "silent" in await streams()

    await until(told, "the silence to be told")
    watched.simulator.set_faults(Faults())

    async def healed() -> bool:
        return (await streams())[-1] == "open"

    await until(healed, "the stream to be open")
    await watched.right()


async def test_an_engine_that_restarts_loses_nothing(watched: World):
    await watched.create("before", replicas=1)
    await watched.simulator.restart(0.3)
    await watched.create("after", replicas=1)
    await watched.settled("after")
    await watched.right()


async def test_an_object_in_a_frenzy_is_coalesced_and_its_chain_is_whole(watched: World):
    service_id = await watched.create("web", replicas=0)
    await watched.seen("service", "web", "created")
    began = time.monotonic()
    for number in range(300):
        await watched.change(service_id, Labels={"n": str(number)})
    await watched.right()

    lists_per_s = 1 / POLLER.interval_min_s
    most = BURST + (RATE_PER_S + lists_per_s) * (time.monotonic() - began) + 2  # the creation, and the last
    assert len(await watched.events("service", "web")) <= most


async def test_an_event_too_large_for_nats_loses_its_spec_not_its_place(watched: World):
    service_id = await watched.create("big", replicas=0, Labels={"big": "x" * 700_000})
    event = await watched.seen("service", "big", "created")
    await watched.engine.remove_service(service_id)

    assert isinstance(event.after, ServiceState)
    assert event.after.spec == {}
    assert (await watched.seen("service", "big", "removed")).before == event.after


@pytest.mark.parametrize("narrow", ["server", "stream"])
async def test_an_event_that_nats_takes_at_no_time_is_cut_and_holds_up_nothing(tmp_path, narrow):
    extra = "max_payload: 20000" if narrow == "server" else ""
    with nats_server(tmp_path, extra) as server:
        async with world(server.url) as swarm:
            if narrow == "stream":
                stream = swarm.bus.subjects.events_stream
                config = (await call(swarm.bus.link, f"STREAM.INFO.{stream}"))["config"]
                await call(swarm.bus.link, f"STREAM.UPDATE.{stream}", config | {"max_msg_size": 20_000})
            for number in range(5):  # so many that they are written as a batch
                await swarm.create(f"big{number}", replicas=0, Labels={"big": "x" * 30_000})
            async with swarm.poller():
                for number in range(5):
                    assert (await swarm.seen("service", f"big{number}", "created")).cut
                big = (await swarm.events("service", "big0"))[0].object_id
                await swarm.change(big, Labels={"big": "y" * 30_000})
                await swarm.create("web", replicas=1)
                await swarm.seen("service", "web", "created")
                await swarm.engine.remove_service(big)
                removed = await swarm.seen("service", "big0", "removed")
                (health,) = await swarm.health()
                (metrics,) = await swarm.bus.gather(swarm.bus.subjects.part_metrics, b"", 60.0, bool)

                assert isinstance(removed.before, ServiceState)
                assert (removed.before.name, removed.before.labels) == ("big0", {})
                assert health.ok
                assert "events of" in (health.reason or "")
                assert b"funswarm_poller_events_cut_total{" in metrics

                async def right() -> bool:
                    return not await problems_of(swarm.bus)

                await until(right, "the feed to agree with itself")


async def test_an_engine_that_comes_late_is_watched(swarm: World):
    await swarm.simulator.stop_listening()
    async with swarm.poller():
        assert await until(swarm.health, "an answer")
        await swarm.simulator.listen()

        async def well() -> bool:
            return any(one.active and one.ok for one in await swarm.health())

        await until(well, "a healthy poller")


async def test_data_that_were_never_listed_are_infinitely_old(swarm: World, monkeypatch):
    listed, real = asyncio.Event(), Engine.list

    async def waits(engine: Engine, *arguments):
        await listed.wait()
        return await real(engine, *arguments)

    monkeypatch.setattr(Engine, "list", waits)
    async with swarm.poller():

        async def told() -> bool:
            pages = await swarm.bus.gather(swarm.bus.subjects.part_metrics, b"", 60.0, bool)
            return b'funswarm_poller_data_age_seconds{instance="poller-1"} +Inf' in b"".join(pages)

        await until(told, "the metrics to say so")
        listed.set()


async def test_a_slow_engine_is_watched_all_the_same(watched: World):
    watched.simulator.set_faults(Faults(slow_s=0.5))
    create = asyncio.create_task(watched.create("slow", replicas=1))
    await watched.settled("slow")
    await create
