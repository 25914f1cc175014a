"""Dead letters: to be looked at, sent again under a new id, and dropped."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from funswarm.client import Client
from funswarm.commands import ScaleCommand
from funswarm.errors import InvalidRequest, Unavailable, UnknownObject
from funswarm.how import How
from funswarm.messages import MSG_ID_HEADER, Code, DeadLetter, ResultStatus
from funswarm.state import REDACTED
from services.scheduler.store import NatsStore
from tests.nats.client_scene import scheduling

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCALE = ScaleCommand(id="c1", target="web", replicas=3, deadline=NOW, requested_by="me")


@pytest.fixture
async def client(bus) -> AsyncIterator[Client]:
    async with Client(bus.settings.url, prefix=bus.subjects.prefix, name="tester") as client:
        yield client


async def bury(bus, body: str | None = None, number: int = 1, **others) -> None:
    subject = bus.subjects.command("scale", "web")
    text = SCALE.model_dump_json() if body is None else body
    fields = {"reason": "a bug", "code": Code.INTERNAL, "at": NOW, "headers": {MSG_ID_HEADER: "c1"}, **others}
    await NatsStore(bus, lambda: True).bury(DeadLetter(subject=subject, body=text, **fields), "scale", "web", number)


async def test_letters_are_listed_the_newest_first(bus, client):
    for number in (1, 2, 3):
        await bury(bus, number=number)
    page = await client.dead_letters(limit=2)
    assert ([3, 2], [1]) == (
        [one.sequence for one in page.items],
        [one.sequence for one in (await client.dead_letters(after=page.next)).items],
    )


async def test_a_letter_has_the_reason_and_the_original(bus, client):
    await bury(bus)
    kept = await client.dead_letter(1)
    assert ("scale", "web", "c1", "a bug") == (kept.verb, kept.target, kept.command_id, kept.letter.reason)
    assert SCALE.model_dump_json() == kept.letter.body


async def test_what_is_no_letter_of_this_version_can_be_looked_at_and_dropped(bus, client):
    subject, headers = bus.subjects.dead("scale", "web"), {MSG_ID_HEADER: "x"}
    await bus.publish(subject, b'{"reason": 1}', headers, bus.subjects.dead_stream)
    assert "not understood" in (await client.dead_letters()).items[0].letter.reason
    await client.drop(1)


async def test_a_letter_is_sent_again_as_a_new_command_and_dropped(bus, client):
    await bury(bus)
    async with scheduling(bus) as done:
        result = await client.replay(1)
    assert (ResultStatus.SUCCEEDED, [3]) == (result.status, [getattr(command, "replicas", None) for command in done])
    assert (True, None, "tester") == (done[0].id != "c1", done[0].deadline, done[0].requested_by)
    assert () == (await client.dead_letters()).items


async def test_a_letter_that_is_sent_again_twice_is_one_command(bus, client, monkeypatch):
    await bury(bus)

    async def lost(*_: object) -> bool:
        raise Unavailable("the connection is lost")

    with monkeypatch.context() as broken, pytest.raises(Unavailable):
        broken.setattr("funswarm.dead.delete_message", lost)
        await client.replay(1, how=How(wait_s=0))
    async with scheduling(bus) as done:
        await client.replay(1)
    assert (1, ()) == (len(done), (await client.dead_letters()).items)


async def test_a_letter_is_kept_where_nats_does_not_take_its_command(bus, client, monkeypatch):
    await bury(bus)

    async def away(*_: object) -> None:
        raise Unavailable("NATS is away")

    monkeypatch.setattr("funswarm.dead.submit", away)
    with pytest.raises(Unavailable):
        await client.replay(1)
    assert 1 == (await client.dead_letter(1)).sequence


@pytest.mark.parametrize("body", ["no JSON", '{"id": "c1"}', ""])
async def test_what_is_no_command_is_not_sent_again(bus, client, body):
    await bury(bus, body)
    with pytest.raises(InvalidRequest, match="drop it"):
        await client.replay(1)
    assert 1 == (await client.dead_letter(1)).sequence


async def test_a_letter_that_is_dropped_is_gone(bus, client):
    await bury(bus)
    await client.drop(1)
    with pytest.raises(UnknownObject, match="no dead letter 1"):
        await client.dead_letter(1)


@pytest.mark.parametrize(("given", "by"), [({}, "tester"), ({"requested_by": "alice"}, "alice")])
async def test_who_dropped_a_letter_is_on_record(bus, client, given, by):
    await bury(bus)
    await client.drop(1, **given)
    (record,) = (await client.commands(verb="drop")).items
    assert ("1", "succeeded", by, "the dead letter of scale web") == (
        record.target, record.status, record.requested_by, record.reason,
    )  # fmt: skip


async def test_a_letter_stays_where_its_drop_cannot_be_recorded(bus, client, monkeypatch):
    await bury(bus)

    async def away(*_: object) -> None:
        raise Unavailable("NATS is away")

    monkeypatch.setattr("funswarm.dead.publish", away)
    with pytest.raises(Unavailable):
        await client.drop(1)
    assert 1 == (await client.dead_letter(1)).sequence


async def test_of_a_letter_without_its_secrets_it_is_said_what_is_missing(bus, client):
    service = {"name": "web", "image": "x", "env": {"PASSWORD": REDACTED, "USER": REDACTED}}
    await bury(bus, json.dumps({"id": "c1", "verb": "create", "target": "web", "service": service}), redacted=True)
    missing = "may be secret: service.env.PASSWORD, service.env.USER. Look at"
    with pytest.raises(InvalidRequest, match=missing) as caught:
        await client.replay(1)
    assert "send scale web anew with these" in str(caught.value)


@pytest.mark.parametrize("sequence", [0, 1, 99])
@pytest.mark.parametrize("act", ["dead_letter", "replay", "drop"])
async def test_what_is_not_there_is_said(client, act, sequence):
    with pytest.raises(UnknownObject):
        await getattr(client, act)(sequence)
