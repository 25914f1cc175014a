"""Which API versions an engine speaks, and its answer to those that ask for others (moby api/server). Pure."""

import re
from dataclasses import dataclass

from services.simulator.model import ApiError

Pair = tuple[int, int]

_API_BY_ENGINE: tuple[tuple[tuple[int, ...], Pair], ...] = (
    ((29, 0), (1, 52)),
    ((28, 3), (1, 51)),
    ((28, 2), (1, 50)),
    ((28, 1), (1, 49)),
    ((28, 0), (1, 48)),
    ((27, 2), (1, 47)),
    ((27, 0), (1, 46)),
    ((26, 0), (1, 45)),
    ((25, 0), (1, 44)),
    ((24, 0), (1, 43)),
    ((23, 0), (1, 42)),
    ((20, 10), (1, 41)),
)
_LEAST_API: tuple[tuple[tuple[int, ...], Pair], ...] = (((29, 0), (1, 44)), ((25, 0), (1, 24)), ((0, 0), (1, 12)))


def _shown(pair: Pair) -> str:
    return f"{pair[0]}.{pair[1]}"


@dataclass(frozen=True, slots=True)
class EngineVersion:
    """An engine's version, with the newest and the oldest API that it speaks."""

    engine: str
    api: Pair
    least_api: Pair

    @classmethod
    def parse(cls, engine: str) -> "EngineVersion":
        """The version of that name, such as `27.5.1`.

        Raises:
            ValueError: it is no version, or older than 20.10.
        """
        match = re.match(r"^(\d+)\.(\d+)", engine)
        if match is None:
            raise ValueError(f"engine version {engine!r} is not like 27.5.1")
        release = (int(match[1]), int(match[2]))
        for least, api in _API_BY_ENGINE:
            if release >= least:
                return cls(engine, api, next(pair for since, pair in _LEAST_API if release >= since))
        raise ValueError(f"engine version {engine} is older than 20.10: its API lacks jobs")

    @property
    def api_text(self) -> str:
        """The newest API version, as text."""
        return _shown(self.api)

    @property
    def least_api_text(self) -> str:
        """The oldest API version, as text."""
        return _shown(self.least_api)

    def negotiate(self, asked: str | None) -> Pair:
        """The API version of a request: the one in its path, the newest without.

        Raises:
            ApiError: the engine does not speak it (400).
        """
        if asked is None:
            return self.api
        major, _, minor = asked.partition(".")
        pair = (int(major), int(minor))
        if pair > self.api:
            text = f"client version {asked} is too new. Maximum supported API version is {self.api_text}"
            raise ApiError(400, text)
        if pair < self.least_api:
            least = f"Minimum supported API version is {self.least_api_text}"
            text = f"client version {asked} is too old. {least}, please upgrade your client to a newer version"
            raise ApiError(400, text)
        return pair
