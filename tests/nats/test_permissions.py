"""What each user of services/nats.conf may do, and what not: with the stack's configuration on a real nats-server."""

import asyncio
import json
from contextlib import aclosing, nullcontext

import pytest

from funswarm.changes import Changed
from funswarm.client import Client
from funswarm.errors import PermanentError
from funswarm.messages import Problem
from funswarm.records import CommandRecord, RecordStatus
from services.bus.audit import write_records
from services.bus.connection import Bus
from services.bus.journal import Journal, Outgoing
from services.bus.lease import Lease
from services.bus.problems import ProblemTeller
from services.bus.reading import read_stream
from services.bus.sessions import SessionBucket
from services.bus.settings import NatsSettings
from services.bus.state import StateBucket, load_bucket
from services.scheduler.firings import Firings
from tests.nats.conftest import PASSWORDS
from tests.nats.schedule_scene import schedule
from tests.servers import nats_server


def command(bus, number: int):
    return {
        "subject": bus.subjects.command("scale", "web"),
        "body": b"{}",
        "headers": {"Nats-Msg-Id": f"c{number}"},
        "expect_stream": bus.subjects.commands_stream,
    }


async def test_the_configuration_wants_a_password(tmp_path):
    with nats_server(tmp_path, passwords=PASSWORDS) as server, pytest.raises(PermanentError, match="refuses a client"):
        await Bus.connect(NatsSettings(url=server.url), "test")


async def test_a_wrong_password_is_said_at_once(tmp_path):
    with nats_server(tmp_path, passwords=PASSWORDS) as server, pytest.raises(PermanentError, match="refuses user api"):
        await Bus.connect(NatsSettings(url=server.url, user="api", password="wrong", connect_timeout_s=600), "test")


async def test_the_scheduler_may_declare_the_streams_too(secured):
    await (await secured("scheduler")).declare()


async def test_a_forbidden_publish_fails_at_once_with_the_reason(secured):
    client = await secured("client")
    headers = {"Nats-Msg-Id": "e1"}
    with pytest.raises(
        PermanentError, match=r"refuses publishing to funswarm\.event\.service\.Created\.x for user client"
    ):
        subject = client.subjects.event("service", "Created", "x")
        await client.publish(subject, b"{}", headers, client.subjects.events_stream)


async def test_a_forbidden_subscription_fails_with_the_reason(secured):
    client = await secured("client")
    with pytest.raises(PermanentError, match=r"refuses subscribing to funswarm\.command\.> for user client"):
        await client.answer_all("funswarm.command.>", lambda _: asyncio.sleep(0, b""))


async def test_a_client_may_send_commands(secured):
    client = await secured("client")
    assert 1 == await client.publish(**command(client, 1))


async def test_the_scheduler_may_work_off_commands(secured):
    scheduler, client = await secured("scheduler"), await secured("client")
    await client.publish(**command(client, 1))
    async with Lease(scheduler, "scheduler", "one").hold():
        deliveries = await scheduler.consume_commands()
        delivery = await asyncio.wait_for(anext(deliveries), 60)
        subject, headers = scheduler.subjects.result("c1"), {"Nats-Msg-Id": "c1"}
        await scheduler.publish(subject, b"{}", headers, scheduler.subjects.results_stream)
        await delivery.ack()
        await deliveries.close()
    assert b"{}" == await scheduler.last(scheduler.subjects.results_stream, subject)


async def test_the_scheduler_may_turn_a_command_away(secured):
    scheduler = await secured("scheduler")
    subject, headers = scheduler.subjects.turned_away("c1", "0" * 32), {"Nats-Msg-Id": "c1"}
    assert 1 == await scheduler.publish(subject, b"{}", headers, scheduler.subjects.results_stream)


async def test_the_poller_may_write_and_read_events_and_states(secured):
    poller = await secured("poller")
    journal = await Journal.open(poller, poller.subjects.events_stream)
    await journal.write([Outgoing(poller.subjects.event("node", "created", "a"), b"{}", {})] * 6)
    async with Lease(poller, "poller", "one").hold():
        await (await StateBucket.open(poller)).write({"node.a": (b"{}", {})})
    assert 6 == len([one async for one in read_stream(poller, poller.subjects.events_stream)])
    assert ["node.a"] == list(await load_bucket(poller, poller.subjects.state_bucket))


async def test_the_poller_may_not_send_commands(secured):
    poller = await secured("poller")
    with pytest.raises(PermanentError, match="refuses publishing"):
        await poller.publish(**command(poller, 1))


