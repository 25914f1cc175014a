"""What each user of services/nats.conf may do with webhooks, and what not: with the stack's configuration."""

import asyncio
from contextlib import suppress

import pytest

from funswarm.client import Client
from funswarm.errors import PermanentError, Unavailable
from funswarm.hooks import Delivered
from services.bus.jetstream import call
from services.bus.reading import stored_at
from tests.nats.conftest import PASSWORDS
from tests.nats.hook_scene import got, happens, notifier, put, receiver
from tests.waiting import until


async def test_webhooks_need_no_more_than_the_stack_permits(secured):
    bus = await secured("notifier")
    settings = bus.settings
    async with (
        notifier(bus),
        receiver() as to,
        Client(settings.url, user="client", password=PASSWORDS["client"]) as client,
    ):
        await until(lambda: hooks_answer(client), "an active notifier")
        await put(client, to, labels=["team"], kinds=["service"])
        wanted = await happens(await secured("poller"), team="a")
        assert [wanted] == await got(to, 1)
        to.say = lambda _: (422, "")
        await happens(await secured("poller"), team="a")
        letter = (await until(lambda: dead_letters(client), "a dead letter"))[0]
        to.say = lambda _: (204, "")
        delivered = await client.replay(letter.sequence)
        assert isinstance(delivered, Delivered)
        assert delivered.ok
        await client.remove_hook("alerts")


async def hooks_answer(client):
    with suppress(Unavailable):
        return () == await client.hooks()
    return False


async def dead_letters(client):
    return (await client.dead_letters()).items


@pytest.mark.parametrize("user", ["poller", "scheduler", "api", "client", "reader"])
async def test_only_the_notifier_can_read_the_secrets_of_webhooks(secured, user):
    other = await secured(user)
    stream, subject = f"KV_{other.subjects.hooks_bucket}", f"$KV.{other.subjects.hooks_bucket}.alerts"
    for ask in (
        lambda: other.last(stream, subject),
        lambda: stored_at(other, stream, 1),
        lambda: other.answer_all(subject, lambda _: asyncio.sleep(0, b"")),
        lambda: call(other.link, f"CONSUMER.CREATE.{stream}", {"stream_name": stream, "config": {}}),
    ):
        with pytest.raises(PermanentError, match="refuses"):
            await ask()


async def test_a_reader_may_not_ask_about_webhooks(secured):
    reader = await secured("reader")
    with pytest.raises(PermanentError, match="refuses publishing"):
        await reader.request(reader.subjects.hooks("list"), b"", 60)
