"""One call of the API as its handler sees it: the cluster, the request, and readers for common parameters. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from services.simulator.cluster import Cluster
from services.simulator.faults import Faults
from services.simulator.filters import Wanted, parse
from services.simulator.http import Request
from services.simulator.model import ApiError

_FALSE = {"", "0", "no", "false", "none"}


class Control(Protocol):
    """What the side endpoints and the event stream need of the server."""

    faults: Faults
    on_faults: list[Callable[[], None]]

    def set_faults(self, faults: Faults) -> None:
        """Misbehave so from now on."""

    def restart_soon(self, down_s: float) -> None:
        """Drop all connections, and refuse new ones for so long."""


@dataclass(frozen=True, slots=True)
class Call:
    """`captured`: the variable parts of the path. `api`: the version that the client speaks."""

    cluster: Cluster
    control: Control
    request: Request
    captured: tuple[str, ...]
    api: tuple[int, int]

    def flag(self, name: str) -> bool:
        """A boolean parameter, read as dockerd reads them."""
        return self.request.query.get(name, "").strip().lower() not in _FALSE

    def filters(self, *known: str) -> Wanted:
        """The `filters` parameter, which may have those keys."""
        return parse(self.request.query.get("filters", ""), known)

    def version(self, kind: str) -> int:
        """The `version` parameter of an update: the index last read.

        Raises:
            ApiError: it is no number (400).
        """
        text = self.request.query.get("version", "")
        if not text.isdigit():
            why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
            raise ApiError(400, f"invalid {kind} version '{text}': {why}")
        return int(text)
