"""Awaiting a condition instead of sleeping: the bound is generous, the condition ends the wait."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

from funswarm.errors import Unavailable

T = TypeVar("T")

PATIENCE_S = 120.0


@overload
async def until(
    condition: Callable[[], Awaitable[T]], what: str, timeout_s: float = ..., every_s: float = ...
) -> T: ...
@overload
async def until(condition: Callable[[], T], what: str, timeout_s: float = ..., every_s: float = ...) -> T: ...
async def until(
    condition: Callable[[], T | Awaitable[T]], what: str, timeout_s: float = PATIENCE_S, every_s: float = 0.02
) -> T:
    """The first true value of `condition` (a plain or an async function).

    Unavailable is "not yet": who must answer is away, or slow on a busy machine, and every client asks again then.

    Raises:
        AssertionError: `what` did not come within `timeout_s`; with the last value seen.
    """
    end = time.monotonic() + timeout_s
    while True:
        seen: object
        try:
            value = condition()
            if isinstance(value, Awaitable):
                value = await value
            if value:
                return value
            seen = value
        except Unavailable as error:
            seen = error
        assert time.monotonic() < end, f"waited {timeout_s:g} s in vain for {what}: last seen {seen!r}"
        await asyncio.sleep(every_s)
