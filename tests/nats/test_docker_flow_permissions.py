"""Docker Flow's listener with the stack's configuration of NATS: all that it does is permitted to the user notifier."""

import pytest

from funswarm.errors import PermanentError
from services.bus.reading import read_stream
from services.bus.streams import bucket_stream, bucket_subject
from tests.nats.docker_flow_scene import has_told, labels, paths, scene
from tests.receiver import OK, Reply, receiver
from tests.servers import nats_server
from tests.waiting import until

PASSWORDS = {user: f"p-{user}" for user in ("poller", "scheduler", "notifier", "api", "client")}
AS_NOTIFIER = {"FUNSWARM_NATS_USER": "notifier", "FUNSWARM_NATS_PASSWORD": PASSWORDS["notifier"], "DF_RETRY": "0"}


def as_user(name: str) -> dict[str, str]:
    return {"user": name, "password": PASSWORDS[name]}


@pytest.fixture
async def swarm(tmp_path, connect):
    with nats_server(tmp_path, passwords=PASSWORDS) as nats:
        await (await connect(nats, **as_user("poller"))).declare()
        async with scene(nats.url, as_user("poller"), prefix="funswarm", **as_user("api")) as made:
            yield made


async def test_the_notifier_may_do_what_it_does(swarm):
    with receiver() as proxy:
        notifier = await swarm.notifier(proxy, **AS_NOTIFIER)
        service_id = await swarm.create("web", notifyService="127.0.0.1,nobody")
        await has_told(proxy, "web", "/reconfigure")
        await notifier.told_all()
        await has_told(proxy, "web", "/reconfigure", "/reconfigure")
        proxy.answer = lambda _: Reply(500)
        await swarm.swarm.change(service_id, Labels=labels(port="80"))
        bus = swarm.swarm.bus
        await until(lambda: has(bus, bus.subjects.dead_stream, bus.subjects.all_dead), "the dead letter")
        proxy.answer = lambda _: OK
        await swarm.swarm.engine.remove_service(service_id)
        await until(lambda: "/remove" in paths(proxy, "web"), "the removal")
        await until(lambda: has(bus, bus.subjects.reports_stream, bus.subjects.all_problems), "the problem")


@pytest.mark.parametrize("user", ["poller", "scheduler", "api", "client"])
async def test_what_was_told_is_noted_by_the_notifier_only(swarm, connect, user):
    bus = swarm.swarm.bus
    other = await connect(bus.settings, **as_user(user))
    stream = bucket_stream(bus.subjects.notified_bucket)
    with pytest.raises(PermanentError, match=f"refuses publishing .* for user {user}"):
        await other.publish(bucket_subject(bus.subjects.notified_bucket, "a"), b"{}", {"Nats-Msg-Id": "a"}, stream)


async def has(bus, stream: str, subject: str) -> bool:
    return bool([stored async for stored in read_stream(bus, stream, subject=subject)])
