"""Waiting for others, so that many are written at once: for what nobody waits for. The event loop, nothing else."""

import asyncio
from collections.abc import Callable
from typing import Final

STEP_S: Final = 0.05
STEPS_MAX: Final = 5
FEW: Final = 4  # of fewer in a step, waiting on would not make a batch


async def gathered(size: Callable[[], int], enough: int) -> None:
    """Returns after STEP_S; in a burst later: while FEW or more come in each step, up to `enough`, STEPS_MAX steps.

    size: how many there are now.
    """
    for _ in range(STEPS_MAX):
        before = size()
        await asyncio.sleep(STEP_S)
        if size() >= enough or size() - before < FEW:
            return
