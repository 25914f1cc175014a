"""HTTP to the engine, blocking: docker-py's connections on raw JSON, bounded in time and size. Runs in threads.

docker-py finds the engine (socket, TCP, TLS, SSH) and gives its connection pool; its calls are not used: they rewrite
services (`insertDefaults`) and hide what the engine said. Nor is requests between the two, which costs as much again as
all the rest of a call, and reads proxies, netrc and CA bundles from the environment for a local socket.
"""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import urlencode

import requests
import urllib3
from docker import APIClient
from docker.constants import IS_WINDOWS_PLATFORM
from docker.errors import DockerException
from docker.utils import kwargs_from_env, parse_host
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout

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

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @property
    def content(self) -> bytes | None:
        """The body as JSON."""
        return None if self.body is None else json.dumps(self.body).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of the engine."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Session:
    """What one thread asks with: docker-py's client, which owns the pool."""

    client: APIClient
    pool: HTTPConnectionPool

    def send(self, request: Request) -> BaseHTTPResponse:
        """The answer's head; its body is still to be read."""
        body = request.content
        headers = {"User-Agent": "funswarm", **request.headers}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return self.pool.urlopen(
            request.method,
            request.target,
            body,
            headers,
            retries=False,
            redirect=False,
            timeout=Timeout(connect=CONNECT_TIMEOUT_S, read=request.timeout_s),
            preload_content=False,
        )


class Connection:
    """Sessions with one engine: one for each thread that asks.

    Raises, in all calls:
        Unavailable: the engine does not answer, or not wholly in time.
        Failed: the answer is larger than `body_max_bytes`; the settings name no usable engine.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._local = threading.local()
        self._sessions: list[Session] = []
        self._streams: Session | None = None
        self._lock = threading.Lock()

    def ask(self, request: Request) -> Answer:
        """One request and its whole answer; `timeout_s` bounds it in whole."""
        end = time.monotonic() + request.timeout_s
        try:
            with self._session().send(request) as response:
                return Answer(response.status, self._body(response, end, request.what))
        except _BROKEN as error:
            raise away(self._settings, error) from error

    def stream(self, request: Request) -> BaseHTTPResponse:
        """An answer whose body comes bit by bit, at most `timeout_s` apart: the caller reads and closes it."""
        with self._lock:  # one session for all streams: each has a thread of its own, and they come and go
            if self._streams is None:
                self._streams = open_session(self._settings)
                self._sessions.append(self._streams)
        try:
            return self._streams.send(request)
        except _BROKEN as error:
            raise away(self._settings, error) from error

    def close(self) -> None:
        with self._lock:
            for session in self._sessions:
                session.client.close()
            self._sessions.clear()

    def _session(self) -> Session:
        session: Session | None = getattr(self._local, "session", None)
        if session is None:
            session = open_session(self._settings)
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session

    def _body(self, response: BaseHTTPResponse, end: float, what: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        while part := response.read(CHUNK_BYTES):
            parts.append(part)
            size += len(part)
            if size > self._settings.body_max_bytes:
                raise Failed(f"{what}: the engine's answer is larger than {self._settings.body_max_bytes} bytes")
            if time.monotonic() > end:
                raise Unavailable(f"{what}: the engine's answer did not end in time ({size} bytes came)")
        return b"".join(parts)


def open_session(settings: EngineSettings) -> Session:
    """A session that asks nothing yet.

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
        client = APIClient(version="1.41", use_ssh_client=True, **where)
    except DockerException as error:
        raise Failed(f"DOCKER_HOST {settings.address!r} cannot be used: {error}") from error
    except OSError as error:
        raise Unavailable(f"the engine at {settings.address} does not answer: {error}") from error
    return Session(client, _pool(client))


def _pool(client: APIClient) -> HTTPConnectionPool:
    """The connections that requests would use for the client's address, with its certificates."""
    url = f"{client.base_url}/"
    adapter = cast("HTTPAdapter", client.get_adapter(url))
    asked = requests.Request("GET", url).prepare()
    pool = adapter.get_connection_with_tls_context(asked, client.verify, None, client.cert)
    adapter.cert_verify(pool, url, client.verify, client.cert)  # type: ignore[no-untyped-call]
    return cast("HTTPConnectionPool", pool)


def socket_path(settings: EngineSettings) -> str | None:
    """Where the unix socket is that docker-py would use; None: it would use another way."""
    try:
        url = str(parse_host(settings.address, IS_WINDOWS_PLATFORM))
    except DockerException:
        return None
    path = url.removeprefix("http+unix://")
    return None if path == url else f"/{path.removeprefix('/')}"


def away(settings: EngineSettings, error: Exception) -> Unavailable:
    """The engine did not answer, for this reason."""
    return Unavailable(f"the engine at {settings.address} does not answer: {plain(error)}")


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
