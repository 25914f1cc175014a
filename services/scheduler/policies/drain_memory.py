"""What a service asks of a graceful drain by its labels, and what is remembered of it meanwhile. Pure."""

from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from funswarm.state import Value
from funswarm.units import Duration

NAME: Final = "drain"
BASE_LABEL: Final = "funswarm.drain.base"  # written with the surge: how many replicas the service has without it


class Settings(Value):
    """The labels. `timeout`: so long tasks may take to run elsewhere, else the drain is given up."""

    timeout: Duration = Field(600.0, ge=1.0, le=86_400.0)


class Memory(Value):
    """A surge for the sake of `nodes`: `base` replicas, until these nodes are drained `top`. `since`: when it began.

    `over`: it is taken back. `more`: what it becomes by the command for yet another node's sake, where that is done.
    """

    base: int
    top: int
    nodes: tuple[str, ...]
    since: datetime
    phase: Literal["up", "over"] = "up"
    more: "Memory | None" = None
