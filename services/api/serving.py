"""The api's life: the HTTP server, the SDK's Client behind it, and its own answers to the questions for all parts.

It starts and stays up without NATS: then every answer says what is missing.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import structlog
import uvicorn

from funswarm.client import Client
from funswarm.errors import Failed, FunswarmError
from funswarm.messages import Code, PartHealth
from services.api.access import VARIABLE
from services.api.app import build
from services.api.figures import Figures
from services.api.guard import Guard
from services.api.hosts import is_loopback
from services.api.operating import VERSION
from services.api.proxies import Proxies
from services.api.settings import CONNECTIONS_MAX, ApiSettings
from services.bus.client import sdk_client
from services.bus.connection import Bus
from services.bus.part import answer_for
from services.bus.settings import NatsSettings
from services.runtime import instance
from services.settings import Settings

PART: Final = "api"
RETRY_S: Final = 2.0
SIMULATOR_INTERVAL_S: Final = 10.0
DRAIN_TIMEOUT_S: Final = 8  # of requests that are being answered; below services.runtime's bound

_log = structlog.get_logger()


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serves HTTP until `stop` is set, then lets what is being answered end.

    Raises:
        Failed: the port cannot be listened on, or a file of the settings cannot be used.
    """
    api, nats = ApiSettings.of(settings), NatsSettings.of(settings)
    figures, client = Figures(), sdk_client(nats, PART)
    proxies = Proxies(client, api.traefik, api.stale_max_s)
    app = build(client, api, figures, stop, instance(), proxies=proxies)
    config = uvicorn.Config(
        app, http="httptools", ws="none", lifespan="off", access_log=False, log_config=None, log_level="warning",
        server_header=False, timeout_graceful_shutdown=DRAIN_TIMEOUT_S, limit_concurrency=CONNECTIONS_MAX,
        ssl_certfile=api.tls_cert, ssl_keyfile=api.tls_key,
    )  # fmt: skip
    _read_certificate(config)
    server = _Server(config)
    with _listening(api.host, api.port) as listening:
        _log.info("serving HTTP", host=api.host, port=listening.getsockname()[1])
        _say_who_may(api)
        background = [
            asyncio.create_task(_answer_for_parts(nats, figures, app, proxies)),
            asyncio.create_task(_learn_of_simulator(client, app)),
            asyncio.create_task(_end(server, stop)),
        ]
        try:
            await server.serve([listening])
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await proxies.close()
            await client.close()


def _say_who_may(api: ApiSettings) -> None:
    if api.tokens_file is not None:
        return
    if is_loopback(api.host):
        _log.info(
            f"no tokens: whoever is on this machine may do everything, others cannot reach it; {VARIABLE} opens it"
        )
    else:
        _log.warning(f"NO TOKENS: whoever reaches {api.host} may do everything with the Swarm; {VARIABLE} closes it")


class _Server(uvicorn.Server):
    """Leaves the signals to services.runtime."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _end(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True


def _read_certificate(config: uvicorn.Config) -> None:
    try:
        config.load()
    except OSError as error:  # ssl.SSLError too
        files = f"{config.ssl_certfile}, {config.ssl_keyfile}"
        raise Failed(f"FUNSWARM_HTTP_TLS_CERT and _KEY ({files}) cannot be used: {error}", Code.INVALID) from error


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=1024, dualstack_ipv6=host == "::")
    except OSError as error:
        raise Failed(
            f"cannot listen on {host}:{port}: {error}; choose another FUNSWARM_HTTP_PORT or FUNSWARM_HTTP_HOST",
            Code.INTERNAL,
        ) from error
    with listening:
        yield listening


async def _learn_of_simulator(client: Client, app: Guard) -> None:
    """The header that says so is set from what the parts with an engine say, not by a question per request."""
    while True:
        parts: list[PartHealth] = []
        with contextlib.suppress(FunswarmError):
            parts = [part for part in await client.parts() if part.active and part.part != PART]
        if parts:
            app.simulator = any(part.simulator for part in parts)
        await asyncio.sleep(SIMULATOR_INTERVAL_S if parts else RETRY_S)


def health_of(app: Guard, started_at: datetime) -> PartHealth:
    """How this copy is: well also with trouble that it can work with, which is to take it from no one's users."""
    return PartHealth(
        part=PART, instance=instance(), version=VERSION, started_at=started_at, active=True, ok=True,
        reason=app.trouble(), simulator=app.simulator,
    )  # fmt: skip


async def _answer_for_parts(nats: NatsSettings, figures: Figures, app: Guard, proxies: Proxies) -> None:
    """This copy's health and figures, what it denied, and what is wrong with labels, as long as the process lives."""
    started_at = datetime.now(UTC)

    while True:
        try:
            bus = await Bus.connect(nats, PART)
        except FunswarmError as error:
            _log.warning("NATS is not reached", reason=str(error))
            await asyncio.sleep(RETRY_S)
            continue
        try:
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(bus.close)
                await answer_for(
                    bus, stack, instance(), lambda: health_of(app, started_at), lambda: figures.text().encode()
                )
                for writing in (app.denials.run(bus), proxies.tell(bus)):
                    stack.callback(asyncio.create_task(writing).cancel)
                await bus.watch()
        except FunswarmError as error:
            _log.warning("the connection to NATS ended", reason=str(error))
            await asyncio.sleep(RETRY_S)
