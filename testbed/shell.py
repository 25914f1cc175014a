"""Commands, bounded waits, locks and folders: the I/O that every other part of the testbed stands on.

Everything here is bounded by a time in seconds, and everything that fails says what, why and (in `SetupError`) the
last lines of the output or log that explains it.
"""

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

_LOG_LINES = 30
_LINE_LENGTH = 300


class SetupError(Exception):
    """The testbed could not do what was asked. The message says what, why and the way out."""


def run(*command: str, timeout_s: float = 60, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return its standard output, stripped. It gets no standard input.

    Raises `SetupError` with the end of its output when it fails, is missing, or takes longer than `timeout_s`.
    """
    what = " ".join(command)[:200]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, env=env, check=False
        )
    except (FileNotFoundError, PermissionError) as error:  # the latter: also a folder of PATH that is not ours to read
        raise SetupError(f"the command {command[0]!r} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise SetupError(
            f"{what!r} did not end within {timeout_s:.0f} s\n{_end_of(error.stdout, error.stderr)}"
        ) from error
    if done.returncode != 0:
        raise SetupError(f"{what!r} failed with status {done.returncode}\n{_end_of(done.stdout, done.stderr)}")
    return done.stdout.decode(errors="replace").strip()


def succeeds(*command: str, timeout_s: float = 60, env: Mapping[str, str] | None = None) -> bool:
    """Whether the command can be run and ends with status 0 in time."""
    try:
        run(*command, timeout_s=timeout_s, env=env)
    except SetupError:
        return False
    return True


def wait_for(
    condition: Callable[[], T | None],
    what: str,
    timeout_s: float,
    every_s: float = 0.2,
    log: Callable[[], str] | None = None,
) -> T:
    """Call `condition` until its result is truthy, and return that result.

    A `SetupError` from the condition means "not yet". When `timeout_s` is over, raises `SetupError` with the last of
    those and with what `log()` tells.
    """
    ends = time.monotonic() + timeout_s
    reason = ""
    while True:
        try:
            result = condition()
        except SetupError as error:
            reason = f"\nlast error: {error}"
        else:
            if result:
                return result
            reason = ""
        if time.monotonic() >= ends:
            lines = f"\n--- log ---\n{log()}" if log else ""
            raise SetupError(f"waited {timeout_s:.0f} s in vain for {what}{reason}{lines}")
        time.sleep(every_s)


def in_parallel(function: Callable[[T], U], values: Iterable[T]) -> list[U]:
    """Call the function for each value, each in a thread of its own; results in the order of the values.

    Every call is let run to its end; then the first error, in that order, is raised.
    """
    with ThreadPoolExecutor(max_workers=16) as pool:
        futures = [pool.submit(function, value) for value in values]
    return [future.result() for future in futures]


def last_lines(text: str, lines: int = _LOG_LINES) -> str:
    """The end of a text, at most so many lines, each cut to what is worth reading. Pure."""
    return "\n".join(line[:_LINE_LENGTH] for line in text.strip().splitlines()[-lines:])


def log_file(path: Path) -> Callable[[], str]:
    """A reader of that file's last lines for `wait_for(log=…)`; a missing file reads as a line that says so."""
    return lambda: last_lines(path.read_text(errors="replace")) if path.exists() else f"(no log at {path})"


@contextlib.contextmanager
def locked(name: str, timeout_s: float = 900) -> Iterator[None]:
    """Hold the machine-wide lock of that name, which ends with this process at the latest."""
    path = run_folder() / f"{name}.lock"

    def taken() -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    # Python's file descriptors are not inherited, so a daemon that is started under the lock does not keep it.
    with path.open("w") as file:
        wait_for(taken, f"another process to release {path}", timeout_s)
        yield


def run_folder() -> Path:
    """The folder for sockets, pid files and locks, made if missing.

    It is the machine's, not the checkout's: two checkouts then share one engine (two engines would fight over one
    `docker0` bridge and one firewall), and the paths are short (a unix socket's has at most 107 bytes).
    """
    if os.geteuid() == 0:
        folder = Path("/run/funswarm")
    else:
        folder = Path(os.environ.get("XDG_RUNTIME_DIR", "/tmp")) / f"funswarm-{os.geteuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise SetupError(f"{folder} belongs to another user: remove it, or set XDG_RUNTIME_DIR to a folder of yours")
    return folder


def cache_folder() -> Path:
    """The folder for what is slow to make (root file systems, the engine's data): FUNSWARM_CACHE, or in ~/.cache."""
    folder = Path(os.environ.get("FUNSWARM_CACHE") or Path.home() / ".cache" / "funswarm").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def say(message: str) -> None:
    """Tell the user what is going on, on standard error: standard output is for results."""
    print(message, file=sys.stderr, flush=True)


def _end_of(*outputs: bytes | None) -> str:
    return last_lines("\n".join((output or b"").decode(errors="replace") for output in outputs))
