"""The bucket of all states: what is put is loaded, what is deleted is gone, and only one writer writes."""

import pytest

from services.bus.connection import Bus
from services.bus.jetstream import call
from services.bus.journal import Superseded
from services.bus.reading import read_stream
from services.bus.state import DELETED_FOR_S, OPERATION, StateBucket, load_bucket
from services.bus.streams import bucket_stream


def values(*keys: str, body: bytes = b"{}"):
    return {key: (body, {"Funswarm-Event-Sequence": "7"}) for key in keys}


async def keys(bus: Bus) -> list[str]:
    return sorted(await load_bucket(bus, bus.subjects.state_bucket))


@pytest.fixture
async def bucket(bus):
    return await StateBucket.open(bus)


async def test_an_empty_bucket_has_no_values(bucket):
    assert {} == await bucket.load()


async def test_a_value_comes_back_whole(bucket):
    await bucket.write(values("service.a", body=b"hello"))
    value = (await bucket.load())["service.a"]
    assert (b"hello", "7", 1) == (value.body, value.headers["Funswarm-Event-Sequence"], value.revision)


async def test_the_last_value_of_a_key_counts(bucket):
    await bucket.write(values("service.a", body=b"1"))
    await bucket.write(values("service.a", body=b"2"))
    assert [b"2"] == [value.body for value in (await bucket.load()).values()]


@pytest.mark.parametrize("count", [1, 4, 30, 1200])
async def test_many_keys_are_put_and_deleted(bus, bucket, count):
    names = [f"task.{n:04}" for n in range(count)]
    await bucket.write(values(*names))
    await bucket.write({}, names[1:])
    assert names[:1] == await keys(bus)


async def test_a_key_may_be_put_and_deleted_in_one_write(bus, bucket):
    await bucket.write(values("task.a", "task.b"), ["task.a"])
    assert ["task.b"] == await keys(bus)


async def test_a_deletion_is_what_nats_tools_expect_and_runs_out(bus, bucket):
    await bucket.write({}, ["task.a"])
    marker = await anext(read_stream(bus, bucket_stream(bus.subjects.state_bucket)))
    assert ("DEL", str(DELETED_FOR_S)) == (marker.headers[OPERATION], marker.headers["Nats-TTL"])


async def test_a_deleted_key_is_put_again(bus, bucket):
    await bucket.write(values("task.a"), ["task.a"])
    await bucket.write(values("task.a"))
    assert ["task.a"] == await keys(bus)


async def test_a_writer_that_was_followed_is_superseded(bus, bucket):
    await (await StateBucket.open(bus)).write(values("task.a"))
    with pytest.raises(Superseded):
        await bucket.write(values("task.b"))


async def test_keys_of_names_that_nats_would_split_are_kept(bus, bucket):
    key = bus.subjects.state_key("node", "a.example")
    await bucket.write(values(key))
    assert [key] == await keys(bus)


async def test_the_bucket_is_one_for_nats_tools(bus):
    config = (await call(bus.link, f"STREAM.INFO.KV_{bus.subjects.state_bucket}"))["config"]
    assert ([f"$KV.{bus.subjects.state_bucket}.>"], 1, True) == (
        config["subjects"],
        config["max_msgs_per_subject"],
        config["allow_rollup_hdrs"],
    )
