"""Handing over commands: exactly once by id, durable, and never hanging."""

import asyncio

import pytest

from funswarm.client import Client
from funswarm.commands import COMMANDS
from funswarm.errors import InvalidRequest, PermanentError, Refused, Unavailable
from funswarm.how import How
from funswarm.messages import Code, Convergence
from funswarm.outcome import Accepted, check, is_pending
from tests.nats.client_scene import a_result, publish_result, scheduling
from tests.servers import free_port, nats_server
from tests.waiting import PATIENCE_S, until


async def test_a_command_comes_back_with_its_result(bus, client):
    async with scheduling(bus) as done:
        result = check(await client.scale("web", 3, how=How(wait_s=PATIENCE_S)))

    assert [result.command_id] == [command.id for command in done]


async def test_the_trace_context_and_the_id_travel_in_headers(bus, client):
    await client.scale("web", 3, how=How(id="abc", wait_s=0))
    delivery = await anext(await bus.consume_commands())

    assert "abc" == delivery.headers["Nats-Msg-Id"]
    assert 55 == len(delivery.headers["traceparent"])


async def test_a_repeated_command_is_done_once_and_answered_alike(bus, client):
    async with scheduling(bus) as done:
        first = await client.scale("web", 3, how=How(id="abc", wait_s=PATIENCE_S))
        again = await client.scale("web", 3, how=How(id="abc", wait_s=PATIENCE_S))

    assert first == again
    assert 1 == len(done)


async def test_another_command_of_the_same_id_is_a_conflict(bus, client):
    async with scheduling(bus):
        await client.scale("web", 3, how=How(id="abc", wait_s=PATIENCE_S))

        with pytest.raises(Refused, match="new id") as caught:
            await client.scale("web", 4, how=How(id="abc"))

    assert Code.CONFLICT is caught.value.code


async def test_the_conflict_is_seen_also_while_the_first_is_not_done(client):
    await client.scale("web", 3, how=How(id="abc", wait_s=0))

    with pytest.raises(Refused, match="scale web"):
        await client.scale("web", 4, how=How(id="abc", wait_s=0))


async def test_a_command_that_is_not_waited_for_is_accepted(client):
    assert Accepted("abc") == await client.scale("web", 3, how=How(id="abc", wait_s=0))
    assert await client.result("abc") is None


async def test_waiting_ends_at_its_bound(client):
    assert Accepted("abc") == await client.scale("web", 3, how=How(id="abc", wait_s=0.3))


async def test_a_result_that_was_there_before_is_found(bus, client):
    """As when the scheduler was faster than the repeat of a lost answer."""
    waiting = asyncio.create_task(client.scale("web", 3, how=How(id="abc", wait_s=PATIENCE_S)))
    delivery = await anext(await bus.consume_commands())
    await publish_result(bus, a_result(COMMANDS.validate_json(delivery.body)))
    await waiting

    assert "abc" == check(await client.scale("web", 3, how=How(id="abc", wait_s=0))).command_id


async def test_a_result_published_while_nats_was_lost_is_found(nats, own_bus, own_client):
    waiting = asyncio.create_task(own_client.scale("web", 3, how=How(id="abc", wait_s=PATIENCE_S)))
    deliveries = await own_bus.consume_commands()
    delivery = await anext(deliveries)
    nats.kill()
    await until(lambda: not own_client._link.connected, "the client to notice")
    nats.start()
    await until(lambda: own_bus.connected, "the bus to be back")
    await publish_result(own_bus, a_result(COMMANDS.validate_json(delivery.body)))

    assert "abc" == check(await waiting).command_id
    await deliveries.close()


async def test_without_the_streams_it_says_so(shared_nats):
    async with Client(shared_nats.url, prefix="nobody") as client:
        with pytest.raises(Unavailable, match=r"NOBODY_COMMANDS.*prefix"):
            await client.scale("web", 3)


async def test_without_nats_it_says_so_and_works_again_when_it_is_back(nats, own_bus, own_client):
    nats.kill()
    with pytest.raises(Unavailable):
        await own_client.scale("web", 3)
    nats.start()

    async def accepted():
        try:
            return await own_client.scale("web", 3, how=How(wait_s=0))
        except Unavailable:
            return None

    await until(accepted, "the command to be accepted")


async def test_a_client_may_come_before_nats(nats):
    nats.stop()
    client = Client(nats.url)
    with pytest.raises(Unavailable, match="not reached"):
        await client.connect()
    nats.start()
    await client.connect()
    await client.close()


async def test_a_paused_nats_is_a_bounded_wait_and_no_end(nats, own_bus, own_client):
    nats.pause()
    with pytest.raises(Unavailable, match="ask again with the same id, 'abc'"):
        await own_client.scale("web", 3, how=How(id="abc"))
    nats.resume()

    async def accepted():
        try:
            return await own_client.scale("web", 3, how=How(id="abc", wait_s=0))
        except Unavailable:
            return None

    assert Accepted("abc") == await until(accepted, "the command to be accepted")


