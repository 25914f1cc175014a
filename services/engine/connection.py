"""HTTP to the engine, blocking: docker-py's session on raw JSON, bounded in time and size. Runs in threads.

docker-py finds the engine (socket, TCP, TLS, SSH) and is used for nothing else: its high-level calls rewrite services
(`insertDefaults`) and hide what the engine said. Two of its habits are undone: a connection pool for every URL, and
requests' reading of the environment (proxies, netrc, CA bundles) for a local socket.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import requests
import urllib3
from docker import APIClient
from docker.errors import DockerException
from docker.transport import UnixHTTPAdapter
from docker.utils import kwargs_from_env

from funswarm.errors import Failed, Unavailable
from services.engine.settings import EngineSettings

CHUNK_BYTES: Final = 1 << 20
CONNECT_TIMEOUT_S: Final = 10.0
_BROKEN: Final = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: `what` in words, for errors; `path` begins with a slash and its version; `body` becomes JSON."""

    what: str
    method: str
    path: str
    timeout_s: float
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of the engine."""

    status: int
    body: bytes


class _OneSocketAdapter(UnixHTTPAdapter):
    """docker-py keeps a pool of connections for each URL; the socket is the same for all."""

    def get_connection(self, url: str | bytes, proxies: Mapping[str, str] | None = None) -> Any:
        del url
        return super().get_connection("http+docker://localhost", proxies)


class Connection:
    """Sessions with one engine: one for each thread that asks, since requests' sessions are not thread-safe.

    Raises, in all calls:
        Unavailable: the engine does not answer, or not wholly in time.
        Failed: the answer is larger than `body_max_bytes`; the settings name no usable engine.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._local = threading.local()
        self._sessions: list[APIClient] = []
        self._streams: APIClient | None = None
        self._lock = threading.Lock()

    def ask(self, request: Request) -> Answer:
        """One request and its whole answer; `timeout_s` bounds it in whole."""
        end = time.monotonic() + request.timeout_s
        try:
            with _send(self._session(), request) as response:
                return Answer(response.status_code, self._body(response, end, request.what))
        except _BROKEN as error:
            raise self._away(error) from error

    def stream(self, request: Request) -> requests.Response:
        """An answer whose body comes bit by bit, at most `timeout_s` apart: the caller reads and closes it."""
        with self._lock:  # one session for all streams: each has a thread of its own, and they come and go
            if self._streams is None:
                self._streams = open_session(self._settings)
                self._sessions.append(self._streams)
        try:
            return _send(self._streams, request)
        except _BROKEN as error:
            raise self._away(error) from error

    def close(self) -> None:
        with self._lock:
            for session in self._sessions:
                session.close()
            self._sessions.clear()

    def _session(self) -> APIClient:
        session: APIClient | None = getattr(self._local, "session", None)
        if session is None:
            session = open_session(self._settings)
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session

    def _body(self, response: requests.Response, end: float, what: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        while part := response.raw.read(CHUNK_BYTES):
            parts.append(part)
            size += len(part)
            if size > self._settings.body_max_bytes:
                raise Failed(f"{what}: the engine's answer is larger than {self._settings.body_max_bytes} bytes")
            if time.monotonic() > end:
                raise Unavailable(f"{what}: the engine's answer did not end in time ({size} bytes came)")
        return b"".join(parts)

    def _away(self, error: Exception) -> Unavailable:
        return Unavailable(f"the engine at {self._settings.address} does not answer: {plain(error)}")


def _send(session: APIClient, request: Request) -> requests.Response:
    return session.request(
        request.method,
        f"{session.base_url}{request.path}",
        params=dict(request.query),
        json=request.body,
        headers=dict(request.headers),
        timeout=(CONNECT_TIMEOUT_S, request.timeout_s),
        stream=True,
        allow_redirects=False,
    )


def open_session(settings: EngineSettings) -> APIClient:
    """A session of docker-py's that asks nothing yet.

    Raises:
        Failed: the address or the certificates cannot be used.
    """
    environment = {
        "DOCKER_HOST": settings.address,
        "DOCKER_TLS_VERIFY": settings.tls_verify,
        "DOCKER_CERT_PATH": settings.cert_path,
    }
    try:
        where = kwargs_from_env({name: value for name, value in environment.items() if value is not None})
        session = APIClient(version="1.41", use_ssh_client=True, **where)
    except DockerException as error:
        raise Failed(f"DOCKER_HOST {settings.address!r} cannot be used: {error}") from error
    except OSError as error:
        raise Unavailable(f"the engine at {settings.address} does not answer: {error}") from error
    session.trust_env = False
    adapter = session.adapters.get("http+docker://")
    if isinstance(adapter, UnixHTTPAdapter):
        session.mount("http+docker://", _OneSocketAdapter(f"http+unix://{adapter.socket_path}"))
    return session


def plain(error: BaseException) -> str:
    """What went wrong, out of the wrappings of requests and urllib3."""
    cause, cut_off = error, False
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause, cut_off = inner, cut_off or isinstance(cause, urllib3.exceptions.ProtocolError)
    if isinstance(cause, TimeoutError):
        return "it took too long"
    if isinstance(cause, PermissionError):
        return f"{cause}: this user may not use Docker (on Linux: is not in the group `docker`)"
    if cut_off and not isinstance(cause, OSError):
        return "the connection was cut off in the middle"
    return str(cause) or type(cause).__name__
