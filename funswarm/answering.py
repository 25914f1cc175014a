"""Waiting for an answer, at most so long. No I/O."""

import asyncio
from typing import Final, TypeVar

_LOOKS: Final = 10
_LOOK_INTERVAL_S: Final = 0.01

T = TypeVar("T")


async def wait_for_answer(answer: asyncio.Future[T], timeout_s: float) -> T:
    """The answer. Where its time is over the loop goes on for some turns: a process that stood still, stopped or
    swapped out, may have it in its socket.

    Raises:
        TimeoutError: there is none.
    """
    timer = asyncio.get_running_loop().call_later(timeout_s, _look, answer, _LOOKS)
    try:
        return await answer
    finally:
        timer.cancel()


def _look(answer: asyncio.Future[T], more: int) -> None:
    if answer.done():
        return
    if more:
        answer.get_loop().call_later(_LOOK_INTERVAL_S, _look, answer, more - 1)
    else:
        answer.set_exception(TimeoutError())
