"""The api as it runs: uvicorn on a free port in the test's own loop, its Client on a real nats-server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from services.api.serving import serve
from services.settings import Settings
from tests.servers import free_port
from tests.waiting import PATIENCE_S, until


@asynccontextmanager
async def serving(
    nats_url: str,
    prefix: str = "funswarm",
    stop: asyncio.Event | None = None,
    *,
    port: int | None = None,
    host: str = "127.0.0.1",
    tasks_domain: str | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the api; it is up. It is stopped at the end, or when `stop` is set. `port`: None: a free one."""
    port = port or free_port()
    stop = stop or asyncio.Event()
    values: dict[str, Any] = {"nats_url": nats_url, "prefix": prefix, "http_host": host, "http_port": port}
    values["tasks_domain"] = tasks_domain
    work = asyncio.create_task(serve(Settings(**values), stop))
    try:
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=PATIENCE_S) as http:

            async def alive() -> bool:
                try:
                    return (await http.get("/healthz")).status_code == 200
                except httpx.TransportError:
                    assert not work.done(), work
                    return False

            await until(alive, "the api")
            yield http
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await work


class Lines:
    """A stream of events as lines of JSON, one by one."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            line: dict[str, Any] = json.loads(await anext(self._lines))
        return line

    async def until(self, kind: str) -> dict[str, Any]:
        while (line := await self.next())["type"] != kind:
            pass
        return line


@asynccontextmanager
async def lines(http: httpx.AsyncClient, path: str = "/v1/events") -> AsyncIterator[Lines]:
    async with http.stream("GET", path, headers={"Accept": "application/x-ndjson"}) as response:
        assert response.status_code == 200, await response.aread()
        yield Lines(response)
