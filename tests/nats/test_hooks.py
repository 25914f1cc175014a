"""Webhooks: what is delivered, to whom, in which order, and what becomes of what is not taken."""

from tests.nats.hook_scene import client_of, got, happens, notifier, put, receiver


async def test_an_event_is_delivered_with_its_id(bus):
    async with notifier(bus), receiver() as to, client_of(bus) as client:
        await put(client, to)
        wanted = await happens(bus)
        assert [wanted] == await got(to, 1)
        assert wanted == to.got[0].event["id"]
