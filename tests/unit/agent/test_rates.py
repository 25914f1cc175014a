"""What an agent makes of the engine's counters."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from funswarm.errors import Unavailable
from funswarm.gauges import TaskUse
from services.agent.rates import usage_of
from services.engine.usage import Counters, counters_of, read_usage

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RAW = {
    "read": "2026-11-23T12:00:00.123456789Z",
    "cpu_stats": {"cpu_usage": {"total_usage": 5_000}},
    "memory_stats": {"usage": 1000, "stats": {"inactive_file": 300}},
}


def counters(seconds: float, cpu_s: float, memory_bytes: int = 0) -> Counters:
    return Counters(NOON + timedelta(seconds=seconds), int(cpu_s * 1e9), memory_bytes)


def test_processors_are_seconds_of_them_in_a_second():
    usage = usage_of({"t": counters(0, 1)}, {"t": counters(10, 6, 77)})
    assert {"t": TaskUse(processors=0.5, memory_bytes=77)} == usage.tasks


@pytest.mark.parametrize("before", [{}, {"t": counters(10, 6)}, {"t": counters(0, 7)}])
def test_of_what_cannot_be_compared_nothing_is_said(before):
    assert {} == usage_of(before, {"t": counters(10, 6)}).tasks


def test_the_page_cache_is_no_use():
    expected = Counters(datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC), 5_000, 700)
    assert expected == counters_of(RAW)


def test_a_container_that_does_not_run_has_no_numbers():
    assert counters_of({"read": "0001-01-01T00:00:00Z", "cpu_stats": {}, "memory_stats": {}}) is None


async def test_only_containers_of_tasks_are_read():
    asked = []

    async def ask(path, query):
        asked.append((path, dict(query)))
        return [{"Id": "c1", "Labels": {"com.docker.swarm.task.id": "t1"}}] if path.endswith("json") else RAW

    assert ["t1"] == list(await read_usage(ask))
    assert '{"label": ["com.docker.swarm.task.id"]}' == asked[0][1]["filters"]


async def test_an_engine_that_does_not_answer_is_asked_nothing_more():
    async def ask(path, query):
        if path.endswith("json"):
            return [{"Id": f"c{number}", "Labels": {"com.docker.swarm.task.id": f"t{number}"}} for number in range(50)]
        if "/c0/" in path:
            raise Unavailable("the engine is away")
        return await asyncio.Event().wait()

    with pytest.raises(Unavailable, match="the engine is away"):
        await read_usage(ask)
    assert {asyncio.current_task()} == asyncio.all_tasks()
