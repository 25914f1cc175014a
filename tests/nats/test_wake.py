"""Wake on request at work: a real nats-server, a simulated Swarm, a poller, schedulers, and the api."""

import asyncio
import json

import httpx
import pytest

from funswarm.client import Client
from funswarm.decisions import Decision
from funswarm.errors import InvalidRequest
from funswarm.spec import ServiceSpec
from services.bus.connection import Bus
from services.bus.policies import PolicyBucket
from services.bus.sessions import SessionBucket
from services.bus.settings import NatsSettings
from services.scheduler.policies.autoscale.gauges import NatsGauges
from services.scheduler.policies.autoscale.policy import Autoscale
from services.scheduler.policies.autoscale.readers import Readers
from services.scheduler.policies.wake import Wake
from services.scheduler.policies.wake_sessions import SessionBook
from tests.nats.api_scene import serving
from tests.nats.scheduler_scene import Scene, at_work, done
from tests.waiting import until

STATUS = "X-Sablier-Session-Status"


def web(labels: dict[str, str] | None = None, *, replicas: int = 0) -> ServiceSpec:
    named = {"sablier.enable": "true", **{f"funswarm.{key}": value for key, value in (labels or {}).items()}}
    return ServiceSpec.model_validate({"name": "web", "image": "nginx:1", "replicas": replicas, "labels": named})


def both(bus: Bus, *_: object) -> tuple[Wake, Autoscale]:
    sessions = SessionBook(SessionBucket(bus))
    return Wake(sessions), Autoscale(NatsGauges(bus, Readers(bus, None)), sessions)


@pytest.fixture
async def swarm(monkeypatch):
    monkeypatch.setattr("services.scheduler.policies.start.policies", both)
    async with at_work() as running:
        yield running


@pytest.fixture
async def bus(swarm):
    found = await Bus.connect(NatsSettings(url=swarm.nats.url), "tests")
    yield found
    await found.close()


@pytest.fixture
async def http(swarm):
    async with serving(swarm.nats.url) as client:
        yield client


async def asked(http: httpx.AsyncClient, query: str, strategy: str = "poke") -> httpx.Response:
    """As soon as the api knows of the service."""
    found: list[httpx.Response] = []

    async def known() -> bool:
        answer = await http.get(f"/api/strategies/{strategy}?{query}")
        found[:] = [answer]
        return answer.status_code not in (404, 503)

    await until(known, "the service in the feed")
    return found[0]


async def told(swarm: Scene, policy: str = "wake") -> list[Decision]:
    """What was commanded, the first one first."""
    page = await swarm.client.decisions("web", policy=policy)
    return [one for one in reversed(page.items) if one.command_id is not None]


async def reasons(swarm: Scene) -> list[str]:
    """Of all that was said."""
    return [one.reason for one in (await swarm.client.decisions("web", policy="wake")).items]


async def seen_awake(bus: Bus) -> bool:
    """Whether it is remembered that it has come up."""
    kept = await PolicyBucket(bus).memories()
    return any(json.loads(one.body)["memories"].get("wake", {}).get("phase") == "up" for one in kept)


async def test_a_request_wakes_a_service_which_sleeps_again_when_nobody_asks(swarm, http):
    done(await swarm.client.create(web()))
    answer = await asked(http, "names=web&session_duration=2s&timeout=2m", "blocking")
    assert (200, "ready") == (answer.status_code, answer.headers[STATUS])
    await until(lambda: swarm.replicas("web") == 0, "its sleep")

    async def explained() -> bool:
        return {"somebody asks for it", "nobody asks for it any more"} == {*await reasons(swarm)}

    await until(explained, "both decisions")


async def test_a_group_is_woken_by_its_name(swarm, http):
    done(await swarm.client.create(web({"wake.group": "shop", "wake.active-replicas": "2"})))
    await asked(http, "group=shop")
    await until(lambda: swarm.replicas("web") == 2, "two replicas")