async def test_an_api_may_not_write_states(secured):
    api = await secured("api")
    with pytest.raises(PermanentError):
        await api.request(api.subjects.state("service", "x"), b"{}", 60)


@pytest.mark.parametrize("user", ["api", "client"])
async def test_what_was_asked_can_be_read_and_dead_letters_dropped(secured, user):
    scheduler, reader = await secured("scheduler"), await secured(user)
    record = CommandRecord(command_id="c1", verb="scale", target="web", status=RecordStatus.REFUSED)
    await write_records(scheduler, [record] * 5)
    await reader.publish(**command(reader, 1))
    letter = (scheduler.subjects.dead("scale", "web"), b"{}", {"Nats-Msg-Id": "d"}, scheduler.subjects.dead_stream)
    await scheduler.publish(*letter)
    settings = reader.settings
    async with Client(settings.url, user=user, password=settings.password) as sdk:
        assert ["refused"] == [one.status for one in (await sdk.commands()).items]
        await sdk.drop((await sdk.dead_letters()).items[0].sequence)


@pytest.mark.parametrize(
    ("user", "status", "may"),
    [("api", "denied", True), ("api", "succeeded", False), ("client", "denied", False), ("poller", "refused", False)],
)
async def test_only_the_scheduler_writes_records_and_the_api_what_it_denied(secured, user, status, may):
    writer = await secured(user)
    record = CommandRecord(verb="POST", target="/v1/services", status=RecordStatus(status))
    with nullcontext() if may else pytest.raises(PermanentError, match="refuses publishing"):
        await write_records(writer, [record])


async def test_a_poller_answers_a_client(secured):
    poller, client = await secured("poller"), await secured("client")
    await poller.serve("poller", {poller.subjects.query("services"): lambda body: asyncio.sleep(0, body)}, "1.0.0")
    assert b"ask" == await client.request(client.subjects.query("services"), b"ask", 60)


async def test_every_part_answers_for_its_health(secured):
    for user in ("poller", "scheduler", "notifier", "api"):
        part = await secured(user)
        await part.answer_all(part.subjects.part_health, lambda _, user=user: asyncio.sleep(0, user.encode()))
    client = await secured("client")
    answers = await client.gather(client.subjects.part_health, b"", 60.0, lambda all_: len(all_) == 4)
    assert {b"poller", b"scheduler", b"notifier", b"api"} == set(answers)


async def test_a_client_does_not_hear_the_answers_to_others(secured):
    poller, client = await secured("poller"), await secured("client")
    heard = []

    async def listen(message) -> None:
        heard.append(message.subject)

    await client.link.subscribe("_INBOX.>", listen)
    await poller.request(f"$JS.API.STREAM.INFO.{poller.subjects.events_stream}", b"", 60)
    await client.request(f"$JS.API.STREAM.INFO.{poller.subjects.events_stream}", b"", 60)
    await client.link.barrier()
    assert [] == [subject for subject in heard if not subject.startswith(client.link.inbox.prefix)]


async def test_a_client_sees_who_serves(secured):
    poller, client = await secured("poller"), await secured("client")
    await poller.serve("poller", {poller.subjects.query("services"): lambda body: asyncio.sleep(0, body)}, "1.0.0")
    answer = json.loads(await client.request("$SRV.PING", b"", 60))
    assert "poller" == answer["name"]


async def test_who_follows_the_feed_reads_no_other_program_s_streams(secured):
    client = await secured("client")
    with pytest.raises(PermanentError, match="refuses publishing"):
        await client.link.request("$JS.API.STREAM.MSG.GET.ORDERS", b'{"seq": 1}', 60)
    with pytest.raises(PermanentError, match="refuses publishing"):
        await client.link.request("$JS.API.DIRECT.GET.ORDERS.of.all", b"", 60)


@pytest.mark.parametrize("user", ["api", "client"])
async def test_a_key_and_a_last_message_can_be_read_as_the_nats_command_does(secured, user):
    reader = await secured(user)
    for stream in (
        f"KV_{reader.subjects.state_bucket}.{reader.subjects.state('node', 'a')}",
        reader.subjects.dead_stream,
    ):
        await reader.link.request(f"$JS.API.DIRECT.GET.{stream}", b'{"seq": 1}' if "." not in stream else b"", 60)


