"""The engine's API over a connection: API version, JSON, refusals as Funswarm's errors. Blocking, in threads."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from urllib3 import BaseHTTPResponse

from funswarm.errors import Failed, FunswarmError, Unavailable
from services.engine.connection import Answer, Connection, Request
from services.engine.errors import engine_error, is_other_api_version
from services.engine.settings import EngineSettings

API_MIN: Final = (1, 41)  # Docker 20.10: jobs, and everything else that we read
API_MAX: Final = (1, 52)


class Asking:
    """Asks one engine. Raises what `Connection` and `engine_error` say."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self._connection = Connection(settings)
        self._api_version = ""

    @property
    def api_version(self) -> str:
        """As negotiated; empty before, and after the engine was replaced by one that speaks another."""
        return self._api_version

    def negotiate(self) -> str:
        """Agrees on an API version, and says it.

        Raises:
            Failed: there is none that both speak.
        """
        what = "read the engine's version"
        answer = self._connection.ask(Request(what, "GET", "/version", self.settings.timeout_s))
        if answer.status >= 300:
            raise engine_error(answer.status, answer.body, what)
        raw = decoded(answer, what)
        if not isinstance(raw, dict):
            raise Unavailable(f"what answers at {self.settings.address} is no Docker engine: {str(raw)[:200]}")
        version = self._api_version = negotiated(raw.get("ApiVersion"), raw.get("MinAPIVersion"))
        return version

    def ask(self, request: Request) -> Answer:
        """A good answer to the request, whose path begins without the API version."""
        return self.good(self._connection.ask(self._versioned(request)), request.what)

    def good(self, answer: Answer, what: str) -> Answer:
        """The answer, if it is no refusal."""
        if answer.status >= 300:
            raise self._refusal(answer.status, answer.body, what)
        return answer

    def json(self, request: Request) -> Any:
        """The answer decoded; an empty one is {}."""
        return decoded(self.ask(request), request.what)

    def get(self, path: str, what: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """One object."""
        return an_object(self.json(Request(what, "GET", path, self.settings.timeout_s, query or {})), what)

    def stream(self, request: Request) -> BaseHTTPResponse:
        """A good answer whose body is still to come; the caller closes it."""
        response = self._connection.stream(self._versioned(request))
        if response.status >= 300:
            with response:
                raise self._refusal(response.status, response.read(8192), request.what)
        return response

    def close(self) -> None:
        self._connection.close()

    def _versioned(self, request: Request) -> Request:
        return versioned(request, self._api_version or self.negotiate())

    def _refusal(self, status: int, body: bytes, what: str) -> FunswarmError:
        error = engine_error(status, body, what)
        if is_other_api_version(str(error)):
            self._api_version = ""  # the engine was replaced: negotiate with this one
        return error


def negotiated(engine_max: Any, engine_min: Any) -> str:
    """The API version to speak: the highest that both know.

    Raises:
        Failed: there is none.
    """
    highest, lowest = _number(engine_max), _number(engine_min or "1.12")
    chosen = max(min(highest, API_MAX), lowest)  # an engine may have dropped our newest: what we read is older yet
    if chosen < API_MIN:
        raise Failed(f"the engine speaks API {engine_max}; Funswarm needs 1.41 or later: Docker 20.10 or later")
    return f"{chosen[0]}.{chosen[1]}"


def _number(version: Any) -> tuple[int, int]:
    try:
        major, minor = str(version).split(".")[:2]
        return int(major), int(minor)
    except ValueError:
        raise Unavailable(f"what answers is no Docker engine: its API version is {version!r}") from None


def versioned(request: Request, version: str) -> Request:
    """The request to that version of the API."""
    return replace(request, path=f"/v{version}{request.path}")


def decoded(answer: Answer, what: str) -> Any:
    """A good answer's JSON; {} where it is empty.

    Raises:
        Unavailable: it is none.
    """
    try:
        return json.loads(answer.body) if answer.body else {}
    except (ValueError, RecursionError) as error:
        raise Unavailable(f"{what}: the engine's answer is no JSON: {error}") from error


def an_object(raw: Any, what: str) -> dict[str, Any]:
    """Decoded JSON that must be an object.

    Raises:
        Unavailable: it is none: as from an engine that is broken, or is no engine.
    """
    if not isinstance(raw, dict):
        raise Unavailable(f"{what}: the engine's answer is no object but a {type(raw).__name__}")
    return raw
