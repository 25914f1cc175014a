"""Webhooks: what is delivered, to whom, in which order, and what becomes of what is not taken."""

import pytest

from funswarm.signature import is_signed, new_secret
from services.bus.jetstream import call
from tests.nats.hook_scene import PATIENCE_S, client_of, got, happens, listed, notifier, put, receiver
from tests.waiting import until

NEVER = {"first_s": 3600, "max_s": 3600}


@pytest.fixture
async def client(bus):
    """Of an active notifier in this process."""
    async with notifier(bus), client_of(bus) as client:
        yield client


def answers(**by_service):
    """What a receiver says of each service's events; 204 of all others."""
    return lambda request: (by_service.get(request.event["name"], 204), "")


async def state_of(client, name="alerts"):
    return (await client.hook(name)).state


async def letters(client, count):
    async def there():
        found = (await client.dead_letters()).items
        return found if len(found) >= count else None

    return await until(there, f"{count} dead letters", PATIENCE_S)


async def test_an_event_is_delivered_with_its_id(bus, client):
    async with receiver() as to:
        await put(client, to)
        wanted = await happens(bus)
        assert [wanted] == await got(to, 1)
        assert wanted == to.got[0].event["id"]


async def test_a_delivery_is_signed_with_the_hooks_secret(bus, client):
    secret = new_secret()
    async with receiver() as to:
        await put(client, to, secret=secret)
        await happens(bus)
        await got(to, 1)
        assert is_signed(secret, to.got[0].headers, to.got[0].body)


async def test_a_new_hook_is_told_of_nothing_that_was_before(bus, client):
    await happens(bus)
    async with receiver() as to:
        await put(client, to)
        wanted = await happens(bus)
        assert [wanted] == await got(to, 1)


async def test_only_what_fits_is_delivered(bus, client):
    async with receiver() as to:
        await put(client, to, actions=["stalled"], names=["shop_*"], labels=["team=a"])
        await happens(bus, "shop_web", "stalled", team="b")
        await happens(bus, "shop_web", "updated", team="a")
        await happens(bus, "web", "stalled", team="a")
        wanted = await happens(bus, "shop_web", "stalled", team="a")
        assert [wanted] == await got(to, 1)


async def test_what_is_not_taken_comes_again_under_the_same_id(bus, client):
    async with receiver() as to:
        to.say = lambda _: (500 if len(to.got) < 2 else 200, "")
        await put(client, to)
        wanted = await happens(bus)
        await got(to, 1)
        assert [wanted] * 3 == [one.id for one in to.got]


async def test_an_event_that_fails_holds_back_its_object_only(bus, client):
    async with receiver(say=answers(bad=500)) as to:
        await put(client, to)
        first, _, other = await happens(bus, "bad"), await happens(bus, "bad"), await happens(bus, "good")
        assert [other] == await got(to, 1)
        await until(lambda: len(to.got) > 4, "more attempts", PATIENCE_S)
        assert {first, other} == {one.id for one in to.got}


async def test_when_it_is_taken_at_last_its_successors_follow_in_order(bus, client):
    async with receiver(say=answers(bad=500)) as to:
        await put(client, to)
        wanted = [await happens(bus, "bad") for _ in range(5)]
        await until(lambda: len(to.got) > 1, "attempts", PATIENCE_S)
        to.say = answers()
        assert wanted == await got(to, 5)


async def test_one_that_is_refused_for_good_is_a_dead_letter_and_the_next_goes_on(bus, client):
    async with receiver() as to:
        to.say = lambda _: (204 if to.got else 422, "")
        await put(client, to)
        first = await happens(bus)
        second = await happens(bus)
        assert [second] == await got(to, 1)
        kept = (await letters(client, 1))[0]
        assert ("webhook", "alerts", "refused-by-receiver") == (kept.verb, kept.target, kept.letter.code)
        assert "it answers 422: ok; tried 1 time" == kept.letter.reason
        assert f'"id":"{first}"' in kept.letter.body


async def test_what_is_too_old_is_given_up(bus, client):
    async with receiver(say=lambda _: (503, "")) as to:
        await put(client, to, retry={"first_s": 0.1, "max_s": 0.2, "give_up_after_s": 0.5})
        await happens(bus)
        assert "given up, after 0.5 s" in (await letters(client, 1))[0].letter.reason


async def test_a_dead_letter_is_sent_again_and_dropped_when_it_is_taken(bus, client):
    async with receiver(say=lambda _: (422, "")) as to:
        await put(client, to)
        wanted = await happens(bus)
        sequence = (await letters(client, 1))[0].sequence
        assert not (await client.replay(sequence)).ok
        to.say = answers()
        assert (await client.replay(sequence)).ok
        assert () == (await client.dead_letters()).items
        assert [wanted] == [one.id for one in to.taken]


async def test_a_receiver_that_is_gone_pauses_its_hook_until_it_is_resumed(bus, client):
    async with receiver(say=lambda _: (410, "")) as to:
        await put(client, to)
        wanted = await happens(bus)
        await until(lambda: _is(client, "paused"), "the hook to pause", PATIENCE_S)
        assert "wants no more: it answers 410" in ((await client.hook("alerts")).reason or "")
        to.say = answers()
        await client.pause_hook("alerts", paused=False)
        assert [wanted] == await got(to, 1)


