"""What a rebalanced service asks for by its labels, and what is remembered of it. Pure."""

from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from funswarm.state import Value
from funswarm.units import Duration

NAME: Final = "rebalance"
BASE_LABEL: Final = "funswarm.rebalance.base"  # written with the surge: how many replicas the service has without it
NOW_LABEL: Final = "funswarm.rebalance.now"  # written by the command: do it now


class Settings(Value):
    """The labels. `max_surge`: so many tasks more at once; `settle`: so long all must run before any is taken away.

    `timeout`: so long new tasks may take to run. `debounce`: so long a node must be there before it gets tasks.
    """

    max_surge: int = Field(3, ge=1, le=100)
    settle: Duration = Field(5.0, ge=0.0, le=3600.0)
    timeout: Duration = Field(300.0, ge=1.0, le=86_400.0)
    debounce: Duration = Field(30.0, ge=0.0, le=86_400.0)


class Surge(Value):
    """A wave under way: `base` replicas, for a while `top`. `since`: in this phase.

    `up`: until all of `top` run; `settle`: until they have run for a while; `down`: until there are `base` again.
    `left`: somebody else has set the replicas, and only our label is still there. `uneven`: how uneven its tasks were
    before; a wave that does not make it less has moved nothing.
    """

    base: int
    top: int
    phase: Literal["up", "settle", "down", "left"] = "up"
    since: datetime
    uneven: int


class Memory(Value):
    """`nodes`: the ids of the nodes that its tasks were spread over. `since`: when one was seen that is not among them;
    None: none is, or what was begun for its sake was given up.
    """

    nodes: tuple[str, ...] = ()
    since: datetime | None = None
    surge: Surge | None = None
