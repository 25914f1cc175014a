"""Which webhooks there are: how they are put and removed, those of a file, what is told of them, and their secrets."""

import asyncio
from dataclasses import replace

import pytest

from funswarm.client import Client
from funswarm.errors import Failed, InvalidRequest, Unavailable, UnknownHook
from funswarm.hooks import HIDDEN, Hook
from funswarm.signature import is_signed, new_secret
from services.bus.handouts import durable_consumers
from services.bus.jetstream import call
from tests.nats.hook_scene import PATIENCE_S, SETTINGS, client_of, got, happens, notifier, put, receiver
from tests.waiting import until


@pytest.fixture
async def client(bus):
    """Of an active notifier in this process."""
    async with notifier(bus), client_of(bus) as client:
        yield client


def refusing(_):
    return 500, ""


async def test_a_hook_that_is_removed_amid_retries_leaves_nothing(bus, client):
    async with receiver(say=refusing) as to:
        await put(client, to)
        await happens(bus)
        await until(lambda: to.got, "an attempt", PATIENCE_S)
        await client.remove_hook("alerts")
        assert [] == await durable_consumers(bus)
        assert () == await client.hooks()
        with pytest.raises(UnknownHook, match="alerts"):
            await client.hook("alerts")


async def test_a_new_hook_of_an_old_name_is_told_of_nothing_that_was_before(bus, client):
    async with receiver(say=refusing) as to:
        await put(client, to)
        await happens(bus)
        await client.remove_hook("alerts")
        to.say = lambda _: (204, "")
        await put(client, to)
        wanted = await happens(bus)
        assert [wanted] == await got(to, 1)


async def test_secrets_never_come_out_and_are_kept_where_they_are_hidden(bus, client):
    secret = new_secret()
    async with receiver() as to:
        status = await put(client, to, secret=secret, headers={"Authorization": "Bearer x"})
        assert (HIDDEN, {"Authorization": HIDDEN}) == (status.hook.secret, status.hook.headers)
        assert (HIDDEN, {"Authorization": HIDDEN}) == ((await client.hook("alerts")).hook.secret, status.hook.headers)
        await client.put_hook(status.hook)
        await happens(bus)
        await got(to, 1)
        assert is_signed(secret, to.got[0].headers, to.got[0].body)
        assert "Bearer x" == to.got[0].headers["authorization"]


async def test_a_trial_is_sent_once_and_its_outcome_told(client):
    async with receiver(say=refusing) as to:
        await put(client, to)
        found = await client.test_hook("alerts")
        assert (False, 500, "it answers 500: ok") == (found.ok, found.status, found.reason)
        assert 1 == len(to.got)


async def test_without_an_active_notifier_it_is_said_what_to_do(bus):
    async with Client(bus.settings.url, prefix=bus.settings.prefix) as client:
        with pytest.raises(Unavailable, match=r"start one \(`python -m services.notifier`\)"):
            await client.hooks()


async def test_only_allowed_hosts_can_be_told(bus):
    async with notifier(bus, replace(SETTINGS, hooks_allow=("*.example.com",))), client_of(bus) as client:
        with pytest.raises(InvalidRequest, match=r"does not allow the host evil\.test"):
            await client.put_hook(Hook(name="a", url="http://evil.test/"))
        await client.put_hook(Hook(name="a", url="http://Good.example.com/", paused=True))


async def test_the_hooks_of_a_file_follow_the_file_and_nobody_else(bus, tmp_path):
    async with receiver() as to:
        file = tmp_path / "hooks.yml"
        file.write_text(f"hooks: [{{name: alerts, url: '{to.url}'}}]")
        async with notifier(bus, replace(SETTINGS, hooks_file=file)), client_of(bus) as client:
            await until(lambda: _sources(client, ["file"]), "the hook of the file", PATIENCE_S)
            with pytest.raises(Failed, match="change it there"):
                await client.remove_hook("alerts")
            await until(lambda: durable_consumers(bus), "its consumer", PATIENCE_S)
            wanted = await happens(bus)
            assert [wanted] == await got(to, 1)
            file.write_text("hooks: []")
            await until(lambda: _sources(client, []), "the hook to go", PATIENCE_S)


async def _sources(client, sources):
    return sources == [status.source for status in await client.hooks()]