@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_close_leaves_no_task_while_nats_is_away(nats, how):
    before = asyncio.all_tasks()
    client = Client(nats.url)
    await client.connect()
    getattr(nats, how)()
    if how == "kill":
        await until(lambda: not client._link.connected, "the client to notice")
    async with asyncio.timeout(PATIENCE_S):
        await client.close()

    await until(lambda: asyncio.all_tasks() <= before, "all tasks to end")
    with pytest.raises(PermanentError, match="closed"):
        await client.scale("web", 1)


async def test_a_failed_connect_leaves_no_task():
    before = asyncio.all_tasks()
    with pytest.raises(Unavailable, match="not reached"):
        async with Client(f"nats://127.0.0.1:{free_port()}"):
            pass
    await until(lambda: asyncio.all_tasks() <= before, "all tasks to end")


async def test_a_missing_permission_is_named_at_once(tmp_path):
    extra = 'authorization { users [{user: u, password: p, permissions: {publish: {deny: "funswarm.command.>"}}}] }'
    with nats_server(tmp_path, extra) as server:
        async with Client(server.url, user="u", password="p") as client:
            with pytest.raises(PermanentError, match=r"user 'u' to publish to funswarm\.command\.scale\.web"):
                await client.scale("web", 3)


async def test_a_text_that_is_no_unicode_is_refused(client):
    with pytest.raises(InvalidRequest, match=r"(?i)unicode"):
        await client.scale("web", 3, how=How(requested_by="\ud800"))


async def test_a_wrong_password_is_said(tmp_path):
    with nats_server(tmp_path, "authorization { user: u, password: p }") as server:
        client = Client(server.url, user="u", password="wrong")
        with pytest.raises(Unavailable, match="Authorization Violation"):
            await client.connect()


async def test_the_stacks_client_may_do_all_that_the_sdk_does(tmp_path, connect):
    passwords = {user: f"p-{user}" for user in ("poller", "scheduler", "api", "client")}
    with nats_server(tmp_path, passwords=passwords) as server:
        bus = await connect(server, user="scheduler", password="p-scheduler")
        await bus.declare()
        for user in ("client", "api"):
            async with Client(server.url, user=user, password=f"p-{user}") as client, scheduling(bus):
                check(await client.scale("web", 3, how=How(wait_s=PATIENCE_S)))
                assert await client.result("none") is None
                feed = client.changes()
                await feed.open()
                await feed.aclose()
                await client.parts()
        await bus.close()


async def test_all_who_ask_while_nats_is_away_wait_for_one_attempt():
    client = Client(f"nats://127.0.0.1:{free_port()}")
    outcomes = await asyncio.gather(*(client.scale("web", 1) for _ in range(50)), return_exceptions=True)

    assert {Unavailable} == {type(outcome) for outcome in outcomes}
    await client.close()


async def test_a_connection_that_nats_closed_for_good_is_made_anew(nats, own_bus):
    async with Client(nats.url) as client:
        connection = client._link._connection
        assert connection is not None
        await connection.close()

        assert Accepted("abc") == await client.scale("web", 3, how=How(id="abc", wait_s=0))


def _settling(command, status):
    return a_result(command, convergence=Convergence(status=status))


async def _settle(bus, result) -> None:
    subject, headers = bus.subjects.result(result.command_id), {"Nats-Msg-Id": f"{result.command_id}/settled"}
    await bus.publish(subject, result.model_dump_json().encode(), headers, bus.subjects.results_stream)


SCALE = COMMANDS.validate_python({"id": "abc", "verb": "scale", "target": "web", "replicas": 3})


async def test_who_waits_for_convergence_gets_the_second_result(bus, client):
    how = How(wait_for="converged", wait_s=PATIENCE_S)
    waiting = asyncio.create_task(client.submit(SCALE, how))
    await publish_result(bus, _settling(SCALE, "pending"))
    await until(lambda: client.result("abc"), "the first result")
    assert not waiting.done()
    await _settle(bus, _settling(SCALE, "converged"))
    assert _settling(SCALE, "converged").convergence == check(await waiting).convergence


async def test_who_waits_for_a_result_gets_the_first_one(bus, client):
    await publish_result(bus, _settling(SCALE, "pending"))
    assert is_pending(check(await client.submit(SCALE, How(wait_s=PATIENCE_S))))


async def test_a_wait_for_convergence_ends_at_its_bound_with_the_first_result(bus, client):
    await publish_result(bus, _settling(SCALE, "pending"))
    assert is_pending(check(await client.submit(SCALE, How(wait_for="converged", wait_s=1.0))))


async def test_a_wait_for_convergence_ends_where_there_is_none_to_come(bus, client):
    async with scheduling(bus):
        assert check(await client.submit(SCALE, How(wait_for="converged", wait_s=PATIENCE_S))).convergence is None