async def _is(client, state):
    return state == await state_of(client)


async def test_retry_after_is_kept_for_all_events(bus, client):
    async with receiver(say=lambda _: (429, "retry-after: 3600\r\n")) as to:
        await put(client, to)
        await happens(bus, "a")
        await until(lambda: _is(client, "failing"), "the answer to be known", PATIENCE_S)
        await happens(bus, "b")
        async with receiver() as other:
            await put(client, other, "other")
            wanted = await happens(bus, "c")
            assert [wanted] == await got(other, 1)
        assert 1 == len(to.got)


async def test_receivers_that_hang_or_are_away_delay_nobody_else(bus, client):
    async with receiver(say=lambda _: None) as hanging, receiver() as away, receiver() as well:
        await away.stop()
        for name, to in (("hanging", hanging), ("away", away), ("well", well)):
            await put(client, to, name, timeout_s=60, retry=NEVER)
        wanted = [await happens(bus, f"service-{number}") for number in range(20)]
        assert sorted(wanted) == sorted(await got(well, 20))
        await until(lambda: _is_of(client, "away", "failing"), "away to be said", PATIENCE_S)
        assert "cannot be reached" in ((await client.hook("away")).reason or "")


async def _is_of(client, name, state):
    return state == await state_of(client, name)


async def test_no_more_than_some_requests_are_on_their_way_to_one_receiver(bus, client):
    async with receiver(say=lambda _: None) as hanging:
        await put(client, hanging, timeout_s=60)
        for number in range(20):
            await happens(bus, f"service-{number}")
        await until(lambda: len(hanging.got) >= 4, "requests", PATIENCE_S)
        async with receiver() as well:
            await put(client, well, "well")
            await happens(bus)
            await got(well, 1)
        assert 4 == len(hanging.got)


async def test_a_receiver_that_comes_back_gets_all_in_order(bus, client):
    async with receiver() as to:
        await to.stop()
        await put(client, to)
        wanted = [await happens(bus) for _ in range(5)]
        await until(lambda: _is(client, "failing"), "failing to be said", PATIENCE_S)
        await to.start()
        assert wanted == await got(to, 5)
        await until(lambda: _is(client, "ok"), "it to be well again", PATIENCE_S)


async def test_a_redirect_is_not_followed(bus, client):
    async with receiver() as elsewhere, receiver() as to:
        to.say = lambda _: (307, f"location: {elsewhere.url}\r\n")
        await put(client, to)
        await happens(bus)
        await until(lambda: _is(client, "failing"), "failing to be said", PATIENCE_S)
        assert "redirects are not followed" in ((await client.hook("alerts")).reason or "")
        assert [] == elsewhere.got


async def test_cookies_are_neither_kept_nor_sent_back(bus, client):
    async with receiver() as to:
        to.say = lambda _: (204, "set-cookie: a=b\r\n")
        await put(client, to)
        await happens(bus), await happens(bus)
        await got(to, 2)
        assert not [one for one in to.got if "cookie" in one.headers]


async def test_a_paused_hook_gets_what_happened_meanwhile_when_it_is_resumed(bus, client):
    async with receiver() as to:
        await put(client, to)
        await client.pause_hook("alerts")
        wanted = [await happens(bus), await happens(bus)]
        await client.pause_hook("alerts", paused=False)
        assert wanted == await got(to, 2)


async def test_a_hook_that_is_changed_goes_on_where_it_was(bus, client):
    async with receiver(say=lambda _: (500, "")) as before, receiver() as after:
        await put(client, before)
        wanted = [await happens(bus), await happens(bus)]
        await until(lambda: before.got, "an attempt", PATIENCE_S)
        await put(client, after)
        assert wanted == await got(after, 2)


async def test_what_is_no_longer_kept_is_counted_and_the_rest_delivered(bus, client):
    async with receiver() as to:
        await put(client, to, paused=True)
        for _ in range(5):
            await happens(bus)
        await call(bus.link, f"STREAM.PURGE.{bus.subjects.events_stream}", {"seq": 4})
        await client.pause_hook("alerts", paused=False)
        await got(to, 2)

        async def lost():
            return 3 == (await client.hook("alerts")).lost

        await until(lost, "three to be said lost", PATIENCE_S)


async def test_a_hook_has_figures_of_its_own(bus, client):
    async with receiver() as to:
        await put(client, to)
        await happens(bus)
        await got(to, 1)

        async def counted():
            page = await client.metrics()
            return page if 'funswarm_hook_attempts_total{instance="notifier-1",hook="alerts",' in page else None

        page = await until(counted, "the figures", PATIENCE_S)
        assert all(f"funswarm_hook_{name}{{" in page for name in ("pending", "oldest_seconds", "paused", "failing"))


async def test_all_survives_another_notifier(bus):
    async with receiver(say=lambda _: (500, "")) as to:
        async with notifier(bus), client_of(bus) as client:
            await put(client, to)
            wanted = [await happens(bus)]
            await until(lambda: to.got, "an attempt", PATIENCE_S)
        wanted.append(await happens(bus))
        to.say = answers()
        async with notifier(bus), client_of(bus) as client:
            assert wanted == await got(to, 2)
            assert ["alerts"] == [status.hook.name for status in await listed(client)]
