"""Waits until the api says that all is ready. Plain HTTP over a socket."""

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Final

INTERVAL_S: Final = 0.25
SAY_AFTER_S: Final = 20.0
ANSWER_TIMEOUT_S: Final = 5.0


async def wait_until_ready(host: str, port: int, say: Callable[[str], None], *, tls: bool = False) -> None:
    """Ask /readyz until it answers 200, however long that takes; says so, and now and then what is missing."""
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "::1") else host
    asked = "127.0.0.1" if host == "0.0.0.0" else host
    say_at = time.monotonic() + SAY_AFTER_S
    while (missing := await _why_not_ready(asked, port, tls)) is not None:
        if time.monotonic() > say_at:
            say(f"not ready yet: {missing}")
            say_at = time.monotonic() + SAY_AFTER_S
        await asyncio.sleep(INTERVAL_S)
    url = f"{'https' if tls else 'http'}://{shown}:{port}"
    say(f"ready: {url}/health lists the services, {url}/ shows them; Ctrl-C ends all")


async def _why_not_ready(host: str, port: int, tls: bool) -> str | None:
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            status, body = await _get(host, port, "/readyz", tls)
    except (OSError, TimeoutError, ValueError, IndexError) as error:
        return f"the api does not answer yet ({error!r})"
    return None if status == 200 else body


async def _get(host: str, port: int, path: str, tls: bool) -> tuple[int, str]:
    context = ssl._create_unverified_context() if tls else None  # our own child, on this machine  # noqa: S323, SLF001
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
        head, _, body = (await reader.read()).decode(errors="replace").partition("\r\n\r\n")
    finally:
        writer.close()
    return int(head.split()[1]), body
