"""The policy's file: read at the start and whenever it changes, YAML or TOML. Reads the file and a clock.

A new version that is broken changes nothing but the health. Without a usable one at the start there is no policy at
all: then nothing is admitted, for a misspelt path must not open what it was to close.
"""

import asyncio
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
from pydantic import ValidationError

from funswarm.strict_yaml import load_yaml
from services.files import LOOK_S, Unreadable, WatchedFile
from services.scheduler.admission.policy import Policy

PLACE: Final = "admission"  # in the health's troubles

log = structlog.get_logger(__name__)


class PolicyError(Exception):
    """The text is no policy; says what, and where in the file."""


def parse(text: str, *, toml: bool = False) -> Policy:
    """The policy in a text.

    Raises:
        PolicyError: it is none.
    """
    try:
        raw = tomllib.loads(text) if toml else load_yaml(text)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"it is no TOML: {error}" if toml else str(error)) from error
    if not isinstance(raw, dict):
        raise PolicyError("it is empty" if raw is None else "it is no mapping: write as `images: …`")
    try:
        return Policy.model_validate(raw)
    except ValidationError as error:
        problems = (f"{_place(one['loc'])}: {one['msg'].removeprefix('Value error, ')}" for one in error.errors())
        raise PolicyError("; ".join(problems)) from error


def _place(loc: tuple[int | str, ...]) -> str:
    return ".".join(map(str, loc)) or "the file"


class PolicyFile:
    """The policy as the file says it; `path` None: the default policy. `troubles`: what health tells, by where."""

    def __init__(
        self,
        path: Path | None = None,
        troubles: dict[str, str] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = None if path is None else WatchedFile(path, now=now)
        self._troubles = {} if troubles is None else troubles
        self._policy = Policy() if path is None else None

    @property
    def trouble(self) -> str | None:
        """What is wrong with the file."""
        return self._troubles.get(PLACE)

    async def follow(self) -> None:
        """Look for ever: the file counts soon after its change, not first at the command after the next."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> Policy | None:
        """The policy that holds; None: there has been none yet, `trouble` says why."""
        if self._file is not None:
            self._read(self._file)
        return self._policy

    def _read(self, file: WatchedFile) -> None:
        try:
            text = file.look(at_once=self._policy is None)
            if text is None:
                return
            self._policy = parse(text, toml=file.path.suffix == ".toml")
        except (Unreadable, PolicyError) as error:
            self._broken(f"{file.path}: {error}")
        else:
            self._troubles.pop(PLACE, None)
            log.info("admission's policy is read", file=str(file.path))

    def _broken(self, why: str) -> None:
        holds = "the version before holds on" if self._policy else "so nothing is admitted"
        trouble = f"admission's policy {why}: {holds}"
        if trouble != self.trouble:
            log.error("admission's policy is wrong", reason=trouble)
        self._troubles[PLACE] = trouble
