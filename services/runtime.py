"""What every service runs on: settings, JSON logs on stderr, signals, the event loop. Owns the process's life.

    if __name__ == "__main__":
        run("poller", main)      # async def main(settings: Settings, stop: asyncio.Event) -> None

`main` works until `stop` is set (SIGTERM or SIGINT) and then ends by itself; it is cancelled when it does not within
`STOP_TIMEOUT_S`, or at a second signal. Exit codes: 0 stopped as asked, 1 failed, 2 settings are wrong.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

import structlog
import uvloop

from funswarm.errors import FunswarmError
from services.settings import Settings, SettingsError, load, unknown

STOP_TIMEOUT_S: Final = 10.0  # below the stop_grace_period of all in stack.yml
CANCEL_TIMEOUT_S: Final = 3.0
ALIVE_INTERVAL_S: Final = 5.0

Main = Callable[[Settings, asyncio.Event], Coroutine[None, None, None]]


def instance() -> str:
    """This process among all copies: `<host>-<pid>`."""
    return f"{socket.gethostname()}-{os.getpid()}"


def run(part: str, main: Main) -> None:
    """Run `main` until it is asked to stop; leaves the process with an exit code."""
    try:
        settings = load()
    except SettingsError as error:
        configure_logs(part, "info")
        structlog.get_logger().error("settings are wrong", reason=str(error))
        sys.exit(2)
    configure_logs(part, settings.log_level)
    for name in unknown():
        structlog.get_logger().warning("unknown setting: ignored", variable=name)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_live(part, main, settings)))


async def until_one_ends(*works: Coroutine[Any, Any, Any]) -> None:
    """Do all of it until the first ends; cancel the rest, and raise what the first raised."""
    tasks = {asyncio.create_task(work) for work in works}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in done:
        await task


async def _live(part: str, main: Main, settings: Settings) -> int:
    log = structlog.get_logger()
    stop = asyncio.Event()
    work = asyncio.create_task(main(settings, stop))
    alive = asyncio.create_task(_say_alive(part, settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _on_signal, number, stop, work)
    try:
        await _until_done(work, stop)
    except asyncio.CancelledError:
        log.warning("stopped before it was done")
        return 1
    except FunswarmError as error:
        log.error("failed", reason=str(error), kind=type(error).__name__)  # noqa: TRY400  the text is for people
        return 1
    except Exception:
        log.exception("failed: a fault in Funswarm itself")
        return 1
    finally:
        alive.cancel()
    return 0


def _on_signal(number: int, stop: asyncio.Event, work: asyncio.Task[None]) -> None:
    structlog.get_logger().info("stopping", signal=signal.Signals(number).name)
    if stop.is_set():
        work.cancel()
    stop.set()


async def _until_done(work: asyncio.Task[None], stop: asyncio.Event) -> None:
    """Wait for `work`; once `stop` is set no longer than STOP_TIMEOUT_S."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
    if not work.done():
        await asyncio.wait({work}, timeout=STOP_TIMEOUT_S)
    if not work.done():
        work.cancel()
        await asyncio.wait({work}, timeout=CANCEL_TIMEOUT_S)
        if not work.done():
            structlog.get_logger().error("does not let itself be stopped: ending the process")
            os._exit(1)
    await work


async def _say_alive(part: str, settings: Settings) -> None:
    """Touch the file that services.healthcheck looks at: it stays fresh only while the event loop turns."""
    if settings.alive_file is None:
        return
    tls = settings.http_tls_cert is not None
    text = json.dumps({"part": part, "http_port": settings.http_port, "tls": tls})
    try:
        while True:
            # Anew each time: where all parts run in one container, one that ends takes the file away.
            settings.alive_file.write_text(text, encoding="utf-8")
            await asyncio.sleep(ALIVE_INTERVAL_S)
    except OSError as error:
        structlog.get_logger().error("the health check will fail: cannot write", reason=str(error))
    finally:
        with suppress(OSError):
            settings.alive_file.unlink()


def configure_logs(part: str, level: str) -> None:
    """One JSON object a line on stderr: `time`, `level`, `part`, `event` and its details; libraries' logs too."""

    def name_part(_: object, __: str, entry: structlog.types.EventDict) -> structlog.types.EventDict:
        return {"part": part, **entry}

    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                name_part,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each URL, and that of a receiver may be its key