POLICIES = (  # what policies remember, with descriptions of services, is the scheduler's alone
    "$KV.FUNSWARM_POLICIES.memory.web", "$JS.API.STREAM.MSG.GET.KV_FUNSWARM_POLICIES",
    "$JS.API.DIRECT.GET.KV_FUNSWARM_POLICIES", "$JS.API.CONSUMER.CREATE.KV_FUNSWARM_POLICIES",
    "$JS.API.DIRECT.GET.KV_FUNSWARM_POLICIES.$KV.FUNSWARM_POLICIES.memory.web", "funswarm.decision.cron.web",
)  # fmt: skip
SESSIONS = (  # who is to be awake: told by the api and clients, read by the scheduler
    "$KV.FUNSWARM_SESSIONS.web", "$JS.API.STREAM.MSG.GET.KV_FUNSWARM_SESSIONS",
    "$JS.API.DIRECT.GET.KV_FUNSWARM_SESSIONS",
)  # fmt: skip
DENIED = {
    "poller": [
        "funswarm.command.scale.web", "funswarm.result.c1", "funswarm.dead.scale.web", "funswarm.request.scale",
        "$KV.FUNSWARM_LEASES.scheduler", "$JS.API.STREAM.MSG.GET.FUNSWARM_COMMANDS", "funswarm.schedule.nightly",
        "$JS.API.CONSUMER.MSG.NEXT.FUNSWARM_COMMANDS.scheduler", "$JS.API.STREAM.UPDATE.ORDERS",
        "$JS.API.STREAM.CREATE.ORDERS", "$JS.API.STREAM.DELETE.FUNSWARM_EVENTS", "$JS.API.STREAM.PURGE.FUNSWARM_EVENTS",
        *SESSIONS,
    ],
    "scheduler": [
        "$KV.FUNSWARM_SESSIONS.web",
        "funswarm.event.service.created.web", "$KV.FUNSWARM_STATE.service.s1", "$KV.FUNSWARM_LEASES.poller",
        "$JS.API.STREAM.UPDATE.ORDERS", "$JS.API.STREAM.DELETE.FUNSWARM_COMMANDS", "$JS.API.STREAM.MSG.GET.ORDERS",
    ],
    "api": [
        "funswarm.event.service.created.web", "funswarm.result.c1", "funswarm.dead.scale.web", "funswarm.intent.c1",
        "$KV.FUNSWARM_STATE.service.s1", "$KV.FUNSWARM_LEASES.scheduler", "$JS.API.STREAM.CREATE.FUNSWARM_EVENTS",
        "$JS.API.STREAM.UPDATE.FUNSWARM_EVENTS", "$JS.API.STREAM.PURGE.FUNSWARM_COMMANDS",
        "$JS.API.CONSUMER.MSG.NEXT.FUNSWARM_COMMANDS.scheduler", "$JS.API.CONSUMER.DELETE.FUNSWARM_COMMANDS.scheduler",
        "funswarm.alarm.nightly", "funswarm.firing.nightly", "funswarm.fired.nightly",
        "$JS.API.STREAM.PURGE.FUNSWARM_SCHEDULES", "funswarm.usage.node", *POLICIES, *SESSIONS[1:],
    ],
    "client": [
        "funswarm.usage.node",
        "funswarm.alarm.nightly", "funswarm.firing.nightly", "funswarm.fired.nightly",
        "$JS.API.STREAM.PURGE.FUNSWARM_SCHEDULES", "$JS.API.CONSUMER.MSG.NEXT.FUNSWARM_SCHEDULES.scheduler", *POLICIES,
        *SESSIONS[1:],
    ],
    "agent": [
        "funswarm.command.scale.web", "funswarm.gauge.web", "funswarm.query.tasks", "funswarm.request.scale",
        "$JS.API.STREAM.MSG.GET.FUNSWARM_EVENTS", "$JS.API.CONSUMER.INFO.ORDERS.work", "$KV.FUNSWARM_STATE.service.s1",
    ],
    "reader": [
        "funswarm.gauge.web", "funswarm.usage.node",
        "funswarm.command.scale.web", "funswarm.request.scale", "funswarm.event.service.created.web",
        "funswarm.result.c1", "funswarm.dead.scale.web", "$KV.FUNSWARM_STATE.service.s1",
        "$KV.FUNSWARM_LEASES.scheduler", "$JS.API.STREAM.MSG.GET.FUNSWARM_COMMANDS",
        "$JS.API.STREAM.MSG.GET.FUNSWARM_DEAD", "$JS.API.DIRECT.GET.FUNSWARM_DEAD",
        "$JS.API.DIRECT.GET.FUNSWARM_COMMANDS", "$JS.API.CONSUMER.CREATE.FUNSWARM_COMMANDS",
        "$JS.API.CONSUMER.CREATE.FUNSWARM_DEAD", "$JS.API.CONSUMER.DELETE.FUNSWARM_EVENTS.other",
        "$JS.API.STREAM.UPDATE.FUNSWARM_EVENTS", "funswarm.schedule.nightly",
        "$JS.API.STREAM.MSG.GET.FUNSWARM_SCHEDULES", "$JS.API.CONSUMER.CREATE.FUNSWARM_SCHEDULES", *POLICIES,
        "$KV.FUNSWARM_POLICIES.hold.web.all", *SESSIONS,
    ],
}  # fmt: skip