async def test_a_session_outlives_the_scheduler(swarm, http):
    done(await swarm.client.create(web()))
    await swarm.stop()
    await asked(http, "names=web&session_duration=1h")
    assert 0 == swarm.replicas("web")
    swarm.start("two")
    await until(lambda: swarm.replicas("web") == 1, "what was asked for meanwhile")


async def test_its_end_is_not_lost_with_a_scheduler_that_is_killed(swarm, http):
    await swarm.stop()
    first = await swarm.spawn()
    await swarm.active()
    done(await swarm.client.create(web()))

    async def woken() -> bool:
        await asked(http, "names=web&session_duration=3s")
        return bool(swarm.replicas("web") == 1)

    await until(woken, "one replica")
    first.kill()
    await first.wait()
    swarm.start("two")
    await until(lambda: swarm.replicas("web") == 0, "its sleep")


async def test_what_somebody_scales_down_in_a_session_stays_so_for_a_successor_too(swarm, http, bus):
    done(await swarm.client.create(web()))
    await asked(http, "names=web&session_duration=1h&timeout=2m", "blocking")
    await until(lambda: seen_awake(bus), "the memory")
    await swarm.stop()
    swarm.start("two")
    await swarm.active()
    done(await swarm.client.scale("web", 0))

    async def respected() -> bool:
        return any("left so" in one for one in await reasons(swarm))

    await until(respected, "the decision")
    assert 0 == swarm.replicas("web")


async def test_two_schedulers_wake_it_once(swarm, http):
    swarm.start("two")
    done(await swarm.client.create(web()))
    await asked(http, "names=web&session_duration=1h&timeout=2m", "blocking")
    await until(lambda: told(swarm), "the decision")
    assert 1 == len(await told(swarm))


async def test_one_that_is_deployed_awake_goes_idle_when_nobody_comes(swarm):
    done(await swarm.client.create(web({"wake.idle-after": "1s"}, replicas=1)))
    await until(lambda: swarm.replicas("web") == 0, "its sleep")
    decision = (await until(lambda: told(swarm), "the decision"))[0]
    assert "was started otherwise" in decision.reason


async def test_autoscale_takes_a_session_for_a_trigger(swarm, http):
    labels = {"autoscale.enable": "true", "autoscale.min": "0", "autoscale.push": "10", "autoscale.cooldown": "1s"}
    done(await swarm.client.create(web(labels)))
    await asked(http, "names=web&session_duration=1s&timeout=2m", "blocking")
    decision = (await until(lambda: told(swarm, "autoscale"), "the decision"))[0]
    assert "who asks for it wants 1 at least" == decision.reason
    assert [] == await told(swarm)


# Sessions in NATS.
async def test_a_session_only_gets_longer(swarm):
    first = await swarm.client.wake("web", 60)
    assert first == await swarm.client.wake("web", 10)
    longer = await swarm.client.wake("web", 600)
    assert (True, first.since) == (longer.until > first.until, longer.since)
    assert longer == await swarm.client.session("web")


async def test_it_lasts_at_least_as_long_as_each_of_many_was_told(swarm):
    async with Client(swarm.nats.url) as other:
        opened = await asyncio.gather(
            *(one.wake("web", lasts) for lasts in (5, 50, 30) for one in (swarm.client, other))
        )
    kept = await swarm.client.session("web")
    assert kept is not None
    assert kept.until >= max(one.until for one in opened)


async def test_one_that_is_over_is_none(swarm):
    await swarm.client.wake("web", 1)

    async def over() -> bool:
        return await swarm.client.session("web") is None

    await until(over, "its end")


@pytest.mark.parametrize("lasts_s", [0.5, 8 * 86_400])
async def test_it_is_neither_shorter_than_a_second_nor_longer_than_a_week(swarm, lasts_s):
    with pytest.raises(InvalidRequest, match="7 days"):
        await swarm.client.wake("web", lasts_s)
