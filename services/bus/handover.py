"""When an active copy should leave its lease to another: it has no engine, and a copy on standby has one. Asks NATS.

Nobody leaves where nobody is better off: copies that all lost their engine stay as they are.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from pydantic import ValidationError

from funswarm.errors import FunswarmError
from funswarm.messages import PartHealth
from services.bus.connection import Bus

AWAY_S: Final = 15.0  # without an engine for so long; it may only be restarted
LOOK_INTERVAL_S: Final = 5.0
_ANSWERS_S: Final = 1.0


async def better_off(bus: Bus, part: str, away_s: Callable[[], float]) -> str:
    """Wait until this copy is without its engine for AWAY_S and another copy of the part is well, on standby: its name.

    away_s: for how long it is without it, 0: it is not.
    """
    while True:
        await asyncio.sleep(LOOK_INTERVAL_S)
        if away_s() >= AWAY_S and (name := await _well_on_standby(bus, part)):
            return name


async def _well_on_standby(bus: Bus, part: str) -> str | None:
    try:
        answers = await bus.gather(bus.subjects.part_health, b"", _ANSWERS_S, lambda _: False)
        copies = [PartHealth.model_validate_json(answer) for answer in answers]
    except (FunswarmError, ValidationError):  # it is asked again
        return None
    well = (one.instance for one in copies if one.part == part and one.ok and not one.active and one.engine)
    return next(well, None)
