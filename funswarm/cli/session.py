"""One command's run: a client, an event loop, and an exit code for every end. I/O by `Client`."""

import asyncio
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import typer
from rich.console import Console

from funswarm.client import Client
from funswarm.errors import FunswarmError, InvalidRequest, TemporaryError

WIDTH_WITHOUT_TERMINAL = 1000  # a pipe has no edge to wrap at


class ExitCode(IntEnum):
    """What scripts look at."""

    OK = 0
    REFUSED = 1  # or failed, or not there
    USAGE = 2
    UNAVAILABLE = 3
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Access:
    """Which Funswarm, and who asks."""

    url: str
    prefix: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    credentials: str | None = None
    tls_ca: Path | None = None

    def client(self) -> Client:
        """
        Raises:
            InvalidRequest: the CA's file cannot be read.
        """
        return Client(
            self.url.split(","),
            prefix=self.prefix,
            name="funswarm-cli",
            user=self.user,
            password=self.password,
            token=self.token,
            credentials=self.credentials,
            tls=self._tls(),
        )

    def _tls(self) -> ssl.SSLContext | None:
        try:
            return None if self.tls_ca is None else ssl.create_default_context(cafile=self.tls_ca)
        except OSError as error:
            raise InvalidRequest(f"the CA's certificate {self.tls_ca} cannot be used: {error}") from error


def console(*, stderr: bool = False) -> Console:
    """Text as it is: names may hold what rich takes for markup."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


def run(context: typer.Context, work: Callable[[Client], Awaitable[int]]) -> None:
    """Run `work` with a client and leave with its exit code; an error becomes a line and its code.

    The client connects at its first call: what `work` finds wrong in options and files before is said without NATS.
    """
    try:
        code = asyncio.run(_work(context.obj, work))
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except FunswarmError as error:
        console(stderr=True).print(f"{_kind(error)}: {error}", style="red")
        code = _exit_code(error)
    raise typer.Exit(code)


async def _work(access: Access, work: Callable[[Client], Awaitable[int]]) -> int:
    client = access.client()
    try:
        return await work(client)
    finally:
        await client.close()


def _exit_code(error: FunswarmError) -> ExitCode:
    if isinstance(error, InvalidRequest):
        return ExitCode.USAGE
    return ExitCode.UNAVAILABLE if isinstance(error, TemporaryError) else ExitCode.REFUSED


def _kind(error: FunswarmError) -> str:
    return error.code.value.replace("-", " ")
