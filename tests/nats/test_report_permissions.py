"""Who may write and read reports and what policies keep, with the stack's configuration on a real nats-server."""

import asyncio
import json
from contextlib import nullcontext

import pytest

from funswarm.client import Client
from funswarm.errors import PermanentError
from funswarm.holds import Hold, hold_for
from funswarm.messages import Problem
from services.bus.policies import PolicyBucket
from services.bus.problems import ProblemTeller
from tests.nats.conftest import PASSWORDS


@pytest.mark.parametrize(
    ("writer", "reader"), [("api", "reader"), ("scheduler", "client"), ("client", None), ("reader", None)]
)
async def test_who_reads_labels_tells_what_is_wrong_with_them_and_all_read_it(secured, writer, reader):
    bus = await secured(writer)
    problem = Problem(source="traefik", service="web", label="traefik.enable", reason="no boolean")
    with nullcontext() if reader else pytest.raises(PermanentError, match="refuses publishing"):
        await ProblemTeller(bus, "traefik").tell("web", [problem])
    if reader:
        async with Client(bus.settings.url, user=reader, password=PASSWORDS[reader]) as client:
            assert (problem,) == (await client.health()).problems


async def test_what_policies_remember_the_scheduler_alone_keeps(secured):
    bucket = PolicyBucket(await secured("scheduler"))
    revision = await bucket.keep("web", b"{}", 0)
    assert (b"{}", revision) == ((await bucket.memory("web")).body, (await bucket.memories())[0].revision)


@pytest.mark.parametrize("user", ["api", "client"])
async def test_a_hold_that_a_user_puts_the_scheduler_hears_of_and_all_see(secured, user):
    scheduler, heard = await secured("scheduler"), asyncio.Event()
    bucket = PolicyBucket(scheduler)
    stop = await bucket.listen(heard.set)
    hold = Hold(service="web", policy="cron", until=hold_for(60))
    async with Client(scheduler.settings.url, user=user, password=PASSWORDS[user]) as client:
        await client.hold(hold)
        await asyncio.wait_for(heard.wait(), 60)
        assert [hold.model_dump_json().encode()] == await bucket.holds() == await bucket.holds_on("web", "cron")
        async with Client(scheduler.settings.url, user="reader", password=PASSWORDS["reader"]) as reader:
            assert (hold,) == await reader.holds() == await client.release("web")
        assert [] == await bucket.holds()
    await stop()


@pytest.mark.parametrize("user", ["api", "client", "reader"])
async def test_what_policies_decide_the_scheduler_tells_and_all_read(secured, user):
    scheduler, told = await secured("scheduler"), {"id": "d1", "time": "2026-11-23T12:00:00Z", "policy": "cron"}
    body = json.dumps(told | {"service": "web", "outcome": "nothing", "reason": "because"}).encode()
    subject, headers = scheduler.subjects.decision("cron", "web"), {"Nats-Msg-Id": "d1"}
    await scheduler.publish(subject, body, headers, scheduler.subjects.reports_stream)
    async with Client(scheduler.settings.url, user=user, password=PASSWORDS[user]) as client:
        assert ["because"] == [one.reason for one in (await client.decisions("web")).items]