@pytest.mark.parametrize("user", ["api", "client"])
async def test_whom_a_user_wants_awake_the_scheduler_hears(secured, user):
    bucket, heard = SessionBucket(await secured("scheduler")), asyncio.Event()
    stop = await bucket.listen(lambda _: heard.set())
    async with Client((await secured(user)).settings.url, user=user, password=PASSWORDS[user]) as client:
        await client.wake("web", 60)
        assert await client.session("web") is not None
    await asyncio.wait_for(heard.wait(), 60)
    assert await bucket.newest("web") in await bucket.all()
    await stop()


@pytest.mark.parametrize("user", DENIED)
async def test_a_user_may_not_do_another_s_work(secured, user):
    bus = await secured(user)
    for subject in DENIED[user]:
        with pytest.raises(PermanentError, match="refuses publishing"):
            await bus.link.request(subject, b"{}", 60)


@pytest.mark.parametrize("subject", ["funswarm.command.>", "funswarm.dead.>", "_INBOX.>", "funswarm.request.*", ">"])
async def test_a_reader_does_not_hear_what_is_asked_for(secured, subject):
    reader = await secured("reader")
    with pytest.raises(PermanentError, match="refuses subscribing"):
        await reader.answer_all(subject, lambda _: asyncio.sleep(0, b""))


async def test_a_reader_follows_the_feed_and_asks(secured):
    poller, reader = await secured("poller"), await secured("reader")
    await poller.serve("poller", {poller.subjects.query("services"): lambda body: asyncio.sleep(0, body)}, "1.0.0")
    assert b"ask" == await reader.request(reader.subjects.query("services"), b"ask", 60)
    journal = await Journal.open(poller, poller.subjects.events_stream)
    await journal.write([Outgoing(poller.subjects.event("node", "created", "a"), b"{}", {})])
    feed = Client(reader.settings.url, user="reader", password=PASSWORDS["reader"])
    async with asyncio.timeout(60), feed as client, aclosing(client.changes(since=0)) as changes:
        assert isinstance(await anext(changes), Changed)


@pytest.mark.parametrize("user", ["api", "client"])
async def test_what_a_user_schedules_the_scheduler_makes_commands_of(secured, user):
    scheduler = await secured("scheduler")
    schedules = await scheduler.consume_schedules()
    working = asyncio.create_task(Firings(scheduler).run(schedules))
    commands = await scheduler.consume_commands()
    async with Client(scheduler.settings.url, user=user, password=PASSWORDS[user]) as client:
        await client.schedule(schedule(every="1s"))
        delivery = await asyncio.wait_for(anext(commands), 60)
        assert ["nightly"] == [one.schedule.name for one in await client.schedules()]
        assert delivery.headers["Nats-Msg-Id"].startswith("nightly-")
        await client.cancel("nightly")
    working.cancel()
    await schedules.close()
    await commands.close()


@pytest.mark.parametrize("user", ["reader", "client", "api"])
async def test_what_an_api_or_a_scheduler_finds_wrong_with_labels_is_heard_by_all_who_ask(secured, user):
    for source, part in (("traefik", "api"), ("cron", "scheduler"), ("docker-flow", "notifier")):
        problem = Problem(source=source, service="web", label="x", value="y", reason="why")
        await ProblemTeller(await secured(part), source).tell_all({"web": (problem,)})
    url = (await secured(user)).settings.url
    async with Client(url, user=user, password=PASSWORDS[user]) as client:
        found = (await client.health()).problems

    assert ["cron", "docker-flow", "traefik"] == [problem.source for problem in found]
