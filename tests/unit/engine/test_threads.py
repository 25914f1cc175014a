"""Blocking calls run beside the event loop, a bounded number at once."""

import asyncio
import threading

import pytest

from funswarm.errors import Unavailable
from services.engine.threads import Threads
from tests.waiting import until


async def test_a_calls_result_and_error_are_the_callers():
    threads = Threads(1)
    assert 3 == await threads.run(lambda: 3)
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    threads.close()


async def test_calls_run_at_the_same_time_up_to_the_count():
    threads, together = Threads(2), threading.Barrier(2)
    await asyncio.gather(*(threads.run(lambda: together.wait(60)) for _ in range(4)))
    assert 2 == len(threads._threads)
    threads.close()


async def test_calls_one_after_the_other_share_a_thread():
    threads = Threads(8)
    names = {await threads.run(threading.get_ident) for _ in range(5)}
    assert 1 == len(names)
    threads.close()


async def test_a_call_that_was_cancelled_while_it_waited_is_not_made():
    threads, gate, made = Threads(1), threading.Event(), []
    first = asyncio.ensure_future(threads.run(lambda: gate.wait(60)))
    second = asyncio.ensure_future(threads.run(lambda: made.append("second")))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    gate.set()
    await first
    await threads.run(lambda: made.append("third"))
    assert ["third"] == made
    threads.close()


async def test_after_closing_nothing_is_called():
    threads = Threads(1)
    threads.close()
    with pytest.raises(Unavailable, match="closed"):
        await threads.run(lambda: 3)


async def test_closing_ends_the_wait_for_calls_that_have_not_begun():
    threads, begun, gate = Threads(1), threading.Event(), threading.Event()

    def begin():
        begun.set()
        return gate.wait(60)

    first = asyncio.ensure_future(threads.run(begin))
    second = asyncio.ensure_future(threads.run(lambda: 2))
    await until(begun.is_set, "the first call")
    threads.close()
    gate.set()
    with pytest.raises(Unavailable, match="closed"):
        await second
    assert await first