async def test_a_hook_of_the_file_waits_until_the_one_that_was_put_goes(bus, tmp_path):
    file = tmp_path / "hooks.yml"
    file.write_text("hooks: []")
    async with notifier(bus, replace(SETTINGS, hooks_file=file)), client_of(bus) as client:
        await client.put_hook(Hook(name="alerts", url="http://127.0.0.1:9/", paused=True))
        file.write_text("hooks: [{name: alerts, url: 'http://127.0.0.1:9/', paused: true}]")
        await until(lambda: _said(client, "waits until the one that was put is removed"), "the trouble", PATIENCE_S)
        await client.remove_hook("alerts")
        assert await _sources(client, ["file"])


async def _said(client, words):
    return words in str([part.reason for part in await client.parts()])


async def test_a_broken_file_is_in_the_health(bus, tmp_path):
    file = tmp_path / "hooks.yml"
    file.write_text("hooks: [")
    async with notifier(bus, replace(SETTINGS, hooks_file=file)), client_of(bus) as client:
        await until(lambda: _said(client, "FUNSWARM_HOOKS_FILE"), "the file to be said", PATIENCE_S)


async def test_a_hook_that_was_removed_while_no_notifier_ran_leaves_no_consumer(bus):
    async with receiver() as to, notifier(bus), client_of(bus) as client:
        await put(client, to)
        await until(lambda: durable_consumers(bus), "its consumer", PATIENCE_S)
    await call(bus.link, f"STREAM.PURGE.KV_{bus.subjects.hooks_bucket}", {})
    async with notifier(bus), client_of(bus):
        await until(lambda: _no_consumers(bus), "the consumer to go", PATIENCE_S)


async def _no_consumers(bus):
    return [] == await durable_consumers(bus)


async def test_several_at_once_are_put_one_after_the_other(client):
    async with receiver() as to:
        await asyncio.gather(*(put(client, to, f"hook-{number}") for number in range(10)))
        assert 10 == len(await client.hooks())


async def test_webhooks_without_a_notifier_are_said_in_the_health(bus):
    async with notifier(bus), client_of(bus) as client:
        await until(lambda: _is_not_missed(client), "a health that misses no notifier")
        await client.put_hook(Hook(name="alerts", url="http://127.0.0.1:9/", paused=True))
        await until(lambda: _is_not_missed(client), "a health that misses no notifier")
    async with Client(bus.settings.url, prefix=bus.settings.prefix) as client:
        assert "no notifier answers: start one, for there are webhooks" in (await client.health()).reasons


async def _is_not_missed(client):
    return "notifier" not in str((await client.health()).reasons)  # which waits for answers a second


async def test_without_webhooks_no_notifier_is_needed(bus):
    async with Client(bus.settings.url, prefix=bus.settings.prefix) as client:
        assert "notifier" not in str((await client.health()).reasons)


async def test_a_receiver_that_is_down_leaves_funswarm_well(bus, client):
    await client.put_hook(Hook(name="alerts", url="http://127.0.0.1:9/"))
    await happens(bus)

    async def failing():
        return "failing" == (await client.hook("alerts")).state

    await until(failing, "failing to be said", PATIENCE_S)
    assert all(part.ok for part in await client.parts())


async def test_a_file_that_cannot_be_read_at_the_start_costs_no_place(bus, tmp_path):
    async with receiver() as to:
        file = tmp_path / "hooks.yml"
        text = f"hooks: [{{name: alerts, url: '{to.url}'}}]"
        file.write_text(text)
        settings = replace(SETTINGS, hooks_file=file)
        async with notifier(bus, settings), client_of(bus):
            await until(lambda: durable_consumers(bus), "its consumer", PATIENCE_S)
        wanted = await happens(bus)
        file.write_text("hooks: [")
        async with notifier(bus, settings), client_of(bus):
            file.write_text(text)
            assert [wanted] == await got(to, 1)


async def test_a_hook_that_left_the_file_while_no_notifier_ran_leaves_no_consumer(bus, tmp_path):
    file = tmp_path / "hooks.yml"
    file.write_text("hooks: [{name: alerts, url: 'http://127.0.0.1:9/'}]")
    settings = replace(SETTINGS, hooks_file=file)
    async with notifier(bus, settings), client_of(bus):
        await until(lambda: durable_consumers(bus), "its consumer", PATIENCE_S)
    file.write_text("hooks: []")
    async with notifier(bus, settings), client_of(bus):
        await until(lambda: _no_consumers(bus), "the consumer to go", PATIENCE_S)
