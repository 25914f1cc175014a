"""One child process of `make run`: started, its lines shown, started again when it dies, ended in bounded time.

Each child leads a process group of its own, so that Ctrl-C reaches only the supervisor, which then ends them in order;
on Linux the kernel ends a child whose supervisor was killed.
"""

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

RESTART_MIN_S: Final = 0.5
RESTART_MAX_S: Final = 30.0
STEADY_S: Final = 60.0  # who lived so long is started again at once
TERM_TIMEOUT_S: Final = 15.0  # above runtime's own bound
LINE_MAX: Final = 64 * 1024

_PR_SET_PDEATHSIG: Final = 1
_libc: Final = ctypes.CDLL(None) if sys.platform == "linux" else None

Say = Callable[[str, str], None]  # who, what


@dataclass(frozen=True, slots=True)
class Program:
    """What to start. `shorten` makes a line of its output readable, None: not shown."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    shorten: Callable[[str], str | None]
    keep_open: tuple[int, ...] = ()  # file descriptors that it inherits


class Child:
    """A program that is kept running until `stop`."""

    def __init__(self, program: Program, say: Say) -> None:
        self.name = program.name
        self._program = program
        self._say = say
        self._stopping = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start it, and go on starting it."""
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """TERM, then KILL after TERM_TIMEOUT_S."""
        self._stopping.set()
        if self._keeping is None:
            return
        self._signal(signal.SIGTERM)
        await asyncio.wait({self._keeping}, timeout=TERM_TIMEOUT_S)
        if not self._keeping.done():
            self._say(self.name, f"does not stop within {TERM_TIMEOUT_S:g} s: killed")
            self.kill()
        await self._keeping

    def kill(self) -> None:
        """End it now."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def _keep(self) -> None:
        delay_s = RESTART_MIN_S
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self._run_once()
            if self._stopping.is_set():
                return
            if time.monotonic() - started > STEADY_S:
                delay_s = RESTART_MIN_S
            self._say(self.name, f"{_how_it_ended(code)}; started again in {delay_s:g} s")
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._stopping.wait()
            delay_s = min(2 * delay_s, RESTART_MAX_S)

    async def _run_once(self) -> int:
        self._process = await asyncio.create_subprocess_exec(
            *self._program.command,
            env=self._program.env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,
            pass_fds=self._program.keep_open,
            preexec_fn=_die_with_parent(os.getpid()),
        )
        if self._stopping.is_set():  # asked while it was being started
            self._signal(signal.SIGTERM)
        showing = asyncio.create_task(self._show(self._process))
        code = await self._process.wait()
        await asyncio.wait({showing}, timeout=1.0)
        showing.cancel()
        return code

    async def _show(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in _lines(process.stdout):
            text = self._program.shorten(line)
            if text is not None:
                self._say(self.name, text)


def _die_with_parent(parent: int) -> Callable[[], None] | None:
    """To be called in the child, between fork and exec: it gets SIGTERM when this process ends, however it ends."""
    if _libc is None:
        return None
    libc = _libc

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before we could ask
            os._exit(1)

    return ask_kernel


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """The lines of a stream, cut at LINE_MAX."""
    rest = b""
    while chunk := await stream.read(LINE_MAX):
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LINE_MAX:
            whole.append(rest)
            rest = b""
        for line in whole:
            yield line[:LINE_MAX].decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")


def _how_it_ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
