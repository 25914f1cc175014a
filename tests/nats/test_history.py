"""The history: what waits and what ended, newest first, by filters, page by page; also what is rare among much."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from funswarm.commands import ScaleCommand
from funswarm.errors import InvalidRequest
from funswarm.how import How
from funswarm.messages import Code
from funswarm.records import CommandRecord, RecordStatus, denied
from services.api.access import Denied
from services.api.denials import Denials
from services.bus.audit import write_records
from tests.nats.client_scene import scheduling
from tests.waiting import until

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def record(number: int, target: str = "web", status: str = "succeeded", verb: str = "scale", **others) -> CommandRecord:
    fields = {"command_id": f"c{number}", "verb": verb, "target": target, "finished_at": NOW, **others}
    return CommandRecord(status=RecordStatus(status), **fields)


async def write(bus, *records: CommandRecord) -> None:
    for start in range(0, len(records), 256):
        await write_records(bus, records[start : start + 256])


def ids(page) -> list[str]:
    return [one.command_id for one in page.items]


async def test_the_newest_come_first(bus, client):
    await write(bus, *(record(number) for number in range(3)))
    assert ["c2", "c1", "c0"] == ids(await client.commands())


async def test_a_record_comes_as_it_was_written(bus, client):
    one = record(1, reason="because", requested_by="me", code=Code.ROLLOUT, accepted_at=NOW, changed=True)
    await write(bus, one)
    assert (one,) == (await client.commands()).items


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"target": "api.example"}, ["c2"]),
        ({"verb": "remove"}, ["c3"]),
        ({"status": "refused"}, ["c4"]),
        ({"requested_by": "me"}, ["c5"]),
        ({"target": "web", "requested_by": "you"}, []),
    ],
    ids=str,
)
async def test_it_can_be_asked_for_some(bus, client, asked, expected):
    await write(bus, record(1), record(2, "api.example"), record(3, verb="remove"), record(4, status="refused"))
    await write(bus, record(5, requested_by="me"))
    assert expected == ids(await client.commands(**asked))


async def test_pages_follow_one_another_without_gap_or_repeat(bus, client):
    await write(bus, *(record(number, f"s{number % 3}") for number in range(1000)))
    got, after = [], None
    while True:
        page = await client.commands(target="s1", limit=90, after=after)
        got += ids(page)
        if (after := page.next) is None:
            break
    assert [f"c{number}" for number in range(999, -1, -1) if number % 3 == 1] == got


@pytest.mark.parametrize("place", [0, 700, 1999])
async def test_what_is_rare_is_found_among_much(bus, client, place):
    await write(bus, *(record(number, "web" if number == place else "other") for number in range(2000)))
    assert [f"c{place}"] == ids(await client.commands(target="web"))


async def test_what_waits_comes_first_and_is_pending(bus, client):
    await write(bus, record(1))
    await client.scale("web", 3, how=How(id="waits", wait_s=0, requested_by="me"))
    page = await client.commands()
    assert ["waits", "c1"] == ids(page)
    assert (RecordStatus.PENDING, "me") == (page.items[0].status, page.items[0].requested_by)
    assert ["waits"] == ids(await client.commands(status="pending"))
    assert ["c1"] == ids(await client.commands(status="succeeded"))


async def test_a_command_is_known_to_wait_by_its_id(client):
    await client.scale("web", 3, how=How(id="waits", wait_s=0))
    assert await client.waiting_command("wait") is None
    waiting = await client.waiting_command("waits")
    assert ("waits", RecordStatus.PENDING) == (waiting.command_id, waiting.status)


async def test_pages_go_on_from_what_waits_to_what_ended(bus, client):
    await write(bus, record(1), record(2))
    for number in range(3):
        await client.scale("web", 3, how=How(id=f"w{number}", wait_s=0))
    got, after = [], None
    for _ in range(4):
        page = await client.commands(limit=2, after=after)
        got.append(ids(page))
        if (after := page.next) is None:
            break
    assert [["w2", "w1"], ["w0", "c2"], ["c1"]] == got


async def test_only_what_is_newer_is_given(bus, client):
    await write(bus, record(1))
    assert (["c1"], []) == (
        ids(await client.commands(since="10m")),
        ids(await client.commands(since=datetime.now(UTC) + timedelta(seconds=30))),
    )


async def test_what_the_api_denied_is_given_to_who_asks_for_it(bus, client):
    refusal = denied("DELETE", "/v1/services/web", "eve", code=Code.FORBIDDEN, reason="role", now=NOW)
    await write(bus, refusal, record(1))
    assert ["c1"] == ids(await client.commands())
    assert (refusal,) == (await client.commands(status="denied")).items


@pytest.mark.parametrize(
    "asked", [{"status": "odd"}, {"limit": 0}, {"after": "x"}, {"since": 5}, {"target": ""}], ids=str
)
async def test_what_cannot_be_meant_is_refused(client, asked):
    with pytest.raises(InvalidRequest):
        await client.commands(**asked)


async def test_what_the_api_denies_is_written_down(bus, client):
    denials = Denials()
    denials.add({"method": "POST", "path": "/v1/services", "client": None}, Denied(401, "unauthenticated", "no token"))
    writing = asyncio.create_task(denials.run(bus))

    async def written() -> bool:
        return ["POST"] == [one.verb for one in (await client.commands(status="denied")).items]

    await until(written, "the record")
    writing.cancel()


async def test_a_record_is_kept_once_however_often_it_is_written(bus, client):
    for _ in range(2):
        await write(bus, *(record(number) for number in range(10)))
        await write(bus, record(3))
    state = (await bus.request(f"$JS.API.STREAM.INFO.{bus.subjects.audit_stream}", b"", 60)).decode()
    assert '"messages":10,' in state


async def test_a_command_that_ended_waits_no_more(bus, client):
    async with scheduling(bus):
        await client.submit(ScaleCommand(id="done", target="web", replicas=1))

        async def ended() -> bool:
            return not ids(await client.commands(status="pending"))

        await until(ended, "nothing to wait any more")
