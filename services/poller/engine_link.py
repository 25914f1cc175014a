"""How the poller reaches the engine, as a state of its own: published as kind `engine`, said in the health.

reader, lists, motion and watch report here what the engine did; the view gets the `EngineState`.
"""

import time
from typing import Final, Literal

import structlog

from funswarm.state import EngineState
from services.engine.client import Engine
from services.poller.health import Troubles
from services.poller.view import View

ENGINE_ID: Final = "engine"
Stream = Literal["open", "silent", "closed"]

_log = structlog.get_logger()


class EngineLink:
    """The engine, and what is known about reaching it.

    `open_since`: since when its event stream is open (monotonic seconds), infinite while it is not.
    """

    def __init__(self, engine: Engine, view: View, troubles: Troubles, versions: tuple[str, str]) -> None:
        self.engine: Final = engine
        self.open_since = float("inf")
        self.stream: Stream = "closed"
        self._view = view
        self._troubles = troubles
        self._versions = versions
        self._why_away: str | None = None
        self._why_closed: str | None = None

    def answered(self) -> None:
        """The engine answered a question."""
        self._troubles.clear("engine")
        if self._why_away is not None:
            self._why_away = None
            self._tell()

    def failed(self, error: Exception) -> None:
        """The engine did not answer, or not with what was asked for."""
        self._troubles.set("engine", str(error))
        if self._why_away is None:
            _log.warning("the engine does not answer", reason=str(error))
            self._why_away = str(error)
            self._tell()

    def listed(self, kind: str) -> int:
        """All objects of a kind were listed; how many of them cannot be understood."""
        problems = self.engine.misunderstood.get(kind, ())
        worst = f"{kind} {problems[0].object_id}: {problems[0].reason}" if problems else None
        self._troubles.note(kind, worst and f"not understood, so what is known of it is old: {worst} ({len(problems)})")
        return len(problems)

    def opened(self) -> None:
        """A new event stream is open. One that replaces a silent stream has yet to prove itself."""
        self.open_since = time.monotonic()
        self._troubles.clear("stream")
        if self.stream == "closed":
            self._set_stream("open", None)

    def proven(self) -> None:
        """The event stream tells again."""
        self._set_stream("open", None)

    def closed(self, reason: str) -> None:
        """The event stream ended."""
        self.open_since = float("inf")
        self._troubles.set("stream", f"the engine's event stream is not open: {reason}")
        if self.stream == "open":
            _log.warning("the engine's event stream ended", reason=reason)
            self._set_stream("closed", reason)

    def silent(self, reason: str) -> None:
        """The event stream does not tell of what changes."""
        _log.warning("the engine's event stream is silent: opening another", reason=reason)
        self._set_stream("silent", reason)

    def _set_stream(self, stream: Stream, reason: str | None) -> None:
        self.stream = stream
        self._why_closed = reason
        self._tell()

    def _tell(self) -> None:
        engine_version, api_version = self._versions
        self._view.set_engine(
            EngineState(
                id=ENGINE_ID,
                name=ENGINE_ID,
                version=0,
                reachable=self._why_away is None,
                stream=self.stream,
                reason=self._why_away or self._why_closed,
                engine_version=engine_version,
                api_version=api_version,
            )
        )
